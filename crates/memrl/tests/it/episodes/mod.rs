//! Promises about experience: what is captured, what it is worth, and what that changes.

mod capture;
mod session;
mod upkeep;
mod values;

use memrl::{
    CaptureRequest, CellFeedback, Episode, EpisodeStatus, Intent, Memory, Origin, Project,
    RetrieveRequest,
};

use crate::support::{Bed, bed};

pub fn shop() -> Project {
    Project::named("shop")
}

pub fn told(summary: &str, status: EpisodeStatus) -> CaptureRequest {
    let mut episode = Episode {
        intent: Intent {
            extracted_intent: summary.to_owned(),
            ..Intent::default()
        },
        ..Episode::default()
    };
    episode.outcome.status = status;
    CaptureRequest {
        episode,
        project: shop(),
        origin: Origin::Agent,
        decisions: Vec::new(),
        trajectory: None,
    }
}

pub fn capture(memory: &Memory, summary: &str) -> String {
    let done = memory
        .capture(told(summary, EpisodeStatus::Success))
        .unwrap();
    done.cell.cell_id.to_string()
}

pub fn ask(query: &str) -> RetrieveRequest {
    RetrieveRequest {
        query: query.to_owned(),
        project: Some(shop()),
        only_project: true,
        limit: 3,
        types: Vec::new(),
        trajectory: None,
        budget_tokens: None,
        skip_shown: false,
        explore: false,
    }
}

pub fn order(bed: &Bed, query: &str) -> Vec<String> {
    let found = bed.memory.retrieve(&ask(query)).unwrap();
    found
        .hits
        .iter()
        .map(|h| h.cell.cell_id.to_string())
        .collect()
}

pub fn verdict(cell: &str, useful: f64) -> CellFeedback {
    CellFeedback {
        cells: vec![cell.to_owned()],
        useful,
        decision: None,
        trajectory: None,
        correction: None,
        source: "user".into(),
    }
}

pub const LOGIN: &str = "fix the login redirect that loops after the session expires";

/// Two episodes that are equally good answers to [`LOGIN`], the one that is ranked second first.
pub fn rivals(bed: &Bed) -> (String, String) {
    capture(
        &bed.memory,
        "fix login redirect loop after session expires by clearing the cookie",
    );
    capture(
        &bed.memory,
        "fix login redirect loop after session expires by raising the timeout",
    );
    let ranked = order(bed, LOGIN);
    assert_eq!(ranked.len(), 2);
    (ranked[1].clone(), ranked[0].clone())
}
