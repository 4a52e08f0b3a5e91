//! What a search promises.

use memrl_recall::index::{
    Attrs, Fusion, Hit, IndexError, MAX_MASKED, MemcellQuery, Params, QVec, Query, Verdict,
};
use proptest::prelude::*;

use crate::index_support::*;

#[test]
fn words_are_found_in_every_form_and_rare_ones_count_more() {
    let index = index_of(&[
        Owned::new(1, "Melanie went camping with her kids"),
        Owned::new(2, "The kids like dinosaurs"),
        Owned::new(3, "kids kids kids"),
        Owned::new(4, "fn parse_http_response in src/net.rs"),
    ]);
    assert_eq!(seqs(&ask(&index, "Who camped with kids?", None))[0], 1);
    assert_eq!(seqs(&ask(&index, "http RESPONSE", None)), [4]);
    assert_eq!(seqs(&ask(&index, "parse_http_response", None)), [4]);
    assert!(ask(&index, "submarine", None).is_empty());
}

#[test]
fn a_query_of_only_stop_words_still_searches() {
    let index = index_of(&[
        Owned::new(1, "to be or not to be"),
        Owned::new(2, "something else"),
    ]);
    assert_eq!(seqs(&ask(&index, "to be", None)), [1]);
}

#[test]
fn bm25_is_the_textbook_value() {
    let index = index_of(&[
        Owned::new(1, "apple apple pear"),
        Owned::new(2, "pear"),
        Owned::new(3, "plum plum plum plum"),
    ]);
    let hits = ask(&index, "apple pear", None);
    // N = 3, average length 8/3, k1 = 0.9, b = 0.4; apple: df 1, tf 2; pear: df 2, tf 1.
    let idf = |df: f64| (1.0 + (3.0 - df + 0.5) / (df + 0.5)).ln();
    let part = |tf: f64, len: f64| tf / (tf + 0.9 * (0.6 + 0.4 * len / (8.0 / 3.0)));
    let expected = idf(1.0) * part(2.0, 3.0) + idf(2.0) * part(1.0, 3.0);
    assert!(
        (f64::from(hits[0].bm25) - expected).abs() < 1e-5,
        "{}",
        hits[0].bm25
    );
    let expected = idf(2.0) * part(1.0, 1.0);
    assert!(
        (f64::from(hits[1].bm25) - expected).abs() < 1e-5,
        "{}",
        hits[1].bm25
    );
    assert_eq!(hits.iter().map(|h| h.bm25_rank).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn levels_widen_and_nothing_outside_of_them_is_found() {
    let index = index_of(&[
        Owned::new(1, "deploy script").scoped(&[("user", "ann"), ("project", "x")]),
        Owned::new(2, "deploy script").scoped(&[("user", "ann"), ("project", "y")]),
        Owned::new(3, "deploy script").scoped(&[("user", "bob")]),
        Owned::new(4, "deploy script"),
    ]);
    let both = owned_pairs(&[("user", "ann"), ("project", "x")]);
    let user = owned_pairs(&[("user", "ann")]);
    let levels = |l: &[Vec<_>]| {
        let hits = ask_as(&index, "deploy", None, l, &admit_all);
        hits.iter()
            .map(|h| (h.attrs.seq, h.level))
            .collect::<Vec<_>>()
    };
    assert_eq!(levels(&[both.clone(), user.clone()]), [(1, 0), (2, 1)]);
    assert_eq!(
        levels(&[both, user, vec![]]),
        [(1, 0), (2, 1), (3, 2), (4, 2)]
    );
    assert_eq!(levels(&[]), []);
    assert_eq!(levels(&[owned_pairs(&[("user", "nobody")])]), []);
    // A null matches only a null, and a key is not a value.
    assert_eq!(levels(&[owned_pairs(&[("project", "null")])]), []);
    assert_eq!(levels(&[owned_pairs(&[("ann", "user")])]), []);
}

#[test]
fn masked_hits_are_reported_and_take_no_place() {
    let mut docs: Vec<Owned> = (0..120).map(|i| Owned::new(i, "camping trip")).collect();
    for doc in docs.iter_mut().take(100) {
        doc.attrs.status = 2;
    }
    docs[110].attrs.status = 3;
    let index = index_of(&docs);
    let levels = everything();
    let query = |pool| Query {
        text: "camping",
        vector: None,
        levels: &levels,
        pool,
        judge: &by_status,
        hints: &[],
        params: Params::default(),
    };
    let hits = index.search(&query(50)).unwrap();
    let (masked, admitted): (Vec<Hit>, Vec<Hit>) =
        hits.iter().copied().partition(|h| h.mask.is_some());
    assert_eq!(masked.len(), MAX_MASKED);
    assert!(masked.iter().all(|h| h.mask == Some(9)));
    let admitted: Vec<i64> = admitted.iter().map(|h| h.attrs.seq).collect();
    let expected: Vec<i64> = (100..120).filter(|&i| i != 110).collect();
    assert_eq!(admitted, expected);

    // A masked one that is worse than the whole pool is not reported.
    docs.truncate(1);
    docs[0].text = "camping in a very long text that is about something else".into();
    docs.extend((1..6).map(|i| Owned::new(i, "camping")));
    let index = index_of(&docs);
    assert_eq!(seqs(&index.search(&query(3)).unwrap()), [1, 2, 3]);
    assert_eq!(seqs(&index.search(&query(9)).unwrap()), [1, 2, 3, 4, 5, 0]);
}

#[test]
fn one_index_is_searched_from_many_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let index = index_of(&[Owned::new(1, "camping")]);
    shared(&index);
}

#[test]
fn a_smaller_pool_is_the_beginning_of_a_larger_one() {
    let docs: Vec<Owned> = (0..300)
        .map(|i| {
            let text = ["camping trip", "camping", "a guitar trip", "pottery"][i as usize % 4];
            Owned::new(i, text)
                .placed(1 + i as u64 / 40, i as u32)
                .with_vector(&[1.0, i as f32])
        })
        .collect();
    let index = index_of(&docs);
    let (levels, vector) = (everything(), padded(&[1.0, 90.0]));
    let found = |pool| {
        let query = Query {
            text: "camping trip",
            vector: Some(&vector),
            levels: &levels,
            pool,
            judge: &admit_all,
            hints: &[],
            params: Params::default(),
        };
        seqs(&index.search(&query).unwrap())
    };
    let whole = found(200);
    assert_eq!(whole.len(), 200);
    for pool in [1, 7, 50] {
        assert_eq!(found(pool), whole[..pool]);
    }
}

#[test]
fn many_documents_at_one_place_stay_quick_and_the_last_one_counts() {
    let mut docs: Vec<Owned> = (0..3000)
        .map(|i| Owned::new(i, "silence").placed(7, 1))
        .collect();
    docs.push(Owned::new(5000, "pottery class").placed(7, 2));
    docs.push(Owned::new(3000, "guitar").placed(7, 1));
    let index = index_of(&docs);
    let hits = ask(&index, "guitar", None);
    // The neighbour of the class is the last one of its 3001 neighbours.
    assert_eq!(seqs(&hits), [3000, 5000]);
    let hits = ask(&index, "silence", None);
    assert!(!seqs(&hits).contains(&5000));
}

#[test]
fn neighbours_are_of_the_same_scope() {
    let mut docs = [
        Owned::new(1, "pottery").placed(7, 1),
        Owned::new(2, "Tuesday").placed(7, 2),
    ];
    docs[1].attrs.scope = 99;
    assert_eq!(seqs(&ask(&index_of(&docs), "pottery", None)), [1]);
}

#[test]
fn removed_means_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.bin");
    let docs: Vec<Owned> = (0..9)
        .map(|i| Owned::new(i, "secret plan").placed(1, i as u32))
        .collect();
    index_of(&docs).write_snapshot(&path).unwrap();
    let mut index = memrl_recall::index::Index::open(&path).unwrap();
    index
        .upsert(&Owned::new(20, "secret plan").placed(1, 4).doc())
        .unwrap();
    for seq in [4, 20] {
        assert!(index.remove(seq) && !index.remove(seq));
        assert!(index.attrs(seq).is_none());
        assert!(!seqs(&ask(&index, "secret", None)).contains(&seq));
        assert!(!seqs(&ask(&index, "", None)).contains(&seq));
    }
    index.write_snapshot(&path).unwrap();
    let index = memrl_recall::index::Index::open(&path).unwrap();
    let mut left = seqs(&ask(&index, "secret", None));
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 5, 6, 7, 8]);
}

#[test]
fn a_replaced_document_answers_with_its_new_text_only() {
    let mut index = index_of(&[Owned::new(1, "lives in Sweden"), Owned::new(2, "other")]);
    index
        .upsert(&Owned::new(1, "lives in Norway").doc())
        .unwrap();
    assert!(ask(&index, "Sweden", None).is_empty());
    assert_eq!(seqs(&ask(&index, "Norway", None)), [1]);
    assert_eq!(index.len(), 2);
}

#[test]
fn neighbours_lift_a_candidate_and_hidden_ones_do_not() {
    let mut docs = vec![
        Owned::new(1, "When did you sign up for pottery?").placed(7, 1),
        Owned::new(2, "Last Tuesday!").placed(7, 2),
        Owned::new(3, "Nothing special").placed(7, 9),
    ];
    let index = index_of(&docs);
    let hits = ask(&index, "pottery sign up", None);
    assert_eq!(seqs(&hits), [1, 2], "the answer stands beside the question");
    assert!(hits[1].bm25 == 0.0 && hits[1].bm25_window > 0.0);
    docs[0].attrs.status = 3;
    let hidden = index_of(&docs);
    assert!(ask_as(&hidden, "pottery sign up", None, &everything(), &by_status).is_empty());
}

#[test]
fn the_window_of_vectors_is_the_cosine_with_their_sum() {
    let index = index_of(&[
        Owned::new(1, "x").placed(7, 1).with_vector(&[1.0, 0.0]),
        Owned::new(2, "x").placed(7, 2).with_vector(&[0.0, 1.0]),
        Owned::new(3, "x").with_vector(&[0.6, 0.8]),
    ]);
    let hits = ask(&index, "", Some(&padded(&[3.0, 0.0])));
    let of = |seq| hits.iter().find(|h| h.attrs.seq == seq).unwrap();
    let near = f64::from(Params::default().near);
    let close = |a: f32, b: f64| assert!((f64::from(a) - b).abs() < 2e-3, "{a} {b}");
    close(of(1).dense, 1.0);
    close(of(1).dense_window, 1.0 / (1.0 + near * near).sqrt());
    close(of(2).dense, 0.0);
    close(of(2).dense_window, near / (1.0 + near * near).sqrt());
    close(of(3).dense, 0.6);
    close(of(3).dense_window, 0.6);
}

#[test]
fn an_empty_query_gives_the_newest() {
    let mut docs: Vec<Owned> = (0..400).map(|i| Owned::new(i, "text")).collect();
    for doc in &mut docs {
        doc.attrs.created_at = doc.attrs.seq % 100;
    }
    for text in ["", " …\n", "!"] {
        let hits = ask(&index_of(&docs), text, Some(&padded(&[])));
        assert_eq!(seqs(&hits)[..5], [99, 199, 299, 399, 98]);
        assert!(hits.len() == 50 && hits.is_sorted_by(|a, b| a.fused > b.fused));
        assert!(hits.iter().all(|h| h.fused > 0.0 && h.fused <= 1.0));
    }
}

#[test]
fn odd_vectors_are_errors_or_nothing_but_never_a_panic() {
    let mut index = empty();
    let short = QVec::quantise(&[1.0, 2.0]);
    let doc = Owned {
        vector: Some(short),
        ..Owned::new(1, "x")
    };
    assert!(matches!(
        index.upsert(&doc.doc()),
        Err(IndexError::Dim {
            found: 2,
            expected: DIM
        })
    ));
    assert!(index.is_empty());
    for odd in [f32::NAN, f32::INFINITY, 0.0] {
        let doc = Owned::new(2, "x").with_vector(&[odd, odd]);
        index.upsert(&doc.doc()).unwrap();
        assert_eq!(index.vector(2), None);
        assert_eq!(seqs(&ask(&index, "x", Some(&padded(&[odd])))), [2]);
    }
    let levels = everything();
    let query = Query {
        text: "x",
        vector: Some(&[1.0]),
        levels: &levels,
        pool: 0,
        judge: &admit_all,
        hints: &[],
        params: Params {
            fusion: Fusion::Rrf { k: 0.0 },
            ..Params::default()
        },
    };
    assert!(matches!(
        index.search(&query),
        Err(IndexError::Dim { found: 1, .. })
    ));
}

#[test]
fn huge_texts_and_queries_are_survived() {
    let text = "camping mountains überraschung 東京 ".repeat(300_000);
    assert!(text.len() > 10_000_000);
    let index = index_of(&[Owned::new(1, &text), Owned::new(2, "camping")]);
    assert_eq!(ask(&index, &text, None).len(), 2);
    let many: Vec<String> = (0..5000).map(|i| format!("word{i}")).collect();
    let many = many.join(" ");
    let index = index_of(&[Owned::new(1, &many), Owned::new(2, "other")]);
    assert_eq!(seqs(&ask(&index, &many, None)), [1]);
}

#[test]
fn no_score_is_ever_nan() {
    let mut doc = Owned::new(1, "text").with_vector(&[1.0]);
    doc.attrs.confidence = f64::NAN;
    doc.attrs.staleness = f64::INFINITY;
    let index = index_of(&[doc]);
    for fusion in fusions() {
        let levels = everything();
        let vector = padded(&[1.0]);
        let params = Params {
            fusion,
            ..Params::default()
        };
        let query = Query {
            text: "text",
            vector: Some(&vector),
            levels: &levels,
            pool: 5,
            judge: &admit_all,
            hints: &[],
            params,
        };
        let hits = index.search(&query).unwrap();
        assert!(hits.len() == 1 && hits[0].fused.is_finite(), "{hits:?}");
    }
    let query = MemcellQuery {
        text: "text",
        scope: &[],
        judge: &admit_all,
        k: 5,
    };
    assert!((index.memcell(&query)[0].1 - 1.0).abs() < 1e-12);
}

proptest! {
    #[test]
    fn vectors_keep_their_direction(components in any_components()) {
        let q = QVec::quantise(&components);
        prop_assert_eq!(QVec::from_bytes(&q.to_bytes()), Some(q.clone()));
        let norm = components.iter().map(|x| x * x).sum::<f32>().sqrt();
        let cosine: f32 = q.dequantise().iter().zip(&components).map(|(a, b)| a * b / norm).sum();
        prop_assert!(cosine > 0.999, "{}", cosine);
        prop_assert!((q.dot(&q) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn foreign_bytes_are_no_vector(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
        if let Some(q) = QVec::from_bytes(&bytes) {
            prop_assert!(q.scale.is_finite() && q.codes.len() + 4 == bytes.len());
        }
    }

    /// The reference: memcell-rl's loop over all cells, written as it is there.
    #[test]
    fn memcell_scores_are_those_of_the_reference(
        docs in prop::collection::vec(any_doc(0), 0..40),
        text in any_text(),
        k in 0usize..50,
    ) {
        let mut docs = docs;
        for (i, doc) in docs.iter_mut().enumerate() {
            doc.attrs.seq = i as i64;
        }
        let index = index_of(&docs);
        for scope in [vec![], owned_pairs(&[("project", "null")]), owned_pairs(&[("user", "ann"), ("project", "x")])] {
            let query = MemcellQuery { text: &text, scope: &scope, judge: &by_status, k };
            let got: Vec<(i64, f64)> = index.memcell(&query).iter().map(|(a, s)| (a.seq, *s)).collect();
            prop_assert_eq!(got, reference(&docs, &text, &scope, k));
        }
    }
}

fn reference(docs: &[Owned], text: &str, scope: &[(String, String)], k: usize) -> Vec<(i64, f64)> {
    use std::collections::HashSet;
    let set = |t: &str| {
        t.to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<HashSet<_>>()
    };
    let query = set(text);
    let get = |d: &Owned, key: &str| d.scope.iter().find(|p| p.0 == key).map(|p| p.1.clone());
    let mut out: Vec<(i64, f64)> = docs
        .iter()
        .filter(|d| {
            scope
                .iter()
                .all(|(key, v)| &get(d, key).unwrap_or("null".into()) == v)
        })
        .filter(|d| by_status(&d.attrs) == Verdict::Admit)
        .map(|d| {
            let words = set(&d.text);
            let jaccard = if query.is_empty() || words.is_empty() {
                0.0
            } else {
                query.intersection(&words).count() as f64 / query.union(&words).count() as f64
            };
            let Attrs {
                confidence,
                criticality,
                future_utility,
                staleness,
                ..
            } = d.attrs;
            let score = jaccard + 0.5 * confidence + 0.5 * criticality + 0.3 * future_utility
                - 0.5 * staleness;
            (d.attrs.seq, score)
        })
        .collect();
    out.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap());
    out.truncate(k);
    out
}

#[test]
fn a_source_that_matches_lifts_its_other_documents() {
    let mut docs: Vec<Owned> = (0..40)
        .map(|i| Owned::new(i, "nothing of interest"))
        .collect();
    // Sources of ten places; one document of the third is the only one to match.
    for (doc, i) in docs.iter_mut().zip(0u32..) {
        doc.attrs.source = u64::from(i / 10) + 1;
        doc.attrs.position = i % 10;
    }
    docs[25] = Owned {
        attrs: docs[25].attrs,
        ..Owned::new(25, "camping in the mountains")
    };
    let index = index_of(&docs);
    let vector = padded(&[1.0]);
    let hits = ask(&index, "camping interest", Some(&vector));
    assert_eq!(hits[0].attrs.seq, 25);
    // Far from the match, so no window has it.
    let of = |seq| hits.iter().find(|h| h.attrs.seq == seq).unwrap().fused;
    assert!(of(20) > of(10) && of(20) > of(35));
}

#[test]
fn hints_lift_what_they_hold_for_and_find_nothing_new() {
    let docs: Vec<Owned> = (0..20).map(|i| Owned::new(i, "camping trip")).collect();
    let index = index_of(&docs);
    let thirteen = |a: &Attrs| a.seq == 13;
    let levels = everything();
    let query = |hints| Query {
        text: "camping",
        vector: None,
        levels: &levels,
        pool: 50,
        judge: &admit_all,
        hints,
        params: Params::default(),
    };
    let plain = index.search(&query(&[])).unwrap();
    let hinted = index.search(&query(&[&thirteen])).unwrap();
    assert_eq!((plain[0].attrs.seq, hinted[0].attrs.seq), (0, 13));
    assert_eq!(plain.len(), hinted.len());
}
