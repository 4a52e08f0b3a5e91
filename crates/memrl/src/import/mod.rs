//! Import of cells: JSON Lines, CSV, the database of a memcell-rl server, and the files of other
//! programs.
//!
//! Readers turn a file into [`NewCell`]s one by one, each with the place it was found at, so that
//! a bad record is reported by line and does not stop the rest.

mod csv;
mod foreign;
mod jsonl;
mod memcell;

use std::path::Path;

pub use jsonl::{cell_from_json, scope_of_text};

use serde::Serialize;

use crate::{Error, Memory, NewCell, Result, Scope};

/// The format of a file to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportFormat {
    /// One JSON object per line: our own export, or memcell-rl's cells.
    Jsonl,
    /// Comma separated, with a header.
    Csv,
    /// A memcell-rl `SQLite` file.
    Memcell,
    /// A folder of episodes of `MemRL` or Tempera (`~/.memrl`, `~/.tempera`), or one of its files.
    Memrl,
    /// A file of the MCP server-memory: entities and relations.
    ServerMemory,
    /// A Markdown file (CLAUDE.md, AGENTS.md, notes) or a folder of them.
    Markdown,
}

impl ImportFormat {
    /// Recognises the format by the first bytes of the file, then by its name; of a folder by what
    /// is in it.
    pub fn detect(path: &Path) -> Result<Self> {
        use std::io::Read;
        if path.is_dir() {
            let episodes = path.join("episodes").is_dir() || path.ends_with("episodes");
            return Ok(if episodes {
                Self::Memrl
            } else {
                Self::Markdown
            });
        }
        let mut head = [0u8; 4096];
        let mut file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        let n = file.read(&mut head).map_err(|e| Error::io(path, e))?;
        if head[..n].starts_with(b"SQLite format 3\0") {
            return Ok(Self::Memcell);
        }
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        let extension = extension.to_ascii_lowercase();
        let head = &head[..n];
        let has = |name: &str| head.windows(name.len()).any(|w| w == name.as_bytes());
        // Cells of ours can hold an episode or anybody's JSON: what counts is the outermost object.
        let ours = has("\"content\"");
        match extension.as_str() {
            "md" | "markdown" => Ok(Self::Markdown),
            "json" if !ours && has("\"timestamp_start\"") && has("\"intent\"") => Ok(Self::Memrl),
            _ if !ours && (has("\"entityType\"") || has("\"relationType\"")) => {
                Ok(Self::ServerMemory)
            }
            "jsonl" | "ndjson" | "json" => Ok(Self::Jsonl),
            "csv" => Ok(Self::Csv),
            _ if head.trim_ascii_start().starts_with(b"{") => Ok(Self::Jsonl),
            _ => Err(Error::format(
                path.display(),
                "of no format that memrl knows; say which with --format",
            )),
        }
    }
}

/// A record that could not be imported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rejected {
    /// Where: line number, or row id of a database.
    pub at: u64,
    /// Why.
    pub reason: String,
}

/// What an import did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ImportReport {
    /// Records read.
    pub read: u64,
    /// Cells created.
    pub created: u64,
    /// Cells that were there already.
    pub duplicates: u64,
    /// Cells whose text is another one now; the former one is in their history.
    pub updated: u64,
    /// Records that could not be imported (the first hundred in detail).
    pub rejected: u64,
    /// Details.
    pub rejections: Vec<Rejected>,
    /// Secrets that were cut out.
    pub redacted: u64,
    /// Pieces of evidence that came along.
    pub evidence: u64,
    /// What else is worth knowing, one line each: settings of the other program.
    pub notes: Vec<String>,
    /// Nothing was written: a rehearsal.
    pub dry_run: bool,
}

/// A record or the reason why it is none, with its place in the file.
pub(crate) type Record = (u64, std::result::Result<NewCell, String>);

/// Records per transaction: large enough to amortise the sync, small enough to show progress.
const BATCH: usize = 1000;
/// Records after which the index is moved from memory to its file.
const CONSOLIDATE: u64 = 200_000;
/// Rejections that are reported in detail.
const DETAILS: usize = 100;

impl Memory {
    /// Imports a file of cells. Doing it twice changes nothing the second time.
    ///
    /// `scope` is given to records that have none of their own. `progress` is told the number of
    /// records read so far.
    pub fn import(
        &self,
        path: &Path,
        format: Option<ImportFormat>,
        scope: &Scope,
        dry_run: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ImportReport> {
        let format = match format {
            Some(format) => format,
            None => ImportFormat::detect(path)?,
        };
        if matches!(
            format,
            ImportFormat::Memrl | ImportFormat::ServerMemory | ImportFormat::Markdown
        ) {
            return self.import_foreign(path, format, scope, dry_run, progress);
        }
        let mut report = ImportReport {
            dry_run,
            ..ImportReport::default()
        };
        let mut batch = Vec::with_capacity(BATCH);
        let mut take = |record: Record| -> Result<()> {
            let (at, cell) = record;
            report.read += 1;
            match cell.and_then(|c| self.acceptable(&c).map(|()| c).map_err(|e| e.to_string())) {
                Ok(mut cell) => {
                    if cell.scope.is_empty() {
                        cell.scope = scope.clone();
                    }
                    batch.push(cell);
                }
                Err(reason) => {
                    report.rejected += 1;
                    if report.rejections.len() < DETAILS {
                        report.rejections.push(Rejected { at, reason });
                    }
                }
            }
            if batch.len() == BATCH {
                self.import_batch(std::mem::take(&mut batch), &mut report)?;
                progress(report.read);
                // Bounds the memory that a large import takes: the index moves to its file.
                if report.read.is_multiple_of(CONSOLIDATE) && !report.dry_run {
                    self.maintain()?;
                }
            }
            Ok(())
        };
        match format {
            ImportFormat::Jsonl => jsonl::read(path, &mut take)?,
            ImportFormat::Csv => csv::read(path, &mut take)?,
            _ => memcell::read(path, &mut take)?,
        }
        self.import_batch(batch, &mut report)?;
        progress(report.read);
        if !dry_run {
            self.after_bulk_write()?;
        }
        Ok(report)
    }

    fn import_batch(&self, batch: Vec<NewCell>, report: &mut ImportReport) -> Result<()> {
        if report.dry_run || batch.is_empty() {
            return Ok(());
        }
        // A cell that kept its id is itself, even when it was changed here since.
        let mut fresh = Vec::with_capacity(batch.len());
        let mut ids = std::collections::HashSet::new();
        for cell in batch {
            match cell.imported {
                Some(kept)
                    if !ids.insert(kept.cell_id) || self.store.find(kept.cell_id)?.is_some() =>
                {
                    report.duplicates += 1;
                }
                _ => fresh.push(cell),
            }
        }
        for written in self.write_batch(fresh)? {
            if written.created {
                report.created += 1;
            } else {
                report.duplicates += 1;
            }
        }
        Ok(())
    }
}
