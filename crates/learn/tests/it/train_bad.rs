//! Logs and settings that nothing can be learned from are refused, with a reason that can be acted on.

use memrl_learn::train::{TrainConfig, TrainError, credit};

use crate::train_data::{Made, log, quiet};

#[test]
fn three_rows_are_too_few() {
    let (mut data, _) = log(Made::of(40, 1));
    data.decisions.truncate(3);
    let error = quiet(|h| credit::train(&data, &credit::config(), h)).unwrap_err();
    assert!(
        matches!(
            error,
            TrainError::TooFew {
                have: 3,
                need: 20,
                ..
            }
        ),
        "{error}"
    );
    let (mut data, _) = log(Made::of(60, 1));
    for d in &mut data.decisions[3..] {
        d.signals.success = None;
    }
    let error = quiet(|h| credit::train(&data, &credit::config(), h)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("57 others have neither an outcome nor labels"),
        "{error}"
    );
}

#[test]
fn equal_outcomes_teach_nothing() {
    let (mut data, _) = log(Made::of(60, 1));
    for d in &mut data.decisions {
        d.signals.success = Some(1.0);
    }
    let error = quiet(|h| credit::train(&data, &credit::config(), h)).unwrap_err();
    assert_eq!(error, TrainError::NoVariation { n: 60, value: 1.0 });
}

#[test]
fn one_trajectory_cannot_be_judged() {
    let (mut data, _) = log(Made::of(60, 1));
    for d in &mut data.decisions {
        d.trajectory = 0;
    }
    let error = quiet(|h| credit::train(&data, &credit::config(), h)).unwrap_err();
    assert!(error.to_string().contains("1 trajectories only"), "{error}");
    let config = TrainConfig {
        validation: 0.0,
        ..credit::config()
    };
    assert!(quiet(|h| credit::train(&data, &config, h)).is_ok());
}

#[test]
fn numbers_that_are_none_are_refused_by_decision() {
    let change: [fn(&mut memrl_learn::data::Logged); 8] = [
        |d| d.features[5] = f32::NAN,
        |d| d.features[5] = f32::INFINITY,
        |d| d.signals.success = Some(f64::NAN),
        |d| d.signals.success = Some(1.5),
        |d| d.reward = Some(f64::NAN),
        |d| d.items[2].label = Some(-0.5),
        |d| d.slate.push(99),
        |d| d.features.truncate(7),
    ];
    for (k, change) in change.into_iter().enumerate() {
        let (mut data, _) = log(Made::of(60, 1));
        change(&mut data.decisions[11]);
        let id = data.decisions[11].id.to_string();
        let error = quiet(|h| credit::train(&data, &credit::config(), h)).unwrap_err();
        assert!(
            matches!(&error, TrainError::BadNumber { decision, .. } if *decision == id),
            "{k}: {error}"
        );
    }
}

#[test]
fn with_nine_tenths_of_the_outcomes_missing_the_rest_is_used_and_counted() {
    let made = Made {
        missing: 0.9,
        ..Made::of(1500, 4)
    };
    let (data, _) = log(made);
    let known = data
        .decisions
        .iter()
        .filter(|d| d.signals.success.is_some());
    let known = known.count() as u64;
    let trained = quiet(|h| credit::train(&data, &credit::config(), h)).unwrap();
    assert_eq!(trained.counts.decisions, known);
    assert_eq!(trained.counts.skipped, 1500 - known);
    assert!(known < 250);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let (data, _) = log(Made::of(60, 1));
    let good = credit::config();
    for (field, config) in [
        (
            "epochs",
            TrainConfig {
                epochs: 0,
                ..good.clone()
            },
        ),
        (
            "batch",
            TrainConfig {
                batch: 0,
                ..good.clone()
            },
        ),
        (
            "learning_rate",
            TrainConfig {
                learning_rate: f32::NAN,
                ..good.clone()
            },
        ),
        (
            "learning_rate",
            TrainConfig {
                learning_rate: 0.0,
                ..good.clone()
            },
        ),
        (
            "decay",
            TrainConfig {
                decay: -1.0,
                ..good.clone()
            },
        ),
        (
            "hidden",
            TrainConfig {
                hidden: 1 << 20,
                ..good.clone()
            },
        ),
        (
            "validation",
            TrainConfig {
                validation: 0.9,
                ..good.clone()
            },
        ),
    ] {
        let error = quiet(|h| credit::train(&data, &config, h)).unwrap_err();
        assert!(
            matches!(error, TrainError::BadConfig { field: f, .. } if f == field),
            "{error}"
        );
    }
}

#[test]
fn a_step_size_that_blows_up_is_said() {
    let (data, _) = log(Made::of(60, 1));
    let config = TrainConfig {
        learning_rate: 1e38,
        ..credit::config()
    };
    let error = quiet(|h| credit::train(&data, &config, h)).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
}
