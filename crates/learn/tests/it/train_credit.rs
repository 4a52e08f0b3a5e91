//! What the trainer of credit promises, on logs whose truth is known.

use std::ops::ControlFlow;

use memrl_learn::net::{Net, Standard};
use memrl_learn::train::credit::{self, CreditModel};
use memrl_learn::train::{Checkpoint, Hooks, TrainConfig, TrainError};

use crate::support::close;
use crate::train_data::{Made, by_search, by_truth, log, quiet, success};

/// Share of the way from the order of the search to that of the truth, on decisions of another log.
fn recovered(made: Made) -> f64 {
    let (data, _) = log(made);
    let trained = quiet(|h| credit::train(&data, &credit::config(), h)).unwrap();
    let (test, right) = log(Made::of(3000, 999));
    let floor = success(&test, &right, by_search);
    let best = success(&test, &right, by_truth);
    (success(&test, &right, |rows| trained.logits(rows)) - floor) / (best - floor)
}

#[test]
fn the_order_is_found_from_the_success_of_slates_alone() {
    for (decisions, at_least, seeds) in [(500, 0.6, 1..=5), (2000, 0.75, 1..=2)] {
        for seed in seeds {
            let share = recovered(Made::of(decisions, seed));
            println!("{decisions} {seed}: {share:.3}");
            assert!(
                share > at_least,
                "{decisions} decisions, seed {seed}: {share}"
            );
        }
    }
}

#[test]
fn noisy_citations_say_more_than_outcomes() {
    let (mut alone, mut cited) = (0.0, 0.0);
    for seed in 1..=5 {
        alone += recovered(Made::of(200, seed)) / 5.0;
        let share = recovered(Made {
            cited: Some((0.8, 0.05)),
            ..Made::of(200, seed)
        });
        assert!(share > 0.8, "seed {seed}: {share}");
        cited += share / 5.0;
    }
    assert!(cited > alone, "{cited} with, {alone} without");
}

#[test]
fn shuffled_outcomes_leave_the_order_of_the_search_nearly_as_it_was() {
    for seed in 1..=5 {
        let share = recovered(Made {
            shuffled: true,
            ..Made::of(500, seed)
        });
        println!("{seed}: {share:.3}");
        assert!(share > -0.25, "seed {seed}: {share}");
    }
}

#[test]
fn p_success_is_calibrated_and_knows_what_succeeds_without_memory() {
    let made = Made {
        base: 0.3,
        ..Made::of(3000, 5)
    };
    let (data, _) = log(made);
    let fitted = quiet(|h| credit::train_model(&data, &credit::config(), h)).unwrap();
    let (test, _) = log(Made { seed: 77, ..made });
    let mut bins = [(0.0, 0.0, 0.0); 5];
    for d in &test.decisions {
        let p = fitted.model.q(d, &d.shown());
        let bin = &mut bins[((p * 5.0) as usize).min(4)];
        bin.0 += 1.0;
        bin.1 += p;
        bin.2 += d.signals.success.unwrap();
    }
    for (n, p, y) in bins {
        println!("{n} {:.3} {:.3}", p / n, y / n);
        if n >= 200.0 {
            assert!((p / n - y / n).abs() < 0.08, "{n}: {} {}", p / n, y / n);
        }
    }
    let none = fitted.model.p_success(&[], &[]);
    assert!((0.02..0.45).contains(&none), "{none}");
}

#[test]
fn what_matters_is_said_first() {
    let (data, _) = log(Made::of(1000, 3));
    let trained = quiet(|h| credit::train(&data, &credit::config(), h)).unwrap();
    let first: Vec<&str> = trained.importance[..2]
        .iter()
        .map(|x| x.0.as_str())
        .collect();
    assert!(
        first.contains(&"signal") && first.contains(&"anti"),
        "{:?}",
        trained.importance
    );
    assert!(trained.metrics["validation_loss"] < trained.metrics["validation_loss_start"]);
    assert!(trained.metrics["validation_auc"] > 0.6);
}

#[test]
fn p_success_is_the_softmax_share_of_the_slate() {
    let mut net = Net::linear(1);
    net.params.copy_from_slice(&[1.0, 0.0]);
    let model = CreditModel {
        standard: Standard::identity(1),
        net,
        base: -1.0,
        difficulty: vec![0.0],
    };
    let scores = model.scores(&[0.5, -0.5, 2.0]);
    let e = |x: f64| x.exp();
    let share = (e(-1.0) + e(0.5) + e(2.0)) / (e(-1.0) + e(0.5) + e(2.0) + 1.0);
    assert!(close(model.p_success(&scores, &[0, 2]), share, 1e-12));
    let nothing = e(-1.0) / (e(-1.0) + 1.0);
    assert!(close(model.p_success(&scores, &[]), nothing, 1e-12));
    let more = model.p_success(&scores, &[0, 1, 2]);
    assert!(more > share, "another cell never lowers it");
}

#[test]
fn a_training_that_was_killed_goes_on_to_the_same_bits() {
    let (data, _) = log(Made {
        cited: Some((0.8, 0.05)),
        ..Made::of(300, 8)
    });
    let config = TrainConfig {
        epochs: 6,
        hidden: 3,
        ..credit::config()
    };
    let mut states = Vec::new();
    let whole = credit::train_model(
        &data,
        &config,
        &mut Hooks {
            progress: &mut |_| ControlFlow::Continue(()),
            checkpoint: &mut |c| states.push(c.to_bytes()),
            resume: None,
        },
    )
    .unwrap();
    assert!(states.len() >= 6);
    for bytes in states.iter().step_by(7) {
        let resumed = credit::train_model(
            &data,
            &config,
            &mut Hooks {
                progress: &mut |_| ControlFlow::Continue(()),
                checkpoint: &mut |_| {},
                resume: Some(Checkpoint::from_bytes(bytes).unwrap()),
            },
        )
        .unwrap();
        assert_eq!(resumed, whole);
    }
    // Another seed, other data, another trainer: refused.
    let state = Checkpoint::from_bytes(&states[2]).unwrap();
    let mut other = data.clone();
    other.decisions[7].features[3] += 1.0;
    let algo = Checkpoint {
        algo: "bc".to_owned(),
        ..state.clone()
    };
    for (data, seed, state) in [(&data, 2, &state), (&other, 1, &state), (&data, 1, &algo)] {
        let config = TrainConfig {
            seed,
            ..config.clone()
        };
        let error = credit::train(
            data,
            &config,
            &mut Hooks {
                progress: &mut |_| ControlFlow::Continue(()),
                checkpoint: &mut |_| {},
                resume: Some(state.clone()),
            },
        );
        assert!(
            matches!(error, Err(TrainError::ForeignCheckpoint { .. })),
            "{error:?}"
        );
    }
}

#[test]
fn it_stops_when_asked_and_tells_how_far_it_is() {
    let (data, _) = log(Made::of(300, 8));
    let mut told = Vec::new();
    let stopped = credit::train(
        &data,
        &credit::config(),
        &mut Hooks {
            progress: &mut |p| {
                told.push(p.clone());
                if told.len() < 3 {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            },
            checkpoint: &mut |_| {},
            resume: None,
        },
    );
    assert!(matches!(stopped, Err(TrainError::Stopped { steps }) if steps == told[2].step));
    assert!(told[0].step < told[1].step && told[1].step < told[2].total);
}
