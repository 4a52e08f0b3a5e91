//! The demo corpus is sound, and is no trivial exercise in matching words.

use std::collections::{BTreeMap, HashSet};

use memrl_bench::recall::{ALL, BUDGET_RECALL, HIT, NDCG, RECALL, SUCCESS};
use memrl_bench::{
    Category, Conversation, Protocol, Question, Ranker, Ranking, Table, corpus, recall_table_with,
};

fn demo() -> Vec<Conversation> {
    corpus::demo().unwrap()
}

/// The table with few resamples: these tests look at the numbers, not at their intervals.
fn table(rank: &mut Ranker<'_>) -> Table {
    let protocol = Protocol {
        resamples: 50,
        ..Protocol::default()
    };
    recall_table_with(&protocol, &demo(), rank)
}

#[test]
fn every_evidence_id_exists() {
    for conversation in demo() {
        assert_eq!(conversation.warnings, Vec::<String>::new());
        for question in &conversation.questions {
            assert!(!question.evidence.is_empty(), "{}", question.text);
            assert!(question.answer.is_some(), "{}", question.text);
        }
    }
}

#[test]
fn every_category_occurs_in_every_conversation() {
    let conversations = demo();
    assert_eq!(conversations.len(), 3);
    for conversation in conversations {
        let mut counts = BTreeMap::new();
        for question in &conversation.questions {
            *counts.entry(question.category).or_insert(0) += 1;
        }
        for category in &Category::ALL[..4] {
            assert!(counts[category] >= 4, "{} {category}", conversation.id);
        }
        assert!((60..=90).contains(&conversation.turns.len()));
    }
}

#[test]
fn sessions_are_dated_and_in_order() {
    for conversation in demo() {
        let times: Vec<_> = conversation.turns.iter().map(|t| t.at.unwrap()).collect();
        assert!(times.is_sorted(), "{}", conversation.id);
        let sessions: HashSet<_> = conversation.turns.iter().map(|t| &t.session).collect();
        assert!((4..=6).contains(&sessions.len()));
        let ids: HashSet<_> = conversation.turns.iter().map(|t| &t.id).collect();
        assert_eq!(ids.len(), conversation.turns.len());
    }
}

#[test]
fn multi_hop_questions_need_more_than_one_turn() {
    for conversation in demo() {
        for q in conversation
            .questions
            .iter()
            .filter(|q| q.category == Category::MultiHop)
        {
            assert!(q.evidence.len() > 1, "{}", q.text);
        }
    }
}

/// memcell-rl's word overlap (Jaccard of lower-cased words).
fn by_overlap(conversation: &Conversation, question: &Question) -> Ranking {
    let words = |text: &str| -> HashSet<String> {
        text.to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    let asked = words(&question.text);
    let mut ranking: Ranking = conversation
        .turns
        .iter()
        .map(|turn| words(&turn.indexed_text()))
        .map(|said| asked.intersection(&said).count() as f64 / asked.union(&said).count() as f64)
        .enumerate()
        .collect();
    ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranking
}

fn value(table: &Table, measure: &str, at: &str) -> f64 {
    table.get(ALL, measure, at).unwrap().value
}

/// The numbers of a separate program in Python, for the same ranking of the same file.
#[test]
fn the_table_agrees_with_another_program() {
    let table = table(&mut by_overlap);
    for (measure, at, expected) in [
        (RECALL, "@5", 0.264_957_264_957_264_9),
        (RECALL, "@20", 0.569_230_769_230_769_3),
        (HIT, "@10", 0.512_820_512_820_512_8),
        (NDCG, "@10", 0.247_938_992_765_661_73),
        (SUCCESS, "256", 21.0 / 78.0),
        (BUDGET_RECALL, "512", 0.663_247_863_247_863_2),
    ] {
        let found = value(&table, measure, at);
        assert!((found - expected).abs() < 1e-12, "{measure} {at}: {found}");
    }
}

#[test]
fn word_overlap_alone_does_not_answer_the_demo() {
    let table = table(&mut by_overlap);
    for row in ["multi-hop", "temporal", "open-domain", "single-hop"] {
        let recall = table.get(row, RECALL, "@5").unwrap().value;
        assert!(recall < 0.5, "{row}: {recall}");
    }
}

#[test]
fn perfect_recall_is_possible_within_the_smallest_budget() {
    let table = table(&mut |_, q| q.evidence.iter().map(|&e| (e, 1.0)).collect());
    assert!((value(&table, SUCCESS, "256") - 1.0).abs() < 1e-12);
    assert!((value(&table, RECALL, "@5") - 1.0).abs() < 1e-12);
    assert!(value(&table, RECALL, "@1") < 1.0);
}

#[test]
fn the_same_ranking_gives_the_same_table() {
    assert_eq!(table(&mut by_overlap), table(&mut by_overlap));
}
