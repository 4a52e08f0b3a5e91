//! Conversations as cells of a memory, and questions as recall decisions on them.
//!
//! A turn is a cell of type `fact` with its speaker, its session as the source, its position there
//! and the time of the session; what is searched is `speaker: text`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use memrl::learn::explore::HELD_OUT;
use memrl::search::embed::{EmbedError, Embedder};
use memrl::{
    BudgetCounts, CellId, CellType, Clearance, DecisionId, MemcellDecide, Memory, NewCell,
    RecallRequest, Scope, Timestamp,
};

use super::{Result, RunError};
use crate::dataset::{Conversation, Question};
use crate::{corpus, hotpot, locomo};

/// Cells per write: large enough that a commit costs nothing per cell.
const BATCH: usize = 512;
/// The system whose selection rules `memcell_decide` follows to the letter.
pub(super) const BASELINE: &str = "baseline_v0";
/// When a conversation ended that does not say: the first of January 2025.
const UNDATED: Timestamp = Timestamp(1_735_689_600_000_000);
/// The candidates of every decision, of all policies alike.
pub(super) const POOL: u64 = 200;

/// Loads a file of conversations (`LoCoMo`'s format), a `.jsonl` file of questions in the format of
/// `HotpotQA` (pooled: every question searches the paragraphs of all), or the demo corpus.
pub(crate) fn load(data: Option<&Path>) -> Result<Vec<Conversation>> {
    let Some(path) = data else {
        return Ok(corpus::demo()?);
    };
    let name = path.to_string_lossy();
    let name = name.trim_end_matches(".gz");
    let lines = Path::new(name)
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("jsonl"));
    let conversations = if lines {
        vec![hotpot::pooled(&hotpot::load(path)?)]
    } else {
        locomo::load(path, locomo::Options::default())?
    };
    let conversations: Vec<_> = conversations.into_iter().map(without_blanks).collect();
    if conversations.iter().all(|c| asked(c).next().is_none()) {
        return Err(RunError::NoQuestions(path.display().to_string()));
    }
    Ok(conversations)
}

/// The conversation without turns that say nothing: a memory does not take them, and no evidence is
/// in them.
fn without_blanks(mut conversation: Conversation) -> Conversation {
    let turns = std::mem::take(&mut conversation.turns);
    let mut places = vec![None; turns.len()];
    for (place, turn) in places.iter_mut().zip(turns) {
        if !turn.text.trim().is_empty() {
            *place = Some(conversation.turns.len());
            conversation.turns.push(turn);
        }
    }
    for question in &mut conversation.questions {
        let kept = question.evidence.iter().filter_map(|&e| places[e]);
        question.evidence = kept.collect();
    }
    let blanks = places.iter().filter(|p| p.is_none()).count();
    if blanks > 0 {
        let warning = format!("{blanks} turns without text were left out");
        conversation.warnings.push(warning);
    }
    conversation
}

/// The questions that can measure recall.
pub(crate) fn asked(conversation: &Conversation) -> impl Iterator<Item = &Question> {
    conversation
        .questions
        .iter()
        .filter(|q| !q.evidence.is_empty())
}

/// When the questions begin: a day after the last turn. Ages of memories count from the time of a decision, so it must not be
/// that of the computer, or the same seed would give other decisions tomorrow.
pub(crate) fn afterwards(conversations: &[Conversation]) -> Timestamp {
    let turns = conversations.iter().flat_map(|c| &c.turns);
    turns
        .filter_map(|turn| turn.at)
        .max()
        .unwrap_or(UNDATED)
        .plus_days(1.0)
}

/// The scope of the cells of one conversation in one run. Runs have copies of their own, so that
/// what one learns from its outcomes is not what another is measured with.
pub(crate) fn scope(conversation: &str, run: &str) -> Scope {
    let mut scope = Scope::of("conversation", conversation);
    scope.0.extend(Scope::of("run", run).0);
    scope
}

/// Writes every turn as a cell; the id of each, by conversation and turn.
pub(crate) fn ingest(
    memory: &Memory,
    conversations: &[Conversation],
    run: &str,
    mut written: impl FnMut(u64),
) -> Result<Vec<Vec<CellId>>> {
    let mut ids = Vec::with_capacity(conversations.len());
    let mut count = 0;
    for conversation in conversations {
        let cells: Vec<NewCell> = conversation
            .turns
            .iter()
            .enumerate()
            .map(|(i, turn)| {
                let mut cell = turn.to_cell(
                    &format!("{run}/{}", conversation.id),
                    CellType::Fact,
                    scope(&conversation.id, run),
                );
                // memcell-rl has no field for the speaker: its users write it into the text.
                if run == BASELINE {
                    cell.content = turn.indexed_text();
                    cell.speaker = None;
                }
                // Two turns with the same words are two cells.
                cell.idempotency_key = Some(format!("{run}/{}/{i}", conversation.id));
                cell
            })
            .collect();
        let mut of_conversation = Vec::with_capacity(cells.len());
        for batch in cells.chunks(BATCH) {
            let done = memory.write_batch(batch.to_vec())?;
            of_conversation.extend(done.iter().map(|w| w.cell.cell_id));
            count += done.len() as u64;
            written(count);
        }
        ids.push(of_conversation);
    }
    Ok(ids)
}

/// How a question is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub policy: &'a str,
    pub scope: &'a Scope,
    pub trajectory: &'a str,
    pub budget: u64,
    /// Whether the configured randomisation applies.
    pub explore: bool,
}

/// What a decision showed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub decision: DecisionId,
    /// The policy with its version.
    pub policy: String,
    pub selected: Vec<CellId>,
    /// Characters / 4 of the shown cells, each at least 1, as the budget counts them.
    pub tokens: u32,
    /// Wall-clock milliseconds of the decision with its log row.
    pub millis: f64,
    /// Whether a cell of the greedy slate was withheld at random.
    pub held_out: bool,
}

/// Asks a question by one logged decision: [`BASELINE`] by memcell-rl's own route and counting, all
/// others by a native recall that counts contents only. The pool is the same.
pub(super) fn decide(memory: &Memory, question: &str, ask: &Ask<'_>) -> Result<Answer> {
    let start = Instant::now();
    if ask.policy == BASELINE {
        let made = memory.memcell_decide(&MemcellDecide {
            query: question.to_owned(),
            scope: ask.scope.clone(),
            task_type: "question".to_owned(),
            budget_tokens: ask.budget,
            k: POOL,
            policy: None,
            trajectory: Some(ask.trajectory.to_owned()),
            // memcell-rl never randomises.
            explore: false,
        })?;
        let millis = start.elapsed().as_secs_f64() * 1000.0;
        let tokens = made
            .selected_cells
            .iter()
            .map(|c| memrl::TokenCounter::Chars4.count(&c.content))
            .sum();
        return Ok(Answer {
            decision: made.transition_id,
            policy: made.policy["policy_id"]
                .as_str()
                .unwrap_or(BASELINE)
                .to_owned(),
            selected: made.selected_cells.iter().map(|c| c.cell_id).collect(),
            tokens,
            millis,
            held_out: false,
        });
    }
    let made = memory.recall(&RecallRequest {
        task_type: "question".to_owned(),
        budget_tokens: Some(ask.budget),
        budget_counts: BudgetCounts::Content,
        limit: Some(POOL),
        policy: Some(ask.policy.to_owned()),
        trajectory: Some(ask.trajectory.to_owned()),
        clearance: Some(Clearance::ALL),
        explore: ask.explore,
        ..RecallRequest::new(question, ask.scope.clone())
    })?;
    let millis = start.elapsed().as_secs_f64() * 1000.0;
    let tokens = made
        .selected
        .iter()
        .map(|r| memrl::TokenCounter::Chars4.count(&r.cell.indexed_text()))
        .sum();
    Ok(Answer {
        decision: made.decision_id,
        policy: made.policy,
        selected: made.selected.iter().map(|r| r.cell.cell_id).collect(),
        tokens,
        millis,
        held_out: made.suppressed.iter().any(|s| s.reason == HELD_OUT),
    })
}

/// An embedder that keeps what it has embedded: a benchmark asks the same question many times.
/// Clones share the memory.
#[derive(Clone)]
pub(crate) struct Cached {
    inner: Arc<dyn Embedder>,
    known: Arc<Mutex<std::collections::HashMap<String, Vec<f32>>>>,
}

impl Cached {
    pub(crate) fn new(inner: Box<dyn Embedder>) -> Self {
        Self {
            inner: Arc::from(inner),
            known: Arc::default(),
        }
    }
}

impl Embedder for Cached {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn embed(&self, texts: &[&str]) -> std::result::Result<Vec<Vec<f32>>, EmbedError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh: Vec<&str> = texts
            .iter()
            .copied()
            .filter(|t| !known.contains_key(*t))
            .collect();
        fresh.sort_unstable();
        fresh.dedup();
        if !fresh.is_empty() {
            for (text, vector) in fresh.iter().zip(self.inner.embed(&fresh)?) {
                known.insert((*text).to_owned(), vector);
            }
        }
        Ok(texts
            .iter()
            .map(|t| known.get(*t).cloned().unwrap_or_default())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_turns_are_left_out_and_evidence_still_means_the_same() {
        let mut conversation = corpus::demo().unwrap().remove(0);
        conversation.turns[1].text = " ".to_owned();
        conversation.questions.truncate(1);
        conversation.questions[0].evidence = vec![0, 1, 5];
        let kept = without_blanks(conversation.clone());
        assert_eq!(kept.turns.len(), conversation.turns.len() - 1);
        let evidence = &kept.questions[0].evidence;
        assert_eq!(evidence, &[0, 4]);
        assert_eq!(kept.turns[4], conversation.turns[5]);
        assert_eq!(kept.warnings.len(), conversation.warnings.len() + 1);
    }
}
