//! Reward specs.

use memrl_learn::{
    RewardSpec,
    reward::{BUILT_IN, CellRewardSource, RewardSpecError, ScoreError, cell_rewards},
};
use memrl_types::{Outcome, Verdict};
use proptest::prelude::*;
use serde::Deserialize;

use crate::support::{cell_id, close};

fn outcome(success: f64, unsafe_action: bool, stale: bool, tokens: i64, latency: i64) -> Outcome {
    Outcome {
        success: Some(success),
        unsafe_action: Some(unsafe_action),
        stale_memory_error: Some(stale),
        tokens_used: Some(tokens),
        latency_ms: Some(latency),
        ..Outcome::default()
    }
}

#[derive(Deserialize)]
struct Golden {
    rewards: Vec<(f64, u8, u8, i64, i64, f64)>,
    rounding: Vec<(u64, u8, u64)>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../data/reward.json")).unwrap()
}

#[test]
fn memcell_v1_is_memcells_reward_to_the_last_digit() {
    let spec = RewardSpec::built_in("memcell_v1").unwrap();
    let cases = golden().rewards;
    assert!(cases.len() > 300);
    for (success, unsafe_action, stale, tokens, latency, expected) in cases {
        let o = outcome(success, unsafe_action == 1, stale == 1, tokens, latency);
        let reward = spec.score(&o).unwrap().value;
        assert!(
            reward.to_bits() == expected.to_bits() || (reward == 0.0 && expected == 0.0),
            "{o:?}: {reward} {expected}"
        );
    }
    let known = spec.score(&outcome(1.0, false, false, 320, 450)).unwrap();
    assert_eq!(known.value.to_string(), "0.518");
    assert!(!spec.bounded() && spec.bounds().is_none());
}

/// Python's `round` through a spec that does nothing else.
#[test]
fn rounding_is_pythons() {
    for (x, decimals, expected) in golden().rounding {
        let text = format!(
            "id='r'\nversion=1\nround={decimals}\n[[terms]]\nsignal='metrics.x'\nweight=1.0\nmissing=0.0"
        );
        let spec = RewardSpec::parse(&text).unwrap();
        let x = f64::from_bits(x);
        let mut o = Outcome::default();
        o.metrics.insert("x".into(), x);
        let value = spec.score(&o).unwrap().value;
        assert!(
            value.to_bits() == expected || (value == 0.0 && f64::from_bits(expected) == 0.0),
            "{x} to {decimals}: {value}, not {}",
            f64::from_bits(expected)
        );
    }
}

#[test]
fn missing_signals_follow_their_rule() {
    for name in BUILT_IN {
        let spec = RewardSpec::built_in(name).unwrap();
        assert_eq!(spec.name(), name);
        let undefined = spec.score(&Outcome::default());
        assert!(
            matches!(undefined, Err(ScoreError::Undefined { signal, .. }) if signal == "success")
        );
        let only = Outcome {
            success: Some(1.0),
            ..Outcome::default()
        };
        let reward = spec.score(&only).unwrap();
        assert!(close(reward.value, 1.0, 1e-12), "{name}");
        assert_eq!(reward.terms[0].raw, Some(1.0));
        assert_eq!(reward.terms[3].raw, None);
    }
}

proptest! {
    #[test]
    fn bounded_v1_stays_in_zero_one_and_costs_never_drown_success(
        success in 0.0..=1.0_f64, u in any::<bool>(), s in any::<bool>(),
        tokens in any::<i64>(), latency in any::<i64>(),
        other_tokens in any::<i64>(), other_latency in any::<i64>(),
    ) {
        let spec = RewardSpec::built_in("bounded_v1").unwrap();
        prop_assert!(spec.bounded());
        let (low, high) = spec.bounds().unwrap();
        let r = spec.score(&outcome(success, u, s, tokens, latency)).unwrap().value;
        prop_assert!((low..=high).contains(&r) && (0.0..=1.0).contains(&r), "{r}");
        let good = spec.score(&outcome(1.0, u, s, tokens, latency)).unwrap().value;
        let bad = spec.score(&outcome(0.0, u, s, other_tokens, other_latency)).unwrap().value;
        prop_assert!(good > bad, "{good} {bad}");
    }

    #[test]
    fn stated_bounds_hold(
        offset in -5.0..5.0_f64, w in prop::array::uniform4(-5.0..5.0_f64),
        success in -1.0..2.0_f64, tokens in any::<i64>(), latency in any::<i64>(), x in any::<f64>(),
        round in 0_u8..4,
    ) {
        let text = format!(
            "id='p'\nversion=1\noffset={offset:?}\nround={round}\n\
             [[terms]]\nsignal='success'\nweight={:?}\ntransform='signed'\nmissing=0.5\n\
             [[terms]]\nsignal='tokens'\nweight={:?}\ntransform='log1p'\ncap=500.0\nmissing=0\n\
             [[terms]]\nsignal='latency'\nweight={:?}\ntransform='cap'\ncap=10.0\nmissing=0\n\
             [[terms]]\nsignal='metrics.x'\nweight={:?}\nbounds=[-2.0,3.0]\nmissing=1\n",
            w[0], w[1], w[2], w[3]
        );
        let spec = RewardSpec::parse(&text).unwrap();
        let (low, high) = spec.bounds().unwrap();
        let mut o = outcome(success, false, false, tokens, latency);
        o.metrics.insert("x".into(), x);
        let r = spec.score(&o).unwrap().value;
        prop_assert!((low..=high).contains(&r), "{r} not in [{low}, {high}]");
    }
}

#[test]
fn mistakes_in_a_spec_are_named() {
    let term = "[[terms]]\nsignal = 'success'\nweight = 1.0\nmissing = 0.0\n";
    let head = "id = 'x'\nversion = 1\n";
    assert!(RewardSpec::parse(&format!("{head}{term}")).is_ok());
    for (text, says) in [
        (format!("{head}colour = 1\n{term}"), "line 3"),
        (format!("{head}colour = 1\n{term}"), "colour"),
        (format!("{head}{term}wieght = 1\n"), "wieght"),
        (
            format!("{head}[[terms]]\nsignal = 'success'\nmissing = 0.0\n"),
            "weight",
        ),
        (
            format!("{head}[[terms]]\nsignal = 'success'\nweight = 1.0\n"),
            "missing",
        ),
        (head.to_owned(), "terms"),
        (format!("{head}terms = []"), "terms"),
        (
            format!("{head}{}", term.replace("1.0", "nan")),
            "terms[1].weight",
        ),
        (
            format!("{head}{term}{}", term.replace("1.0", "inf")),
            "terms[2].weight",
        ),
        (
            format!("{head}{}", term.replace("0.0", "nan")),
            "terms[1].missing",
        ),
        (
            format!("{head}{}", term.replace("0.0", "'maybe'")),
            "undefined",
        ),
        (
            format!("{head}{}", term.replace("success", "luck")),
            "terms[1].signal",
        ),
        (
            format!("{head}{}", term.replace("success", "metrics.")),
            "metrics.NAME",
        ),
        (format!("{head}{term}transform = 'cap'\n"), "terms[1].cap"),
        (
            format!("{head}{term}transform = 'cap'\ncap = -1.0\n"),
            "above 0",
        ),
        (format!("{head}{term}cap = 1.0\n"), "terms[1].cap"),
        (format!("{head}{term}transform = 'cube'\n"), "cube"),
        (
            format!("{head}{term}bounds = [1.0, 0.0]\n"),
            "terms[1].bounds",
        ),
        (format!("{head}clip = [0.0, nan]\n{term}"), "clip"),
        (format!("{head}offset = inf\n{term}"), "offset"),
        (format!("{head}round = 16\n{term}"), "round"),
        (format!("id = 'a b'\nversion = 1\n{term}"), "id"),
        (format!("id = 'x'\nversion = 0\n{term}"), "version"),
        (format!("id = 'x'\nversion = -1\n{term}"), "line 2"),
        ("id = ".to_owned(), "line 1"),
    ] {
        let error = RewardSpec::parse(&text).expect_err(&text).to_string();
        assert!(error.contains(says), "{says:?} not in {error:?}");
    }
    assert_eq!(
        RewardSpec::built_in("kind_v9"),
        Err(RewardSpecError::Unknown("kind_v9".into()))
    );
}

#[test]
fn a_reward_that_is_not_a_number_is_refused() {
    let text =
        "id='x'\nversion=1\n[[terms]]\nsignal='metrics.m'\nweight=1e300\nmissing='undefined'";
    let spec = RewardSpec::parse(text).unwrap();
    let with = |x| {
        let mut o = Outcome::default();
        o.metrics.insert("m".into(), x);
        spec.score(&o)
    };
    assert!(matches!(with(1e300), Err(ScoreError::NotFinite { .. })));
    assert!(matches!(with(f64::NAN), Err(ScoreError::Undefined { .. })));
    assert!(with(1.0).is_ok());
}

#[test]
fn cell_rewards_are_verdicts_then_citations() {
    let verdict = |n, useful, stale| Verdict {
        cell_id: cell_id(n),
        useful,
        stale,
    };
    let o = Outcome {
        verdicts: vec![verdict(1, 0.4, false), verdict(2, 1.0, true)],
        cited: vec![cell_id(2), cell_id(3)],
        ..Outcome::default()
    };
    let rewards: Vec<_> = cell_rewards(&o)
        .into_iter()
        .map(|r| (r.cell_id, r.value, r.source))
        .collect();
    assert_eq!(
        rewards,
        [
            (cell_id(1), 0.4, CellRewardSource::Verdict),
            (cell_id(2), 0.0, CellRewardSource::Verdict),
            (cell_id(3), 1.0, CellRewardSource::Citation),
        ]
    );
}
