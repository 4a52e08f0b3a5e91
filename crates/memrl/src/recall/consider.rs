//! What a recall would decide on, without deciding: for simulations, workloads and tests of policies.
//!
//! Logs nothing and draws nothing.

use std::collections::HashSet;

use memrl_capture::redact;
use memrl_learn::{Candidate, Context};

use super::{form, named};
use crate::{BudgetCounts, CellId, Memory, RecallRequest, Result, render};

/// What a recall decides on.
#[derive(Debug, Clone, PartialEq)]
pub struct Considered {
    /// What is known of the request.
    pub context: Context,
    /// The candidates, in the order of the search; masked ones among them.
    pub candidates: Vec<Candidate>,
}

impl Memory {
    /// Gathers what a recall with this request would decide on now, as a policy would see it, and neither decides nor
    /// logs. The overhead of the block, where the budget counts it, is that of the policy that the request names (or the
    /// configured one); a canary is not looked at.
    ///
    /// Fails as [`Memory::recall`] does on a bad request. A query that cannot be embedded is searched by its words only.
    pub fn consider(&self, request: &RecallRequest) -> Result<Considered> {
        let configured = &self.config.recall;
        let budget = request.budget_tokens.unwrap_or(configured.budget_tokens);
        self.check_request(request, budget)?;
        let request = RecallRequest {
            query: redact(&request.query).0.into_owned(),
            ..request.clone()
        };
        let vector = self
            .embed_all(std::slice::from_ref(&request.query))
            .ok()
            .and_then(|mut v| v.pop());
        let mut masked: HashSet<CellId> = request.already_in_context.iter().copied().collect();
        if let (true, Some(trajectory)) = (request.skip_shown, request.trajectory.as_deref()) {
            masked.extend(self.store.shown_in(trajectory)?);
        }
        let pool = request.limit.unwrap_or(u64::from(configured.pool));
        let now = self.clock.now();
        let (found, cells) = self.candidates(&request, vector.as_deref(), &masked, now, pool)?;
        let candidates: Vec<Candidate> = found.into_iter().map(|f| f.candidate).collect();
        let mut context = Context::with_budget(budget);
        context.query_tokens = self.config.token_counter.count(&request.query);
        context.memory_cells = cells;
        context.max_items = request.max_cells.map_or(usize::MAX, |n| n as usize);
        context.query = form::of_query(&request.query, named::names_time(&request.query));
        if request.budget_counts == BudgetCounts::Rendered {
            let name = request.policy.as_deref().unwrap_or(&configured.policy);
            let modes = self.policy(name)?.order(&context, &candidates);
            let modes = modes.into_iter().map(|s| s.mode);
            let overhead = render::overhead(self.config.token_counter, modes);
            context.overhead_tokens = overhead.into();
        }
        Ok(Considered {
            context,
            candidates,
        })
    }
}
