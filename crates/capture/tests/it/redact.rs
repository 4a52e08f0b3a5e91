//! What is cut, what stays, and that cutting is safe on any text.

use memrl_capture::redact::{RULES, Rule, redact_diff};
use memrl_capture::{redact, redact_episode};
use memrl_types::Episode;
use proptest::prelude::*;

/// An example of the table as it stands in a text, what is left of it, and what is cut.
fn example(marked: &str) -> (String, String, Vec<String>) {
    let marked = marked.replace('~', "");
    let mut text = String::new();
    let mut clean = String::new();
    let mut secrets = Vec::new();
    let mut rest = &*marked;
    while let Some((before, after)) = rest.split_once('⟦') {
        let (secret, tail) = after.split_once('⟧').expect("marks come in pairs");
        text.push_str(before);
        text.push_str(secret);
        clean.push_str(before);
        clean.push_str("[redacted]");
        secrets.push(secret.to_owned());
        rest = tail;
    }
    text.push_str(rest);
    clean.push_str(rest);
    (text, clean, secrets)
}

fn all_cuts() -> impl Iterator<Item = (&'static Rule, &'static str)> {
    RULES
        .iter()
        .flat_map(|r| r.cuts.iter().map(move |c| (r, *c)))
}

#[test]
fn every_rule_cuts_its_examples_and_nothing_else() {
    let mut wrong = Vec::new();
    for (rule, marked) in all_cuts() {
        let (text, clean, secrets) = example(marked);
        assert!(!secrets.is_empty(), "{}: no mark in {marked}", rule.name);
        let (got, count) = redact(&text);
        if got != clean || count != secrets.len() {
            wrong.push(format!(
                "{}: {text:?}\n  got  {got:?} ({count})\n  want {clean:?}",
                rule.name
            ));
        }
    }
    for rule in RULES {
        assert!(
            !rule.stays.is_empty(),
            "{} has no counterexample",
            rule.name
        );
        for text in rule.stays {
            let (got, count) = redact(text);
            if got != *text || count != 0 {
                wrong.push(format!("{}: {text:?} must stay, got {got:?}", rule.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_is_long_and_random_but_no_secret_stays() {
    for text in [
        "commit 29ec6620f2d6b54a7c1d9b1b0ad3e3f7b1c2d3e4",
        "session 0f3c2b1a-1111-4222-8333-444455556666",
        "checksum = \"b2f5ff47436671b6e533b5dc3614845d78bb1d2e1c5f1f9f7f0d9d0b1a2c3d4e\"",
        "\"integrity\": \"sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg==\"",
        "![x](data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==)",
        "/home/me/.cargo/registry/src/index.crates.io-6f17d22bba15001f/regex-1.13.1/src/lib.rs",
        "The tokenizer counts tokens: max_tokens=4096, token_count: 5.",
        "keyboard: us, monkey: 3, author: \"Jane Doe\", turkey=5",
        "let key = map.keys().next();",
        "git commit -m \"auth: fix the login\"",
        "assert_eq!(token.kind, Kind::Ident);",
        "impl Token { pub fn new(secret: Secret, key: &[u8]) -> Self {",
        "Key: Ctrl+C",
        "primary key (id)",
        "пароль должен быть длинным",
        "",
    ] {
        assert_eq!(redact(text), (text.into(), 0), "{text}");
    }
}

#[test]
fn a_key_file_read_by_an_agent_is_cut_even_when_the_output_was_cut_off() {
    let body = "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MaUHDJvXHFq+aB1C\n".repeat(20);
    let text = format!("$ cat key\n-----BEGIN RSA PRIVATE KEY-----\n{body}MIIEpAIBAA");
    let (clean, count) = redact(&text);
    assert_eq!((&*clean, count), ("$ cat key\n[redacted]", 1));
}

#[test]
fn many_secrets_in_one_text_are_counted_each() {
    let text = "A_TOKEN=abc123xyz\nB_SECRET=def456\nurl=postgres://u:pw@h/d\n";
    let (clean, count) = redact(text);
    assert_eq!(
        (&*clean, count),
        (
            "A_TOKEN=[redacted]\nB_SECRET=[redacted]\nurl=postgres://u:[redacted]@h/d\n",
            3
        )
    );
}

#[test]
fn patches_of_files_of_secrets_are_left_out() {
    let patch = "diff --git a/.env b/.env\nindex 1..2\n--- a/.env\n+++ b/.env\n@@ -1 +1 @@\n-A=1\n+A=topsecret\n\
                 diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-let a = 1;\n+let a = 2;\n\
                 diff --git a/k.pem b/k.pem\nnew file mode 100600\n--- /dev/null\n+++ b/k.pem\n@@ -0,0 +1 @@\n+x\n";
    let (clean, count) = redact_diff(patch);
    assert_eq!(count, 2);
    assert_eq!(
        clean,
        "[left out: the patch of .env, a file of secrets]\n\
         diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-let a = 1;\n+let a = 2;\n\
         [left out: the patch of k.pem, a file of secrets]\n"
    );
    assert_eq!(redact_diff(&clean).1, 0);
    let plain = "--- a/id_rsa\t2026\n+++ b/id_rsa\n@@ -1 +1 @@\n-x\n+y\n--- a/b.rs\n+++ b/b.rs\n@@ -1 +1 @@\n-x\n+y\n";
    let (clean, count) = redact_diff(plain);
    assert_eq!(count, 1);
    assert!(clean.starts_with("[left out: the patch of id_rsa") && clean.contains("+++ b/b.rs"));
}

#[test]
fn every_text_of_an_episode_is_redacted() {
    // A secret in every string that an episode has; what is not free text is left out of the count.
    let secret = "password=hunter2zz";
    let text = |n: u32| format!("{n} {secret}");
    let mut episode: Episode = serde_json::from_value(serde_json::json!({
        "project": text(0),
        "intent": {"raw_prompt": text(1), "extracted_intent": text(2), "domain": [text(3)]},
        "context": {"files_read": [text(4)], "files_modified": [text(5)], "tools_invoked": [text(6)],
            "errors_encountered": [{"error_type": text(7), "message": text(8), "resolution": text(9)}]},
        "learnings": [text(10)],
        "diff": format!("diff --git a/.env b/.env\n+A=1\ndiff --git a/x b/x\n+{}", text(11)),
        "session": {"pending": [{"subject": text(12)}],
            "reading": {"open": [{"said": text(13)}], "turn": {"text": text(14)}}},
    }))
    .unwrap();
    assert_eq!(redact_episode(&mut episode), 16);
    let left = serde_json::to_string(&episode).unwrap();
    assert!(!left.contains("hunter2") && !left.contains("A=1"), "{left}");
    assert_eq!(redact_episode(&mut episode), 0);
}

/// Pieces that secrets and their surroundings are made of, glued together at random.
fn pieces() -> impl Strategy<Value = String> {
    let examples: Vec<String> = all_cuts()
        .map(|(_, c)| example(c).0)
        .chain(
            RULES
                .iter()
                .flat_map(|r| r.stays.iter().map(|s| (*s).to_owned())),
        )
        .chain(
            [
                "password",
                "=",
                ":",
                " ",
                "\"",
                "'",
                "\\\"",
                "\\",
                "\n",
                "token",
                "[redacted]",
                "@",
                "://",
                "-----",
                "BEGIN ",
                "PRIVATE KEY",
                "Bearer ",
                "a1",
                "ж",
                "🦀",
                "$",
                "(",
                ")",
                ",",
                "--",
                "eyJ",
            ]
            .map(str::to_owned),
        )
        .collect();
    let piece = (proptest::sample::select(examples), 0.0..1.0_f64).prop_map(|(s, share)| {
        // A piece of it, cut between characters.
        let chars = s.chars().count();
        let keep = if share > 0.5 {
            chars
        } else {
            (share * 2.0 * chars as f64) as usize
        };
        s.chars().take(keep).collect::<String>()
    });
    proptest::collection::vec(piece, 0..12).prop_map(|v| v.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn redacting_twice_is_redacting_once(text in pieces()) {
        let (once, _) = redact(&text);
        let (twice, count) = redact(&once);
        prop_assert_eq!(&twice, &once, "{:?}", text);
        prop_assert_eq!(count, 0, "{:?}", once);
    }

    #[test]
    fn no_text_makes_it_fail(text in any::<String>()) {
        let (once, _) = redact(&text);
        prop_assert_eq!(redact(&once).1, 0);
        redact_diff(&text);
    }

    #[test]
    fn a_planted_secret_is_cut_and_the_rest_stays_byte_for_byte(
        before in "[а-яa-z ,.!?\u{1f980}]{0,40}",
        after in "[а-яa-z ,.!?\u{1f980}]{0,40}",
        which in proptest::sample::select(all_cuts().map(|(_, c)| c).collect::<Vec<_>>()),
    ) {
        let (secret, clean, _) = example(which);
        let text = format!("{before}\n{secret}\n\n{after}");
        let (got, _) = redact(&text);
        prop_assert_eq!(got, format!("{before}\n{clean}\n\n{after}"));
    }
}
