//! What learned policies promise.

use memrl_learn::data::Schema;
use memrl_learn::net::{Net, Standard};
use memrl_learn::policy::{Learned, LearnedError};
use memrl_learn::{Candidate, Context, RecallPolicy, features};
use memrl_types::{CellStatus, CellType, Mode};

use crate::support::{constraint, fact};

pub fn recall_v1() -> Schema {
    let names = features::schema().iter().map(|f| f.name.to_owned());
    Schema {
        name: features::RECALL_V1.to_owned(),
        hash: features::schema_hash(),
        features: names.collect(),
    }
}

/// A policy with weight 2 on `dense` and −1 on `staleness`.
fn learned(stop: Option<f32>) -> Learned {
    let schema = recall_v1();
    let width = schema.width();
    let mut net = Net::linear(width);
    let at = |name: &str| schema.features.iter().position(|f| f == name).unwrap();
    net.params[at("dense")] = 2.0;
    net.params[at("staleness")] = -1.0;
    Learned::new("mine", 3, schema, Standard::identity(width), net, stop).unwrap()
}

fn candidates() -> Vec<Candidate> {
    let mut all: Vec<Candidate> = (0..6).map(|i| fact(i, 0.1 * i as f64, 1)).collect();
    for (c, dense) in all.iter_mut().zip([0.1, 0.9, 0.5, 0.7, 0.3, 0.15]) {
        c.dense = Some(dense);
    }
    all[3].features.staleness = 1.0;
    all[4].status = CellStatus::Quarantined;
    all[5].kind = CellType::Episode;
    all.push(constraint(6, 0.9, 1));
    all
}

#[test]
fn it_orders_by_its_weights_behind_the_constraints_and_says_why() {
    let policy = learned(None);
    assert_eq!(policy.label(), "mine@3");
    let order = policy.order(&Context::with_budget(9), &candidates());
    let indices: Vec<_> = order.iter().map(|s| s.index).collect();
    assert_eq!(indices, [6, 1, 2, 4, 3, 5, 0]);
    let modes: Vec<_> = order.iter().map(|s| s.mode).collect();
    assert_eq!(modes[0], Mode::Constraint);
    assert_eq!(modes[3], Mode::Reverify);
    assert_eq!(modes[5], Mode::Background);
    assert_eq!(order[1].reason, "fact, score 1.800; dense +1.80");
    assert_eq!(
        order[4].reason,
        "fact, score 0.400; dense +1.40, staleness -1.00"
    );
    assert!((order[1].logit - 1.8).abs() < 1e-6);
    assert_eq!(
        policy.stop_logit(&Context::with_budget(9)),
        f64::NEG_INFINITY
    );
}

#[test]
fn what_scores_below_stop_is_refused_but_never_a_constraint() {
    let policy = learned(Some(0.7));
    let order = policy.order(&Context::with_budget(9), &candidates());
    let (shown, refused): (Vec<_>, Vec<_>) = order.iter().partition(|s| s.mode != Mode::Suppress);
    let indices = |v: &[&memrl_learn::Scored]| v.iter().map(|s| s.index).collect::<Vec<_>>();
    assert_eq!(indices(&shown), [6, 1, 2]);
    assert_eq!(indices(&refused), [0, 3, 4, 5]);
    assert!(
        refused[0].reason.starts_with("below_stop: score 0.200"),
        "{}",
        refused[0].reason
    );
    assert!((policy.stop_logit(&Context::with_budget(9)) - 0.7).abs() < 1e-6);
}

#[test]
fn logged_features_score_as_they_did_when_they_were_logged() {
    let policy = learned(None);
    let (ctx, candidates) = (Context::with_budget(9), candidates());
    let offline = policy.logits(&policy.rows(&ctx, &candidates));
    for s in policy.order(&ctx, &candidates) {
        assert_eq!(s.logit, offline[s.index]);
    }
}

#[test]
fn weights_of_another_schema_are_refused_and_never_misread() {
    let good = recall_v1();
    let width = good.width();
    let made = |schema: Schema, width: usize, net: Net| {
        Learned::new("x", 1, schema, Standard::identity(width), net, None)
    };
    let mut other = good.clone();
    "0000000000000000".clone_into(&mut other.hash);
    let error = made(other, width, Net::linear(width)).err().unwrap();
    assert!(matches!(error, LearnedError::OtherSchema { .. }));
    assert!(
        error.to_string().contains("recall-v1 (354947cb5ac2877e)"),
        "{error}"
    );
    let error = made(good.clone(), width, Net::linear(width - 1))
        .err()
        .unwrap();
    assert!(matches!(error, LearnedError::Weights { .. }), "{error}");
    let mut net = Net::linear(width);
    net.params[3] = f32::NAN;
    let error = made(good, width, net).err().unwrap();
    assert!(matches!(error, LearnedError::Weights { .. }), "{error}");
}
