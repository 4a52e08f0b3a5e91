//! Rule policies of the decision point `retain`: what happens to a stored cell.
//!
//! memcell-rl declares them and never runs them; its defects are fixed here: ages are real ages
//! (its staleness never changes by itself), an unknown access count is not "never accessed", a new
//! cell has time to be used, and critical cells are kept. They may not know stores or clocks.

use memrl_types::{CellId, CellStatus, CellType, RetentionAction, RuleInput, Sensitivity};

/// What a retention policy looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The cell.
    pub cell_id: CellId,
    /// Its type.
    pub kind: CellType,
    /// Its status.
    pub status: CellStatus,
    /// Its sensitivity.
    pub sensitivity: Sensitivity,
    /// Its criticality.
    pub criticality: f64,
    /// How outdated it is believed to be, usually in [0, 1].
    pub staleness: f64,
    /// Days since it was last changed.
    pub age_days: f64,
    /// Whether `valid_until` has passed.
    pub validity_over: bool,
    /// How often it was retrieved; `None` when nobody counted.
    pub access_count: Option<u64>,
}

impl Record {
    /// The reason to keep the cell whatever a rule policy thinks, if there is one.
    pub fn exempt(&self) -> Option<&'static str> {
        let critical = RuleInput {
            kind: self.kind,
            status: self.status,
            sensitivity: self.sensitivity,
            valid_from: None,
            valid_until: None,
            criticality: self.criticality,
            contradicted: false,
        }
        .is_critical();
        match self.status {
            CellStatus::Active if critical => Some("critical"),
            CellStatus::Active => None,
            // Already out of view, or waiting for a check: not for a rule to touch.
            _ => Some("not active"),
        }
    }
}

/// What to do with one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Retention {
    /// The action.
    pub action: RetentionAction,
    /// Probability with which the policy takes it; 1 for a rule.
    pub propensity: f64,
    /// Why.
    pub reason: String,
}

impl Retention {
    fn certain(action: RetentionAction, reason: impl Into<String>) -> Self {
        Self {
            action,
            propensity: 1.0,
            reason: reason.into(),
        }
    }
}

/// A way to choose what happens to a stored cell. Deterministic.
pub trait RetentionPolicy: Send + Sync {
    /// The name, e.g. `ttl`.
    fn id(&self) -> &str;

    /// The version; a change of behaviour is a new version.
    fn version(&self) -> u32;

    /// The action for this cell.
    fn decide(&self, record: &Record) -> Retention;

    /// Name and version: `ttl@1`.
    fn label(&self) -> String {
        format!("{}@{}", self.id(), self.version())
    }
}

/// Keeps everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepAll;

impl RetentionPolicy for KeepAll {
    fn id(&self) -> &'static str {
        "keep_all"
    }

    fn version(&self) -> u32 {
        1
    }

    fn decide(&self, _record: &Record) -> Retention {
        Retention::certain(RetentionAction::Keep, "everything is kept")
    }
}

/// Lets cells fade that are out of date: past their validity, believed to be stale, or old.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ttl {
    /// From this staleness on a cell fades.
    pub staleness: f64,
    /// From this age in days on a cell fades.
    pub days: f64,
}

impl Default for Ttl {
    /// memcell-rl's threshold, and `MemRL`'s 180 days.
    fn default() -> Self {
        Self {
            staleness: 0.7,
            days: 180.0,
        }
    }
}

impl RetentionPolicy for Ttl {
    fn id(&self) -> &'static str {
        "ttl"
    }

    fn version(&self) -> u32 {
        1
    }

    fn decide(&self, record: &Record) -> Retention {
        if let Some(why) = record.exempt() {
            return Retention::certain(RetentionAction::Keep, why);
        }
        let why = if record.validity_over {
            "past its validity".to_owned()
        } else if record.staleness >= self.staleness {
            format!("staleness {:.2} of {:.2}", record.staleness, self.staleness)
        } else if record.age_days >= self.days {
            format!("{:.0} days old, limit {:.0}", record.age_days, self.days)
        } else {
            return Retention::certain(RetentionAction::Keep, "up to date");
        };
        Retention::certain(RetentionAction::Decay, why)
    }
}

/// Promotes what is used often and lets fade what is hardly used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccessFrequency {
    /// From this many accesses on a cell is promoted.
    pub promote: u64,
    /// Up to this many accesses a cell fades.
    pub decay: u64,
    /// Days that a cell has to be used before it can fade.
    pub grace_days: f64,
}

impl Default for AccessFrequency {
    /// memcell-rl's thresholds, and a month to be used in.
    fn default() -> Self {
        Self {
            promote: 5,
            decay: 1,
            grace_days: 30.0,
        }
    }
}

impl RetentionPolicy for AccessFrequency {
    fn id(&self) -> &'static str {
        "access_frequency"
    }

    fn version(&self) -> u32 {
        1
    }

    fn decide(&self, record: &Record) -> Retention {
        if let Some(why) = record.exempt() {
            return Retention::certain(RetentionAction::Keep, why);
        }
        let Some(n) = record.access_count else {
            return Retention::certain(RetentionAction::Keep, "accesses were not counted");
        };
        if n >= self.promote {
            return Retention::certain(RetentionAction::Promote, format!("{n} accesses"));
        }
        if n > self.decay {
            return Retention::certain(RetentionAction::Keep, format!("{n} accesses"));
        }
        if record.age_days < self.grace_days {
            let why = format!("{n} accesses, but only {:.0} days old", record.age_days);
            return Retention::certain(RetentionAction::Keep, why);
        }
        let why = format!("{n} accesses in {:.0} days", record.age_days);
        Retention::certain(RetentionAction::Decay, why)
    }
}

/// The built-in retention policies with their defaults.
pub fn built_in() -> [Box<dyn RetentionPolicy>; 3] {
    [
        Box::new(KeepAll),
        Box::new(Ttl::default()),
        Box::new(AccessFrequency::default()),
    ]
}

/// The built-in retention policy of this name.
pub fn by_name(name: &str) -> Option<Box<dyn RetentionPolicy>> {
    built_in().into_iter().find(|p| p.id() == name)
}
