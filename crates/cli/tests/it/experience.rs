//! Experience on the command line: captured, found, judged, listed, pruned and brought back.

use serde_json::{Value, json};

use crate::bad_input::refused;
use crate::support::{Home, Run, regex_of};
use crate::words;

/// A memory, and a project `shop` to work in.
struct Shop {
    home: Home,
}

/// What differs from day to day.
const DAYS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\d([ ;)\n])", "[DAY]$1"),
    (r"similarity -?[0-9.]+", "similarity [N]"),
];

impl Shop {
    fn new() -> Self {
        let home = Home::new();
        std::fs::create_dir(home.file("shop")).expect("a directory");
        Self { home }
    }

    /// Runs it in the project's directory.
    fn run(&self, args: &[&str]) -> Run {
        let mut command = self.home.command(args);
        command.current_dir(self.home.file("shop"));
        let output = command.output().expect("memrl runs");
        Run {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            err: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    fn ok(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "memrl {args:?}\n{}", run.whole());
        run.out
    }

    fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let run = self.run(&args);
        assert_eq!(run.code, Some(0), "memrl {args:?}\n{}", run.whole());
        run.json()
    }

    /// Captures an episode told in words; its id.
    fn told(&self, prompt: &str, more: &[&str]) -> String {
        let args: Vec<&str> = ["capture", "--prompt", prompt]
            .iter()
            .chain(more)
            .copied()
            .collect();
        text(&self.json(&args)["cell"]["cell_id"])
    }

    /// The ids that a query finds, best first.
    fn found(&self, query: &str) -> Vec<String> {
        let answer = self.json(&["retrieve", query]);
        let hits = answer["hits"].as_array().expect("hits").iter();
        hits.map(|h| text(&h["cell"]["cell_id"])).collect()
    }

    fn value(&self, id: &str) -> f64 {
        self.json(&["show", id])["value"]["mean"]
            .as_f64()
            .expect("a value")
    }

    /// The text of these commands and their answers.
    fn story(&self, lines: &[&[&str]]) -> String {
        let mut all = String::new();
        for args in lines {
            let run = self.run(args);
            all += &["$ memrl ", &args.join(" "), "\n", &run.whole(), "\n"].concat();
        }
        all
    }
}

/// Compares with a snapshot, days and similarities aside.
macro_rules! story {
    ($shop:expr, $text:expr) => {{
        let mut settings = insta::Settings::clone_current();
        for (pattern, name) in DAYS {
            settings.add_filter(pattern, *name);
        }
        let text = $text;
        settings.bind(|| words!($shop.home, text));
    }};
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

const LOGIN: &str = "Fix the login redirect loop after the session cookie expired";
const UPLOAD: &str = "Speed up the nightly upload of product images";

#[test]
fn experience_is_captured_found_judged_and_read() {
    let shop = Shop::new();
    story!(
        shop,
        shop.story(&[
            &[
                "capture",
                "--prompt",
                LOGIN,
                "--outcome",
                "success",
                "--task-type",
                "bugfix",
                "--tag",
                "auth",
                "--file",
                "src/auth.rs",
                "--error",
                "E0308 mismatched types=>convert the port to u16",
                "--error",
                "502 from the proxy",
                "--learning",
                "Cookies need SameSite=Lax; the key is AKIAIOSFODNN7EXAMPLE",
            ],
            &["capture", "--prompt", LOGIN, "--outcome", "failure"],
            &["retrieve", "login redirect loop"],
            &["feedback", "helpful", "--episodes", "last"],
            &["feedback", "helpful", "--episodes", "last"],
            &[
                "retrieve",
                "login redirect loop",
                "--format",
                "block",
                "--limit",
                "1"
            ],
            &["retrieve", "quantum chromodynamics on a lattice"],
        ])
    );
    story!(
        shop,
        shop.story(&[
            &["list", "--type", "episode"],
            &["list", "1", "--outcome", "success", "--tag", "AUTH"],
            &["list", "--project", "elsewhere"],
            &["show", "last"],
            &["show", "latest", "--type", "fact"],
            &["stats"],
            &["stats", "--type", "episode"],
            &["stats", "--project", "shop", "--type", "episode"],
            &["status"],
            &["status", "--all"],
            &["propagate"],
            &["propagate", "--temporal", "--project", "shop"],
            &["review"],
            &["review", "consolidate"],
            &["prune", "--undo"],
            &["index", "--reindex"],
        ])
    );
}

#[test]
fn feedback_turns_the_order_of_a_real_query_around() {
    let shop = Shop::new();
    let waits = shop.told("Fix the flaky upload test by waiting for the server", &[]);
    let retries = shop.told("Fix the flaky upload test by retrying the request", &[]);
    shop.told("Write the release notes of the spring version", &[]);
    let query = "the upload test is flaky";
    let first = shop.found(query);
    assert_eq!(
        first.len(),
        2,
        "what has nothing to do with it is not shown"
    );
    let (leader, other) = if first[0] == waits {
        (&waits, &retries)
    } else {
        (&retries, &waits)
    };
    for _ in 0..3 {
        shop.ok(&["feedback", "not-helpful", "--episodes", leader]);
        shop.ok(&["feedback", "helpful", "--episodes", other]);
        shop.found(query);
    }
    assert!(shop.value(other) > 0.5 && shop.value(leader) < 0.5);
    assert_eq!(shop.found(query), [other.as_str(), leader.as_str()]);
    assert!(
        shop.ok(&["retrieve", query]).contains("from value"),
        "the reason names the value"
    );
}

#[test]
fn every_word_for_a_verdict_is_understood() {
    let shop = Shop::new();
    let id = shop.told(LOGIN, &[]);
    for (words, after) in [
        (&["helpful", "yes", "y", "1", "good", "Helpful"][..], 1),
        (&["not-helpful", "unhelpful", "no", "n", "0", "bad"], -1),
        (&["mixed", "partial", "skip"], 0),
    ] {
        for word in words {
            let before = shop.value(&id);
            assert_eq!(shop.found("login redirect loop"), [id.as_str()]);
            let report = shop.json(&["feedback", word, "--episodes", &id]);
            assert_eq!(report["cells"], json!([id]), "{word}");
            let change = shop.value(&id) - before;
            let ok = match after {
                1 => change > 0.001,
                -1 => change < -0.001,
                _ => change.abs() < 0.1,
            };
            assert!(ok, "{word}: {before} {change:+}");
        }
    }
}

#[test]
fn the_same_verdict_twice_is_one() {
    let shop = Shop::new();
    let id = shop.told(LOGIN, &[]);
    shop.found("login redirect loop");
    let first = shop.json(&["feedback", "helpful", "--episodes", &id[..8]]);
    let value = shop.value(&id);
    let second = shop.json(&[
        "feedback",
        "helpful",
        "--episodes",
        &format!("m:{}", &id[..8]),
    ]);
    assert_eq!(first["reports"][0]["repeated"], false);
    assert_eq!(second["reports"][0]["repeated"], true);
    assert!((shop.value(&id) - value).abs() < 1e-6);
    // Named twice in one verdict, it is judged once.
    let both = shop.json(&["feedback", "helpful", "--episodes", &format!("{id},last")]);
    assert_eq!(both["cells"], json!([id]));
}

#[test]
fn what_was_never_shown_cannot_be_judged_and_spoils_the_whole_verdict() {
    let shop = Shop::new();
    let shown = shop.told(LOGIN, &[]);
    let never = shop.told(UPLOAD, &[]);
    assert_eq!(shop.found("login redirect loop"), [shown.as_str()]);
    let both = format!("{shown},{never}");
    for ids in [&never, &both] {
        let run = shop.run(&["feedback", "helpful", "--episodes", ids, "--json"]);
        assert_eq!(run.code, Some(5), "{}", run.whole());
        assert_eq!(run.error()["code"], "never_shown");
        assert!(run.out.is_empty());
    }
    let evidence = &shop.json(&["show", &shown])["value"]["evidence"];
    assert_eq!(evidence, &json!(0.0), "nothing of it was recorded");
}

#[test]
fn an_outcome_that_an_episode_tells_reaches_the_decision_it_used() {
    let shop = Shop::new();
    let helped = shop.told(LOGIN, &[]);
    let answer = shop.json(&["retrieve", "login redirect loop"]);
    let decision = text(&answer["decision_id"]);
    let args = [
        "capture",
        "--prompt",
        "Redirects again",
        "--outcome",
        "success",
    ];
    let args: Vec<&str> = args
        .iter()
        .chain(&["--decision", "last"])
        .copied()
        .collect();
    assert_eq!(shop.json(&args)["credited"], json!([decision]));
    let why = shop.json(&["why", &decision]);
    assert_eq!(why["outcome"]["reports"], 1, "{why}");
    assert!(shop.value(&helped) > 0.5);
}

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

#[test]
fn prune_is_dry_until_told_and_can_be_undone() {
    let shop = Shop::new();
    let login = shop.told(LOGIN, &[]);
    shop.told(UPLOAD, &[]);
    shop.found("login redirect loop");
    shop.ok(&["feedback", "helpful", "--episodes", "last"]);
    let args = ["prune", "--older-than", "0", "--min-utility", "0.52"];
    let before = shop.ok(&["list"]);
    story!(shop, shop.run(&args).whole());
    assert_eq!(shop.ok(&["list"]), before, "a dry run changes nothing");
    let executed: Vec<&str> = args.iter().copied().chain(["--execute"]).collect();
    story!(shop, shop.run(&executed).whole());
    assert_eq!(
        shop.json(&["list", "--type", "episode"])["items"][0]["cell_id"],
        json!(login),
        "what was of use stays"
    );
    assert!(shop.found("nightly upload of product images").is_empty());
    story!(shop, shop.run(&executed).whole());
    story!(shop, shop.run(&["prune", "--undo"]).whole());
    assert_eq!(shop.ok(&["list"]), before);
    assert_eq!(shop.found("nightly upload of product images").len(), 1);
    let again = shop.json(&["prune", "--undo", "last"]);
    assert_eq!(
        again["restored"],
        json!([]),
        "there is nothing left to bring back"
    );
}

#[test]
fn old_or_worth_little_alone_is_not_pruned() {
    let shop = Shop::new();
    shop.told(LOGIN, &[]);
    for args in [
        &["prune"][..],
        &["prune", "--older-than", "0"],
        &["prune", "--min-utility", "1"],
        &[
            "prune",
            "--older-than",
            "1e300",
            "--min-utility",
            "1",
            "--execute",
        ],
        &[
            "prune",
            "--older-than",
            "0",
            "--min-utility",
            "1",
            "--project",
            "else",
        ],
        &[
            "prune",
            "--older-than",
            "0",
            "--min-utility",
            "1",
            "--type",
            "fact",
        ],
    ] {
        assert_eq!(shop.json(args)["rows"], json!([]), "{args:?}");
    }
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

#[test]
fn limits_of_any_size_are_capped_or_refused() {
    let shop = Shop::new();
    for i in 0..60 {
        shop.told(&format!("Fix the login redirect loop number {i}"), &[]);
    }
    let huge = "100000000000000000";
    let hits = shop.json(&["retrieve", "login redirect loop", "-l", huge]);
    assert_eq!(hits["hits"].as_array().map(Vec::len), Some(50));
    let all = shop.json(&["list", huge, "--type", "episode"]);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(60));
    let few = shop.json(&["list", "--type", "episode"]);
    assert_eq!(few["items"].as_array().map(Vec::len), Some(10));
    let cursor = text(&few["next_cursor"]);
    let more = shop.json(&["list", huge, "--type", "episode", "--cursor", &cursor]);
    assert_eq!(more["items"].as_array().map(Vec::len), Some(50));
    refused(
        &shop.home,
        r"
        2 | limit | retrieve x --limit 0
        2 | whole number | retrieve x --limit -1
        2 | whole number | retrieve x --limit 99999999999999999999999999
        2 | limit | list 0 --type episode
        2 | limit | list 100000000000000000
        2 | whole number | list 99999999999999999999999999 --type episode
        2 | cursor | list --type episode --cursor nonsense
        ",
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_a_hint() {
    let shop = Shop::new();
    let id = shop.told(LOGIN, &[]);
    shop.found("login redirect loop");
    let fact = shop.home.ok(&["add", "the sky is blue"]);
    let table = r"
        2 | nothing to capture | capture
        2 | summary or a prompt | capture --prompt ''
        2 | success, partial, failure | capture --prompt x --outcome great
        2 | bugfix | capture --prompt x --task-type chore
        2 | MESSAGE | capture --prompt x --error =>y
        2 | cannot be used | capture --prompt x --session y
        2 | cannot be used | capture --prompt x --diff
        4 | decision | capture --prompt x --decision NOBODY
        6 | /no/such.jsonl | capture --session /no/such.jsonl
        2 | not a file | capture --session /
        2 | query | retrieve ''
        2 | document_reference | retrieve x --type rumour
        2 | cannot be used | retrieve x --only --all-projects
        2 | html | retrieve x --format html
        2 | --episodes | feedback helpful
        2 | no verdict | feedback wonderful --episodes last
        2 | helpful, not-helpful | feedback wonderful
        2 | no-id | feedback helpful --episodes no-id
        2 | hint | feedback helpful --episodes ''
        2 | hint | feedback helpful --episodes ID,
        4 | no cell | feedback helpful --episodes NOBODY
        4 | decision | feedback helpful --episodes ID --decision NOBODY
        2 | hint | feedback helpful --episodes ID --decision ''
        5 | never shown | feedback helpful --episodes FACT
        2 | cannot be used | feedback helpful --episodes last --success 1
        2 | success, partial, failure | list --outcome great
        2 | cannot be used | list --tag x --scope a=b
        2 | cannot be used | list 5 --limit 5
        2 | hint | show ''
        2 | no-id | show no-id
        4 | no cell | show NOBODY
        4 | no cell | show 00000000
        4 | procedure | show last --type procedure
        4 | of type fact | show ID --type fact
        2 | --type episode | stats --type fact
        2 | cannot be used | status --all --project x
        2 | older_than | prune --older-than NaN
        2 | older_than | prune --older-than -1
        2 | older_than | prune --older-than inf
        2 | min_utility | prune --min-utility NaN
        2 | min_utility | prune --min-utility 1.5
        2 | min_utility | prune --min-utility -0.1
        2 | invalid value | prune --older-than soon
        4 | nothing was ever pruned | prune --undo
        2 | no-id | prune --undo no-id
        4 | no decision | prune --undo NOBODY
        2 | cannot be used | prune --undo last --execute
        2 | possible values | review destroy
    "
    .replace("NOBODY", "00000000-0000-4000-8000-000000000000")
    .replace("FACT", &fact)
    .replace("ID", &id);
    let before = shop.ok(&["list"]);
    refused(&shop.home, &table);
    assert_eq!(shop.ok(&["list"]), before, "nothing was changed");
    let evidence = &shop.json(&["show", &id])["value"]["evidence"];
    assert_eq!(evidence, &json!(0.0), "nothing was recorded");
}

#[test]
fn every_verb_of_experience_speaks_json() {
    let shop = Shop::new();
    let id = shop.told(LOGIN, &[]);
    let lines = "
        action cell similar redacted credited warnings: capture --prompt upload
        decision_id hits recall: retrieve login
        decision_id hits recall: retrieve login --format json
        decision_id hits recall: retrieve xyzzy --all-projects
        cells reports: feedback mixed --episodes ID
        items next_cursor: list --type episode
        items next_cursor: list --tag nothing
        cell_id type payload value: show ID
        episodes by_outcome success_rate mean_value: stats --type episode
        episodes by_outcome tags: stats --project nowhere
        cells_by_type embedder episodes: stats
        project switched_off episodes suggestions: status
        episodes cells decisions: status --all
        cells edges changed total_change elapsed_us: propagate --temporal
        considered rows executed undo_until: prune
        considered rows executed decision_id: prune --older-than 0 --min-utility 1 --execute
        decision_id restored skipped: prune --undo
        action stale duplicates suggestions: review
        action done decision_id: review consolidate
        action done decision_id: review cleanup
        vectors embedded missing rewritten index_bytes: index
        vectors embedded missing rewritten index_bytes: index --reindex";
    for line in lines.replace("ID", &id).lines().map(str::trim) {
        let Some((keys, args)) = line.split_once(": ") else {
            continue;
        };
        let args: Vec<&str> = args.split_whitespace().collect();
        let value = shop.json(&args);
        for key in keys.split_whitespace() {
            assert!(
                value.get(key).is_some(),
                "memrl {args:?}: no {key} in {value}"
            );
        }
    }
    let none = shop.run(&["retrieve", "xyzzy", "--json"]);
    assert_eq!(none.json()["hits"], json!([]));
    assert_eq!(none.err, "", "JSON says nothing beside it");
}

#[test]
fn projects_keep_their_experience_apart_and_lend_it() {
    let shop = Shop::new();
    let ours = shop.told(LOGIN, &[]);
    let theirs = shop.told(
        "Fix the login redirect loop of the blog",
        &["--project", "blog"],
    );
    let ids = |args: &[&str]| -> Vec<String> {
        let answer = shop.json(args);
        let mut ids: Vec<String> = answer["hits"]
            .as_array()
            .expect("hits")
            .iter()
            .map(|h| text(&h["cell"]["cell_id"]))
            .collect();
        ids.sort();
        ids
    };
    let mut both = vec![ours.clone(), theirs.clone()];
    both.sort();
    let query = "login redirect loop";
    assert_eq!(ids(&["retrieve", query]), both);
    assert_eq!(ids(&["retrieve", query, "--all-projects"]), both);
    assert_eq!(ids(&["retrieve", query, "--only"]), [ours.as_str()]);
    assert_eq!(
        ids(&["retrieve", query, "--only", "--project", "blog"]),
        [theirs.as_str()]
    );
    let origins = shop.ok(&["retrieve", query]);
    assert!(origins.contains("project shop") && origins.contains("project blog"));
    let listed = shop.json(&["list", "--project", "Blog"]);
    assert_eq!(listed["items"][0]["cell_id"], json!(theirs));
    assert_eq!(listed["items"][0]["project"], "blog");
    assert_eq!(shop.json(&["status", "--project", "blog"])["episodes"], 1);
    assert_eq!(shop.json(&["status", "--all"])["episodes"], 2);
    let mut elsewhere = shop.home.command(&["status", "--json"]);
    elsewhere.env("MEMRL_PROJECT", "blog");
    let answer = elsewhere.output().expect("memrl runs").stdout;
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!(answer["project"]["name"], "blog");
}
