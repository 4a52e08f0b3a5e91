//! Forgotten means gone, with the real binary and every file of the data directory.

use crate::support::{Home, files};

/// The words of the secret and their stems, as an index might have them.
const TRACES: [&str; 8] = [
    "zanzibarian",
    "zanzibar",
    "flugelhorns",
    "flugelhorn",
    "quixotically",
    "quixot",
    "xylograph",
    "xylographi",
];

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|w| w.eq_ignore_ascii_case(needle))
}

fn traces(home: &Home) -> Vec<String> {
    let mut found = Vec::new();
    for file in files(&home.path()) {
        let bytes = std::fs::read(&file).expect("a file is read");
        for trace in TRACES {
            let utf16: Vec<u8> = trace.encode_utf16().flat_map(u16::to_le_bytes).collect();
            if contains(&bytes, trace.as_bytes()) || contains(&bytes, &utf16) {
                found.push(format!("{trace} in {}", file.display()));
            }
        }
    }
    found
}

#[test]
fn forgotten_means_gone() {
    let home = Home::new();
    home.with_three();
    let secret = "Zanzibarian flugelhorns play quixotically over xylographic maps.";
    let id = home.ok(&["add", "--scope", "user=ann", secret]);
    // It spreads: a version, a query, a context, a correction, a backup. (An export is the reader's copy, out of reach: docs/dataset.md.)
    home.ok(&["update", &id, "--content", &format!("{secret} Twice.")]);
    home.ok(&[
        "recall",
        "who plays zanzibarian flugelhorns quixotically over xylographs?",
    ]);
    home.ok(&[
        "feedback",
        "last",
        "--success",
        "0",
        "--correction",
        "xylographic flugelhorns are zanzibarian",
    ]);
    home.ok(&["backup"]);
    assert!(
        !traces(&home).is_empty(),
        "the test looks in the right place"
    );
    home.ok(&["purge", &id, "--yes"]);
    assert_eq!(traces(&home), Vec::<String>::new());
    let left = home.ok(&["list"]);
    assert_eq!(left.lines().count(), 4, "the others stay:\n{left}");
    assert_eq!(home.run(&["get", &id]).code, Some(4));
    assert!(home.ok(&["why", "last"]).contains("erased"));
    assert_eq!(home.run(&["doctor"]).code, Some(0));
}
