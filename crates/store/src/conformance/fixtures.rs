//! Cells, decisions and outcomes to check a store with.

use memrl_types::{
    Arm, Cell, CellId, CellStatus, CellType, Component, Decision, DecisionId, DecisionPoint, Event,
    EventId, EventKind, ExploreMode, Item, Link, LinkKind, Mode, Origin, Outcome, OutcomeId,
    PolicyFeatures, Propensity, Scope, Sensitivity, SourcePosition, Timestamp, Verdict,
};
use serde_json::json;

use crate::{InsertCell, Vector};

/// The time of everything that has no time of its own.
pub const NOW: Timestamp = Timestamp(1_767_225_600_123_456);

/// Sixteen bytes that differ for every number, in their first bytes as well.
fn bytes(kind: u8, n: u64) -> [u8; 16] {
    let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    let mut bytes = [kind; 16];
    bytes[..8].copy_from_slice(&spread.to_be_bytes());
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    bytes[8] = kind;
    bytes
}

/// The id of cell `n`.
pub fn cell_id(n: u64) -> CellId {
    CellId::from_bytes(bytes(1, n))
}

/// The id of decision `n`.
pub fn decision_id(n: u64) -> DecisionId {
    DecisionId::from_bytes(bytes(2, n))
}

/// The query id of decision `n`.
pub fn query_id(n: u64) -> DecisionId {
    DecisionId::from_bytes(bytes(3, n))
}

/// The id of outcome `n`.
pub fn outcome_id(n: u64) -> OutcomeId {
    OutcomeId::from_bytes(bytes(4, n))
}

/// The id of event `n`.
pub fn event_id(n: u64) -> EventId {
    EventId::from_bytes(bytes(5, n))
}

/// A stand-in for the engine's keyed hash.
pub fn hash(text: &str) -> [u8; 32] {
    let mut out = [7_u8; 32];
    for (i, byte) in text.bytes().enumerate() {
        let slot = &mut out[i % 32];
        *slot = slot.wrapping_mul(31).wrapping_add(byte);
    }
    out
}

/// A plain cell.
pub fn cell(n: u64, content: &str) -> Cell {
    Cell {
        cell_id: cell_id(n),
        kind: CellType::Fact,
        tier: CellType::Fact.tier(),
        scope: Scope::of("user", "ann"),
        content: content.to_owned(),
        status: CellStatus::Active,
        confidence: 1.0,
        sensitivity: Sensitivity::Low,
        origin: Origin::User,
        source_refs: Vec::new(),
        valid_from: None,
        valid_until: None,
        supersedes: Vec::new(),
        contradicted_by: Vec::new(),
        access_count: 0,
        last_retrieved_at: None,
        version: 1,
        created_at: NOW,
        updated_at: NOW,
        policy_features: None,
        source: None,
        speaker: None,
        occurred_at: None,
        payload: None,
        links: Vec::new(),
        tokens: 3,
    }
}

/// A cell in which every field has a value that is not its default.
pub fn full_cell(n: u64) -> Cell {
    Cell {
        kind: CellType::Episode,
        tier: CellType::Episode.tier(),
        scope: serde_json::from_value(
            json!({"project": {"b": 1, "a": [true, null]}, "user": "ann"}),
        )
        .unwrap_or_default(),
        content: "naïve “quotes” \0 and 記憶 🧠\n".to_owned(),
        status: CellStatus::Quarantined,
        confidence: 0.1 + 0.2,
        sensitivity: Sensitivity::High,
        origin: Origin::Tool,
        source_refs: vec!["https://example.org/a".into(), String::new()],
        valid_from: Some(Timestamp(1)),
        valid_until: Some(Timestamp(-1)),
        supersedes: vec!["not even an id".into()],
        contradicted_by: vec![cell_id(99).to_string()],
        access_count: 7,
        last_retrieved_at: Some(Timestamp(5)),
        version: 3,
        created_at: Timestamp(11),
        updated_at: Timestamp(12),
        policy_features: Some(PolicyFeatures {
            criticality: 1.0 / 3.0,
            compressibility: -2.5,
            staleness: f64::MIN_POSITIVE,
            future_utility_estimate: 1e300,
        }),
        source: Some(SourcePosition {
            source: "session-1".into(),
            position: u32::MAX,
        }),
        speaker: Some("Béa".into()),
        occurred_at: Some(Timestamp(-86_400_000_000)),
        payload: Some(
            json!({"z": 1, "a": [0.1, 1e-300, 18_446_744_073_709_551_615_u64], "n": null}),
        ),
        links: vec![
            Link {
                kind: LinkKind::Source,
                target: "message 4".into(),
            },
            Link {
                kind: LinkKind::Decision,
                target: decision_id(1).to_string(),
            },
        ],
        tokens: u32::MAX,
        ..cell(n, "")
    }
}

/// What is inserted for a cell: no deduplication, no key, a hash of the content, no vector.
pub fn insert(cell: Cell) -> InsertCell {
    InsertCell {
        content_hash: hash(&cell.content),
        cell,
        dedup: false,
        idempotency_key: None,
        vector: None,
        event: None,
    }
}

/// A vector of the model `m1`.
pub fn vector(fill: u8) -> Vector {
    Vector {
        model: "m1".into(),
        bytes: vec![fill; 64],
    }
}

/// A candidate of a decision, shown or not.
pub fn item(cell: u64, position: Option<u32>) -> Item {
    Item {
        cell_id: cell_id(cell),
        version: 1,
        features: vec![0.1, -1.5, f32::MIN_POSITIVE, cell as f32],
        score: 0.1 + 0.2 * cell as f64,
        tokens: 12,
        selected: position.is_some(),
        position,
        mode: if position.is_some() {
            Mode::Context
        } else {
            Mode::Suppress
        },
        reason: "score".into(),
        p_include: Some(0.98),
        p_step: None,
        critical: false,
        held_out: false,
    }
}

/// A decision that showed its first candidate (numbers of cells) and not the others.
pub fn decision(n: u64, trajectory: &str, cells: &[u64]) -> Decision {
    Decision {
        decision_id: decision_id(n),
        query_id: query_id(n),
        point: DecisionPoint::Recall,
        trajectory_id: trajectory.to_owned(),
        step: 0,
        created_at: Timestamp(NOW.0 + n as i64),
        query: format!("question {n}"),
        task_type: "default".into(),
        scope: Scope::of("user", "ann"),
        budget_tokens: u64::MAX,
        k: 200,
        policy: "similarity@1".into(),
        arms: vec![
            Arm {
                name: "incumbent".into(),
                policy: "similarity@1".into(),
                share: 0.7,
            },
            Arm {
                name: "none".into(),
                policy: "none@1".into(),
                share: 0.1 + 0.2,
            },
        ],
        arm: "incumbent".into(),
        explore_mode: ExploreMode::Holdout,
        propensity: Propensity {
            log_joint: -0.1 - 0.2,
            components: vec![
                Component {
                    arm: "incumbent".into(),
                    mode: ExploreMode::Holdout,
                    weight: 0.7,
                    log_probability: Some(-1.0 / 3.0),
                },
                Component {
                    arm: "none".into(),
                    mode: ExploreMode::None,
                    weight: 0.3,
                    log_probability: None,
                },
            ],
            epsilon: 0.02,
            salt: u64::MAX - 3,
            seed: 1 << 63,
        },
        feature_schema: "v1".into(),
        items: cells
            .iter()
            .enumerate()
            .map(|(i, cell)| item(*cell, (i == 0).then_some(0)))
            .collect(),
        state: json!({"embedder": "static", "pool": 200, "share": 0.1}),
        tokens_used: 12,
        latency_us: 345,
        context: Some(format!("[m:{}] shown", cell_id(1).short())),
    }
}

/// An outcome with a value in every field that the specimens in `tests/data` know.
pub fn outcome(cell: u64) -> Outcome {
    Outcome {
        success: Some(0.1 + 0.2),
        unsafe_action: Some(false),
        stale_memory_error: Some(true),
        tokens_used: Some(-1),
        latency_ms: Some(i64::MAX),
        user_correction: Some("no, the other one".into()),
        verdicts: vec![Verdict {
            cell_id: cell_id(cell),
            useful: 1.0 / 3.0,
            stale: true,
        }],
        cited: vec![cell_id(cell)],
        metrics: [("f1".to_owned(), 2.0 / 3.0)].into_iter().collect(),
        source: "tests".into(),
        is_final: true,
        revise: true,
        ..Outcome::default()
    }
}

/// An event about cells.
pub fn event(n: u64, kind: EventKind, cells: &[u64], query: Option<u64>) -> Event {
    Event {
        event_id: event_id(n),
        timestamp: Timestamp(NOW.0 + n as i64),
        event_type: kind,
        cell_ids: cells.iter().map(|c| cell_id(*c)).collect(),
        query_id: query.map(decision_id),
        payload: json!({"n": n}),
    }
}
