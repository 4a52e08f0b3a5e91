//! Closed vocabularies: each is one table of variants and their wire names.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name that is not in the vocabulary it was read for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a {vocabulary}; expected one of: {expected}")]
pub struct UnknownName {
    /// What was being read, e.g. `cell type`.
    pub vocabulary: &'static str,
    /// What was found.
    pub value: String,
    /// The allowed names, comma separated.
    pub expected: String,
}

/// Declares an enum whose variants have fixed wire names and fixed small codes.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// All variants, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire, in the database and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The stable small code, the position in [`Self::ALL`].
            pub const fn code(self) -> u8 { self as u8 }

            /// The variant with this code.
            pub fn from_code(code: u8) -> Option<Self> { Self::ALL.get(usize::from(code)).copied() }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownName;
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text).ok_or_else(|| UnknownName {
                    vocabulary: $what,
                    value: text.to_owned(),
                    expected: Self::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

vocabulary! {
    /// What kind of thing a cell remembers (memcell-rl's eleven types).
    CellType, "cell type" {
        /// Who somebody is.
        Profile = "profile",
        /// What somebody likes.
        Preference = "preference",
        /// What must or must not be done.
        Constraint = "constraint",
        /// Something that is the case.
        Fact = "fact",
        /// One task or session, with its outcome.
        Episode = "episode",
        /// Where a task stands.
        TaskState = "task_state",
        /// Where a project stands.
        ProjectState = "project_state",
        /// How something is done.
        Procedure = "procedure",
        /// What a tool returned or how it behaves.
        ToolMemory = "tool_memory",
        /// A conclusion drawn from other memories.
        Reflection = "reflection",
        /// A pointer into a document.
        DocumentReference = "document_reference",
    }
}

vocabulary! {
    /// Where a cell is in its life.
    CellStatus, "cell status" {
        /// In use.
        Active = "active",
        /// Replaced by a newer cell.
        Superseded = "superseded",
        /// Contradicted by another cell.
        Contradicted = "contradicted",
        /// Doubted: shown only as `reverify_before_use`.
        Quarantined = "quarantined",
        /// Forgotten (soft): the row stays, the content is gone.
        Deleted = "deleted",
        /// Past its validity.
        Expired = "expired",
    }
}

vocabulary! {
    /// How private a cell is; callers have a clearance of the same scale.
    Sensitivity, "sensitivity" {
        /// Anyone may see it.
        Low = "low",
        /// The default ceiling for hooks and MCP.
        Medium = "medium",
        /// Shown only to callers cleared for it.
        High = "high",
        /// Shown only to callers cleared for everything.
        Restricted = "restricted",
    }
}

vocabulary! {
    /// Who a cell's content came from; trust in it is judged by this.
    Origin, "origin" {
        /// Said by the user.
        User = "user",
        /// Concluded by an agent.
        Agent = "agent",
        /// Returned by a tool: quoted as data, never as an instruction.
        Tool = "tool",
        /// Brought in from elsewhere.
        Import = "import",
    }
}

vocabulary! {
    /// Where a cell lives in the sense of Mem-α; derived from its type.
    Tier, "tier" {
        /// One bounded block per scope.
        Core = "core",
        /// Facts.
        Semantic = "semantic",
        /// Experiences.
        Episodic = "episodic",
    }
}

vocabulary! {
    /// Where a memory decision is made.
    DecisionPoint, "decision point" {
        /// Which cells to show.
        Recall = "recall",
        /// Whether and how to store a new fact.
        Store = "store",
        /// What to keep of a conversation.
        Compact = "compact",
        /// What to do with an old cell.
        Retain = "retain",
    }
}

vocabulary! {
    /// How a cell is used by a recall decision.
    Mode, "mode" {
        /// Ordinary context.
        Context = "context",
        /// A rule that must be followed.
        Constraint = "constraint",
        /// Nice to know.
        Background = "background",
        /// Not shown.
        Suppress = "suppress",
        /// Shown, but to be checked before it is relied on.
        Reverify = "reverify_before_use",
    }
}

vocabulary! {
    /// Actions on a stored cell (decision point `retain`).
    RetentionAction, "retention action" {
        /// Leave as it is.
        Keep = "keep",
        /// Let it fade.
        Decay = "decay",
        /// Shorten it.
        Compress = "compress",
        /// Join it with another.
        Merge = "merge",
        /// Move it up a tier.
        Promote = "promote",
        /// Doubt it.
        Quarantine = "quarantine",
        /// Replace it.
        Supersede = "supersede",
        /// Remove it from view.
        Delete = "delete",
    }
}

vocabulary! {
    /// Actions on a new fact (decision point `store`).
    StoreAction, "store action" {
        /// Do not store it.
        Skip = "skip",
        /// Store it as a new semantic cell.
        InsertSemantic = "insert_semantic",
        /// Store it as a new episodic cell.
        InsertEpisodic = "insert_episodic",
        /// Rewrite the core block.
        UpdateCore = "update_core",
        /// Change an existing cell.
        Update = "update",
        /// Join it with an existing cell.
        Merge = "merge",
        /// Replace an existing cell.
        Supersede = "supersede",
    }
}

vocabulary! {
    /// Which randomised component produced a slate.
    ExploreMode, "explore mode" {
        /// Nothing was randomised.
        Greedy = "greedy",
        /// Greedy, with independent sticky hold-outs.
        Holdout = "holdout",
        /// Drawn from the Plackett–Luce policy.
        PlackettLuce = "plackett_luce",
        /// The control arm without memory.
        None = "none",
    }
}

vocabulary! {
    /// What an event in the log reports.
    EventKind, "event type" {
        /// A cell was written.
        WriteCell = "write_cell",
        /// A cell was updated in place.
        UpdateCell = "update_cell",
        /// Cells were read through the raw view.
        RetrieveCells = "retrieve_cells",
        /// A recall decision was made.
        DecideCells = "decide_cells",
        /// An outcome arrived.
        FeedbackReceived = "feedback_received",
        /// A cell was forgotten (soft).
        ForgetCell = "forget_cell",
        /// A cell was superseded.
        SupersedeCell = "supersede_cell",
        /// A policy changed hands.
        PolicyAction = "policy_action",
        /// A cell was purged (hard). Carries ids only.
        PurgeCell = "purge_cell",
        /// A cell was quarantined.
        QuarantineCell = "quarantine_cell",
        /// A cell was released from quarantine.
        ReleaseCell = "release_cell",
        /// The log was re-scored under a reward spec.
        RewardRecompute = "reward_recompute",
        /// Cells were imported.
        ImportCells = "import_cells",
    }
}

impl CellType {
    /// The tier that cells of this type live in.
    pub const fn tier(self) -> Tier {
        match self {
            Self::Profile => Tier::Core,
            Self::Episode | Self::TaskState | Self::ToolMemory => Tier::Episodic,
            Self::Preference
            | Self::Constraint
            | Self::Fact
            | Self::ProjectState
            | Self::Procedure
            | Self::Reflection
            | Self::DocumentReference => Tier::Semantic,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_itself() {
        for &t in CellType::ALL {
            assert_eq!(t.as_str().parse::<CellType>().unwrap(), t);
            assert_eq!(CellType::from_code(t.code()), Some(t));
        }
        assert_eq!(CellType::ALL.len(), 11);
        assert_eq!(CellStatus::ALL.len(), 6);
        assert_eq!(Sensitivity::ALL.len(), 4);
        assert_eq!(RetentionAction::ALL.len(), 8);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let err = "rumour".parse::<CellType>().unwrap_err().to_string();
        assert!(
            err.contains("rumour") && err.contains("document_reference"),
            "{err}"
        );
    }
}
