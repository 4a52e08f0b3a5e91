//! What a session of an agent is told, and what is heard from it while it runs.

use memrl_capture::strip_own;
use memrl_store::DecisionFilter;

use super::capture::cited_in;
use crate::{
    Code, DecisionPoint, Error, Memory, Outcome, RecallRequest, Result, SessionContext,
    SessionRequest, SessionSignal, TokenCounter,
};

/// Bytes of the frame around a block: tags, decision id, one sentence.
const FRAME: usize = 256;
/// Share of the budget for the start of a session, when nobody has asked anything yet.
const AT_START: u64 = 2;
/// Latest decisions of a session that an answer may cite.
const MAX_CITED: usize = 64;

impl Memory {
    /// What a session should know now: at its start rules and what was worth most, with a prompt
    /// what helps with it; only what this session has not been told yet. At most `max_bytes`.
    pub fn session_context(&self, request: &SessionRequest) -> Result<SessionContext> {
        let room =
            request.max_bytes.saturating_sub(FRAME) / bytes_per_token(self.config.token_counter);
        if room == 0 {
            let message = format!("is {}; no line fits that", request.max_bytes);
            return Err(Error::invalid(Code::InvalidInput, "max_bytes", message));
        }
        let budget = self.config.sessions.budget_tokens.min(room as u64);
        let mut recall = RecallRequest::new(
            // What we said before is no part of what is asked.
            strip_own(request.prompt.as_deref().unwrap_or_default()).into_owned(),
            request.project.scope(),
        );
        recall.global = true;
        recall.widen.extend(request.project.namesake());
        if self.config.sessions.widen {
            recall.widen.push(crate::Scope::default());
        }
        recall.trajectory = Some(request.session.clone());
        recall.skip_shown = !request.afresh;
        recall.relevant_only = request.prompt.is_some();
        recall.max_cells = Some(self.config.sessions.limit.clamp(1, 1000));
        recall.budget_tokens = Some(if request.prompt.is_some() {
            budget
        } else {
            (budget / AT_START).max(1)
        });
        let recall = self.recall_as(&recall, &self.config.sessions.policy)?;
        let block = if recall.context.is_empty() {
            String::new()
        } else {
            framed(&recall.decision_id.to_string(), &recall.context)
        };
        Ok(SessionContext {
            block,
            decision_id: Some(recall.decision_id),
            cells: recall.selected.len(),
        })
    }

    /// Notes something that happened in a session, with the decisions that it says something
    /// about. A session without decisions has nothing to learn; that is no error.
    pub fn session_signal(&self, session: &str, signal: &SessionSignal) -> Result<()> {
        let filter = DecisionFilter {
            point: Some(DecisionPoint::Recall),
            trajectory: Some(session.to_owned()),
            texts: false,
            ..DecisionFilter::default()
        };
        match signal {
            SessionSignal::ToolFailure {
                tool,
                call,
                interrupted,
            } => {
                let page = self.store.decisions(&filter, None, 1)?;
                let Some(row) = page.rows.first() else {
                    return Ok(());
                };
                let name = if *interrupted {
                    "interruptions".to_owned()
                } else {
                    format!("tool_failures.{}", metric_name(tool))
                };
                let outcome = Outcome {
                    metrics: [(name, 1.0)].into(),
                    // Names the call, so that two failures are two and one told twice is one.
                    source: format!("hook:{}", metric_name(call)),
                    ..Outcome::default()
                };
                self.feedback(row.decision.decision_id, &outcome)?;
            }
            SessionSignal::Answer { text } => {
                for row in self.store.decisions(&filter, None, MAX_CITED)?.rows {
                    let cited = cited_in(&row.decision, text);
                    if !cited.is_empty() {
                        let outcome = Outcome {
                            cited,
                            source: "hook".into(),
                            ..Outcome::default()
                        };
                        self.feedback(row.decision.decision_id, &outcome)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A tool's name as part of a metric's: letters, digits, `_` and `-`, at most 64.
fn metric_name(tool: &str) -> String {
    tool.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(64)
        .collect()
}

fn framed(decision: &str, context: &str) -> String {
    format!(
        "<memrl decision=\"{decision}\">\nFrom earlier sessions. Cite what you use as [m:…]; check what may have changed.\n{context}</memrl>"
    )
}

/// The most bytes that one counted token can stand for.
const fn bytes_per_token(counter: TokenCounter) -> usize {
    match counter {
        // Four characters of up to four bytes, rounded down.
        TokenCounter::Chars4 => 17,
        // Half a token per letter of up to three bytes.
        TokenCounter::Careful => 6,
    }
}
