//! Research over documents: three pieces of evidence are needed, and one of them is said over and over.
//!
//! Passages about the obvious piece are many and read most like the question, so an order by similarity fills the budget with one piece; the
//! other two are found by their documents and windows. Passages are long. Writers' guesses of future utility mislead: they rate the
//! introductions highest.

use memrl_types::CellType;

use super::params::{OutcomeParams, Params, Role, Sign};

/// The numbers of the workload.
pub const PARAMS: Params = Params {
    name: "research",
    candidates: (40, 70),
    steps: (1, 4),
    log_tokens: (3.9, 0.4),
    needs: &[
        // The obvious piece, in many words.
        Role {
            share: 0.13,
            text: [0.6, 0.6, 0.1, 0.2, 0.0],
            words: 0.98,
            speaker: 0.0,
            log_age: 4.6,
        },
        // A piece in the same document.
        Role {
            share: 0.05,
            text: [-0.2, 0.0, 0.5, 0.4, 0.7],
            words: 0.85,
            speaker: 0.0,
            log_age: 4.6,
        },
        // A piece in other words.
        Role {
            share: 0.05,
            text: [-0.7, 0.3, 0.1, 0.4, 0.6],
            words: 0.6,
            speaker: 0.0,
            log_age: 4.8,
        },
    ],
    harmful: Role {
        share: 0.05,
        text: [0.1, 0.1, -0.2, -0.2, -0.4],
        words: 0.9,
        speaker: 0.0,
        log_age: 4.4,
    },
    rule: Role {
        share: 0.01,
        text: [-0.8, -0.6, -0.8, -0.7, -0.6],
        words: 0.7,
        speaker: 0.0,
        log_age: 4.5,
    },
    idle: Role {
        share: 0.71,
        text: [-0.9, -0.7, -0.7, -0.6, -0.6],
        words: 0.75,
        speaker: 0.0,
        log_age: 4.4,
    },
    spread: [1.0, 0.8, 0.9, 0.7, 0.9],
    lifetime_days: 1500.0,
    kinds: [
        CellType::DocumentReference,
        CellType::Fact,
        CellType::Reflection,
        CellType::Constraint,
    ],
    signs: [
        Sign {
            staleness: -1.4,
            confidence: 1.4,
            past: 0.68,
            criticality: [0.80, 0.12, 0.05, 0.01, 0.01, 0.01],
            utility: [0.35, 0.20, 0.20, 0.15, 0.10],
            kinds: [0.60, 0.27, 0.11, 0.02],
            origin: [0.05, 0.20, 0.30, 0.45],
            scope: [0.70, 0.20, 0.10],
        },
        Sign {
            staleness: -0.6,
            confidence: 1.2,
            past: 0.6,
            criticality: [0.80, 0.12, 0.05, 0.01, 0.01, 0.01],
            utility: [0.35, 0.20, 0.20, 0.15, 0.10],
            kinds: [0.60, 0.27, 0.11, 0.02],
            origin: [0.05, 0.20, 0.30, 0.45],
            scope: [0.65, 0.22, 0.13],
        },
        Sign {
            staleness: -1.0,
            confidence: 0.5,
            past: 0.35,
            criticality: [0.80, 0.12, 0.05, 0.01, 0.01, 0.01],
            utility: [0.25, 0.20, 0.20, 0.20, 0.15],
            kinds: [0.35, 0.22, 0.41, 0.02],
            origin: [0.05, 0.55, 0.30, 0.10],
            scope: [0.50, 0.30, 0.20],
        },
        Sign {
            staleness: -1.5,
            confidence: 1.6,
            past: 0.6,
            criticality: [0.10, 0.20, 0.25, 0.25, 0.10, 0.10],
            utility: [0.30, 0.20, 0.20, 0.15, 0.15],
            kinds: [0.10, 0.15, 0.15, 0.60],
            origin: [0.60, 0.20, 0.05, 0.15],
            scope: [0.50, 0.20, 0.30],
        },
        Sign {
            staleness: -1.1,
            confidence: 1.0,
            past: 0.5,
            criticality: [0.80, 0.12, 0.05, 0.01, 0.01, 0.01],
            utility: [0.25, 0.20, 0.20, 0.20, 0.15],
            kinds: [0.55, 0.25, 0.17, 0.03],
            origin: [0.05, 0.25, 0.35, 0.35],
            scope: [0.50, 0.30, 0.20],
        },
    ],
    tried: [0.5, 0.2, 0.12, 0.1, 0.05, 0.03],
    outcome: OutcomeParams {
        success: &[0.15, 0.35, 0.6, 0.9],
        keep: [1.0, 0.94, 0.9, 1.0, 0.993],
        unsafe_base: 0.002,
        unsafe_missing: 0.05,
        unsafe_harm: 0.005,
        stale: 0.1,
    },
};
