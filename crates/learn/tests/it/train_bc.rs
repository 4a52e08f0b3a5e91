//! What cloning of behaviour and the skyline from labels promise.

use std::ops::ControlFlow;

use memrl_learn::data::Dataset;
use memrl_learn::train::{Checkpoint, Hooks, TrainConfig, TrainError, bc, supervised};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::train_data::{Made, TRUTH, WIDTH, by_search, by_truth, log, quiet, success};

/// A log whose slates are drawn from the Plackett–Luce policy of `TRUTH` times `scale` with this logit of STOP, three
/// cells at most; success when the right one is among them.
fn drawn(decisions: usize, scale: f64, stop: f64, seed: u64) -> Dataset {
    let (mut data, right) = log(Made::of(decisions, seed));
    let mut rng = ChaCha8Rng::seed_from_u64(seed + 1000);
    for (d, gold) in data.decisions.iter_mut().zip(right) {
        d.context.max_items = 3;
        let logits: Vec<f64> = by_truth(&d.features).iter().map(|x| scale * x).collect();
        let mut open: Vec<usize> = (0..logits.len()).collect();
        d.slate.clear();
        while d.slate.len() < 3 {
            let sum: f64 = open.iter().map(|&i| logits[i].exp()).sum::<f64>() + stop.exp();
            let mut u = rng.random::<f64>() * sum;
            let hit = open.iter().position(|&i| {
                u -= logits[i].exp();
                u < 0.0
            });
            let Some(k) = hit else { break };
            d.slate.push(open.remove(k) as u32);
        }
        let hit = d.slate.contains(&(gold as u32));
        d.signals.success = Some(f64::from(u8::from(hit)));
    }
    data
}

#[test]
fn the_weights_of_the_policy_that_acted_come_back() {
    let data = drawn(3000, 1.0, 1.0, 1);
    let trained = quiet(|h| bc::train(&data, &bc::config(), h)).unwrap();
    let sd = &trained.standard.sd;
    for (k, w) in trained.net.linear_weights().iter().enumerate() {
        let truth = TRUTH.get(k).copied().unwrap_or(0.0);
        assert!(
            (w / sd[k] - truth).abs() < 0.12,
            "{k}: {} {truth}",
            w / sd[k]
        );
    }
    // Only differences of logits matter: STOP against the constant of the net and the means of the features.
    let nothing = trained.logits(&[0.0; WIDTH])[0];
    let stop = f64::from(trained.stop.unwrap()) - nothing;
    assert!((stop - 1.0).abs() < 0.2, "{stop}");
    assert!(trained.metrics["stopped"] > 0.05);
    assert!(trained.metrics["validation_loss"] < trained.metrics["validation_loss_start"]);
    let first: Vec<&str> = trained.importance[..3]
        .iter()
        .map(|x| x.0.as_str())
        .collect();
    for name in ["score", "signal", "anti"] {
        assert!(first.contains(&name), "{:?}", trained.importance);
    }
}

#[test]
fn a_log_that_fills_the_budget_teaches_a_policy_that_does() {
    let (data, _) = log(Made::of(300, 2));
    let trained = quiet(|h| bc::train(&data, &bc::config(), h)).unwrap();
    assert_eq!(trained.stop, None);
    let (test, right) = log(Made::of(2000, 5));
    let cloned = success(&test, &right, |rows| trained.logits(rows));
    assert!(
        (cloned - success(&test, &right, by_search)).abs() < 0.05,
        "{cloned}"
    );
}

#[test]
fn imitating_only_what_worked_beats_imitating_everything() {
    let data = drawn(3000, 0.0, -5.0, 3);
    let all = vec![1.0; data.decisions.len()];
    let worked: Vec<f64> = (data.decisions.iter())
        .map(|d| d.signals.success.unwrap())
        .collect();
    let (test, right) = log(Made::of(2000, 5));
    let of = |weights: &[f64]| {
        let trained = quiet(|h| bc::train_weighted(&data, &bc::config(), weights, h)).unwrap();
        success(&test, &right, |rows| trained.logits(rows))
    };
    let (all, worked) = (of(&all), of(&worked));
    assert!(worked > all + 0.2, "{worked} {all}");
}

#[test]
fn the_skyline_from_labels_is_near_the_truth() {
    let (mut data, right) = log(Made::of(1500, 4));
    for (d, gold) in data.decisions.iter_mut().zip(&right) {
        for (i, item) in d.items.iter_mut().enumerate() {
            item.label = Some(f32::from(u8::from(i == *gold)));
        }
    }
    let (test, right) = log(Made::of(2000, 5));
    let best = success(&test, &right, by_truth);
    for hidden in [0, 8] {
        let config = TrainConfig {
            hidden,
            ..supervised::config()
        };
        let trained = quiet(|h| supervised::train(&data, &config, h)).unwrap();
        let found = success(&test, &right, |rows| trained.logits(rows));
        assert!(found > best - 0.03, "{hidden} hidden: {found} of {best}");
        assert!(trained.metrics["validation_auc"] > 0.85);
    }
}

#[test]
fn a_killed_training_goes_on_to_the_same_bits() {
    let data = drawn(200, 1.0, 0.0, 6);
    let config = TrainConfig {
        epochs: 5,
        hidden: 4,
        ..bc::config()
    };
    let mut states = Vec::new();
    let whole = bc::train(
        &data,
        &config,
        &mut Hooks {
            progress: &mut |_| ControlFlow::Continue(()),
            checkpoint: &mut |c| states.push(c.to_bytes()),
            resume: None,
        },
    );
    let whole = whole.unwrap();
    for bytes in states.into_iter().step_by(11) {
        let mut hooks = Hooks {
            progress: &mut |_| ControlFlow::Continue(()),
            checkpoint: &mut |_| {},
            resume: Some(Checkpoint::from_bytes(&bytes).unwrap()),
        };
        assert_eq!(bc::train(&data, &config, &mut hooks).unwrap(), whole);
    }
}

#[test]
fn what_cannot_be_imitated_is_left_out_or_refused() {
    let data = drawn(60, 1.0, 0.0, 7);
    let train =
        |data: &Dataset, w: &[f64]| quiet(|h| bc::train_weighted(data, &bc::config(), w, h));
    let mut weights = vec![1.0; 60];
    weights[3] = f64::NAN;
    let error = train(&data, &weights).unwrap_err();
    assert!(matches!(error, TrainError::BadNumber { .. }), "{error}");
    assert!(matches!(
        train(&data, &[1.0]),
        Err(TrainError::BadConfig { .. })
    ));
    let mut over = data.clone();
    for d in &mut over.decisions[..45] {
        d.context.budget_tokens = 0;
    }
    let error = train(&over, &[1.0; 60]).unwrap_err();
    assert!(
        matches!(error, TrainError::TooFew { have: 15, .. }),
        "{error}"
    );
    let mut unlabelled = data;
    unlabelled.decisions[0].items[0].label = Some(1.0);
    unlabelled.decisions[0].items[1].label = Some(0.0);
    let error = quiet(|h| supervised::train(&unlabelled, &supervised::config(), h)).unwrap_err();
    assert!(
        error.to_string().contains("59 others have no labels"),
        "{error}"
    );
}
