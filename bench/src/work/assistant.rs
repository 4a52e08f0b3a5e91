//! A personal assistant: preferences drift, facts go stale, and outdated memories mislead.
//!
//! Half of what is three weeks old is no longer so, and nothing says which half: what is outdated reads like what is current, has done well in the
//! past, and its writer was as sure. Age and the believed staleness tell most. Writers' guesses of future utility are noise here.

use memrl_types::CellType;

use super::params::{OutcomeParams, Params, Role, Sign};

/// The numbers of the workload.
pub const PARAMS: Params = Params {
    name: "assistant",
    candidates: (30, 60),
    steps: (2, 6),
    log_tokens: (3.1, 0.45),
    needs: &[
        // The preference.
        Role {
            share: 0.1,
            text: [-0.3, 0.3, -0.3, 0.0, -0.2],
            words: 0.8,
            speaker: 0.6,
            log_age: 3.1,
        },
        // The fact that it is applied to.
        Role {
            share: 0.08,
            text: [0.3, 0.2, 0.0, 0.1, 0.0],
            words: 0.9,
            speaker: 0.4,
            log_age: 2.8,
        },
    ],
    harmful: Role {
        share: 0.04,
        text: [-0.1, 0.0, -0.4, -0.3, -0.3],
        words: 0.85,
        speaker: 0.2,
        log_age: 3.5,
    },
    rule: Role {
        share: 0.02,
        text: [-0.7, -0.5, -0.8, -0.6, -0.7],
        words: 0.7,
        speaker: 0.5,
        log_age: 4.2,
    },
    idle: Role {
        share: 0.76,
        text: [-1.0, -0.8, -0.7, -0.7, -0.6],
        words: 0.6,
        speaker: 0.3,
        log_age: 3.7,
    },
    spread: [1.1, 0.8, 1.0, 0.8, 1.0],
    lifetime_days: 35.0,
    kinds: [
        CellType::Preference,
        CellType::Fact,
        CellType::Episode,
        CellType::Constraint,
    ],
    signs: [
        Sign {
            staleness: -1.5,
            confidence: 1.2,
            past: 0.65,
            criticality: [0.65, 0.17, 0.10, 0.06, 0.01, 0.01],
            utility: [0.30, 0.20, 0.20, 0.15, 0.15],
            kinds: [0.45, 0.35, 0.18, 0.02],
            origin: [0.70, 0.20, 0.05, 0.05],
            scope: [0.50, 0.15, 0.35],
        },
        Sign {
            staleness: -0.5,
            confidence: 1.1,
            past: 0.62,
            criticality: [0.65, 0.17, 0.10, 0.06, 0.01, 0.01],
            utility: [0.28, 0.20, 0.20, 0.17, 0.15],
            kinds: [0.45, 0.35, 0.18, 0.02],
            origin: [0.70, 0.20, 0.05, 0.05],
            scope: [0.50, 0.15, 0.35],
        },
        Sign {
            staleness: -0.9,
            confidence: 0.4,
            past: 0.35,
            criticality: [0.65, 0.17, 0.10, 0.06, 0.01, 0.01],
            utility: [0.30, 0.20, 0.20, 0.15, 0.15],
            kinds: [0.40, 0.40, 0.18, 0.02],
            origin: [0.25, 0.60, 0.10, 0.05],
            scope: [0.40, 0.25, 0.35],
        },
        Sign {
            staleness: -1.5,
            confidence: 1.8,
            past: 0.6,
            criticality: [0.05, 0.15, 0.25, 0.25, 0.15, 0.15],
            utility: [0.30, 0.20, 0.20, 0.15, 0.15],
            kinds: [0.25, 0.10, 0.05, 0.60],
            origin: [0.90, 0.06, 0.02, 0.02],
            scope: [0.30, 0.10, 0.60],
        },
        Sign {
            staleness: -1.0,
            confidence: 1.0,
            past: 0.5,
            criticality: [0.70, 0.15, 0.08, 0.05, 0.01, 0.01],
            utility: [0.30, 0.20, 0.20, 0.15, 0.15],
            kinds: [0.30, 0.30, 0.37, 0.03],
            origin: [0.50, 0.30, 0.10, 0.10],
            scope: [0.40, 0.25, 0.35],
        },
    ],
    tried: [0.3, 0.2, 0.15, 0.15, 0.12, 0.08],
    outcome: OutcomeParams {
        success: &[0.3, 0.55, 0.88],
        keep: [1.0, 0.9, 0.9, 1.0, 0.995],
        unsafe_base: 0.005,
        unsafe_missing: 0.08,
        unsafe_harm: 0.01,
        stale: 0.1,
    },
};
