//! Verdicts on what was shown: they move values, and values move the order.

use serde_json::json;

use super::{LOGIN, Shop, UPLOAD, text};

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
