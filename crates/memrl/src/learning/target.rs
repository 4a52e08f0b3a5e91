//! Any policy of ours as the target of an evaluation: logits for the candidates of a logged decision.
//!
//! Knows policies and logged rows; no outcome.

use std::sync::Arc;

use memrl_learn::data::{Logged, Schema};
use memrl_learn::ope::log::{Scores, Target};
use memrl_learn::policy::Learned;
use memrl_learn::{Ranking, RecallPolicy, features};

use crate::{Memory, Result};

/// A policy, asked about logged decisions.
pub(crate) enum Asked {
    /// Reads the logged features as they are.
    Learned(Arc<Learned>),
    /// Decides on candidates, which are made again from their rows.
    Rule(Arc<dyn RecallPolicy>, Schema),
}

impl Asked {
    /// `name@version`.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Learned(policy) => policy.label(),
            Self::Rule(policy, _) => policy.label(),
        }
    }
}

impl Target for Asked {
    fn score(&self, decision: &Logged, scores: &mut Scores) {
        match self {
            Self::Learned(policy) => {
                scores.logits = policy.logits(&decision.features);
                scores.stop = policy.stop().map(f64::from);
            }
            Self::Rule(policy, schema) => {
                let (ctx, candidates) = features::rebuild(schema, decision);
                let ranking = Ranking::new(&candidates, policy.order_tersely(&ctx, &candidates));
                scores.logits.resize(candidates.len(), f64::NEG_INFINITY);
                scores.refused.resize(candidates.len(), true);
                for s in ranking.shown() {
                    scores.logits[s.index] = s.logit;
                    scores.refused[s.index] = false;
                }
                scores.stop = Some(policy.stop_logit(&ctx));
            }
        }
    }
}

impl Memory {
    /// The policy of this name as the target of an evaluation on a log of this schema.
    pub(crate) fn asked(&self, name: &str, schema: &Schema) -> Result<Asked> {
        let label = self.policy_label(name)?;
        if memrl_learn::policy::by_name(&label).is_ok() {
            return Ok(Asked::Rule(self.policy(&label)?, schema.clone()));
        }
        Ok(Asked::Learned(self.learned(&label)?))
    }
}
