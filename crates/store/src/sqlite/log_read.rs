//! Reading decisions: one, a page, or all of them in a stream.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use memrl_types::{
    CellId, Component, Decision, DecisionId, DecisionPoint, ExploreMode, Item, Mode, Propensity,
    Timestamp,
};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, Row, params_from_iter};

use super::cells::{from_json, name, seq_of as cell_seq};
use super::features;
use super::list::Conditions;
use super::log::{CRITICAL, HELD_OUT, seq_of};
use super::names::{self, Names};
use super::outcomes;
use crate::rows::{Cursor, DecisionFilter, DecisionRow, Order, Page, Seq};
use crate::{Result, StoreError};

/// What [`Reader::read`] expects. The texts come last, as they are not always read.
const COLUMNS: &str = "d.seq, d.decision_id, d.query_id, d.point, d.trajectory, d.step, \
    d.created_at, d.context IS NOT NULL, d.task_type, d.scope, d.budget_tokens, d.k, d.policy, \
    d.arms, d.arm, d.explore_mode, d.log_joint, d.epsilon, d.salt, d.seed, d.feature_schema, \
    d.tokens_used, d.latency_us, d.state, t.name, \
    (SELECT count(*) FROM outcomes o WHERE o.decision = d.seq)";
const TEXT_COLUMNS: &str = "q.body, x.body";
const FIRST_TEXT: usize = 26;
const SOURCE: &str = "decisions d JOIN trajectories t ON t.id = d.trajectory";
const TEXT_SOURCE: &str =
    "LEFT JOIN texts q ON q.id = d.query LEFT JOIN texts x ON x.id = d.context";

/// Shows the wanted decisions to `visit`.
pub(super) fn for_each(
    conn: &Connection,
    names: &Names,
    filter: &DecisionFilter,
    after: Option<Cursor>,
    visit: &mut dyn FnMut(DecisionRow) -> ControlFlow<()>,
) -> Result<()> {
    let mut conditions = Conditions::default();
    conditions.during("d.created_at", filter.from, filter.before);
    if let Some(point) = filter.point {
        conditions.add("d.point = ?", [i64::from(point.code())]);
    }
    if let Some(policy) = &filter.policy {
        // Unknown names have number 0, which no row has.
        let policy = names::find(conn, policy)?.unwrap_or(0);
        conditions.add("d.policy = ?", [policy]);
    }
    if let Some(trajectory) = &filter.trajectory {
        conditions.add("t.name = ?", [trajectory.clone()]);
    }
    if let Some(completed) = filter.completed {
        let not = if completed { "" } else { "NOT " };
        conditions.add(
            format!("{not}EXISTS (SELECT 1 FROM outcomes o WHERE o.decision = d.seq)"),
            [0_i64; 0],
        );
    }
    if let Some(cell) = filter.shown {
        let cell = cell_seq(conn, cell)?.unwrap_or(0);
        conditions.add(
            "d.seq IN (SELECT decision FROM decision_items WHERE cell = ? AND selected = 1)",
            [cell],
        );
    }
    let sorted = conditions.page("d.seq", filter.order, after);
    let tail = format!("{} ORDER BY d.seq {sorted}", conditions.sql());
    let mut reader = Reader::new(conn, names, filter)?;
    let mut statement = conn.prepare_cached(&reader.sql(&tail))?;
    let mut rows = statement.query(params_from_iter(conditions.bound))?;
    while let Some(row) = rows.next()? {
        if visit(reader.read(row)?).is_break() {
            break;
        }
    }
    Ok(())
}

/// See [`crate::Store::decisions`].
pub(super) fn page(
    conn: &Connection,
    names: &Names,
    filter: &DecisionFilter,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<DecisionRow>> {
    let mut rows: Vec<DecisionRow> = Vec::new();
    let mut next = None;
    for_each(conn, names, filter, after, &mut |row| {
        if rows.len() == limit {
            next = rows.last().map(|r| Cursor(r.seq));
            return ControlFlow::Break(());
        }
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(Page { rows, next })
}

/// See [`crate::Store::decision`].
pub(super) fn decision(conn: &Connection, names: &Names, id: DecisionId) -> Result<DecisionRow> {
    let missing = || StoreError::DecisionNotFound(id);
    let seq = seq_of(conn, id)?.ok_or_else(missing)?;
    let mut reader = Reader::new(conn, names, &DecisionFilter::default())?;
    let mut statement = conn.prepare_cached(&reader.sql("WHERE d.seq = ?1"))?;
    let mut rows = statement.query([seq])?;
    reader.read(rows.next()?.ok_or_else(missing)?)
}

/// See [`crate::Store::trajectory`].
pub(super) fn trajectory(conn: &Connection, names: &Names, id: &str) -> Result<Vec<DecisionRow>> {
    let filter = DecisionFilter {
        trajectory: Some(id.to_owned()),
        order: Order::Oldest,
        ..DecisionFilter::default()
    };
    let mut rows = Vec::new();
    for_each(conn, names, &filter, None, &mut |row| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

/// Joins a decision with its parts. What many decisions share is looked up once.
struct Reader<'c> {
    conn: &'c Connection,
    names: &'c Names,
    items: Option<CachedStatement<'c>>,
    components: CachedStatement<'c>,
    next: CachedStatement<'c>,
    cell_id: CachedStatement<'c>,
    texts: bool,
    reports: bool,
    raw_state: bool,
    known_cells: HashMap<Seq, CellId>,
    known_names: HashMap<i64, Arc<str>>,
}

impl<'c> Reader<'c> {
    fn new(conn: &'c Connection, names: &'c Names, filter: &DecisionFilter) -> Result<Self> {
        let item_sql = "SELECT cell, version, selected, flags, position, mode, reason, tokens, \
             score, p_include, p_step, features FROM decision_items WHERE decision = ?1 \
             ORDER BY rank";
        Ok(Self {
            conn,
            names,
            items: filter
                .items
                .then(|| conn.prepare_cached(item_sql))
                .transpose()?,
            components: conn.prepare_cached(
                "SELECT arm, mode, weight, log_probability FROM decision_components \
                 WHERE decision = ?1 ORDER BY ordinal",
            )?,
            next: conn.prepare_cached(
                "SELECT decision_id FROM decisions WHERE trajectory = ?1 AND step = ?2",
            )?,
            cell_id: conn.prepare_cached("SELECT cell_id FROM cell_ids WHERE seq = ?1")?,
            texts: filter.texts,
            reports: filter.reports,
            raw_state: filter.raw_state,
            known_cells: HashMap::new(),
            known_names: HashMap::new(),
        })
    }

    fn sql(&self, tail: &str) -> String {
        if self.texts {
            format!("SELECT {COLUMNS}, {TEXT_COLUMNS} FROM {SOURCE} {TEXT_SOURCE} {tail}")
        } else {
            format!("SELECT {COLUMNS} FROM {SOURCE} {tail}")
        }
    }

    fn read(&mut self, row: &Row<'_>) -> Result<DecisionRow> {
        let seq = row.get(0)?;
        let step: u32 = row.get(5)?;
        let (query, context): (Option<String>, Option<String>) = if self.texts {
            (row.get(FIRST_TEXT)?, row.get(FIRST_TEXT + 1)?)
        } else {
            (None, None)
        };
        let had_context: bool = row.get(7)?;
        let erased = self.texts && (query.is_none() || (had_context && context.is_none()));
        let next = self
            .next
            .query((row.get::<_, i64>(4)?, step + 1))?
            .next()?
            .map(|r| r.get(0).map(DecisionId::from_bytes))
            .transpose()?;
        let (items, seqs) = self.items(seq)?;
        let arms = self.name(row.get(13)?)?;
        let state: String = row.get(23)?;
        let (state, raw_state) = if self.raw_state {
            (serde_json::Value::Null, Some(state))
        } else {
            (from_json(&state)?, None)
        };
        let outcomes: u32 = row.get(25)?;
        let reports = if self.reports && outcomes > 0 {
            outcomes::of_row(self.conn, seq)?
        } else {
            Vec::new()
        };
        let decision = Decision {
            decision_id: DecisionId::from_bytes(row.get(1)?),
            query_id: DecisionId::from_bytes(row.get(2)?),
            point: name(row, 3, DecisionPoint::from_code)?,
            trajectory_id: row.get(24)?,
            step,
            created_at: Timestamp(row.get(6)?),
            query: query.unwrap_or_default(),
            task_type: self.name(row.get(8)?)?.as_ref().to_owned(),
            scope: self.names.scope(self.conn, row.get(9)?)?.as_ref().clone(),
            budget_tokens: row.get::<_, i64>(10)? as u64,
            k: row.get::<_, i64>(11)? as u64,
            policy: self.name(row.get(12)?)?.as_ref().to_owned(),
            arms: from_json(&arms)?,
            arm: self.name(row.get(14)?)?.as_ref().to_owned(),
            explore_mode: name(row, 15, ExploreMode::from_code)?,
            propensity: Propensity {
                log_joint: row.get(16)?,
                components: self.components(seq)?,
                epsilon: row.get(17)?,
                salt: row.get::<_, i64>(18)? as u64,
                seed: row.get::<_, i64>(19)? as u64,
            },
            feature_schema: self.name(row.get(20)?)?.as_ref().to_owned(),
            items,
            state,
            tokens_used: row.get(21)?,
            latency_us: row.get::<_, i64>(22)? as u64,
            context,
        };
        Ok(DecisionRow {
            seq,
            decision,
            seqs,
            next,
            outcomes,
            reports,
            raw_state,
            erased,
        })
    }

    fn name(&mut self, id: i64) -> Result<Arc<str>> {
        known_name(&mut self.known_names, self.names, self.conn, id)
    }

    fn components(&mut self, decision: i64) -> Result<Vec<Component>> {
        let mut components = Vec::new();
        let mut rows = self.components.query([decision])?;
        while let Some(row) = rows.next()? {
            let arm = known_name(&mut self.known_names, self.names, self.conn, row.get(0)?)?;
            components.push(Component {
                arm: arm.as_ref().to_owned(),
                mode: name(row, 1, ExploreMode::from_code)?,
                weight: row.get(2)?,
                log_probability: row.get(3)?,
            });
        }
        Ok(components)
    }

    fn items(&mut self, decision: i64) -> Result<(Vec<Item>, Vec<Seq>)> {
        let (mut items, mut seqs) = (Vec::new(), Vec::new());
        let Some(statement) = &mut self.items else {
            return Ok((items, seqs));
        };
        let mut rows = statement.query([decision])?;
        while let Some(row) = rows.next()? {
            let seq: Seq = row.get(0)?;
            let cell_id = if let Some(id) = self.known_cells.get(&seq) {
                *id
            } else {
                let id = CellId::from_bytes(self.cell_id.query_row([seq], |r| r.get(0))?);
                self.known_cells.insert(seq, id);
                id
            };
            let reason = match row.get_ref(6)? {
                ValueRef::Integer(id) => {
                    known_name(&mut self.known_names, self.names, self.conn, id)?.to_string()
                }
                text => text.as_str().map_err(corrupt)?.to_owned(),
            };
            let flags: u8 = row.get(3)?;
            seqs.push(seq);
            items.push(Item {
                cell_id,
                version: row.get(1)?,
                features: item_features(row, 11)?,
                score: row.get(8)?,
                tokens: row.get(7)?,
                selected: row.get(2)?,
                position: row.get(4)?,
                mode: name(row, 5, Mode::from_code)?,
                reason,
                p_include: row.get(9)?,
                p_step: row.get(10)?,
                critical: flags & CRITICAL != 0,
                held_out: flags & HELD_OUT != 0,
            });
        }
        Ok((items, seqs))
    }
}

fn known_name(
    known: &mut HashMap<i64, Arc<str>>,
    names: &Names,
    conn: &Connection,
    id: i64,
) -> Result<Arc<str>> {
    if let Some(name) = known.get(&id) {
        return Ok(name.clone());
    }
    let name = names.string(conn, id)?;
    known.insert(id, name.clone());
    Ok(name)
}

fn item_features(row: &Row<'_>, at: usize) -> Result<Vec<f32>> {
    let bytes = row.get_ref(at)?.as_blob().map_err(corrupt)?;
    features::decode(bytes).ok_or_else(|| StoreError::Corrupt("features of a candidate".to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn corrupt(error: rusqlite::types::FromSqlError) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
