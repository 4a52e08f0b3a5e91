//! Where a document lives never changes an answer.

use std::{collections::BTreeMap, fmt::Write};

use memrl_recall::index::{Attrs, Index, MemcellQuery, Params, Query};
use proptest::prelude::*;

use crate::index_support::*;

/// One change of the collection.
#[derive(Debug, Clone)]
enum Step {
    Upsert(Box<Owned>),
    Remove(i64),
    /// Fold everything into a new base file and open it.
    Snapshot,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1i64..40).prop_flat_map(any_doc).prop_map(|d| Step::Upsert(Box::new(d))),
        3 => (1i64..40).prop_map(Step::Remove),
        1 => Just(Step::Snapshot),
    ]
}

fn reopened(index: &Index) -> Index {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.bin");
    index.write_snapshot(&path).unwrap();
    let out = Index::open(&path).unwrap();
    out.verify().unwrap();
    out
}

/// Every answer that the tests compare, as text: equal to the last bit of every float.
fn answers(index: &Index, text: &str, vector: &[f32]) -> String {
    let mut out = String::new();
    let scopes = [
        everything(),
        vec![
            owned_pairs(&[("user", "ann"), ("project", "x")]),
            owned_pairs(&[("user", "ann")]),
        ],
        vec![owned_pairs(&[("user", "bob")]), Vec::new()],
    ];
    for levels in &scopes {
        for fusion in fusions() {
            for (text, vector) in [
                (text, Some(vector)),
                (text, None),
                ("", Some(vector)),
                ("", None),
            ] {
                let params = Params {
                    fusion,
                    ..Params::default()
                };
                let query = Query {
                    text,
                    vector,
                    levels,
                    pool: 7,
                    judge: &by_status,
                    hints: &[],
                    params,
                };
                writeln!(out, "{:?}", index.search(&query).unwrap()).unwrap();
            }
        }
    }
    for scope in [
        vec![],
        owned_pairs(&[("project", "null")]),
        owned_pairs(&[("user", "bob")]),
    ] {
        let query = MemcellQuery {
            text,
            scope: &scope,
            judge: &by_status,
            k: 5,
        };
        writeln!(out, "{:?}", index.memcell(&query)).unwrap();
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn base_delta_and_any_mix_give_the_same_answers(
        steps in prop::collection::vec(any_step(), 1..70),
        text in any_text(),
        vector in any_components(),
    ) {
        let mut mixed = empty();
        let mut truth: BTreeMap<i64, Owned> = BTreeMap::new();
        for step in &steps {
            match step {
                Step::Upsert(doc) => {
                    mixed.upsert(&doc.doc()).unwrap();
                    truth.insert(doc.attrs.seq, (**doc).clone());
                }
                Step::Remove(seq) => prop_assert_eq!(mixed.remove(*seq), truth.remove(seq).is_some()),
                Step::Snapshot => mixed = reopened(&mixed),
            }
        }
        let fresh = index_of(&truth.values().cloned().collect::<Vec<_>>());
        let backwards = index_of(&truth.values().rev().cloned().collect::<Vec<_>>());
        let expected = answers(&fresh, &text, &vector);
        for (name, other) in [("mixed", &mixed), ("backwards", &backwards), ("reopened", &reopened(&mixed))] {
            let got = answers(other, &text, &vector);
            let difference = got.lines().zip(expected.lines()).find(|(a, b)| a != b);
            prop_assert_eq!(difference, None, "{}", name);
        }

        let (mut a, mut b) = (mixed.stats(), fresh.stats());
        (a.base, a.delta, a.dead) = (0, 0, 0);
        (b.base, b.delta, b.dead) = (0, 0, 0);
        prop_assert_eq!(a, b);
        for seq in 1..40 {
            let attrs: Option<Attrs> = truth.get(&seq).map(|d| d.attrs);
            prop_assert_eq!(mixed.attrs(seq), attrs);
            let vector = truth.get(&seq).and_then(|d| d.vector.clone()).filter(|v| !v.is_zero());
            prop_assert_eq!(mixed.vector(seq), vector);
        }
    }
}

#[test]
fn a_delta_of_mostly_dead_records_is_moved_together_without_changing_answers() {
    let docs: Vec<Owned> = (0..40)
        .map(|i| {
            Owned::new(
                i,
                ["camping in the mountains", "guitar lesson"][i as usize % 2],
            )
            .placed(1, i as u32)
            .with_vector(&[1.0, i as f32 / 10.0])
        })
        .collect();
    let mut index = index_of(&docs);
    for round in 0..100 {
        for doc in &docs {
            let mut changed = doc.clone();
            changed.attrs.updated_at = round;
            index.upsert(&changed.doc()).unwrap();
        }
    }
    assert!(
        index.delta_len() < 2500,
        "4000 changes of 40 documents: {:?}",
        index.stats()
    );
    for doc in &docs {
        index.upsert(&doc.doc()).unwrap();
    }
    let vector = padded(&[0.7, 0.7]);
    assert_eq!(
        answers(&index, "mountain camp", &vector),
        answers(&index_of(&docs), "mountain camp", &vector)
    );
}
