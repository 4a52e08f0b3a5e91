//! The demo corpus is sound, and is no trivial exercise in matching words.

use std::collections::{BTreeMap, HashSet};

use memrl_bench::recall::{ALL, RECALL, SUCCESS};
use memrl_bench::{Category, Conversation, Question, Ranking, Table, corpus, recall_table};

fn demo() -> Vec<Conversation> {
    corpus::demo().unwrap()
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

#[test]
fn word_overlap_alone_does_not_answer_the_demo() {
    let table = recall_table(&demo(), &mut by_overlap);
    let recall = value(&table, RECALL, "@5");
    assert!((0.1..0.6).contains(&recall), "{recall}");
    assert!(value(&table, SUCCESS, "256") < 0.5);
}

#[test]
fn perfect_recall_is_possible_within_the_smallest_budget() {
    let table = recall_table(&demo(), &mut |_, q| {
        q.evidence.iter().map(|&e| (e, 1.0)).collect()
    });
    assert!((value(&table, SUCCESS, "256") - 1.0).abs() < 1e-12);
    assert!((value(&table, RECALL, "@5") - 1.0).abs() < 1e-12);
    assert!(value(&table, RECALL, "@1") < 1.0);
}

#[test]
fn the_same_ranking_gives_the_same_table() {
    let data = demo();
    assert_eq!(
        recall_table(&data, &mut by_overlap),
        recall_table(&data, &mut by_overlap)
    );
}
