//! `memrl evaluate`: the verdict first, then what it rests on.

use crate::support::regex_of;
use crate::words;

use super::{TASKS, told, with_log};

#[test]
fn the_one_in_charge_is_no_better_than_itself() {
    let home = with_log(TASKS);
    let run = home.run(&["evaluate", "similarity"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    // How many it takes is the estimators' business.
    let text: Vec<String> = told(&run)
        .lines()
        .map(|l| {
            l.replace(|c: char| c.is_ascii_digit(), "0")
                .replace("000", "00")
        })
        .collect();
    words!(home, text.join("\n"));
    let report = home.json(&["evaluate", "similarity"]);
    assert_eq!(report["report"]["verdict"], "not_shown", "{report}");
    let difference = &report["report"]["difference"];
    assert_eq!(
        difference["better_by"].as_f64().map(|x| x > 0.0),
        Some(false)
    );
    assert!(report["report"]["coverage"].as_f64().expect("a share") > 0.8);
}

#[test]
fn a_policy_is_not_judged_on_what_it_was_trained_on() {
    let home = with_log(TASKS);
    home.ok(&["train", "--algo", "credit", "--keep", "0"]);
    let run = home.run(&["evaluate", "credit"]);
    assert_eq!(run.code, Some(5), "{}", run.whole());
    assert!(
        run.err.contains("not judged on what it was trained on"),
        "{}",
        run.err
    );
    assert!(run.err.contains("--keep"), "{}", run.err);
}
