//! Views of the log: decisions, transitions (s, a, r, s'), events.

mod json;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use memrl_store::{DecisionFilter, EventFilter, Order};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::json::Shape;
use crate::cells::{page_size, parse_cursor};
use crate::{
    Code, Decision, DecisionId, DecisionQuery, Error, EventQuery, Events, Memory, Page, Result,
    Timestamp,
};

/// Which transitions to read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetQuery {
    /// Made at or after this time.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub to: Option<Timestamp>,
    /// By this policy, with or without its version.
    pub policy: Option<String>,
    /// Of this trajectory.
    pub trajectory: Option<String>,
    /// Only with (`true`) or without (`false`) an outcome.
    pub completed: Option<bool>,
    /// At most this many; all when `None`.
    pub limit: Option<u64>,
    /// How many to skip.
    pub offset: u64,
    /// Of exports for other programs, the reward spec by name; `bounded_v1` when `None`, as in training and evaluation. The
    /// transitions of memcell-rl carry the rewards that were recorded, whatever this says.
    pub spec: Option<String>,
}

/// The (state, action, reward, next state) view of a decision, in memcell-rl's shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Transition {
    /// The decision.
    pub transition_id: DecisionId,
    /// Its second identifier.
    pub query_id: DecisionId,
    /// What was known.
    pub state: Value,
    /// What was done, with its propensity.
    pub action: Value,
    /// The reward record; null before an outcome.
    pub reward: Option<Value>,
    /// What followed; null before an outcome.
    pub next_state: Option<Value>,
    /// When the decision was made.
    pub created_at: Timestamp,
    /// When the last report arrived.
    pub completed_at: Option<Timestamp>,
}

impl DatasetQuery {
    /// The same as a filter of the store.
    pub(crate) fn filter(&self) -> DecisionFilter {
        DecisionFilter {
            from: self.from,
            before: self.to,
            trajectory: self.trajectory.clone(),
            completed: self.completed,
            policy: self.policy.as_deref().map(with_version),
            ..DecisionFilter::default()
        }
    }
}

/// `similarity` means its built-in version.
fn with_version(name: &str) -> String {
    if name.contains('@') {
        return name.to_owned();
    }
    memrl_learn::policy::by_name(name).map_or_else(|_| name.to_owned(), |p| p.label())
}

impl Memory {
    /// One decision as logged.
    pub fn decision(&self, id: &str) -> Result<Decision> {
        Ok(self.store.decision(self.decision_id(id)?)?.decision)
    }

    /// A page of decisions, the newest first.
    pub fn decisions(&self, query: &DecisionQuery) -> Result<Page<Decision>> {
        let filter = DecisionFilter {
            from: query.from,
            before: query.to,
            policy: query.policy.as_deref().map(with_version),
            trajectory: query.trajectory.clone(),
            completed: query.completed,
            order: Order::Newest,
            ..DecisionFilter::default()
        };
        let cursor = parse_cursor(query.cursor.as_deref())?;
        let page = self
            .store
            .decisions(&filter, cursor, page_size(query.limit)?)?;
        Ok(Page {
            items: page.rows.into_iter().map(|r| r.decision).collect(),
            next_cursor: page.next.map(|c| c.0.to_string()),
        })
    }

    /// Transitions, the newest first.
    pub fn transitions(&self, query: &DatasetQuery) -> Result<Vec<Transition>> {
        let mut text = Vec::new();
        self.write_transitions(query, Shape::Transition, &mut text)?;
        serde_json::from_slice(&text).map_err(|e| Error::format("transitions", e.to_string()))
    }

    /// Writes transitions as one JSON array, the newest first, while the log is read.
    pub fn write_transitions(
        &self,
        query: &DatasetQuery,
        shape: Shape,
        out: &mut dyn Write,
    ) -> Result<()> {
        let spec = self.spec(&self.config.reward.spec)?;
        let mut filter = query.filter();
        filter.reports = true;
        filter.raw_state = true;
        let (mut skip, mut left) = (query.offset, query.limit.unwrap_or(u64::MAX));
        let mut failed = None;
        // One entry is made of hundreds of small pieces; they are put together here first.
        let mut entry = vec![b'['];
        if left > 0 {
            self.store.for_each_decision(&filter, &mut |row| {
                if skip > 0 {
                    skip -= 1;
                    return ControlFlow::Continue(());
                }
                left -= 1;
                let written = json::write(&mut entry, &row, &spec, shape)
                    .and_then(|()| out.write_all(&entry));
                entry.clear();
                entry.push(b',');
                if let Err(e) = written {
                    failed = Some(e);
                }
                if failed.is_some() || left == 0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        }
        if entry == b"[" {
            failed = out.write_all(b"[").err();
        }
        let end = match failed {
            Some(e) => Err(e),
            None => out.write_all(b"]"),
        };
        end.map_err(|e| Error::io(Path::new("output"), e))
    }

    /// Events, the newest first.
    pub fn events(&self, query: &EventQuery) -> Result<Events> {
        let limit = query.limit.unwrap_or(100);
        if !(1..=1000).contains(&limit) {
            let message = format!("is {limit}; it must lie in [1, 1000]");
            return Err(Error::invalid(Code::InvalidInput, "limit", message));
        }
        let filter = EventFilter {
            kinds: query.event_type.into_iter().collect(),
            from: query.from,
            before: query.to,
            ..EventFilter::default()
        };
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        Ok(self.store.events(&filter, limit as usize, offset)?)
    }
}
