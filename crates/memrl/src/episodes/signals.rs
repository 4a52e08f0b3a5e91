//! Signs of how a session went, as outcomes of its decisions.

use std::collections::BTreeMap;

use crate::{CellId, Episode, Outcome};

/// The source of what captured episodes report.
pub(crate) const BY_CAPTURE: &str = "capture";

/// What a captured session says about each of its decisions. It is about the whole session, so
/// it says so (`whole`), and it is sent again whenever the session went on, so it replaces what
/// it said before (`revise`); it never claims `success`, which is for people and tests that are
/// asked, and so never overrules them.
pub(crate) fn session_outcome(
    episode: &Episode,
    implied: Option<f64>,
    cited: Vec<CellId>,
) -> Outcome {
    let mut metrics = BTreeMap::new();
    let mut note = |name: &str, value: f64| {
        metrics.insert(name.to_owned(), value);
    };
    if let Some(tests) = episode.outcome.tests_after {
        note("tests_passed", f64::from(tests.passed));
        note("tests_failed", f64::from(tests.failed));
    }
    if let Some(session) = &episode.session {
        let c = session.counts;
        note("session_tool_calls", f64::from(c.tool_calls));
        note("session_tool_failures", f64::from(c.tool_failures));
        note("session_corrections", f64::from(c.corrections));
        note("session_reverts", f64::from(c.reverts));
        note("session_tokens", c.tokens as f64);
    }
    Outcome {
        implied_success: implied,
        cited,
        metrics,
        source: BY_CAPTURE.into(),
        revise: true,
        whole: true,
        ..Outcome::default()
    }
}
