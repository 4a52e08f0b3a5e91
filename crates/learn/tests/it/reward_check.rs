//! What the check of a reward spec promises.

use memrl_learn::RewardSpec;
use memrl_learn::reward::attribution::{RULES, Rule, primary};
use memrl_learn::reward::check::{CheckError, Row, check, compare};
use memrl_learn::value::{Signal, credit_signal};
use memrl_types::{Outcome, Timestamp, Verdict};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{cell_id, close};

fn row(trajectory: u32, success: bool, tokens: i64, latency: i64) -> Row {
    Row {
        trajectory,
        policy: "similarity@1".to_owned(),
        arm: "incumbent".to_owned(),
        shown: 4,
        shown_tokens: 200.0,
        outcome: Some(Outcome {
            success: Some(f64::from(u8::from(success))),
            unsafe_action: Some(false),
            stale_memory_error: Some(false),
            tokens_used: Some(tokens),
            latency_ms: Some(latency),
            ..Outcome::default()
        }),
        reports: 1,
        delay: Some(60.0),
    }
}

/// Half succeed; latency is 0.5 to 5.5 s and knows nothing of it.
fn rows(n: u32, seed: u64) -> Vec<Row> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .map(|t| {
            row(
                t,
                rng.random_bool(0.5),
                rng.random_range(0..4_000),
                rng.random_range(500..5_500),
            )
        })
        .collect()
}

fn spec(name: &str) -> RewardSpec {
    RewardSpec::built_in(name).unwrap()
}

#[test]
fn the_latency_of_memcell_v1_swamps_success_and_that_of_bounded_v1_does_not() {
    let rows = rows(2_000, 1);
    let memcell = check(&spec("memcell_v1"), &rows).unwrap();
    let latency = memcell
        .terms
        .iter()
        .find(|t| t.signal == "latency")
        .unwrap();
    // Variances: latency 5²/12 = 2.08, success 1, tokens 0.4²/12 = 0.013.
    assert!(
        close(latency.variance_share.unwrap(), 0.673, 0.03),
        "{latency:?}"
    );
    assert!(
        memcell
            .warnings
            .iter()
            .any(|w| w.starts_with("latency makes")),
        "{:?}",
        memcell.warnings
    );
    let bounded = check(&spec("bounded_v1"), &rows).unwrap();
    assert!(bounded.warnings.is_empty(), "{:?}", bounded.warnings);
    assert!(bounded.pearson.unwrap() > 0.99 && close(memcell.pearson.unwrap(), 0.57, 0.03));
    assert_eq!(bounded.clipped, 0.0);
    assert!(close(bounded.terms[0].pearson.unwrap(), 1.0, 1e-9));
    assert!(
        bounded
            .terms
            .iter()
            .all(|t| t.missing == 0.0 && t.n == 2_000)
    );
}

/// Values of `scipy.stats.pearsonr` and `spearmanr` on the same numbers.
#[test]
fn correlations_agree_with_scipy() {
    let text =
        "id = \"t\"\nversion = 1\n[[terms]]\nsignal = \"tokens\"\nweight = 1.0\nmissing = 0.0\n";
    let spec = RewardSpec::parse(text).unwrap();
    let success = [0.0, 1.0, 0.5, 0.5, 1.0, 0.25];
    let tokens = [3, 10, 4, 400, 50, 4];
    let rows: Vec<Row> = (0..6)
        .map(|i| {
            let mut row = row(i as u32, true, tokens[i], 0);
            row.outcome.as_mut().unwrap().success = Some(success[i]);
            row
        })
        .collect();
    let term = &check(&spec, &rows).unwrap().terms[0];
    assert!(
        close(term.pearson.unwrap(), 0.024_804_434_408_493_913, 1e-12),
        "{term:?}"
    );
    assert!(
        close(term.spearman.unwrap(), 0.701_570_684_981_175_1, 1e-12),
        "{term:?}"
    );
}

proptest! {
    #[test]
    fn the_shares_of_the_variance_add_up_to_one(seed in any::<u64>(), n in 3_u32..60) {
        let made = check(&spec("memcell_v1"), &rows(n, seed)).unwrap();
        let shares: Vec<f64> = made.terms.iter().filter_map(|t| t.variance_share).collect();
        prop_assert_eq!(shares.len(), made.terms.len());
        prop_assert!(close(shares.iter().sum(), 1.0, 1e-9), "{:?}", shares);
    }

    /// Exactly the cells that get evidence have a rule, and the masses are those of the rule.
    #[test]
    fn every_piece_of_evidence_has_its_rule(
        slate in proptest::collection::vec(0_u64..8, 0..6),
        cited in proptest::collection::vec(0_u64..8, 0..4),
        judged in proptest::collection::vec(0_u64..8, 0..3),
        y in proptest::option::of(0.0..=1.0_f64),
    ) {
        let slate: Vec<_> = slate.into_iter().map(cell_id).collect();
        let outcome = Outcome {
            cited: cited.into_iter().map(cell_id).collect(),
            verdicts: judged.into_iter()
                .map(|n| Verdict { cell_id: cell_id(n), useful: 0.5, stale: false }).collect(),
            ..Outcome::default()
        };
        let signal = y.map(Signal::said);
        let evidence = credit_signal(&outcome, &slate, signal, Timestamp::default());
        let rules = primary(&outcome, &slate, signal);
        prop_assert_eq!(evidence.keys().collect::<Vec<_>>(), rules.keys().collect::<Vec<_>>());
        for (cell, rule) in &rules {
            let verdict = outcome.verdicts.iter().any(|v| v.cell_id == *cell);
            prop_assert_eq!(*rule == Rule::Verdict, verdict);
            prop_assert_eq!(*rule == Rule::EqualShare, !verdict && outcome.cited.is_empty());
            if verdict {
                prop_assert_eq!(evidence[cell].mass, 1.0);
            }
        }
    }
}

#[test]
fn every_rule_of_attribution_is_in_the_table_and_on_the_page() {
    let page = include_str!("../../../../docs/rewards.md");
    for info in &RULES {
        assert_eq!(info.rule.info(), info);
        let row = format!("| `{}` | {} | {} |", info.name, info.mass, info.logged);
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn outcomes_that_are_missing_at_random_raise_no_alarm_and_others_do() {
    let mut alarms = 0;
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut rows = rows(400, seed);
        for row in &mut rows {
            row.shown = rng.random_range(0..8);
            row.arm = if rng.random_bool(0.2) {
                "none"
            } else {
                "incumbent"
            }
            .to_owned();
            row.outcome = row.outcome.take().filter(|_| rng.random_bool(0.5));
        }
        let made = check(&spec("bounded_v1"), &rows).unwrap();
        assert_eq!(made.missing.len(), 4);
        alarms += made
            .warnings
            .iter()
            .filter(|w| w.contains("not missing at random"))
            .count();
        // A policy that is alone cannot be compared.
        assert_eq!(made.missing[1].p, 1.0);
    }
    // Three tests of 1 % in each of 40 logs.
    assert!(alarms <= 5, "{alarms}");

    let mut rows = rows(400, 1);
    for (i, row) in rows.iter_mut().enumerate() {
        row.shown = (i % 8) as u32;
        // Nobody reports on small slates, nor, mostly, in the arm without memory.
        row.arm = if i % 5 == 0 { "none" } else { "incumbent" }.to_owned();
        if i % 8 < 2 || (i % 5 == 0 && i % 3 != 0) {
            row.outcome = None;
        }
    }
    let made = check(&spec("bounded_v1"), &rows).unwrap();
    let told: Vec<_> = made
        .missing
        .iter()
        .filter(|t| t.p < 1e-4)
        .map(|t| t.by)
        .collect();
    assert_eq!(told, ["arm", "cells shown"]);
    assert!(
        made.warnings
            .iter()
            .any(|w| w.contains("differs by arm (incumbent")),
        "{:?}",
        made.warnings
    );
}

#[test]
fn late_partial_and_missing_outcomes_are_counted() {
    let mut rows = rows(10, 1);
    rows[0].outcome = None;
    rows[0].reports = 0;
    rows[0].delay = None;
    rows[1].reports = 3;
    rows[1].delay = Some(7_200.0);
    rows[2].outcome.as_mut().unwrap().tokens_used = None;
    // memcell_v1 is not defined without a success.
    rows[3].outcome.as_mut().unwrap().success = None;
    let made = check(&spec("memcell_v1"), &rows).unwrap();
    let timing = made.timing;
    assert_eq!(
        (timing.without, timing.once, timing.several, timing.partial),
        (1, 8, 1, 2)
    );
    assert_eq!(
        (timing.median_delay, made.undefined, made.rewarded),
        (Some(60.0), 1, 8)
    );
    assert!(
        made.terms
            .iter()
            .find(|t| t.signal == "tokens")
            .unwrap()
            .missing
            > 0.1
    );
    let none = check(&spec("memcell_v1"), &rows[..1]).unwrap_err();
    assert!(matches!(none, CheckError::NoRewards { decisions: 1, .. }));
    // One outcome varies in nothing: no correlation is made up.
    let one = check(&spec("memcell_v1"), &rows[4..5]).unwrap();
    assert!(one.pearson.is_none() && one.terms.iter().all(|t| t.variance_share.is_none()));
}

#[test]
fn what_is_clipped_is_told() {
    let text = "id = \"t\"\nversion = 1\nclip = [0.0, 0.5]\n[[terms]]\nsignal = \"success\"\nweight = 1.0\nmissing = 0.0\n";
    let made = check(&RewardSpec::parse(text).unwrap(), &rows(1_000, 3)).unwrap();
    assert!((0.45..0.55).contains(&made.clipped), "{}", made.clipped);
    assert!(
        made.warnings.iter().any(|w| w.contains("clipped")),
        "{:?}",
        made.warnings
    );
}

#[test]
fn another_spec_can_change_the_ranking_of_policies() {
    // `slow` succeeds more often and takes three seconds longer.
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let rows: Vec<Row> = (0..600)
        .map(|t| {
            let slow = t % 2 == 0;
            let mut made = row(
                t,
                rng.random_bool(if slow { 0.8 } else { 0.5 }),
                1_000,
                if slow { 4_000 } else { 1_000 } + rng.random_range(0..300),
            );
            made.policy = if slow { "slow@1" } else { "fast@1" }.to_owned();
            made
        })
        .collect();
    let made = compare([&spec("memcell_v1"), &spec("bounded_v1")], &rows);
    assert_eq!(made.specs, ["memcell_v1", "bounded_v1"]);
    assert_eq!(made.policies[0].0, "fast@1");
    assert_eq!(made.kendall, Some(-1.0));
    let swap = &made.swaps[0];
    assert_eq!(
        (swap.ahead.as_str(), swap.behind.as_str(), swap.sure),
        ("fast@1", "slow@1", true)
    );
    for (_, both) in &made.policies {
        assert!(
            both.iter()
                .all(|m| m.trajectories == 300 && m.low < m.mean && m.mean < m.high)
        );
    }
    let same = compare([&spec("bounded_v1"), &spec("bounded_v1")], &rows);
    assert_eq!((same.kendall, same.swaps.len()), (Some(1.0), 0));
    let alone = compare([&spec("bounded_v1"), &spec("memcell_v1")], &rows[..1]);
    assert!(alone.policies.is_empty() && alone.kendall.is_none());
}

#[test]
fn decisions_of_one_trajectory_count_once() {
    // Ten copies of every decision: the interval must not shrink.
    let few = rows(40, 2);
    let many: Vec<Row> = few
        .iter()
        .flat_map(|r| std::iter::repeat_n(r.clone(), 10))
        .collect();
    let specs = [&spec("bounded_v1"), &spec("memcell_v1")];
    assert_eq!(compare(specs, &few).policies.len(), 1);
    let (a, b) = (compare(specs, &few), compare(specs, &many));
    for k in 0..2 {
        let (a, b) = (a.policies[0].1[k], b.policies[0].1[k]);
        assert!(close(a.low, b.low, 1e-9) && close(a.high, b.high, 1e-9));
    }
}
