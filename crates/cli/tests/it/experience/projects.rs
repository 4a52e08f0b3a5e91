//! Several projects and sessions in one memory.

use serde_json::json;

use super::{LOGIN, Shop, UPLOAD, text};
use crate::support::Run;

#[test]
fn of_equal_texts_that_of_ones_own_project_comes_first() {
    let shop = Shop::new();
    let theirs = shop.told(LOGIN, &["--project", "web"]);
    let mine = shop.told(LOGIN, &[]);
    let asked = |project: &str| {
        let found = shop.json(&["retrieve", "login redirect loop", "--project", project]);
        let hits = found["hits"].as_array().expect("hits").clone();
        let ids: Vec<String> = hits.iter().map(|h| text(&h["cell"]["cell_id"])).collect();
        ids
    };
    let own = shop.home.file("shop").display().to_string();
    assert_eq!(asked(&own), [mine.clone(), theirs.clone()]);
    assert_eq!(asked("web"), [theirs, mine]);
}

#[test]
fn last_is_the_last_that_ones_own_session_was_shown() {
    let shop = Shop::new();
    let login = shop.told(LOGIN, &[]);
    let upload = shop.told(UPLOAD, &[]);
    shop.found("login redirect loop");
    let theirs = ["--trajectory", "theirs", "--json"];
    let other = shop.run(&[&["retrieve", "nightly upload of images"], &theirs[..]].concat());
    assert_eq!(other.code, Some(0), "{}", other.whole());
    shop.found("quarterly tax report in Finnish");
    let helped = ["feedback", "helpful", "--episodes", "last"];
    assert_eq!(shop.json(&helped)["cells"], json!([login]));
    let of_theirs = [&helped[..], &theirs[..2]].concat();
    assert_eq!(shop.json(&of_theirs)["cells"], json!([upload]));
    let nobody = shop.run(&[&helped[..], &["--trajectory", "nobody", "--json"]].concat());
    assert_eq!(nobody.code, Some(4), "{}", nobody.whole());
    // So does a report on the decision as a whole.
    let report = shop.json(&[
        "feedback",
        "last",
        "--success",
        "1",
        "--trajectory",
        "theirs",
    ]);
    let decision = text(&other.json()["decision_id"]);
    assert_eq!(report["decision_id"], json!(decision));
    let by_prefix = shop.json(&["why", &decision[..8]]);
    assert_eq!(by_prefix["decision"]["decision_id"], json!(decision));
}

#[test]
fn what_was_held_out_is_not_called_irrelevant() {
    let shop = Shop::new();
    shop.told(LOGIN, &[]);
    let held = (0..64).find_map(|n| {
        let session = format!("s{n}");
        let args = ["retrieve", "login redirect loop", "--trajectory", &session];
        let mut command = shop.home.command(&args);
        command.env("MEMRL_EPSILON", "0.5");
        let output = command.current_dir(shop.home.file("shop")).output();
        let run = Run::of(output.expect("memrl runs"));
        assert_eq!(run.code, Some(0), "{}", run.whole());
        run.out.is_empty().then_some(run.err)
    });
    let said = held.expect("a hold-out of one half in 64 tosses");
    let memories = "1 memory that fits was held out at random";
    assert!(said.contains(memories), "{said}");
    assert!(said.contains("memrl why"), "{said}");
    assert!(!said.contains("Nothing relevant"), "{said}");
}

#[test]
fn a_project_that_nothing_is_known_of_may_be_misspelt() {
    let shop = Shop::new();
    shop.told(LOGIN, &[]);
    for args in [
        &["list", "--project", "nosuch"][..],
        &["stats", "--project", "nosuch"],
        &["status", "--project", "nosuch"],
        &["retrieve", "login", "--project", "nosuch"],
        &["off", "--project", "nosuch"],
    ] {
        let run = shop.run(args);
        assert_eq!(run.code, Some(0), "{}", run.whole());
        let said = "no memories of a project called nosuch yet";
        assert!(run.err.contains(said), "{args:?}\n{}", run.whole());
        assert!(!run.out.contains(said), "{args:?}\n{}", run.whole());
        let json = shop.run(&[args, &["--json"]].concat());
        assert!(!json.whole().contains(said), "{args:?}\n{}", json.whole());
    }
    let known = shop.run(&["list", "--project", "shop"]);
    assert!(!known.err.contains("no memories of"), "{}", known.whole());
}

#[test]
fn a_rehearsal_of_an_import_creates_no_memory() {
    let shop = Shop::new();
    let notes = shop.home.file("shop/CLAUDE.md");
    std::fs::write(
        &notes,
        "# Deploy\n\nRun the migration before the rollout.\n",
    )
    .expect("a file");
    let notes = notes.display().to_string();
    let run = shop.run(&["import", &notes, "--dry-run", "--scope", "project=web"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    assert!(run.out.contains("Would import 1 memory"), "{}", run.whole());
    assert!(
        run.err.contains("Recognised as Markdown"),
        "{}",
        run.whole()
    );
    assert!(!shop.home.file("memory/memrl.db").exists());
    let done = shop.json(&["import", &notes, "--scope", "project=web"]);
    assert_eq!(
        (&done["created"], &done["format"]),
        (&json!(1), &json!("markdown"))
    );
}

#[test]
fn episodes_are_not_exported_over_others() {
    let shop = Shop::new();
    shop.told(LOGIN, &[]);
    let out = shop.home.file("out").display().to_string();
    shop.ok(&["export", "--episodes", "--out", &out]);
    let again = shop.run(&["export", "--episodes", "--out", &out, "--json"]);
    assert_eq!(again.code, Some(2), "{}", again.whole());
    let hint = text(&again.error()["hint"]);
    assert!(hint.contains("directory"), "{hint}");
}

#[test]
fn two_projects_of_one_name_are_told_apart() {
    let shop = Shop::new();
    let mut ids = Vec::new();
    for dir in ["one/app", "two/app"] {
        let dir = shop.home.file(dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        let dir = dir.display().to_string();
        let on = shop.json(&["on", "--project", &dir]);
        ids.push(text(&on["project"]["id"]));
        shop.told(&format!("{LOGIN} in {dir}"), &["--project", &dir]);
    }
    let stats = shop.ok(&["stats", "--type", "episode"]);
    let found = shop.ok(&["retrieve", "login redirect loop", "--all-projects"]);
    for id in &ids {
        assert!(stats.contains(id.as_str()), "{stats}");
        assert!(found.contains(id.as_str()), "{found}");
    }
}
