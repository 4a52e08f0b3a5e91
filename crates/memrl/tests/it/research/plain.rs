//! Exports without what differs from run to run, for snapshots.

/// Ids, names of files and the values of features other than the score differ between schemas and machines, and are
/// no part of a format.
pub fn plain(text: &str) -> String {
    let mut ids: Vec<String> = Vec::new();
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n', '"', '|', ',']) {
        let bare = word.trim_end_matches([' ', '\n', '"', '|', ',']);
        let id = bare.trim_start_matches('\'');
        if id.len() == 36 && id.matches('-').count() == 4 {
            let known = ids.iter().position(|i| i == id);
            let n = known.unwrap_or(ids.len());
            if known.is_none() {
                ids.push(id.to_owned());
            }
            out.push_str(&word.replace(id, &format!("[ID {n}]")));
        } else {
            out.push_str(word);
        }
    }
    out
}

/// Only the features that are named, of a line of Vowpal Wabbit's text.
pub fn few(text: &str) -> String {
    let keep = |word: &&str| {
        !word.contains(':')
            || [
                "0:",
                "score:",
                "log_budget:",
                "log_candidates:",
                "critical:",
                "stop:",
                "withheld:",
            ]
            .iter()
            .any(|p| word.starts_with(p))
    };
    let line = |l: &str| l.split(' ').filter(keep).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
