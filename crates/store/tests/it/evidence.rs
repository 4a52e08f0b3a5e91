//! Evidence against a model: a map of pieces, summed up anew for each question.

use std::collections::{BTreeMap, BTreeSet};

use memrl_store::conformance::fixtures::{cell, insert, outcome_id};
use memrl_store::{Evidence, Seq, SqliteStore, Store};
use memrl_types::Timestamp;
use memrl_types::time::MICROS_PER_DAY;
use proptest::prelude::*;
use tempfile::TempDir;

/// A piece: outcome, cell, mass and y in quarters, day.
type Piece = (u64, usize, u8, u8, i64);

/// The outcomes whose evidence is replaced, what is given, and the share kept per day.
type Step = (Vec<u64>, Vec<Piece>, bool);

fn step() -> impl Strategy<Value = Step> {
    let piece = (0..4_u64, 0..3_usize, 0..5_u8, 0..5_u8, 0..9_i64);
    (
        prop::collection::vec(0..5_u64, 0..4),
        prop::collection::vec(piece, 0..5),
        prop::bool::weighted(0.9),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sums_are_those_of_the_pieces_that_were_left(steps in prop::collection::vec(step(), 1..8)) {
        let dir = TempDir::new().unwrap();
        let store = SqliteStore::open(dir.path()).unwrap();
        let cells = [1, 2, 3].map(|n| insert(cell(n, &format!("c{n}"))));
        let seqs: Vec<Seq> = store.insert(&cells).unwrap().iter().map(|d| d.seq).collect();
        let mut model: BTreeMap<(u64, Seq), Evidence> = BTreeMap::new();
        for (outcomes, pieces, usual) in steps {
            let keep: f64 = if usual { 0.75 } else { 0.5 };
            let keys: Vec<_> = outcomes.iter().map(|n| outcome_id(*n)).collect();
            let given: Vec<((u64, Seq), Evidence)> = pieces
                .iter()
                .map(|&(n, cell, mass, y, day)| {
                    let piece = Evidence {
                        outcome: outcome_id(n),
                        seq: seqs[cell],
                        mass: f64::from(mass) / 4.0,
                        y: f64::from(y) / 4.0,
                        at: Timestamp(day * MICROS_PER_DAY),
                    };
                    ((n, seqs[cell]), piece)
                })
                .collect();
            let evidence: Vec<Evidence> = given.iter().map(|(_, e)| *e).collect();
            let sums_before = store.all_values().unwrap();
            let changed = store.replace_evidence(&keys, &evidence, keep).unwrap();

            let before = model.clone();
            model.retain(|(n, _), _| !outcomes.contains(n));
            model.extend(given);
            let of = |pieces: &BTreeMap<(u64, Seq), Evidence>, seq| -> Vec<Evidence> {
                pieces.values().filter(|e| e.seq == seq).copied().collect()
            };
            let named: BTreeSet<Seq> = changed.iter().map(|v| v.seq).collect();
            for v in &changed {
                let known = sums_before.iter().find(|b| b.seq == v.seq);
                prop_assert!(known.map_or(v.observations == 0, |b| b == v));
            }
            for &seq in &seqs {
                let pieces = of(&model, seq);
                prop_assert!(pieces == of(&before, seq) || named.contains(&seq));
                let newest = pieces.iter().map(|e| e.at).max();
                let sums = store.values(&[seq]).unwrap();
                prop_assert_eq!(sums.first().map(|v| v.ref_time), newest);
                let Some(found) = sums.first() else { continue };
                let weight = |e: &Evidence| e.mass * keep.powf(found.ref_time.days_since(e.at));
                let mass: f64 = pieces.iter().map(weight).sum();
                let good: f64 = pieces.iter().map(|e| weight(e) * e.y).sum();
                prop_assert!((found.mass - mass).abs() < 1e-9);
                prop_assert!((found.successes - good).abs() < 1e-9);
                prop_assert_eq!(found.observations, pieces.len() as u64);
            }
        }
    }
}
