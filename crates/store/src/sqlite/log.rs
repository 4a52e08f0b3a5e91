//! Appending decisions. The hottest write there is: it happens in every recall.

use memrl_types::{CellStatus, Decision, DecisionId, Item};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::names::{Interner, scope_id};
use super::{cells, changes, edit, features, texts};
use crate::rows::{Appended, NewDecision, Seq};
use crate::{Result, StoreError};

/// Bits of `decision_items.flags`.
pub(super) const CRITICAL: u8 = 1;
/// See [`CRITICAL`].
pub(super) const HELD_OUT: u8 = 2;

/// Refuses what the store could not give back: NaN becomes null in SQLite.
pub(super) fn check(new: &NewDecision<'_>) -> Result<()> {
    let Decision {
        propensity, items, ..
    } = new.decision;
    let nan = propensity.log_joint.is_nan()
        || propensity.epsilon.is_nan()
        || propensity
            .components
            .iter()
            .any(|c| c.weight.is_nan() || c.log_probability.is_some_and(f64::is_nan))
        || items.iter().any(|i| {
            i.score.is_nan()
                || i.p_include.is_some_and(f64::is_nan)
                || i.p_step.is_some_and(f64::is_nan)
        });
    if nan {
        return Err(StoreError::InvalidInput(
            "the decision has a number that is not a number".to_owned(),
        ));
    }
    if new.seqs.is_empty() || new.seqs.len() == items.len() {
        Ok(())
    } else {
        Err(StoreError::InvalidInput(format!(
            "{} row numbers for {} items",
            new.seqs.len(),
            items.len()
        )))
    }
}

/// See [`crate::Store::append_decision`].
pub(super) fn append(
    tx: &Transaction<'_>,
    names: &mut Interner,
    new: &NewDecision<'_>,
) -> Result<Appended> {
    let d = new.decision;
    let known = tx
        .prepare_cached("SELECT 1 FROM decisions WHERE decision_id = ?1")?
        .exists([d.decision_id.bytes()])?;
    if known {
        return Err(StoreError::DuplicateId(format!(
            "decision {}",
            d.decision_id
        )));
    }
    check_shown(tx, new)?;
    let (trajectory, step): (i64, u32) = tx
        .prepare_cached(
            "INSERT INTO trajectories (name, steps) VALUES (?1, 1) \
             ON CONFLICT (name) DO UPDATE SET steps = steps + 1 RETURNING id, steps - 1",
        )?
        .query_row([&d.trajectory_id], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let query = texts::put(tx, &d.query)?;
    let context = match &d.context {
        Some(context) => Some(texts::put(tx, context)?),
        None => None,
    };
    tx.prepare_cached(
        "INSERT INTO decisions (decision_id, query_id, point, trajectory, step, created_at, query, \
         context, task_type, scope, budget_tokens, k, policy, arms, arm, explore_mode, log_joint, \
         epsilon, salt, seed, feature_schema, tokens_used, latency_us, state) VALUES (?1, ?2, ?3, \
         ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, \
         ?23, ?24)",
    )?
    .execute(params![
        d.decision_id.bytes(),
        d.query_id.bytes(),
        d.point.code(),
        trajectory,
        step,
        d.created_at.0,
        query,
        context,
        names.id(tx, &d.task_type)?,
        scope_id(tx, &d.scope)?,
        // Bit for bit: SQLite's integers have a sign, these have none.
        d.budget_tokens as i64,
        d.k as i64,
        names.id(tx, &d.policy)?,
        names.id(tx, &edit::to_json("arms", &d.arms)?)?,
        names.id(tx, &d.arm)?,
        d.explore_mode.code(),
        d.propensity.log_joint,
        d.propensity.epsilon,
        d.propensity.salt as i64,
        d.propensity.seed as i64,
        names.id(tx, &d.feature_schema)?,
        d.tokens_used,
        d.latency_us as i64,
        edit::to_json("state", &d.state)?,
    ])?;
    let seq = tx.last_insert_rowid();
    append_components(tx, names, seq, d)?;
    append_items(tx, names, seq, new)?;
    Ok(Appended { seq, step })
}

/// What is shown has to be what was decided on. A purge erases the contexts that it finds in the
/// log; one that was rendered before it and logged after it would stay for good.
fn check_shown(tx: &Transaction<'_>, new: &NewDecision<'_>) -> Result<()> {
    let mut current =
        tx.prepare_cached("SELECT version FROM cells WHERE seq = ?1 AND status <> ?2")?;
    for (rank, item) in new.decision.items.iter().enumerate() {
        if !item.selected {
            continue;
        }
        let given = new.seqs.get(rank).copied();
        let Some(seq) = given.map_or_else(|| cells::seq_of(tx, item.cell_id), |s| Ok(Some(s)))?
        else {
            continue;
        };
        let found: Option<u32> = current
            .query_row((seq, CellStatus::Deleted.code()), |r| r.get(0))
            .optional()?;
        if found == Some(item.version) {
            continue;
        }
        // The log may name what never was a cell.
        if found.is_none() && given.is_none() && !changes::has_changed(tx, seq)? {
            continue;
        }
        return Err(StoreError::Conflict {
            id: item.cell_id,
            expected: item.version,
            found: found.unwrap_or(0),
        });
    }
    Ok(())
}

fn append_components(
    tx: &Transaction<'_>,
    names: &mut Interner,
    decision: i64,
    d: &Decision,
) -> Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO decision_components (decision, ordinal, arm, mode, weight, log_probability) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (i, c) in d.propensity.components.iter().enumerate() {
        insert.execute(params![
            decision,
            i as i64,
            names.id(tx, &c.arm)?,
            c.mode.code(),
            c.weight,
            c.log_probability,
        ])?;
    }
    Ok(())
}

fn append_items(
    tx: &Transaction<'_>,
    names: &mut Interner,
    decision: i64,
    new: &NewDecision<'_>,
) -> Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO decision_items (decision, rank, cell, version, selected, flags, position, \
         mode, reason, tokens, score, p_include, p_step, features) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    let mut blob = Vec::new();
    for (rank, item) in new.decision.items.iter().enumerate() {
        blob.clear();
        features::encode(&item.features, &mut blob);
        // Reasons that quote a number are as many as there are items; the others are few.
        let reason = if item.reason.bytes().any(|b| b.is_ascii_digit()) {
            Value::Text(item.reason.clone())
        } else {
            Value::Integer(names.id(tx, &item.reason)?)
        };
        insert.execute(params![
            decision,
            rank as i64,
            item_seq(tx, new, rank, item)?,
            item.version,
            item.selected,
            u8::from(item.critical) * CRITICAL + u8::from(item.held_out) * HELD_OUT,
            item.position,
            item.mode.code(),
            reason,
            item.tokens,
            item.score,
            item.p_include,
            item.p_step,
            blob,
        ])?;
    }
    Ok(())
}

fn item_seq(tx: &Transaction<'_>, new: &NewDecision<'_>, rank: usize, item: &Item) -> Result<Seq> {
    match new.seqs.get(rank) {
        Some(seq) => Ok(*seq),
        None => edit::intern_id(tx, item.cell_id),
    }
}

/// The row number of a decision, by its id or its query id.
pub(super) fn seq_of(conn: &Connection, id: DecisionId) -> Result<Option<i64>> {
    let by_id = conn
        .prepare_cached("SELECT seq FROM decisions WHERE decision_id = ?1")?
        .query_row([id.bytes()], |r| r.get(0))
        .optional()?;
    if by_id.is_some() {
        return Ok(by_id);
    }
    Ok(conn
        .prepare_cached("SELECT max(seq) FROM decisions WHERE query_id = ?1")?
        .query_row([id.bytes()], |r| r.get(0))?)
}
