//! Arms: which policy a trajectory meets.

use super::{ExploreConfig, coin};

/// The arms there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ArmName {
    /// The policy in charge.
    Incumbent,
    /// The policy on trial.
    Canary,
    /// The former incumbent, kept beside a promoted one so that a drop is seen.
    Control,
    /// The control without memory.
    None,
}

impl ArmName {
    /// The name as it is logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incumbent => "incumbent",
            Self::Canary => "canary",
            Self::Control => "control",
            Self::None => "none",
        }
    }

    /// The arm's share of the trajectories.
    pub fn share(self, config: &ExploreConfig) -> f64 {
        match self {
            Self::Incumbent => {
                1.0 - (config.canary_share + config.control_share + config.none_share)
            }
            Self::Canary => config.canary_share,
            Self::Control => config.control_share,
            Self::None => config.none_share,
        }
    }
}

impl std::fmt::Display for ArmName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The arm of a trajectory: with `u = coin("memrl/arm/v1")`, `canary` when `u < canary_share`,
/// `none` when `u ≥ 1 − none_share`, `control` when `u ≥ 1 − none_share − control_share`, else `incumbent`. A share of
/// canary or control that grows takes trajectories from the incumbent and moves no others; so does `none` while there
/// is no control.
pub fn assign(config: &ExploreConfig, trajectory: &str) -> ArmName {
    let u = coin::toss("memrl/arm/v1", config.salt, trajectory, None);
    if u < config.canary_share {
        ArmName::Canary
    } else if u >= 1.0 - config.none_share {
        ArmName::None
    } else if u >= 1.0 - (config.none_share + config.control_share) {
        ArmName::Control
    } else {
        ArmName::Incumbent
    }
}

/// Whether the slates of a trajectory (of an arm with memory) are drawn: `coin("memrl/sampled/v1")
/// < sampled_share`. Independent of the arm.
pub fn is_sampled(config: &ExploreConfig, trajectory: &str) -> bool {
    coin::toss("memrl/sampled/v1", config.salt, trajectory, None) < config.sampled_share
}
