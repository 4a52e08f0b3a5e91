//! `none`: the control arm without memory.

use memrl_types::Mode;

use super::{RecallPolicy, Scored, similarity::order_by};
use crate::{Candidate, Context};

/// The reason of everything that the control arm leaves out.
pub const REASON: &str = "control_arm";

/// Shows nothing but critical constraints: these are a safety matter, which no experiment may
/// switch off.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMemory;

impl RecallPolicy for NoMemory {
    fn id(&self) -> &'static str {
        "none"
    }

    fn version(&self) -> u32 {
        1
    }

    fn order(&self, _ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        let (shown, mut left): (Vec<_>, Vec<_>) =
            order_by(candidates, |c| (c.score, String::new()))
                .into_iter()
                .partition(|s| candidates[s.index].is_critical());
        left.sort_by_key(|s| s.index);
        for s in &mut left {
            s.mode = Mode::Suppress;
            REASON.clone_into(&mut s.reason);
        }
        shown.into_iter().chain(left).collect()
    }
}
