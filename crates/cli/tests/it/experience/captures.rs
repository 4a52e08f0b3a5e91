//! What is captured: sessions, stdin, any script.

use serde_json::{Value, json};

use super::{LOGIN, Shop, UPLOAD};

/// Eighty Cyrillic letters, a family of emoji with joiners, ideographs, right to left.
const FOREIGN: [&str; 4] = [
    "Почини бесконечное перенаправление после входа пользователя в магазин сессия кончилась",
    "🦀👩‍👩‍👧‍👦🏳️‍🌈 fix the release build of the payment service 🚀",
    "登録画面の無限リダイレクトを修正する",
    "أصلح حلقة إعادة التوجيه بعد تسجيل الدخول",
];

#[test]
fn intents_of_any_script_pass_through_every_verb_whole() {
    let shop = Shop::new();
    for intent in FOREIGN {
        let more = [
            "--tag",
            "вход",
            "--error",
            "ошибка 🔥=>исправлено ✅",
            "--learning",
            "記憶",
        ];
        let id = shop.told(intent, &more);
        let hits = shop.found(intent);
        assert!(hits.contains(&id), "{intent}");
        for args in [
            &["retrieve", intent][..],
            &["retrieve", intent, "--format", "block"],
            &["list", "--type", "episode"],
            &["list", "--tag", "ВХОД"],
            &["show", &id],
            &["show", &id[..6]],
            &["list", "--contains", intent],
            &["prune", "--older-than", "0", "--min-utility", "1"],
        ] {
            let out = shop.ok(args);
            assert!(out.contains(intent), "{args:?}\n{out}");
        }
        shop.ok(&[
            "feedback",
            "helpful",
            "--episodes",
            &id,
            "--correction",
            intent,
        ]);
    }
    assert!(shop.ok(&["stats", "--type", "episode"]).contains("4 вход"));
    let run = shop.run(&["list", "--project", "магазин"]);
    assert_eq!((run.code, run.out.as_str()), (Some(0), ""));
    for verb in ["status", "propagate", "review", "index"] {
        shop.ok(&[verb]);
    }
    // On a narrow terminal they would be cut between characters; a table that is piped is whole.
    assert_eq!(shop.ok(&["list", "--type", "episode"]).lines().count(), 5);
}

#[cfg(unix)]
#[test]
fn half_a_character_is_refused_and_not_stored() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let shop = Shop::new();
    // A lone surrogate as some programs write it, and a character cut in two.
    for bytes in [&b"\xed\xa0\x80"[..], b"fix \xd0"] {
        let mut command = shop.home.command(&["capture", "--prompt"]);
        command.arg(OsStr::from_bytes(bytes));
        assert_eq!(command.output().expect("memrl runs").status.code(), Some(2));
        let fed = shop.home.fed(&["capture"], bytes);
        assert_eq!(fed.code, Some(2), "{}", fed.whole());
        assert!(fed.err.contains("UTF-8"), "{}", fed.whole());
    }
    assert_eq!(shop.ok(&["list"]), "");
}

/// A session of Claude Code in this directory, as far as its first answer.
fn session(cwd: &str) -> String {
    let line = |role: &str, at: u32, content: Value| {
        let line = json!({
            "type": role, "isSidechain": false, "userType": "external", "cwd": cwd,
            "sessionId": SESSION, "version": "2.1.230", "gitBranch": "main",
            "uuid": format!("u{at}"), "timestamp": format!("2026-08-10T12:00:{at:02}.000Z"),
            "message": {"role": role, "content": content},
        });
        format!("{line}\n")
    };
    [
        line("user", 1, json!(format!("{LOGIN}. The token is ghp_{}", "a1B2".repeat(9)))),
        line(
            "assistant",
            2,
            json!([{"type": "tool_use", "id": "t1", "name": "Edit",
                "input": {"file_path": format!("{cwd}/src/auth.rs"), "old_string": "a", "new_string": "b"}}]),
        ),
        line(
            "user",
            3,
            json!([{"type": "tool_result", "tool_use_id": "t1", "content": "The file has been updated."}]),
        ),
    ]
    .concat()
}

const SESSION: &str = "3f0c6a52-8f1e-4c0b-9d55-0a1b2c3d4e5f";

#[test]
fn a_session_is_captured_once_and_kept_up_with() {
    let shop = Shop::new();
    let cwd = shop.home.file("shop").display().to_string();
    let whole = session(&cwd);
    let (start, end) = whole.split_at(whole.len() - 40);
    let file = shop.home.write(&format!("{SESSION}.jsonl"), start);
    let file = file.to_str().expect("UTF-8").to_owned();
    let first = shop.json(&["capture", "--session", &file]);
    assert_eq!(first["action"], "created", "{first}");
    let again = shop.json(&["capture", "--session", &file, "--extract-intent", "--diff"]);
    assert_eq!(
        again["action"], "unchanged",
        "nothing is asked about what is known"
    );
    assert_eq!(again["cell"]["cell_id"], first["cell"]["cell_id"]);
    // The line that was being written is finished.
    std::fs::write(&file, [start, end].concat()).expect("a file is written");
    let run = shop.run(&["capture", "--session", &file, "--extract-intent", "--json"]);
    let last = run.json();
    assert!(
        run.err.contains("not read by a model"),
        "without a model it is captured all the same: {}",
        run.whole()
    );
    assert_eq!(last["cell"]["cell_id"], first["cell"]["cell_id"]);
    let episode = &last["cell"]["payload"];
    assert_eq!(episode["context"]["files_modified"], json!(["src/auth.rs"]));
    assert_eq!(
        shop.json(&["list", "--type", "episode"])["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    // The project is that of the session, wherever the command runs.
    assert_eq!(shop.found("login redirect loop").len(), 1);
    assert_eq!(shop.json(&["status"])["episodes"], 1);
    let shown = shop.ok(&["show", "last"]);
    assert!(
        shown.contains("2026-08-10T12:00:01Z"),
        "the session's own clock: {shown}"
    );
    for path in crate::support::files(&shop.home.path()) {
        let bytes = std::fs::read(&path).expect("a file");
        let leaked = bytes.windows(12).any(|w| w == b"a1B2a1B2a1B2");
        assert!(!leaked, "a secret in {}", path.display());
    }
}

#[test]
fn a_prompt_can_come_from_stdin() {
    let shop = Shop::new();
    let run = shop.home.fed(&["capture", "--json"], "Почини вход\n");
    assert_eq!(run.code, Some(0), "{}", run.whole());
    assert_eq!(
        run.json()["cell"]["payload"]["intent"]["raw_prompt"],
        "Почини вход"
    );
    let dash = shop.home.fed(
        &["capture", "--prompt", "-", "--outcome", "failure"],
        UPLOAD,
    );
    assert!(dash.out.contains("failure"), "{}", dash.whole());
    for nothing in ["", "\n", "  \n"] {
        let run = shop.home.fed(&["capture"], nothing);
        assert_eq!(run.code, Some(2), "{}", run.whole());
        assert!(run.err.contains("--session"), "{}", run.whole());
    }
}
