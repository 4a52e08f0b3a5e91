//! `memrl impact`: what helped is found, and what is not known is said to be not known.

use crate::support::regex_of;
use crate::words;

use super::{TASKS, told, with_log};

#[test]
fn the_procedures_are_seen_to_help() {
    let home = with_log(TASKS);
    let run = home.run(&["impact", "--by", "type"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    words!(home, told(&run));
    let report = home.json(&["impact", "--by", "type"]);
    let groups = report["groups"].as_array().expect("groups");
    let effect = |name: &str| {
        let group = groups.iter().find(|g| g["name"] == name);
        group.expect(name)["effect"]["effect"]
            .as_f64()
            .expect("a number")
    };
    assert!(effect("procedure") > 0.3, "{report}");
    assert!(effect("procedure") > effect("fact") + 0.2, "{report}");
}

#[test]
fn cells_come_with_what_they_say_and_how_much_more_it_takes() {
    let home = with_log(TASKS);
    let run = home.run(&["impact", "--top", "4"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    let rows: Vec<&str> = run
        .out
        .lines()
        .filter(|l| l.contains("about the"))
        .collect();
    assert_eq!(rows.len(), 4, "{}", run.out);
    assert!(
        rows[0].contains("steps about"),
        "the best is a procedure: {}",
        run.out
    );
    assert!(run.err.contains("--top shows more"), "{}", run.err);
    let report = home.json(&["impact"]);
    let cell = &report["report"]["cells"][0];
    assert!(
        cell["pooled"]["effect"].as_f64().expect("a number") > 0.0,
        "{cell}"
    );
    for metric in ["tokens", "latency", "success"] {
        assert_eq!(
            home.json(&["impact", "--metric", metric])["report"]["metric"],
            metric
        );
    }
}

#[test]
fn what_a_memory_is_asked_about_has_one_name_and_an_older_one() {
    let home = with_log(60);
    let one = home.json(&["impact", "--of", "type"]);
    assert_eq!(one, home.json(&["impact", "--by", "type"]));
    assert_eq!(one["by"], "type", "{one}");
    assert_eq!(home.json(&["impact"])["of"], "cell");
}

#[test]
fn effects_on_success_stay_where_success_can_be_and_borrowed_ones_are_marked() {
    let home = with_log(60);
    let run = home.run(&["impact", "--top", "100"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    let report = home.json(&["impact"])["report"].clone();
    let cells = report["cells"].as_array().expect("cells");
    let inside = |e: &serde_json::Value| {
        ["effect", "low", "high"].iter().all(|k| {
            let x = e[k].as_f64().expect("a number");
            (-1.0..=1.0).contains(&x)
        })
    };
    let own: Vec<_> = cells.iter().filter(|c| !c["own"].is_null()).collect();
    assert!(cells.iter().all(|c| inside(&c["pooled"])), "{report}");
    assert!(own.iter().all(|c| inside(&c["own"])), "{report}");
    assert!(inside(&report["pooling"]["mean"]), "{report}");
    // So few decisions that some own interval is as wide as it can be.
    assert!(own.iter().any(|c| c["own"]["high"] == 1.0), "{report}");
    let marked = run.out.matches("(pooled only)").count();
    assert_eq!(marked, cells.len() - own.len(), "{}", run.out);
    assert!(marked > 0 && !own.is_empty());
    assert!(
        run.err.contains("the effect is that of memories like it"),
        "{}",
        run.err
    );
}

#[test]
fn an_interval_that_leaves_out_zero_beside_not_known_yet_is_explained() {
    let home = with_log(TASKS);
    let report = home.json(&["impact"])["report"].clone();
    let off = |c: &&serde_json::Value| {
        let end = |k: &str| c["pooled"][k].as_f64().expect("a number");
        c["verdict"] == "unknown" && (end("low") > 0.0 || end("high") < 0.0)
    };
    let cells = report["cells"].as_array().expect("cells");
    assert!(cells.iter().any(|c| off(&c)), "{report}");
    let run = home.run(&["impact"]);
    assert!(run.err.contains("e-BH over all rows"), "{}", run.err);
    let deaf = super::with_deaf_log(60);
    let report = deaf.json(&["impact", "--of", "all"]);
    assert_eq!(report["groups"][0]["verdict"], "unknown", "{report}");
    assert!(!deaf.run(&["impact", "--of", "all"]).err.contains("e-BH"));
}

#[test]
fn memory_is_compared_with_no_memory() {
    let home = with_log(TASKS);
    let run = home.run(&["impact", "--of", "memory"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    words!(home, told(&run));
    assert!(run.out.starts_with("Memory helps"), "{}", run.out);
}

#[test]
fn one_memory_is_put_to_the_test_and_taken_off_it() {
    let home = with_log(TASKS);
    let listed = home.json(&["list", "--type", "procedure", "--limit", "1"]);
    let id = listed["items"][0]["cell_id"].as_str().expect("an id");
    let mut all = String::new();
    let mut step = |args: &[&str], code: i32| {
        let run = home.run(args);
        assert_eq!(run.code, Some(code), "{args:?}\n{}", run.whole());
        all += &["$ memrl ", &args.join(" "), "\n", &told(&run), "\n"].concat();
    };
    step(&["impact", "--test-status"], 0);
    step(
        &[
            "impact",
            "--test",
            &id[..8],
            "--withhold",
            "0.5",
            "--most",
            "300",
        ],
        0,
    );
    step(&["impact", "--test", &id[..8]], 5);
    step(&["impact", "--test-status"], 0);
    step(&["impact", "--test-stop"], 0);
    step(&["impact", "--test-stop"], 5);
    step(&["impact", "--test", &id[..8], "--withhold", "0.9"], 2);
    words!(home, all.replace(id, "[ID]").replace(&id[..8], "[SHORT]"));
}
