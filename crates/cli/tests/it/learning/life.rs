//! A policy's way into service and out of it.

use crate::support::regex_of;
use crate::words;

use super::{TASKS, told, with_log};

#[test]
fn a_policy_is_tried_promoted_watched_and_taken_back() {
    let home = with_log(TASKS);
    home.ok(&["train", "--algo", "credit", "--name", "mine"]);
    let mut all = String::new();
    let mut step = |args: &[&str], code: i32| {
        let run = home.run(args);
        assert_eq!(run.code, Some(code), "{args:?}\n{}", run.whole());
        all += &["$ memrl ", &args.join(" "), "\n", &told(&run), "\n"].concat();
    };
    step(&["policy", "list"], 0);
    step(&["policy", "show", "mine"], 0);
    step(&["policy", "shadow", "mine"], 0);
    step(&["policy", "shadow", "--off"], 0);
    step(&["policy", "shadow", "--off"], 5);
    step(
        &[
            "policy", "canary", "mine", "--share", "0.2", "--force", "a test",
        ],
        0,
    );
    step(&["policy", "canary", "utility"], 5);
    step(&["policy", "check"], 0);
    step(&["policy", "promote", "mine"], 5);
    step(
        &["policy", "promote", "mine", "--force", "we want it now"],
        0,
    );
    step(&["policy", "delete", "mine"], 5);
    step(&["policy", "check"], 0);
    step(&["policy", "list"], 0);
    step(&["policy", "show", "mine"], 0);
    step(&["policy", "rollback", "it was worse"], 0);
    step(&["policy", "list"], 0);
    step(&["policy", "rollback"], 5);
    step(&["policy", "delete", "mine"], 0);
    step(&["policy", "show", "mine"], 4);
    words!(home, all);
}

#[test]
fn a_trial_can_be_ended_without_a_promotion() {
    let home = with_log(TASKS);
    home.ok(&["train", "--algo", "credit"]);
    home.ok(&["policy", "canary", "credit", "--force", "a test"]);
    assert!(home.ok(&["policy", "stop", "enough"]).contains("enough"));
    assert_eq!(home.run(&["policy", "stop"]).code, Some(5));
}

#[test]
fn a_promoted_policy_decides_from_then_on() {
    let home = with_log(TASKS);
    home.ok(&["train", "--algo", "credit", "--name", "mine"]);
    let policy = |home: &crate::support::Home| {
        home.ok(&[
            "recall",
            "login trouble",
            "--scope",
            "user=ann",
            "--trajectory",
            "t",
            "--quiet",
        ]);
        let why = home.json(&["why", "last"]);
        why["decision"]["arms"]
            .as_array()
            .and_then(|arms| arms.iter().find(|a| a["name"] == "incumbent"))
            .map(|a| a["policy"].clone())
            .unwrap_or(why["decision"]["policy"].clone())
    };
    assert_eq!(policy(&home), "similarity@1");
    home.ok(&["policy", "promote", "mine", "--force", "a test"]);
    assert_eq!(policy(&home), "mine@1");
    home.ok(&["policy", "rollback"]);
    assert_eq!(policy(&home), "similarity@1");
}

#[test]
fn a_trial_begins_with_what_the_log_says() {
    let home = with_log(TASKS);
    let step = home.json(&["policy", "canary", "similarity", "--force", "a test"]);
    let says = &step["log_says"];
    assert_eq!(says["verdict"], "not_shown", "{step}");
    let report = home.json(&["evaluate", "similarity"]);
    assert_eq!(says["sentence"], report["report"]["sentence"], "{step}");
    let few = with_log(20);
    let run = few.run(&["policy", "canary", "similarity"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    let says =
        "the log says  nothing yet: 20 trajectories with an outcome, and at least 50 are needed";
    assert!(run.out.contains(says), "{}", run.out);
}

#[test]
fn who_is_in_charge_by_force_is_marked_until_it_is_not() {
    let home = with_log(20);
    let row = |name: &str| {
        let list = home.json(&["policy", "list"]);
        let rows = list["items"].as_array().expect("rows").clone();
        let row = rows.into_iter().find(|r| r["label"] == name);
        (row.expect(name), list["in_charge"].clone())
    };
    let (settled, in_charge) = row("similarity@1");
    assert_eq!(settled["decides"], true, "{settled}");
    assert_eq!(in_charge, serde_json::json!(["similarity@1", "utility@2"]));
    home.ok(&["policy", "promote", "none", "--force", "to see it"]);
    let (none, in_charge) = row("none@1");
    assert_eq!(none["forced"], "to see it", "{none}");
    assert_eq!(in_charge, serde_json::json!(["none@1"]));
    assert_eq!(row("similarity@1").0["decides"], false);
    // The next one by force, too; rolled back, the one before is what it was.
    home.ok(&[
        "policy",
        "promote",
        "baseline_v0",
        "--force",
        "no, this one",
    ]);
    assert_eq!(row("baseline_v0@1").0["forced"], "no, this one");
    assert_eq!(row("none@1").0["forced"], serde_json::Value::Null);
    let back = home.ok(&["policy", "rollback"]);
    assert!(
        back.contains("none@1 decides again instead of baseline_v0@1"),
        "{back}"
    );
    assert_eq!(row("none@1").0["forced"], "to see it");
    assert!(home.ok(&["policy", "show", "none"]).contains("to see it"));
}

#[test]
fn every_step_is_an_event_with_its_reason() {
    let home = with_log(TASKS);
    home.ok(&["train", "--algo", "credit", "--name", "mine"]);
    home.ok(&["policy", "promote", "mine", "--force", "we want it now"]);
    home.ok(&["policy", "rollback", "it was worse"]);
    let memory = memrl::Memory::open(home.path()).expect("the memory");
    let query = memrl::EventQuery {
        event_type: Some(memrl::EventKind::PolicyAction),
        ..memrl::EventQuery::default()
    };
    let events = memory.events(&query).expect("events");
    let told = serde_json::to_string(&events).expect("JSON");
    for words in [
        "train",
        "promote",
        "we want it now",
        "rollback",
        "it was worse",
    ] {
        assert!(told.contains(words), "{words}");
    }
}

#[test]
fn two_policies_are_compared_by_weights_and_slates() {
    let home = with_log(TASKS);
    home.ok(&["train", "--algo", "credit", "--epochs", "4"]);
    home.ok(&["train", "--algo", "bc", "--epochs", "4"]);
    let run = home.run(&["policy", "diff", "credit", "bc", "--limit", "100"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    words!(home, told(&run));
    let same = home.json(&["policy", "diff", "credit", "credit@1"]);
    assert_eq!(same["same_slate"], 1.0);
    assert_eq!(same["weights"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_policy_goes_from_one_memory_to_another() {
    let home = with_log(TASKS);
    home.ok(&["train", "--algo", "credit", "--epochs", "4"]);
    let file = home.file("mine.policy");
    let file = file.to_str().expect("UTF-8");
    assert_eq!(home.ok(&["policy", "export", "credit", file]), file);
    let other = crate::support::Home::new();
    assert_eq!(
        other.ok(&["policy", "import", file, "--name", "theirs"]),
        "theirs@1"
    );
    assert_eq!(other.ok(&["policy", "import", file]), "credit@1");
    let weights =
        |home: &crate::support::Home, name| home.json(&["policy", "show", name])["weights"].clone();
    assert_eq!(weights(&home, "credit"), weights(&other, "theirs"));
}

#[test]
fn a_policy_in_shadow_mode_is_asked_and_shows_nothing() {
    let home = with_log(20);
    let before = home.run(&["policy", "shadow", "--report"]);
    assert!(before.out.starts_with("No decision"), "{}", before.whole());
    home.ok(&["policy", "shadow", "none"]);
    let told = home.ok(&["policy", "shadow", "--report"]);
    assert!(
        told.contains("it is on; no decision has been made since"),
        "{told}"
    );
    for query in ["login trouble", "deploy trouble"] {
        home.ok(&["recall", query, "--scope", "user=ann"]);
    }
    let items = home.json(&["policy", "shadow", "--report"])["items"].clone();
    assert_eq!(items.as_array().map(Vec::len), Some(1), "{items}");
    assert_eq!(items[0]["policy"], "none@1");
    assert_eq!(items[0]["decisions"], 2);
    assert_eq!(items[0]["same_slate"], 0.0);
    assert!(
        items[0]["tokens"][0].as_f64() > items[0]["tokens"][1].as_f64(),
        "{items}"
    );
    assert_eq!(
        home.json(&["why", "last"])["decision"]["policy"],
        "similarity@1"
    );
    let told = home.ok(&["policy", "shadow", "--report"]);
    assert!(
        told.starts_with("none@1 was asked about 2 decisions"),
        "{told}"
    );
}
