//! The hard rules: what no policy, learned or not, may show.

use serde::{Deserialize, Serialize};

use crate::{CellStatus, CellType, Sensitivity, Timestamp};

/// From this criticality on a constraint is critical: always a candidate, never explored away.
pub const CRITICAL: f64 = 0.7;

/// What the hard rules look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleInput {
    /// The cell's type.
    pub kind: CellType,
    /// The cell's status.
    pub status: CellStatus,
    /// The cell's sensitivity.
    pub sensitivity: Sensitivity,
    /// Start of validity.
    pub valid_from: Option<Timestamp>,
    /// End of validity (still valid at this very moment).
    pub valid_until: Option<Timestamp>,
    /// The cell's criticality.
    pub criticality: f64,
    /// Whether another cell is recorded as contradicting it.
    pub contradicted: bool,
}

/// The highest sensitivity a caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clearance(pub Sensitivity);

impl Default for Clearance {
    fn default() -> Self {
        Self(Sensitivity::Medium)
    }
}

impl Clearance {
    /// Sees everything: the owner at their own command line, and the memcell-compatible routes.
    pub const ALL: Self = Self(Sensitivity::Restricted);

    /// Whether a cell of this sensitivity may be a candidate at all. What this refuses is not
    /// even logged as a candidate, so that the log cannot reveal it.
    pub fn admits(self, sensitivity: Sensitivity) -> bool {
        sensitivity <= self.0
    }
}

/// Why a candidate may not be chosen. The mask is logged with the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// Forgotten.
    Deleted,
    /// Past `valid_until`, or marked expired.
    Expired,
    /// Replaced by another cell.
    Superseded,
    /// Contradicted by another cell.
    Contradicted,
    /// Before `valid_from`.
    NotYetValid,
    /// The caller has it in context.
    AlreadyInContext,
}

impl Mask {
    /// The reason as it is logged and returned.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Contradicted => "contradicted",
            Self::NotYetValid => "not_yet_valid",
            Self::AlreadyInContext => "already_in_context",
        }
    }
}

impl RuleInput {
    /// The rule that forbids showing this cell at `now`, if any.
    pub fn mask(&self, now: Timestamp) -> Option<Mask> {
        match self.status {
            CellStatus::Deleted => return Some(Mask::Deleted),
            CellStatus::Expired => return Some(Mask::Expired),
            CellStatus::Superseded => return Some(Mask::Superseded),
            CellStatus::Contradicted => return Some(Mask::Contradicted),
            CellStatus::Active | CellStatus::Quarantined => {}
        }
        if self.valid_until.is_some_and(|t| t < now) {
            return Some(Mask::Expired);
        }
        if self.valid_from.is_some_and(|t| t > now) {
            return Some(Mask::NotYetValid);
        }
        self.contradicted.then_some(Mask::Contradicted)
    }

    /// Whether exploration must leave this cell alone: a critical constraint, or anything critical
    /// that is private enough to be a safety matter (memcell-rl's constraint rules 5 and 6).
    pub fn is_critical(&self) -> bool {
        self.criticality >= CRITICAL
            && (self.kind == CellType::Constraint || self.sensitivity >= Sensitivity::High)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn input() -> RuleInput {
        RuleInput {
            kind: CellType::Fact,
            status: CellStatus::Active,
            sensitivity: Sensitivity::Low,
            valid_from: None,
            valid_until: None,
            criticality: 0.0,
            contradicted: false,
        }
    }

    #[test]
    fn expired_superseded_contradicted_and_future_cells_are_never_shown() {
        for (change, mask) in [
            (
                RuleInput {
                    status: CellStatus::Superseded,
                    ..input()
                },
                Mask::Superseded,
            ),
            (
                RuleInput {
                    status: CellStatus::Contradicted,
                    ..input()
                },
                Mask::Contradicted,
            ),
            (
                RuleInput {
                    status: CellStatus::Expired,
                    ..input()
                },
                Mask::Expired,
            ),
            (
                RuleInput {
                    status: CellStatus::Deleted,
                    ..input()
                },
                Mask::Deleted,
            ),
            (
                RuleInput {
                    valid_until: Some(Timestamp(999_999)),
                    ..input()
                },
                Mask::Expired,
            ),
            (
                RuleInput {
                    valid_from: Some(Timestamp(1_000_001)),
                    ..input()
                },
                Mask::NotYetValid,
            ),
            (
                RuleInput {
                    contradicted: true,
                    ..input()
                },
                Mask::Contradicted,
            ),
        ] {
            assert_eq!(change.mask(NOW), Some(mask));
        }
        assert_eq!(
            RuleInput {
                valid_until: Some(NOW),
                ..input()
            }
            .mask(NOW),
            None
        );
        assert_eq!(
            RuleInput {
                status: CellStatus::Quarantined,
                ..input()
            }
            .mask(NOW),
            None
        );
    }

    #[test]
    fn only_critical_constraints_and_critical_secrets_are_critical() {
        let c = RuleInput {
            criticality: 0.7,
            ..input()
        };
        assert!(!c.is_critical());
        assert!(
            RuleInput {
                kind: CellType::Constraint,
                ..c
            }
            .is_critical()
        );
        assert!(
            RuleInput {
                sensitivity: Sensitivity::High,
                ..c
            }
            .is_critical()
        );
        assert!(
            !RuleInput {
                kind: CellType::Constraint,
                criticality: 0.69,
                ..c
            }
            .is_critical()
        );
    }
}
