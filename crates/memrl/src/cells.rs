//! Use cases on cells: write, read, change, forget.

use memrl_store::{CellFilter, CellRow, Cursor, InsertCell, Order, StoreError, UpdateCell};

use crate::live::rule_input;
use crate::{
    Cell, CellId, CellPatch, CellStatus, CellVersion, Code, Error, EventKind, IdRef, Imported,
    ListRequest, Memory, NewCell, Page, PolicyFeatures, Purged, Result, Successor, Superseded,
    Timestamp, Written,
};

/// Largest page of a listing.
pub(crate) const MAX_PAGE: u32 = 1000;

impl Memory {
    /// Writes one cell. The same content in the same scope and type (or the same idempotency key)
    /// returns the cell that is there.
    pub fn write(&self, cell: NewCell) -> Result<Written> {
        let mut written = self.write_batch(vec![cell])?;
        written
            .pop()
            .ok_or_else(|| Error::invalid(Code::Internal, "cells", "nothing was written"))
    }

    /// Writes a batch: all or nothing, in order.
    pub fn write_batch(&self, cells: Vec<NewCell>) -> Result<Vec<Written>> {
        for cell in &cells {
            self.acceptable(cell)?;
        }
        self.insert(cells, true)
    }

    /// Inserts checked cells; `dedup` is what tells native writes from memcell-compatible ones.
    pub(crate) fn insert(&self, cells: Vec<NewCell>, dedup: bool) -> Result<Vec<Written>> {
        let now = self.clock.now();
        let texts: Vec<String> = cells
            .iter()
            .map(|c| match &c.speaker {
                Some(speaker) => format!("{speaker}: {}", c.content),
                None => c.content.clone(),
            })
            .collect();
        // Without vectors the cells are stored all the same, found by their words, and embedded by
        // a later `maintain`.
        let vectors = self.embed_all(&texts).ok();
        let rows: Vec<InsertCell> = cells
            .into_iter()
            .enumerate()
            .map(|(i, new)| {
                let idempotency_key = new.idempotency_key.clone();
                let new_id = new.imported;
                let cell = self.cell_of(new, now);
                let payload = serde_json::json!({"type": cell.kind, "scope": cell.scope});
                let event = self.event(EventKind::WriteCell, vec![cell.cell_id], None, payload);
                InsertCell {
                    // A cell that moves here with its own id is itself, twin or not.
                    dedup: dedup && new_id.is_none(),
                    event: Some(event),
                    idempotency_key,
                    content_hash: self.content_hash(&cell.content),
                    vector: vectors.as_ref().map(|v| self.stored_vector(&v[i])),
                    cell,
                }
            })
            .collect();
        let inserted = self.store.insert(&rows)?;
        self.note_write(vectors.is_some())?;
        rows.into_iter()
            .zip(inserted)
            .map(|(row, done)| {
                let cell = if done.created {
                    row.cell
                } else {
                    self.store.get(done.cell_id)?.cell
                };
                Ok(Written {
                    cell,
                    created: done.created,
                })
            })
            .collect()
    }

    fn cell_of(&self, new: NewCell, now: Timestamp) -> Cell {
        let kept = new.imported.unwrap_or_else(|| Imported {
            cell_id: self.new_cell_id(),
            created_at: None,
            updated_at: None,
            version: 1,
            access_count: 0,
            last_retrieved_at: None,
        });
        let created_at = kept.created_at.unwrap_or(now);
        Cell {
            cell_id: kept.cell_id,
            kind: new.kind,
            tier: new.kind.tier(),
            scope: new.scope,
            tokens: self.config.token_counter.count(&new.content),
            content: new.content,
            status: new.status,
            confidence: new.confidence,
            sensitivity: new.sensitivity,
            origin: new.origin,
            source_refs: new.source_refs,
            valid_from: new.valid_from,
            valid_until: new.valid_until,
            supersedes: new.supersedes,
            contradicted_by: new.contradicted_by,
            access_count: kept.access_count,
            last_retrieved_at: kept.last_retrieved_at,
            version: kept.version.max(1),
            created_at,
            updated_at: kept.updated_at.unwrap_or(created_at),
            policy_features: new.policy_features,
            source: new.source,
            speaker: new.speaker,
            occurred_at: new.occurred_at,
            payload: new.payload,
            links: new.links,
        }
    }

    /// Whether a native write takes this cell.
    pub(crate) fn acceptable(&self, cell: &NewCell) -> Result<()> {
        if cell.content.trim().is_empty() {
            return Err(Error::invalid(Code::EmptyContent, "content", "is empty"));
        }
        if cell.status == CellStatus::Deleted {
            return Err(Error::invalid(
                Code::InvalidInput,
                "status",
                "a deleted cell cannot be written",
            ));
        }
        cell.scope.check_asked()?;
        self.storable(cell)
    }

    /// What even the memcell-compatible write refuses.
    pub(crate) fn storable(&self, cell: &NewCell) -> Result<()> {
        self.check_content(&cell.content)?;
        check_unit("confidence", cell.confidence)?;
        if let Some(features) = &cell.policy_features {
            check_features(features)?;
        }
        check_validity(cell.valid_from, cell.valid_until)
    }

    fn check_content(&self, content: &str) -> Result<()> {
        let limit = self.config.limits.max_content_bytes;
        if content.len() as u64 > limit {
            return Err(Error::invalid(
                Code::ContentTooLarge,
                "content",
                format!("has {} bytes; the limit is {limit}", content.len()),
            ));
        }
        Ok(())
    }

    /// The cell that a caller names.
    pub fn get(&self, id: IdRef<'_>) -> Result<Cell> {
        Ok(self.cell_row(id)?.cell)
    }

    /// By whole id, prefix, citation (`m:1a2b3c4d`) or `last` (the last one written).
    pub(crate) fn cell_row(&self, id: IdRef<'_>) -> Result<CellRow> {
        let id = id.trim().trim_matches(['[', ']']).trim_start_matches("m:");
        if id == "last" {
            let newest = CellFilter {
                statuses: live_statuses(),
                ..CellFilter::default()
            };
            let page = self.store.list(&newest, None, 1)?;
            return page
                .rows
                .into_iter()
                .next()
                .ok_or_else(|| StoreError::CellNotFound("last".into()).into());
        }
        match id.parse::<CellId>() {
            Ok(id) => Ok(self.store.get(id)?),
            Err(_) => Ok(self.store.get_by_prefix(id)?),
        }
    }

    /// A page of cells, the newest first.
    pub fn list(&self, request: &ListRequest) -> Result<Page<Cell>> {
        let filter = CellFilter {
            scope: (!request.scope.is_empty()).then(|| request.scope.clone()),
            types: request.types.clone(),
            statuses: if request.statuses.is_empty() {
                live_statuses()
            } else {
                request.statuses.clone()
            },
            max_sensitivity: request.clearance,
            text: request.contains.clone(),
            created_from: request.created_from,
            created_before: request.created_to,
            order: Order::Newest,
            ..CellFilter::default()
        };
        let page = self.store.list(
            &filter,
            parse_cursor(request.cursor.as_deref())?,
            page_size(request.limit)?,
        )?;
        Ok(Page {
            items: page.rows.into_iter().map(|r| r.cell).collect(),
            next_cursor: page.next.map(|c| c.0.to_string()),
        })
    }

    /// All states of a cell, the oldest first.
    pub fn history(&self, id: IdRef<'_>) -> Result<Vec<CellVersion>> {
        let row = self.cell_row(id)?;
        let versions = self.store.history(row.cell.cell_id)?;
        let ends: Vec<_> = versions
            .iter()
            .skip(1)
            .map(|v| Some(v.since))
            .chain([None])
            .collect();
        let next: Vec<_> = versions
            .iter()
            .skip(1)
            .map(|v| Some(v.cell.status))
            .chain([None])
            .collect();
        Ok(versions
            .into_iter()
            .zip(ends)
            .zip(next)
            .map(|((v, replaced_at), next)| CellVersion {
                version: v.version,
                replaced_at,
                reason: match next {
                    None => "current".to_owned(),
                    Some(status) if status == v.cell.status => "update".to_owned(),
                    Some(status) => format!("became {status}"),
                },
                cell: v.cell,
            })
            .collect())
    }

    /// Changes a cell in place and keeps its former state as a version.
    pub fn update(&self, id: IdRef<'_>, patch: CellPatch) -> Result<Cell> {
        let row = self.cell_row(id)?;
        let mut cell = row.cell;
        let expected_version = patch.expected_version.unwrap_or(cell.version);
        if let Some(content) = patch.content {
            if content.trim().is_empty() {
                return Err(Error::invalid(Code::EmptyContent, "content", "is empty"));
            }
            self.check_content(&content)?;
            cell.tokens = self.config.token_counter.count(&content);
            cell.content = content;
        }
        if let Some(scope) = patch.scope {
            scope.check_asked()?;
            cell.scope = scope;
        }
        if let Some(confidence) = patch.confidence {
            check_unit("confidence", confidence)?;
            cell.confidence = confidence;
        }
        if let Some(features) = patch.policy_features {
            check_features(&features)?;
            cell.policy_features = Some(features);
        }
        cell.sensitivity = patch.sensitivity.unwrap_or(cell.sensitivity);
        cell.source_refs = patch.source_refs.unwrap_or(cell.source_refs);
        cell.contradicted_by = patch.contradicted_by.unwrap_or(cell.contradicted_by);
        cell.valid_from = patch.valid_from.unwrap_or(cell.valid_from);
        cell.valid_until = patch.valid_until.unwrap_or(cell.valid_until);
        cell.payload = patch.payload.or(cell.payload);
        check_validity(cell.valid_from, cell.valid_until)?;
        cell.updated_at = self.clock.now();
        let vector = self
            .embed_all(&[cell.indexed_text()])
            .ok()
            .map(|v| self.stored_vector(&v[0]));
        let payload = serde_json::json!({"version": expected_version.saturating_add(1)});
        let event = self.event(EventKind::UpdateCell, vec![cell.cell_id], None, payload);
        let change = UpdateCell {
            expected_version,
            content_hash: self.content_hash(&cell.content),
            vector,
            cell,
        };
        let embedded = change.vector.is_some();
        let updated = self.store.update(&change, &[event])?;
        self.note_write(embedded)?;
        Ok(updated.cell)
    }

    /// Puts a new cell in the place of another. Of any number of concurrent calls one wins.
    ///
    /// The successor keeps type, scope, sensitivity, origin, features, source, validity, and doubt:
    /// what was quarantined stays quarantined, and what expires keeps expiring.
    pub fn supersede(&self, id: IdRef<'_>, successor: Successor) -> Result<Superseded> {
        let old = self.cell_row(id)?;
        if successor.content.trim().is_empty() {
            return Err(Error::invalid(Code::EmptyContent, "content", "is empty"));
        }
        let old_id = old.cell.cell_id;
        let mut new = NewCell::new(old.cell.kind, old.cell.scope, successor.content);
        new.status = match old.cell.status {
            CellStatus::Quarantined => CellStatus::Quarantined,
            _ => CellStatus::Active,
        };
        new.confidence = successor.confidence.unwrap_or(old.cell.confidence);
        new.sensitivity = old.cell.sensitivity;
        new.origin = old.cell.origin;
        new.policy_features = old.cell.policy_features;
        new.source_refs = successor.source_refs;
        new.valid_until = successor.valid_until.or(old.cell.valid_until);
        new.source = old.cell.source;
        new.speaker = old.cell.speaker;
        new.supersedes = vec![old_id.to_string()];
        self.storable(&new)?;
        let now = self.clock.now();
        let mut cell = self.cell_of(new, now);
        cell.version = old.cell.version + 1;
        let vector = self
            .embed_all(&[cell.indexed_text()])
            .ok()
            .map(|v| self.stored_vector(&v[0]));
        let insert = InsertCell {
            dedup: false,
            idempotency_key: None,
            content_hash: self.content_hash(&cell.content),
            vector,
            event: None,
            cell,
        };
        let new_id = insert.cell.cell_id;
        let payload = serde_json::json!({"old_cell_id": old_id, "new_cell_id": new_id});
        let event = self.event(
            EventKind::SupersedeCell,
            vec![old_id, new_id],
            None,
            payload,
        );
        let seen = Some(old.cell.version);
        let done = self.store.supersede(old_id, seen, &insert, now, &[event])?;
        self.note_write(insert.vector.is_some())?;
        Ok(Superseded {
            old_cell: self.store.get(old_id)?.cell,
            new_cell: self.store.get(done.cell_id)?.cell,
        })
    }

    /// Forgets a cell softly: the row stays, the content goes. [`Self::purge`] destroys.
    pub fn forget(&self, id: IdRef<'_>, reason: &str) -> Result<Cell> {
        let cell = self.cell_row(id)?.cell;
        let id = cell.cell_id;
        let cells = [cell];
        self.note_gone(&cells)?;
        let payload = serde_json::json!({"reason": reason});
        let event = self.event(EventKind::ForgetCell, vec![id], None, payload);
        // Noted before, so that no capture comes in between.
        let row = match self.store.forget(id, self.clock.now(), &[event]) {
            Ok(row) => row,
            Err(e) => {
                self.note_not_gone(&cells)?;
                return Err(e.into());
            }
        };
        Ok(row.cell)
    }

    /// Destroys cells: afterwards no byte of their content is in the data directory.
    pub fn purge(&self, ids: &[IdRef<'_>]) -> Result<Purged> {
        let mut named = Vec::with_capacity(ids.len());
        for id in ids {
            named.push(self.cell_row(id)?.cell);
        }
        self.note_gone(&named)?;
        let cells: Vec<CellId> = named.iter().map(|c| c.cell_id).collect();
        let report = self.store.purge(&cells)?;
        // The index file held hashes of the words and the vectors of what is gone.
        self.rewrite_index()?;
        self.store.append_events(&[self.event(
            EventKind::PurgeCell,
            report.cells.clone(),
            None,
            serde_json::json!({"cells": report.cells.len()}),
        )])?;
        Ok(Purged {
            cells: report.cells.len(),
            log_texts: usize::try_from(report.log_texts_erased).unwrap_or(usize::MAX),
            backups_removed: usize::try_from(report.backups_deleted).unwrap_or(usize::MAX),
            pending: report.pending,
        })
    }

    /// Doubts a cell: it is shown only as `reverify_before_use`.
    pub fn quarantine(&self, id: IdRef<'_>, reason: &str) -> Result<Cell> {
        self.set_status(
            id,
            CellStatus::Quarantined,
            EventKind::QuarantineCell,
            reason,
        )
    }

    /// Ends the doubt.
    pub fn release(&self, id: IdRef<'_>, reason: &str) -> Result<Cell> {
        self.set_status(id, CellStatus::Active, EventKind::ReleaseCell, reason)
    }

    fn set_status(
        &self,
        id: IdRef<'_>,
        to: CellStatus,
        kind: EventKind,
        reason: &str,
    ) -> Result<Cell> {
        let id = self.cell_row(id)?.cell.cell_id;
        let event = self.event(kind, vec![id], None, serde_json::json!({"reason": reason}));
        let row = self.store.set_status(id, to, self.clock.now(), &[event])?;
        Ok(row.cell)
    }

    /// The rule that keeps this cell from being shown now, if any.
    pub fn masked(&self, cell: &Cell) -> Option<crate::Mask> {
        rule_input(cell).mask(self.clock.now())
    }
}

/// Everything but `deleted`.
pub(crate) fn live_statuses() -> Vec<CellStatus> {
    CellStatus::ALL
        .iter()
        .copied()
        .filter(|s| *s != CellStatus::Deleted)
        .collect()
}

pub(crate) fn parse_cursor(text: Option<&str>) -> Result<Option<Cursor>> {
    text.map(|t| {
        t.parse().map(Cursor).map_err(|_| {
            Error::invalid(
                Code::InvalidInput,
                "cursor",
                "is not one that memrl gave out",
            )
        })
    })
    .transpose()
}

pub(crate) fn page_size(limit: Option<u32>) -> Result<usize> {
    match limit {
        None => Ok(50),
        Some(n @ 1..=MAX_PAGE) => Ok(n as usize),
        Some(n) => Err(Error::invalid(
            Code::InvalidInput,
            "limit",
            format!("is {n}; it must lie in [1, {MAX_PAGE}]"),
        )),
    }
}

fn check_unit(field: &str, value: f64) -> Result<()> {
    if !value.is_finite() {
        return Err(Error::invalid(
            Code::NotFinite,
            field,
            format!("is {value}"),
        ));
    }
    if !(0.0..=1.0).contains(&value) {
        return Err(Error::invalid(
            Code::InvalidInput,
            field,
            format!("is {value}; it must lie in [0, 1]"),
        ));
    }
    Ok(())
}

fn check_features(f: &PolicyFeatures) -> Result<()> {
    for (name, value) in [
        ("criticality", f.criticality),
        ("compressibility", f.compressibility),
        ("staleness", f.staleness),
        ("future_utility_estimate", f.future_utility_estimate),
    ] {
        if !value.is_finite() {
            let field = format!("policy_features.{name}");
            return Err(Error::invalid(
                Code::NotFinite,
                &field,
                format!("is {value}"),
            ));
        }
    }
    Ok(())
}

fn check_validity(from: Option<Timestamp>, until: Option<Timestamp>) -> Result<()> {
    match (from, until) {
        (Some(from), Some(until)) if until < from => Err(Error::invalid(
            Code::InvalidInput,
            "valid_until",
            format!("is {until}, before valid_from {from}"),
        )),
        _ => Ok(()),
    }
}
