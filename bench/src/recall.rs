//! The recall benchmark: any ranking of turns in, one table out.
//!
//! Knows data sets and measures, not engines: the ranking is a function that is handed in.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::dataset::{Category, Conversation, Question};
use crate::metrics;
use crate::report::{Column, Estimate, Row, Table, Unit};

/// The measure "share of the gold evidence among the first k".
pub const RECALL: &str = "evidence recall";
/// The measure "any gold evidence among the first k".
pub const HIT: &str = "hit";
/// The measure nDCG at k.
pub const NDCG: &str = "nDCG";
/// The measure "all gold evidence inside the budget".
pub const SUCCESS: &str = "all evidence in budget";
/// The measure "share of the gold evidence inside the budget".
pub const BUDGET_RECALL: &str = "evidence recall in budget";
/// The label of the row over all questions.
pub const ALL: &str = "all";

/// Turn indices with their scores, best first.
pub type Ranking = Vec<(usize, f64)>;
/// What is measured: ranks the turns of a conversation for a question.
pub type Ranker<'a> = dyn FnMut(&Conversation, &Question) -> Ranking + 'a;

/// How recall is measured. The default is the one of the published tables.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// The depths k.
    pub depths: Vec<usize>,
    /// The budgets, in the unit of `cost`.
    pub budgets: Vec<u32>,
    /// What a turn costs: (conversation, turn index) → tokens.
    pub cost: fn(&Conversation, usize) -> u32,
    /// Resamples of each bootstrap.
    pub resamples: usize,
    /// The seed of the bootstrap.
    pub seed: u64,
}

impl Default for Protocol {
    /// k = 1, 5, 10, 20, 50; budgets of 256, 512 and 1024 tokens at characters / 4 of
    /// `speaker: text`; 2,000 resamples.
    fn default() -> Self {
        Self {
            depths: vec![1, 5, 10, 20, 50],
            budgets: vec![256, 512, 1024],
            cost: |conversation, turn| conversation.turns[turn].tokens(),
            resamples: 2000,
            seed: 1,
        }
    }
}

/// The table of recall by category with the default [`Protocol`]; see [`recall_table_with`].
pub fn recall_table(conversations: &[Conversation], rank: &mut Ranker<'_>) -> Table {
    recall_table_with(&Protocol::default(), conversations, rank)
}

/// Ranks every question with evidence and tabulates all measures by category and over all.
///
/// `rank` gives turn indices, best first, each with its score; scores are not looked at, so that
/// a ranking which is no sort by one number (a slate) is measured as it is. A turn that comes
/// twice counts at its first place. Questions without evidence are left out, and the notes say
/// how many.
///
/// # Panics
/// When `rank` returns an index that is not one of the conversation's turns.
pub fn recall_table_with(
    protocol: &Protocol,
    conversations: &[Conversation],
    rank: &mut Ranker<'_>,
) -> Table {
    let columns = columns(protocol);
    // Per category, per conversation: the measured questions, each with one number per column.
    let mut measured: Vec<Vec<Vec<Vec<f64>>>> =
        vec![vec![Vec::new(); conversations.len()]; Category::ALL.len()];
    let mut without_evidence = 0;
    for (c, conversation) in conversations.iter().enumerate() {
        for question in &conversation.questions {
            if question.evidence.is_empty() {
                without_evidence += 1;
                continue;
            }
            let ranked = distinct(rank(conversation, question), conversation);
            measured[question.category as usize][c].push(measure(
                protocol,
                conversation,
                &ranked,
                &question.evidence,
            ));
        }
    }

    let mut rng = ChaCha8Rng::seed_from_u64(protocol.seed);
    let mut all: Vec<Vec<Vec<f64>>> = vec![Vec::new(); conversations.len()];
    let mut rows = Vec::new();
    for (category, groups) in Category::ALL.iter().zip(measured) {
        if *category != Category::Adversarial || groups.iter().any(|g| !g.is_empty()) {
            rows.push(row(
                category.as_str(),
                &groups,
                columns.len(),
                protocol,
                &mut rng,
            ));
        }
        for (total, group) in all.iter_mut().zip(groups) {
            total.extend(group);
        }
    }
    rows.push(row(ALL, &all, columns.len(), protocol, &mut rng));
    Table {
        title: format!(
            "Recall on {} conversations, {} turns",
            conversations.len(),
            conversations.iter().map(|c| c.turns.len()).sum::<usize>()
        ),
        columns,
        rows,
        notes: notes(protocol, without_evidence),
    }
}

fn columns(protocol: &Protocol) -> Vec<Column> {
    let column = |measure: &str, at: String| Column {
        measure: measure.to_owned(),
        at,
        unit: Unit::Share,
    };
    let mut columns = Vec::new();
    for measure in [RECALL, HIT, NDCG] {
        columns.extend(
            protocol
                .depths
                .iter()
                .map(|k| column(measure, format!("@{k}"))),
        );
    }
    for measure in [SUCCESS, BUDGET_RECALL] {
        columns.extend(
            protocol
                .budgets
                .iter()
                .map(|b| column(measure, b.to_string())),
        );
    }
    columns
}

fn notes(protocol: &Protocol, without_evidence: usize) -> Vec<String> {
    let mut notes = vec![format!(
        "n = questions with evidence; brackets are 95 % bootstrap intervals ({} resamples, seed {}); \
         budgets are in tokens, filled greedily in rank order.",
        protocol.resamples, protocol.seed
    )];
    if without_evidence > 0 {
        notes.push(format!(
            "{without_evidence} questions without evidence were left out."
        ));
    }
    notes
}

fn distinct(ranked: Ranking, conversation: &Conversation) -> Vec<usize> {
    let mut seen = vec![false; conversation.turns.len()];
    ranked
        .into_iter()
        .map(|(turn, _)| turn)
        .filter(|&turn| {
            assert!(
                turn < seen.len(),
                "the ranking of {:?} names turn {turn} of {}",
                conversation.id,
                seen.len()
            );
            !std::mem::replace(&mut seen[turn], true)
        })
        .collect()
}

/// One number per column, in the order of [`columns`].
fn measure(
    protocol: &Protocol,
    conversation: &Conversation,
    ranked: &[usize],
    gold: &[usize],
) -> Vec<f64> {
    let depths = || protocol.depths.iter();
    let taken: Vec<Vec<usize>> = protocol
        .budgets
        .iter()
        .map(|&b| metrics::within_budget(ranked, b, |turn| (protocol.cost)(conversation, turn)))
        .collect();
    depths()
        .map(|&k| metrics::evidence_recall(ranked, gold, k))
        .chain(depths().map(|&k| metrics::hit(ranked, gold, k)))
        .chain(depths().map(|&k| metrics::ndcg(ranked, gold, k)))
        .chain(taken.iter().map(|t| metrics::all_evidence(t, gold)))
        .chain(
            taken
                .iter()
                .map(|t| metrics::evidence_recall(t, gold, t.len())),
        )
        .collect()
}

fn row(
    label: &str,
    groups: &[Vec<Vec<f64>>],
    columns: usize,
    protocol: &Protocol,
    rng: &mut ChaCha8Rng,
) -> Row {
    let values = (0..columns)
        .map(|column| {
            let grouped: Vec<Vec<f64>> = groups
                .iter()
                .map(|group| group.iter().map(|numbers| numbers[column]).collect())
                .collect();
            let flat = grouped.concat();
            metrics::mean(&flat).map(|value| Estimate {
                value,
                by_question: metrics::bootstrap_mean(&flat, protocol.resamples, rng),
                by_conversation: metrics::bootstrap_mean_of_groups(
                    &grouped,
                    protocol.resamples,
                    rng,
                ),
            })
        })
        .collect();
    Row {
        label: label.to_owned(),
        n: groups.iter().map(Vec::len).sum(),
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Turn;

    fn conversation(questions: Vec<Question>) -> Conversation {
        Conversation {
            id: "c".into(),
            turns: (0..4)
                .map(|i| Turn {
                    id: format!("D1:{i}"),
                    session: "session_1".into(),
                    position: i,
                    speaker: None,
                    text: "x".repeat(4 * 200),
                    at: None,
                    caption: None,
                })
                .collect(),
            questions,
            warnings: Vec::new(),
        }
    }

    fn question(category: Category, evidence: &[usize]) -> Question {
        Question {
            text: "?".into(),
            category,
            evidence: evidence.to_vec(),
            answer: None,
        }
    }

    #[test]
    fn the_table_has_the_numbers_worked_out_by_hand() {
        let data = [
            conversation(vec![question(Category::SingleHop, &[0])]),
            conversation(vec![
                question(Category::MultiHop, &[1, 2]),
                question(Category::Temporal, &[]),
            ]),
        ];
        // Turn 0 comes twice and counts once, so turn 2 stands at rank 3.
        let table = recall_table(&data, &mut |_, _| {
            vec![(0, 3.0), (1, 2.0), (0, 2.0), (2, 1.0)]
        });
        let value = |row, measure, at| table.get(row, measure, at).map(|e| e.value);
        assert_eq!(value("single-hop", RECALL, "@1"), Some(1.0));
        assert_eq!(value("multi-hop", RECALL, "@1"), Some(0.0));
        assert_eq!(value("all", RECALL, "@1"), Some(0.5));
        assert_eq!(value("all", RECALL, "@5"), Some(1.0));
        // 200 tokens a turn: one fits 256, two fit 512, five fit 1024.
        assert_eq!(value("multi-hop", SUCCESS, "256"), Some(0.0));
        assert_eq!(value("multi-hop", BUDGET_RECALL, "512"), Some(0.5));
        assert_eq!(value("all", SUCCESS, "1024"), Some(1.0));
        assert_eq!(value("temporal", RECALL, "@1"), None);
        let labels: Vec<_> = table.rows.iter().map(|r| (r.label.as_str(), r.n)).collect();
        assert_eq!(
            labels,
            [
                ("multi-hop", 1),
                ("temporal", 0),
                ("open-domain", 0),
                ("single-hop", 1),
                ("all", 2)
            ]
        );
        assert_eq!(
            table.notes[1],
            "1 questions without evidence were left out."
        );
        assert!(
            table
                .get("all", RECALL, "@1")
                .unwrap()
                .by_conversation
                .is_some()
        );
    }

    #[test]
    #[should_panic(expected = "names turn 4 of 4")]
    fn a_ranking_of_unknown_turns_is_refused() {
        let data = [conversation(vec![question(Category::SingleHop, &[0])])];
        recall_table(&data, &mut |_, _| vec![(4, 1.0)]);
    }
}
