//! Writes the database that the tests keep as a specimen of the current schema version:
//! `cargo run -p memrl-store --features conformance --example golden -- FILE`.
//! Run once for each released schema version, never again for an old one.

use std::path::Path;

use memrl_store::conformance::fixtures::{
    NOW, cell, cell_id, decision, decision_id, event, full_cell, insert, outcome, outcome_id,
    vector,
};
use memrl_store::{CellPrior, Evidence, InsertCell, NewDecision, Reward, SqliteStore, Store};
use memrl_types::EventKind;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("which file?")?;
    let dir = tempfile::tempdir()?;
    let store = SqliteStore::open(dir.path())?;
    let done = store.insert(&[
        InsertCell {
            vector: Some(vector(1)),
            idempotency_key: Some("first".into()),
            ..insert(cell(1, "Ann drinks tea"))
        },
        insert(full_cell(2)),
        insert(cell(3, "to be forgotten")),
        insert(cell(4, "to be purged")),
    ])?;
    for n in [1, 2] {
        store.append_decision(
            &NewDecision {
                decision: &decision(n, "session", &[1, 2, 4]),
                seqs: &[],
            },
            &[],
        )?;
    }
    store.supersede(
        cell_id(1),
        None,
        &insert(cell(5, "Ann drinks coffee")),
        NOW,
        &[],
    )?;
    store.forget(cell_id(3), NOW, &[])?;
    store.purge(&[cell_id(4)])?;
    store.touch(&[done[0].seq], NOW)?;
    store.append_outcome(outcome_id(1), decision_id(1), NOW, &outcome(1), &[])?;
    store.put_rewards(&[Reward {
        decision: decision_id(1),
        spec: "memcell_v1@1".into(),
        cell: None,
        value: 0.5,
        terms: serde_json::json!({"success": 1.0}),
    }])?;
    let seq = done[0].seq;
    let outcome = outcome_id(1);
    store.add_evidence(
        &[Evidence {
            outcome,
            seq,
            mass: 0.5,
            y: 1.0,
            at: NOW,
        }],
        0.99,
    )?;
    store.put_priors(&[CellPrior {
        seq: done[1].seq,
        mean: 1.0 / 3.0,
        mass: 9.9,
        at: NOW,
    }])?;
    store.append_events(&[event(1, EventKind::WriteCell, &[1], Some(1))])?;
    store.set_meta("salt", &[1, 2, 3])?;
    store.backup_to(Path::new(&file))?;
    Ok(())
}
