//! Retention rules.

use memrl_learn::retain::{Record, built_in, by_name};
use memrl_types::{CellStatus, CellType, RetentionAction, Sensitivity};

use crate::support::cell_id;

fn record() -> Record {
    Record {
        cell_id: cell_id(0),
        kind: CellType::Fact,
        status: CellStatus::Active,
        sensitivity: Sensitivity::Low,
        criticality: 0.0,
        staleness: 0.0,
        age_days: 60.0,
        validity_over: false,
        access_count: Some(3),
    }
}

fn action(policy: &str, record: &Record) -> RetentionAction {
    let answer = by_name(policy).unwrap().decide(record);
    assert!((answer.propensity - 1.0).abs() < f64::EPSILON && !answer.reason.is_empty());
    answer.action
}

#[test]
fn ttl_fades_what_is_out_of_date() {
    let fades = |r: Record| action("ttl", &r) == RetentionAction::Decay;
    assert!(!fades(record()));
    assert!(fades(Record {
        staleness: 0.7,
        ..record()
    }));
    assert!(!fades(Record {
        staleness: 0.69,
        ..record()
    }));
    assert!(fades(Record {
        validity_over: true,
        ..record()
    }));
    assert!(
        fades(Record {
            age_days: 180.0,
            ..record()
        }),
        "age counts, staleness or not"
    );
}

#[test]
fn access_frequency_needs_a_count_and_some_time() {
    let with = |access_count, age_days| {
        action(
            "access_frequency",
            &Record {
                access_count,
                age_days,
                ..record()
            },
        )
    };
    assert_eq!(with(Some(5), 60.0), RetentionAction::Promote);
    assert_eq!(with(Some(2), 60.0), RetentionAction::Keep);
    assert_eq!(with(Some(1), 60.0), RetentionAction::Decay);
    assert_eq!(
        with(Some(0), 3.0),
        RetentionAction::Keep,
        "a new cell has time to be used"
    );
    assert_eq!(with(None, 60.0), RetentionAction::Keep, "nobody counted");
}

#[test]
fn critical_and_inactive_cells_are_left_alone() {
    for policy in built_in() {
        assert_eq!(policy.label(), format!("{}@1", policy.id()));
        for r in [
            Record {
                kind: CellType::Constraint,
                criticality: 0.9,
                ..record()
            },
            Record {
                status: CellStatus::Quarantined,
                ..record()
            },
            Record {
                status: CellStatus::Deleted,
                ..record()
            },
        ] {
            let r = Record {
                staleness: 1.0,
                age_days: 1e4,
                access_count: Some(0),
                ..r
            };
            assert_eq!(
                policy.decide(&r).action,
                RetentionAction::Keep,
                "{}",
                policy.id()
            );
        }
    }
}
