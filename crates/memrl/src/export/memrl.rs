//! Export of episodes in the layout of `MemRL` and Tempera:
//! `episodes/YYYY-MM-DD/session-<id8>.json`.

use std::collections::HashSet;
use std::path::Path;

use memrl_capture::foreign::{MemrlRetrieval, MemrlUtility, to_memrl_json};

use crate::episodes::live_episodes;
use crate::{Code, Episode, Error, Memory, Project, Result};

impl Memory {
    /// Writes the live episodes (of a project, or all) below `dir`, one JSON file each, as `MemRL`
    /// and Tempera read them. Existing files are never replaced: that is an error, before
    /// anything is written. Answers how many files were written.
    pub fn export_episodes(&self, dir: &Path, project: Option<&Project>) -> Result<u64> {
        let rows = live_episodes(self, project)?;
        let values = self.views_of(&rows)?;
        let mut files = Vec::with_capacity(rows.len());
        let mut names = HashSet::new();
        for (row, value) in rows.iter().zip(values) {
            let payload = row.cell.payload.clone().unwrap_or_default();
            let theirs = |name: &str| payload.get(name).cloned().unwrap_or_default();
            let before: MemrlUtility =
                serde_json::from_value(theirs("utility")).unwrap_or_default();
            let history: Vec<MemrlRetrieval> =
                serde_json::from_value(theirs("retrieval_history")).unwrap_or_default();
            let mut episode: Episode = serde_json::from_value(payload).unwrap_or_default();
            if episode.intent.extracted_intent.is_empty() {
                episode
                    .intent
                    .extracted_intent
                    .clone_from(&row.cell.content);
            }
            let shown = u32::try_from(value.shown).unwrap_or(u32::MAX);
            let utility = MemrlUtility {
                score: (value.evidence > 0.0)
                    .then_some(value.mean as f32)
                    .or(before.score),
                retrieval_count: before.retrieval_count.saturating_add(shown),
                ..before
            };
            let id = row.cell.cell_id.to_string();
            let written = row.cell.created_at;
            let json = to_memrl_json(&episode, &id, &utility, &history, written);
            let day = episode.timestamp_start.unwrap_or(written).to_string();
            // Theirs has eight digits; two that begin alike must not replace each other.
            let mut digits = 8;
            let path = loop {
                let name = id.get(..digits).unwrap_or(&id);
                let path = dir
                    .join("episodes")
                    .join(day.get(..10).unwrap_or("undated"))
                    .join(format!("session-{name}.json"));
                if names.insert(path.clone()) {
                    break path;
                }
                digits += 1;
            };
            if path.exists() {
                let message = format!("{} exists; nothing was written", path.display());
                return Err(Error::invalid(Code::InvalidInput, "out", message));
            }
            files.push((path, json));
        }
        for (path, json) in &files {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
            }
            let text = serde_json::to_string_pretty(json)
                .map_err(|e| Error::format(path.display(), e.to_string()))?;
            std::fs::write(path, text).map_err(|e| Error::io(path, e))?;
        }
        Ok(files.len() as u64)
    }
}
