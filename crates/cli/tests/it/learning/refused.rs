//! What cannot be trained, evaluated or taken in is refused with a word on what to do.

use crate::support::{Home, regex_of};
use crate::words;

use super::{TASKS, told, with_log};

#[test]
fn trainers_and_points_that_cannot_learn_from_a_log_say_so() {
    let home = with_log(3);
    let mut all = String::new();
    for (args, code) in [
        (&["train", "--algo", "sarsa"][..], 2),
        (&["train", "--algo", "grpo"], 2),
        (&["train", "--algo", "credit", "--point", "store"], 2),
        (&["train", "--algo", "credit", "--point", "lunch"], 2),
        (&["train", "--algo", "credit", "--keep", "1.5"], 2),
        (&["train", "--algo", "credit", "--epochs", "0"], 2),
        (&["train", "--algo", "credit", "--name", "Mine!"], 2),
        (&["train", "--algo", "credit", "--name", "similarity"], 2),
        (&["train", "--algo", "credit", "--spec", "memcell_v1"], 2),
        (&["train", "--algo", "credit", "--validation", "0.9"], 2),
        (&["train", "--algo", "credit", "--learning-rate", "nan"], 2),
        (&["train", "--algo", "credit", "--from", "yesterday"], 2),
        (&["train", "--algo", "credit", "--keep", "0"], 5),
        (&["evaluate", "utility", "--temperature", "nan"], 2),
        (&["evaluate", "utility"], 5),
        (&["evaluate", "nobody"], 4),
        (&["policy", "promote", "utility", "--force", ""], 2),
        (&["policy", "delete", "similarity"], 2),
        (&["impact", "--test", "00000000"], 4),
        (&["impact", "--level", "2"], 2),
        (&["impact", "--of", "memory", "--top", "3"], 2),
        (&["impact", "--of", "type", "--by", "scope"], 2),
        (&["impact", "--test-status", "--test-stop"], 2),
        (&["replay", "--policy", "nobody"], 4),
        (&["replay", "--from", "2030-01-01"], 5),
        (&["reward", "check", "nope"], 4),
        (&["reward", "show", "nope"], 4),
        (&["policy", "import", "/nowhere/nope.policy"], 4),
        (&["import", "/nowhere/nope.jsonl"], 4),
        (&["reward", "check", "nope.toml"], 4),
        (&["bench", "recall", "--data", "nope.json"], 4),
    ] {
        let run = home.run(args);
        assert_eq!(run.code, Some(code), "{args:?}\n{}", run.whole());
        assert!(run.err.contains("hint: "), "{}", run.err);
        all += &["$ memrl ", &args.join(" "), "\n", &told(&run), "\n"].concat();
    }
    words!(home, all);
}

#[test]
fn policy_files_that_are_no_policies_are_not_taken_in() {
    let home = with_log(TASKS);
    home.ok(&["train", "--algo", "credit", "--epochs", "2"]);
    let file = home.file("whole.policy");
    home.ok(&["policy", "export", "credit", file.to_str().expect("UTF-8")]);
    let whole = std::fs::read(&file).expect("the file");
    let other = Home::new();
    let import = |name: &str, bytes: &[u8]| {
        let file = home.write(name, bytes);
        let run = other.run(&["policy", "import", file.to_str().expect("UTF-8")]);
        assert_eq!(run.code, Some(2), "{name}\n{}", run.whole());
        run.err
    };
    assert!(import("half", &whole[..whole.len() / 2]).contains("truncated"));
    assert!(import("empty", b"").contains("error: "));
    assert!(import("text", b"this is a text and no policy at all").contains("error: "));
    let mut newer = whole.clone();
    let text = br#"\"format_version\":1"#;
    let place = (0..newer.len() - text.len()).find(|&i| newer[i..].starts_with(text));
    let place = place.expect("a version") + text.len() - 1;
    newer[place] = b'9';
    assert!(import("newer", &newer).contains("please update memrl"));
    let mut flipped = whole;
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    assert!(import("flipped", &flipped).contains("error: "));
    let listed = other.json(&["policy", "list"]);
    let learned = |row: &serde_json::Value| row["algo"] != "built_in";
    assert!(
        !listed["items"]
            .as_array()
            .expect("rows")
            .iter()
            .any(learned)
    );
}
