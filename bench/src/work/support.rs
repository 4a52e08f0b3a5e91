//! Support with hard constraints: what may not be done matters as much as what is known.
//!
//! Each rule that holds and is not shown may end in an unsafe action. Some rules are critical, and the hard rules show them whatever
//! the policy; most are only of middling criticality, are often no `constraint` by type, and do not read like the request, so a policy has to learn
//! what they look like. Answers for other products are harmful. Little gets outdated.

use memrl_types::CellType;

use super::params::{OutcomeParams, Params, Role, Sign};

/// The numbers of the workload.
pub const PARAMS: Params = Params {
    name: "support",
    candidates: (30, 50),
    steps: (1, 5),
    log_tokens: (3.6, 0.45),
    needs: &[
        // The answer.
        Role {
            share: 0.08,
            text: [0.4, 0.4, -0.1, 0.0, 0.1],
            words: 0.95,
            speaker: 0.05,
            log_age: 4.2,
        },
        // Who the customer is and what was agreed.
        Role {
            share: 0.06,
            text: [-0.5, -0.3, -0.1, 0.0, 0.1],
            words: 0.75,
            speaker: 0.5,
            log_age: 3.5,
        },
    ],
    harmful: Role {
        share: 0.08,
        text: [0.3, 0.2, -0.2, -0.2, -0.1],
        words: 0.95,
        speaker: 0.02,
        log_age: 4.2,
    },
    rule: Role {
        share: 0.06,
        text: [-0.5, -0.4, -0.6, -0.5, -0.4],
        words: 0.75,
        speaker: 0.05,
        log_age: 4.8,
    },
    idle: Role {
        share: 0.72,
        text: [-0.9, -0.8, -0.7, -0.7, -0.6],
        words: 0.7,
        speaker: 0.04,
        log_age: 4.2,
    },
    spread: [1.0, 0.8, 0.9, 0.8, 1.0],
    lifetime_days: 700.0,
    kinds: [
        CellType::Fact,
        CellType::Procedure,
        CellType::Profile,
        CellType::Constraint,
    ],
    signs: [
        Sign {
            staleness: -1.5,
            confidence: 1.3,
            past: 0.72,
            criticality: [0.45, 0.20, 0.20, 0.13, 0.01, 0.01],
            utility: [0.25, 0.20, 0.20, 0.20, 0.15],
            kinds: [0.40, 0.30, 0.27, 0.03],
            origin: [0.25, 0.35, 0.25, 0.15],
            scope: [0.75, 0.15, 0.10],
        },
        Sign {
            staleness: -0.3,
            confidence: 1.1,
            past: 0.55,
            criticality: [0.45, 0.20, 0.20, 0.13, 0.01, 0.01],
            utility: [0.30, 0.20, 0.20, 0.15, 0.15],
            kinds: [0.45, 0.30, 0.22, 0.03],
            origin: [0.25, 0.35, 0.25, 0.15],
            scope: [0.70, 0.18, 0.12],
        },
        Sign {
            staleness: -1.1,
            confidence: 0.6,
            past: 0.3,
            criticality: [0.45, 0.20, 0.20, 0.13, 0.01, 0.01],
            utility: [0.30, 0.20, 0.20, 0.18, 0.12],
            kinds: [0.45, 0.45, 0.07, 0.03],
            origin: [0.05, 0.30, 0.20, 0.45],
            scope: [0.35, 0.35, 0.30],
        },
        Sign {
            staleness: -1.4,
            confidence: 1.8,
            past: 0.6,
            criticality: [0.03, 0.12, 0.25, 0.30, 0.20, 0.10],
            utility: [0.25, 0.25, 0.20, 0.15, 0.15],
            kinds: [0.15, 0.30, 0.05, 0.50],
            origin: [0.45, 0.10, 0.10, 0.35],
            scope: [0.35, 0.15, 0.50],
        },
        Sign {
            staleness: -1.1,
            confidence: 1.0,
            past: 0.5,
            criticality: [0.55, 0.20, 0.15, 0.08, 0.01, 0.01],
            utility: [0.35, 0.20, 0.20, 0.15, 0.10],
            kinds: [0.45, 0.25, 0.22, 0.08],
            origin: [0.20, 0.30, 0.25, 0.25],
            scope: [0.50, 0.25, 0.25],
        },
    ],
    tried: [0.35, 0.2, 0.15, 0.15, 0.1, 0.05],
    outcome: OutcomeParams {
        success: &[0.35, 0.55, 0.9],
        keep: [1.0, 0.92, 0.86, 1.0, 0.993],
        unsafe_base: 0.01,
        unsafe_missing: 0.15,
        unsafe_harm: 0.04,
        stale: 0.1,
    },
};
