//! Experience on the command line: captured, found, judged, listed, pruned and brought back.

use serde_json::{Value, json};

mod captures;
mod input;
mod projects;
mod secrets;
mod verdicts;

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
