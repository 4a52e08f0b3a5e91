//! Coding sessions: what was learned about the code, where the work stands, and attempts that failed.
//!
//! A task needs what is known about the part of the code (found by its words) and where the work stands (found by its
//! session rather than by its words). Attempts that failed read like what is needed. Code moves on: half of what is a month old is
//! outdated.

use memrl_types::CellType;

use super::params::{OutcomeParams, Params, Role, Sign};

/// The numbers of the workload.
pub const PARAMS: Params = Params {
    name: "coding",
    candidates: (36, 56),
    steps: (2, 6),
    log_tokens: (3.5, 0.5),
    needs: &[
        // What is known about the code.
        Role {
            share: 0.07,
            text: [0.5, 0.3, -0.2, -0.2, 0.0],
            words: 0.95,
            speaker: 0.1,
            log_age: 2.6,
        },
        // Where the work stands.
        Role {
            share: 0.06,
            text: [-0.5, -0.4, 0.4, 0.3, 0.5],
            words: 0.8,
            speaker: 0.1,
            log_age: 2.0,
        },
    ],
    harmful: Role {
        share: 0.07,
        text: [0.1, 0.1, -0.4, -0.4, -0.3],
        words: 0.9,
        speaker: 0.1,
        log_age: 2.9,
    },
    rule: Role {
        share: 0.02,
        text: [-0.6, -0.5, -0.9, -0.8, -0.7],
        words: 0.7,
        speaker: 0.05,
        log_age: 3.6,
    },
    idle: Role {
        share: 0.78,
        text: [-1.0, -0.8, -0.8, -0.7, -0.7],
        words: 0.65,
        speaker: 0.05,
        log_age: 3.2,
    },
    spread: [1.0, 0.8, 1.0, 0.8, 1.0],
    lifetime_days: 45.0,
    kinds: [
        CellType::Fact,
        CellType::Procedure,
        CellType::ProjectState,
        CellType::Constraint,
    ],
    signs: [
        Sign {
            staleness: -1.4,
            confidence: 1.4,
            past: 0.7,
            criticality: [0.60, 0.15, 0.15, 0.08, 0.01, 0.01],
            utility: [0.25, 0.15, 0.20, 0.20, 0.20],
            kinds: [0.35, 0.35, 0.28, 0.02],
            origin: [0.25, 0.45, 0.25, 0.05],
            scope: [0.85, 0.10, 0.05],
        },
        Sign {
            staleness: -0.4,
            confidence: 1.2,
            past: 0.55,
            criticality: [0.60, 0.15, 0.15, 0.08, 0.01, 0.01],
            utility: [0.30, 0.20, 0.20, 0.15, 0.15],
            kinds: [0.30, 0.25, 0.43, 0.02],
            origin: [0.25, 0.45, 0.25, 0.05],
            scope: [0.80, 0.14, 0.06],
        },
        Sign {
            staleness: -1.0,
            confidence: 0.4,
            past: 0.3,
            criticality: [0.65, 0.15, 0.12, 0.06, 0.01, 0.01],
            utility: [0.35, 0.20, 0.20, 0.15, 0.10],
            kinds: [0.35, 0.45, 0.18, 0.02],
            origin: [0.10, 0.70, 0.15, 0.05],
            scope: [0.65, 0.25, 0.10],
        },
        Sign {
            staleness: -1.6,
            confidence: 1.8,
            past: 0.6,
            criticality: [0.05, 0.10, 0.25, 0.25, 0.20, 0.15],
            utility: [0.20, 0.15, 0.25, 0.20, 0.20],
            kinds: [0.10, 0.15, 0.05, 0.70],
            origin: [0.75, 0.15, 0.05, 0.05],
            scope: [0.55, 0.15, 0.30],
        },
        Sign {
            staleness: -1.0,
            confidence: 1.0,
            past: 0.5,
            criticality: [0.65, 0.15, 0.12, 0.06, 0.01, 0.01],
            utility: [0.40, 0.20, 0.20, 0.12, 0.08],
            kinds: [0.45, 0.25, 0.26, 0.04],
            origin: [0.25, 0.40, 0.25, 0.10],
            scope: [0.60, 0.25, 0.15],
        },
    ],
    tried: [0.45, 0.2, 0.15, 0.1, 0.07, 0.03],
    outcome: OutcomeParams {
        success: &[0.25, 0.5, 0.85],
        keep: [1.0, 0.92, 0.88, 1.0, 0.993],
        unsafe_base: 0.01,
        unsafe_missing: 0.1,
        unsafe_harm: 0.02,
        stale: 0.1,
    },
};
