//! Memories of other programs: episode folders of `MemRL` and Tempera, files of the MCP
//! server-memory, folders of Markdown.
//!
//! Files are only read. What a file says again is not taken twice; a section that says something
//! else now becomes a new version of its cell; what was forgotten here stays forgotten.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use memrl_capture::content_of;
use memrl_capture::foreign::{
    MemrlEpisode, OldSetting, Record, Records, old_settings, parse_markdown, parse_memrl,
    parse_server_memory,
};
use memrl_learn::value::Evidence;
use memrl_store::{CellFilter, CellRow, Order};

use super::{DETAILS, ImportFormat, ImportReport, Rejected};
use crate::{
    CellId, CellPatch, CellType, Code, EPISODE_SCHEMA, Error, Imported, Memory, NewCell, Origin,
    OutcomeId, Project, Result, Scope, SourcePosition,
};

/// Longest text of an episode, in characters; as for captured ones.
const MAX_CONTENT: usize = 1200;
/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// How deep folders are looked through.
const MAX_DEPTH: usize = 8;
/// Most helpful counts without a date that become evidence.
const MAX_HELPFUL: u32 = 50;

/// What is imported, and what came of it so far.
struct Import<'a> {
    memory: &'a Memory,
    scope: &'a Scope,
    report: ImportReport,
}

impl Memory {
    /// See [`Memory::import`].
    pub(super) fn import_foreign(
        &self,
        path: &Path,
        format: ImportFormat,
        scope: &Scope,
        dry_run: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ImportReport> {
        let mut import = Import {
            memory: self,
            scope,
            report: ImportReport {
                dry_run,
                ..ImportReport::default()
            },
        };
        match format {
            ImportFormat::Memrl => import.memrl(path, progress)?,
            ImportFormat::ServerMemory => import.server_memory(path)?,
            _ => import.markdown(path, progress)?,
        }
        progress(import.report.read);
        if !dry_run {
            self.after_bulk_write()?;
        }
        Ok(import.report)
    }
}

impl Import<'_> {
    /// A folder of episodes, with its settings; or one episode file.
    fn memrl(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let root = if path.join("episodes").is_dir() {
            path.join("episodes")
        } else {
            path.to_owned()
        };
        for file in files(&root, &["json"])? {
            self.report.read += 1;
            let taken = read(&file).and_then(|text| {
                parse_memrl(&text).map_err(|e| Error::format(file.display(), e.to_string()))
            });
            match taken.and_then(|e| self.episode(&e)) {
                Ok(()) => {}
                Err(e) => self.reject(&e)?,
            }
            progress(self.report.read);
        }
        let settings = path.join("config.toml");
        if path.is_dir() && settings.is_file() {
            match old_settings(&read(&settings)?) {
                Ok(old) => self.report.notes.extend(old.iter().filter_map(note_of)),
                Err(e) => self
                    .report
                    .notes
                    .push(format!("{}: {e}", settings.display())),
            }
        }
        Ok(())
    }

    fn episode(&mut self, file: &MemrlEpisode) -> Result<()> {
        let mut episode = file.episode.clone();
        episode.schema = EPISODE_SCHEMA;
        let scope = if self.scope.is_empty() {
            self.project(&episode.project).scope()
        } else {
            self.scope.clone()
        };
        let mut payload =
            serde_json::to_value(&episode).map_err(|e| Error::format("episode", e.to_string()))?;
        // Kept as they were, so that an export gives them back.
        payload["utility"] = serde_json::json!(file.utility);
        payload["retrieval_history"] = serde_json::json!(file.retrievals);
        let mut cell = NewCell::new(CellType::Episode, scope, content_of(&episode, MAX_CONTENT));
        cell.origin = Origin::Import;
        cell.occurred_at = episode.timestamp_end.or(episode.timestamp_start);
        cell.payload = Some(payload);
        let id = file.id.parse::<CellId>().ok();
        match id {
            Some(cell_id) => {
                let last = file.retrievals.iter().filter_map(|r| r.timestamp).max();
                cell.imported = Some(Imported {
                    cell_id,
                    created_at: episode.timestamp_start.or(episode.timestamp_end),
                    updated_at: episode.timestamp_end,
                    version: 1,
                    access_count: u64::from(file.utility.retrieval_count),
                    last_retrieved_at: last,
                });
            }
            None => cell.idempotency_key = Some(format!("memrl {}", file.id)),
        }
        self.memory.acceptable(&cell)?;
        self.report.redacted += file.redacted as u64;
        if let Some(id) = id
            && self.memory.store.find(id)?.is_some()
        {
            self.report.duplicates += 1;
            return Ok(());
        }
        if self.report.dry_run {
            self.report.created += 1;
            return Ok(());
        }
        let written = match self.memory.write(cell) {
            // The same id with another text: it was taken before, and is left as it is.
            Err(e) if e.code() == Code::IdempotencyMismatch => {
                self.report.duplicates += 1;
                return Ok(());
            }
            written => written?,
        };
        if !written.created {
            self.report.duplicates += 1;
            return Ok(());
        }
        self.report.created += 1;
        let pieces = evidence_of(file, written.cell.cell_id);
        self.report.evidence += pieces.len() as u64;
        self.memory.put_evidence(&pieces)?;
        Ok(())
    }

    /// The project of that name: one that is known here, else a new one.
    fn project(&self, name: &str) -> Project {
        let name = if name.trim().is_empty() {
            "unknown"
        } else {
            name
        };
        self.memory
            .project(Some(name), Path::new("/"))
            .unwrap_or_else(|_| Project::named(name))
    }

    fn server_memory(&mut self, path: &Path) -> Result<()> {
        let label = label_of(path);
        let records = parse_server_memory(&read(path)?, &label)
            .map_err(|e| Error::format(path.display(), e.to_string()))?;
        self.records(&label, &self.scope.clone(), records)
    }

    /// A folder of Markdown, or one file.
    fn markdown(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<()> {
        for file in files(path, &["md", "markdown"])? {
            let label = label_of(&file);
            let scope = match Project::of_repository(&file, self.memory.config.sessions.worktrees) {
                Some(project) if self.scope.is_empty() => project.scope(),
                _ => self.scope.clone(),
            };
            match read(&file) {
                Ok(text) => self.records(&label, &scope, parse_markdown(&text, &label))?,
                Err(e) => self.reject(&e)?,
            }
            progress(self.report.read);
        }
        Ok(())
    }

    /// The records of one file.
    fn records(&mut self, label: &str, scope: &Scope, records: Records) -> Result<()> {
        let mut known = self.known(label)?;
        self.report.redacted += records.redacted as u64;
        for (at, reason) in records.rejected {
            self.report.read += 1;
            self.note_rejected(at, reason);
        }
        for (position, record) in (0u32..).zip(records.records) {
            self.report.read += 1;
            let done = match known.remove(&record.key) {
                Some(row) => self.again(&row, &record),
                None => self.first(label, scope, position, &record),
            };
            if let Err(e) = done {
                self.reject(&e)?;
            }
        }
        Ok(())
    }

    /// Cells that an earlier import took from a file, by the key of their records.
    fn known(&self, label: &str) -> Result<HashMap<String, CellRow>> {
        let filter = CellFilter {
            source: Some(label.to_owned()),
            order: Order::Oldest,
            ..CellFilter::default()
        };
        let mut known = HashMap::new();
        let mut after = None;
        loop {
            let page = self.memory.store.list(&filter, after, 1000)?;
            for row in page.rows {
                let key = row
                    .cell
                    .payload
                    .as_ref()
                    .and_then(|p| p["import_key"].as_str());
                if let Some(key) = key.map(str::to_owned) {
                    known.insert(key, row);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(known);
            }
        }
    }

    fn first(&mut self, label: &str, scope: &Scope, position: u32, record: &Record) -> Result<()> {
        let mut cell = NewCell::new(record.kind, scope.clone(), record.text.clone());
        cell.origin = Origin::Import;
        cell.occurred_at = record.when;
        cell.source_refs = vec![record.source.clone()];
        cell.source = Some(SourcePosition {
            source: label.to_owned(),
            position,
        });
        cell.payload = Some(serde_json::json!({
            "import_key": record.key,
            "tags": record.tags,
        }));
        cell.idempotency_key = Some(format!("import {}", record.key));
        self.memory.acceptable(&cell)?;
        if self.report.dry_run {
            self.report.created += 1;
            return Ok(());
        }
        match self.memory.write(cell) {
            Ok(written) if written.created => self.report.created += 1,
            Ok(_) => self.report.duplicates += 1,
            // Its key is that of a cell which was forgotten.
            Err(e) if e.code() == Code::IdempotencyMismatch => self.report.duplicates += 1,
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn again(&mut self, row: &CellRow, record: &Record) -> Result<()> {
        if row.cell.content == record.text || row.superseded_by.is_some() {
            self.report.duplicates += 1;
            return Ok(());
        }
        self.report.updated += 1;
        if self.report.dry_run {
            return Ok(());
        }
        let patch = CellPatch {
            content: Some(record.text.clone()),
            expected_version: Some(row.cell.version),
            ..CellPatch::default()
        };
        self.memory.update(&row.cell.cell_id.to_string(), patch)?;
        Ok(())
    }

    /// Counts a file or record that cannot be used; what is no fault of the record is one of ours.
    fn reject(&mut self, error: &Error) -> Result<()> {
        match error.code() {
            Code::InvalidInput
            | Code::EmptyContent
            | Code::ContentTooLarge
            | Code::Io
            | Code::NotFinite
            | Code::MalformedJson
            | Code::InvalidId => {
                self.note_rejected(self.report.read, error.to_string());
                Ok(())
            }
            code => Err(Error::invalid(code, "import", error.to_string())),
        }
    }

    fn note_rejected(&mut self, at: u64, reason: String) {
        self.report.rejected += 1;
        if self.report.rejections.len() < DETAILS {
            self.report.rejections.push(Rejected { at, reason });
        }
    }
}

/// Their feedback as evidence: each dated verdict, and helpful counts beyond those at the end of
/// the episode. Keys are derived from the id, so that importing twice is importing once.
fn evidence_of(file: &MemrlEpisode, cell: CellId) -> Vec<(OutcomeId, CellId, Evidence)> {
    let dated = file
        .retrievals
        .iter()
        .filter_map(|r| Some((r.timestamp?, r.was_helpful?)));
    let mut verdicts: Vec<_> = dated.collect();
    let helpful = verdicts.iter().filter(|(_, yes)| *yes).count() as u32;
    let undated = file
        .utility
        .helpful_count
        .saturating_sub(helpful)
        .min(MAX_HELPFUL);
    let end = file.episode.timestamp_end.or(file.episode.timestamp_start);
    if let Some(end) = end {
        verdicts.extend((0..undated).map(|_| (end, true)));
    }
    (0u32..)
        .zip(verdicts)
        .map(|(i, (at, yes))| {
            let name = format!("{} {i}", file.id);
            let hash = blake3::derive_key("memrl 2026 imported verdict", name.as_bytes());
            let key = OutcomeId::from_bytes(hash.first_chunk().copied().unwrap_or_default());
            let piece = Evidence {
                mass: 1.0,
                y: f64::from(u8::from(yes)),
                at,
            };
            (key, cell, piece)
        })
        .collect()
}

/// What becomes of an old setting; nothing to say about one that nobody chose.
fn note_of(old: &OldSetting) -> Option<String> {
    if old.is_default {
        return None;
    }
    let why = old.reason.map_or_else(String::new, |r| format!(" ({r})"));
    Some(match old.new_key {
        Some(key) => format!(
            "{} = {}: here `memrl config set {key} {}`{why}",
            old.key, old.value, old.value
        ),
        None => format!("{} = {} has no counterpart{why}", old.key, old.value),
    })
}

/// The name of a file that stays the same whatever directory one is in.
fn label_of(path: &Path) -> String {
    path.canonicalize()
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

fn read(path: &Path) -> Result<String> {
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if meta.len() > MAX_FILE {
        let message = format!("has {} bytes; the limit is {MAX_FILE}", meta.len());
        return Err(Error::format(path.display(), message));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files below a path that end like this, in order of their names; links are not followed.
fn files(path: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if path.is_dir() {
        walk(path, extensions, 0, &mut found)?;
        found.sort();
    } else {
        found.push(path.to_owned());
    }
    Ok(found)
}

fn walk(dir: &Path, extensions: &[&str], depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let entry = entry.map_err(|e| Error::io(dir, e))?;
        let kind = entry.file_type().map_err(|e| Error::io(dir, e))?;
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && depth < MAX_DEPTH && !hidden && entry.file_name() != "node_modules" {
            walk(&path, extensions, depth + 1, found)?;
        } else if kind.is_file() {
            let extension = path.extension().unwrap_or_default().to_string_lossy();
            if extensions.iter().any(|e| extension.eq_ignore_ascii_case(e)) {
                found.push(path);
            }
        }
    }
    Ok(())
}
