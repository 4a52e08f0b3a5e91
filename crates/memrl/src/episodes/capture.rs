//! Capturing episodes: redacted, deduplicated, linked, and told to the decisions that helped.

use std::collections::BTreeSet;

use memrl_capture::{
    citations, content_of, implied_success, redact, redact_episode, strip_episode, tags_of,
    task_type_of,
};
use memrl_recall::index::{Attrs, Params, Query, Verdict};
use memrl_store::{CellFilter, CellRow, DecisionFilter, Order, UpdateCell};
use serde_json::Value;

use super::signals::{BY_CAPTURE, session_outcome};
use crate::live::scope_pairs;
use crate::{
    CaptureAction, CaptureRequest, Captured, Cell, CellId, CellStatus, CellType, Code, DecisionId,
    DecisionPoint, EPISODE_SCHEMA, Episode, EpisodeStatus, Error, EventKind, Link, LinkKind,
    Memory, NewCell, Result, Similar, SourcePosition, TaskType,
};

/// Longest text of an episode, in characters: several must fit an injected block.
const MAX_CONTENT: usize = 1200;
/// Cosine from which two episodes say nearly the same.
const NEAR: f32 = 0.85;
/// Most near-duplicates that are named.
const MAX_SIMILAR: usize = 3;
/// How often a session that two processes capture at once is tried again.
const MAX_TRIES: usize = 8;
/// Cells of one session that are looked through: a superseded episode has successors.
const MAX_STATES: usize = 100;
/// Most decisions of one session that learn from its outcome.
const MAX_CREDITED: usize = 1000;

impl Memory {
    /// Stores an episode. Secrets and our own injected blocks are cut out first. The episode of a
    /// session that was captured before becomes a new version of it; other near-duplicates are
    /// linked and stay. Decisions that were in use learn from the outcome.
    ///
    /// What was forgotten or purged is not brought back by capturing its session again.
    pub fn capture(&self, request: CaptureRequest) -> Result<Captured> {
        let mut episode = request.episode;
        strip_episode(&mut episode);
        let mut redacted = redact_episode(&mut episode);
        // What was cut out when the session was read, before anything was made of it.
        redacted += episode
            .session
            .as_ref()
            .map_or(0, |s| s.counts.redacted as usize);
        complete(&mut episode, &request.project.name);
        let content = content_of(&episode, MAX_CONTENT);
        if episode.intent.raw_prompt.trim().is_empty()
            && episode.intent.extracted_intent.trim().is_empty()
        {
            let message = "an episode needs a summary or a prompt";
            return Err(Error::invalid(Code::EmptyContent, "summary", message));
        }
        let mut payload =
            serde_json::to_value(&episode).map_err(|e| Error::format("episode", e.to_string()))?;
        redacted += redact_value(&mut payload);
        let mut new = NewCell::new(CellType::Episode, request.project.scope(), content);
        new.origin = request.origin;
        new.occurred_at = episode.timestamp_end.or(episode.timestamp_start);
        new.payload = Some(payload);
        new.links = request
            .decisions
            .iter()
            .map(|d| Link {
                kind: LinkKind::Decision,
                target: d.to_string(),
            })
            .collect();
        let (cell, action, similar) = match session_key(&episode) {
            Some(key) => self.put_session(new, &key)?,
            None => self.put_single(new)?,
        };
        let trajectory = request.trajectory.as_deref();
        let (credited, warnings) = if action == CaptureAction::Unchanged {
            self.teach_rest(&cell, &request.decisions, trajectory)?
        } else {
            let decisions = self.decisions_of(&episode, &request.decisions, trajectory)?;
            self.teach(decisions, &episode)
        };
        Ok(Captured {
            action,
            cell,
            similar,
            redacted,
            credited,
            warnings,
        })
    }

    /// Tells decisions how it ended; which of them learned from it, and what went wrong.
    fn teach(
        &self,
        decisions: impl IntoIterator<Item = DecisionId>,
        episode: &Episode,
    ) -> (Vec<DecisionId>, Vec<String>) {
        let (mut credited, mut warnings) = (Vec::new(), Vec::new());
        for id in decisions {
            match self.tell(id, episode) {
                Ok(true) => credited.push(id),
                Ok(false) => {}
                Err(e) => warnings.push(format!("decision {id} did not learn from it: {e}")),
            }
        }
        (credited, warnings)
    }

    /// An episode that is stored already: tells the decisions that are named, and those that were
    /// not told when it was stored, because that broke off or because they came later.
    pub(crate) fn teach_rest(
        &self,
        cell: &Cell,
        named: &[DecisionId],
        trajectory: Option<&str>,
    ) -> Result<(Vec<DecisionId>, Vec<String>)> {
        let payload = cell.payload.clone().unwrap_or_default();
        let Ok(episode) = serde_json::from_value::<Episode>(payload) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let mut rest = Vec::new();
        for id in self.decisions_of(&episode, named, trajectory)? {
            if named.contains(&id) || !self.is_told(id)? {
                rest.push(id);
            }
        }
        Ok(self.teach(rest, &episode))
    }

    /// An episode of no known session: the same text again is the same episode.
    fn put_single(&self, mut new: NewCell) -> Result<(Cell, CaptureAction, Vec<Similar>)> {
        let similar = self.similar(&new, None)?;
        new.links.extend(similar.iter().map(link_to));
        let written = self.write(new)?;
        let own = written.cell.cell_id;
        let action = if written.created {
            CaptureAction::Created
        } else {
            CaptureAction::Unchanged
        };
        Ok((
            written.cell,
            action,
            similar.into_iter().filter(|s| s.cell_id != own).collect(),
        ))
    }

    /// The episode of a session: written once, then kept up with the session.
    fn put_session(
        &self,
        mut new: NewCell,
        key: &str,
    ) -> Result<(Cell, CaptureAction, Vec<Similar>)> {
        new.source = Some(SourcePosition {
            source: key.to_owned(),
            position: 0,
        });
        new.idempotency_key = Some(format!("episode of {key}"));
        let mut last = None;
        for _ in 0..MAX_TRIES {
            let known = self.session_row(key)?;
            let similar = self.similar(&new, known.as_ref().map(|r| r.seq))?;
            let done = match known {
                _ if self.is_gone(key)? => Err(Error::invalid(
                    Code::WrongStatus,
                    "session",
                    "its episode was forgotten or purged, and is not captured again",
                )),
                Some(row) => self.go_on(row, &new),
                None => {
                    let mut first = new.clone();
                    first.links.extend(similar.iter().map(link_to));
                    match self.write(first) {
                        Ok(w) if w.created => Ok((w.cell, CaptureAction::Created)),
                        // Somebody else captured this session meanwhile: it goes on from there.
                        Ok(w) if w.cell.source == new.source => Err(Error::invalid(
                            Code::Conflict,
                            "session",
                            "was captured at the same moment",
                        )),
                        Ok(w) => Ok((w.cell, CaptureAction::Unchanged)),
                        Err(e) => Err(e),
                    }
                }
            };
            match done {
                Ok((cell, action)) => {
                    let others = similar.into_iter().filter(|s| s.cell_id != cell.cell_id);
                    return Ok((cell.clone(), action, others.collect()));
                }
                // Another process captured the same session at the same moment.
                Err(e) if matches!(e.code(), Code::Conflict | Code::IdempotencyMismatch) => {
                    last = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        Err(last.unwrap_or_else(|| Error::invalid(Code::Busy, "session", "is being captured")))
    }

    /// The next version of a session's episode, if there is anything new. What was read of the
    /// same transcript up to an earlier place is not.
    fn go_on(&self, row: CellRow, new: &NewCell) -> Result<(Cell, CaptureAction)> {
        let mut cell = row.cell;
        let same = cell.content == new.content && cell.payload == new.payload;
        if same || reads_further(cell.payload.as_ref(), new.payload.as_ref()) {
            return Ok((cell, CaptureAction::Unchanged));
        }
        if cell.status == CellStatus::Expired {
            // It was put away, and the session goes on: what is new about it is to be seen.
            let payload = serde_json::json!({"status": "active", "by": "capture"});
            let event = self.event(EventKind::UpdateCell, vec![cell.cell_id], None, payload);
            let now = self.clock.now();
            cell = self
                .store
                .set_status(cell.cell_id, CellStatus::Active, now, &[event])?
                .cell;
        }
        let expected_version = cell.version;
        cell.content.clone_from(&new.content);
        cell.tokens = self.config.token_counter.count(&cell.content);
        cell.payload.clone_from(&new.payload);
        cell.occurred_at = new.occurred_at;
        cell.updated_at = self.clock.now();
        let vector = self
            .embed_all(&[cell.indexed_text()])
            .ok()
            .map(|v| self.stored_vector(&v[0]));
        let embedded = vector.is_some();
        let change = UpdateCell {
            expected_version,
            content_hash: self.content_hash(&cell.content),
            vector,
            cell,
        };
        let payload =
            serde_json::json!({"version": expected_version.saturating_add(1), "by": "capture"});
        let event = self.event(
            EventKind::UpdateCell,
            vec![change.cell.cell_id],
            None,
            payload,
        );
        let row = self.store.update(&change, &[event])?;
        self.note_write(embedded)?;
        Ok((row.cell, CaptureAction::Updated))
    }

    /// The episode of a session, whatever its status.
    pub(crate) fn session_row(&self, key: &str) -> Result<Option<CellRow>> {
        let filter = CellFilter {
            types: vec![CellType::Episode],
            source: Some(key.to_owned()),
            order: Order::Oldest,
            ..CellFilter::default()
        };
        let rows = self.store.list(&filter, None, MAX_STATES)?.rows;
        let replaced =
            |r: &CellRow| r.superseded_by.is_some() || r.cell.status == CellStatus::Deleted;
        let live = rows.iter().position(|r| !replaced(r)).unwrap_or(0);
        Ok(rows.into_iter().nth(live))
    }

    /// Remembers sessions whose episodes are about to be forgotten or destroyed, so that a later capture of
    /// their transcripts does not bring them back. Keeps a keyed hash, nothing readable.
    pub(crate) fn note_gone(&self, cells: &[Cell]) -> Result<()> {
        for cell in cells.iter().filter(|c| c.kind == CellType::Episode) {
            if let Some(source) = &cell.source {
                let mark = gone_mark(self, &source.source);
                self.store
                    .set_meta(&mark, cell.cell_id.to_string().as_bytes())?;
            }
        }
        Ok(())
    }

    /// Takes the notes back, when nothing was forgotten after all.
    pub(crate) fn note_not_gone(&self, cells: &[Cell]) -> Result<()> {
        for cell in cells.iter().filter(|c| c.kind == CellType::Episode) {
            if let Some(source) = &cell.source {
                self.store.set_meta(&gone_mark(self, &source.source), b"")?;
            }
        }
        Ok(())
    }

    fn is_gone(&self, key: &str) -> Result<bool> {
        let mark = self.store.meta(&gone_mark(self, key))?;
        Ok(mark.is_some_and(|m| !m.is_empty()))
    }

    /// Live episodes of the same scope that say nearly the same, the most similar first.
    fn similar(&self, new: &NewCell, own: Option<i64>) -> Result<Vec<Similar>> {
        let Ok(vector) = self.embed_all(std::slice::from_ref(&new.content)) else {
            return Ok(Vec::new());
        };
        let levels = [scope_pairs(&new.scope)];
        let judge = |a: &Attrs| {
            let episode =
                a.kind == CellType::Episode.code() && a.status == CellStatus::Active.code();
            if episode && Some(a.seq) != own {
                Verdict::Admit
            } else {
                Verdict::Exclude
            }
        };
        let index = self.live.level(&*self.store, self.embedder.id())?;
        let hits = index.search(&Query {
            text: "",
            vector: vector.first().map(Vec::as_slice),
            levels: &levels,
            pool: MAX_SIMILAR,
            judge: &judge,
            hints: &[],
            params: Params::default(),
        })?;
        Ok(hits
            .iter()
            .filter(|h| h.dense >= NEAR)
            .map(|h| Similar {
                cell_id: CellId::from_bytes(h.attrs.id),
                similarity: f64::from(h.dense),
            })
            .collect())
    }

    /// Decisions that the session used: those named, those whose answers are in its transcript,
    /// and those logged under its id.
    fn decisions_of(
        &self,
        episode: &Episode,
        named: &[DecisionId],
        trajectory: Option<&str>,
    ) -> Result<BTreeSet<DecisionId>> {
        let mut all: BTreeSet<DecisionId> = named.iter().copied().collect();
        let session = episode.session.as_ref();
        let written = session.into_iter().flat_map(|s| &s.decisions);
        all.extend(written.filter_map(|d| d.parse::<DecisionId>().ok()));
        let trajectories: BTreeSet<&str> = trajectory
            .into_iter()
            .chain(session.map(|s| s.id.as_str()))
            .filter(|t| !t.is_empty())
            .collect();
        for trajectory in trajectories {
            let filter = DecisionFilter {
                point: Some(DecisionPoint::Recall),
                trajectory: Some(trajectory.to_owned()),
                items: false,
                texts: false,
                ..DecisionFilter::default()
            };
            let page = self.store.decisions(&filter, None, MAX_CREDITED)?;
            for row in page.rows {
                let id = row.decision.decision_id;
                // One session can be many tasks that are told one after the other: what an
                // earlier one used has its outcome already.
                if session.is_some() || !self.is_told(id)? {
                    all.insert(id);
                }
            }
        }
        Ok(all)
    }

    /// Whether a captured episode has reported to this decision before.
    fn is_told(&self, id: DecisionId) -> Result<bool> {
        let reports = self.store.outcomes_of(id)?;
        Ok(reports.iter().any(|r| r.outcome.source == BY_CAPTURE))
    }

    /// Reports what is known about a session to one of its decisions; whether it was there.
    fn tell(&self, id: DecisionId, episode: &Episode) -> Result<bool> {
        let row = match self.store.decision(id) {
            Ok(row) => row,
            // An id from another memory, or made up.
            Err(memrl_store::StoreError::DecisionNotFound(_)) => return Ok(false),
            Err(e) => return Err(e.into()),
        };
        if row.decision.point != DecisionPoint::Recall {
            return Ok(false);
        }
        let cited = match &episode.session {
            Some(session) => shown_of(&row.decision, &session.cited),
            None => Vec::new(),
        };
        let implied = implied_success(episode).or_else(|| claimed(episode));
        let outcome = session_outcome(episode, implied, cited);
        self.feedback(row.decision.decision_id, &outcome)?;
        // Every decision of a session shares its outcome; one that showed nothing has nothing to
        // learn from it.
        Ok(!row.decision.slate().is_empty())
    }
}

/// The verdict of whoever told an episode, when there is no session with signs of its own to
/// read. `partial` is also what nobody said, and says nothing.
fn claimed(episode: &Episode) -> Option<f64> {
    let status = episode.outcome.status;
    (episode.session.is_none() && status != EpisodeStatus::Partial).then(|| status.success())
}

/// The cells that a decision showed and that these short ids name.
pub(crate) fn shown_of(decision: &crate::Decision, short: &[String]) -> Vec<CellId> {
    let slate = decision.slate();
    let mut cells = Vec::new();
    for id in short {
        let digits: String = id.chars().filter(|c| *c != '-').collect();
        let hit = |c: &&&crate::Item| {
            let whole = c.cell_id.to_string().replace('-', "");
            whole.starts_with(&digits)
        };
        if let Some(item) = slate.iter().find(hit) {
            cells.push(item.cell_id);
        }
    }
    cells
}

/// The cells of a decision that a text cites.
pub(crate) fn cited_in(decision: &crate::Decision, text: &str) -> Vec<CellId> {
    shown_of(decision, &citations(text))
}

/// What identifies the session of an episode; `None` for one that was told, not read.
pub(crate) fn session_key(episode: &Episode) -> Option<String> {
    let session = episode.session.as_ref()?;
    (!session.id.is_empty()).then(|| format!("{}:{}", session.client, session.id))
}

/// Whether one episode was read further in the transcript that both were read from.
fn reads_further(one: Option<&Value>, other: Option<&Value>) -> bool {
    let place = |payload: Option<&Value>| {
        let session = payload?.get("session")?;
        let head = session.get("head")?.as_str()?.to_owned();
        let parser = session.get("parser")?.as_u64()?;
        Some(((head, parser), session.get("offset")?.as_u64()?))
    };
    match (place(one), place(other)) {
        (Some((one, far)), Some((other, near))) => one == other && far > near,
        _ => false,
    }
}

fn gone_mark(memory: &Memory, key: &str) -> String {
    let hash = memory.content_hash(&format!("session {key}"));
    let hex = blake3::Hash::from_bytes(hash).to_hex();
    format!("gone.{}", &hex[..32])
}

fn link_to(similar: &Similar) -> Link {
    Link {
        kind: LinkKind::Similar,
        target: similar.cell_id.to_string(),
    }
}

/// Fills in what can be told from the rest.
fn complete(e: &mut Episode, project: &str) {
    e.schema = EPISODE_SCHEMA;
    if e.project.is_empty() {
        project.clone_into(&mut e.project);
    }
    if e.intent.extracted_intent.trim().is_empty() {
        e.intent.extracted_intent.clone_from(&e.intent.raw_prompt);
    }
    if e.intent.task_type == TaskType::Unknown {
        e.intent.task_type = task_type_of(&e.intent.extracted_intent);
    }
    if e.intent.domain.is_empty() {
        e.intent.domain = tags_of(e);
    }
}

/// Redacts every text in a JSON value: also what no field of an episode names.
fn redact_value(value: &mut Value) -> usize {
    match value {
        Value::String(text) => {
            let (clean, found) = redact(text);
            if found > 0 {
                *text = clean.into_owned();
            }
            found
        }
        Value::Array(items) => items.iter_mut().map(redact_value).sum(),
        Value::Object(map) => map.values_mut().map(redact_value).sum(),
        _ => 0,
    }
}

/// Active episodes, of one project or of all, the newest first.
pub(crate) fn live_episodes(
    memory: &Memory,
    project: Option<&crate::Project>,
) -> Result<Vec<CellRow>> {
    live_cells(memory, project, &[CellType::Episode])
}

/// Which cells [`live_cells`] and outlines are about.
pub(crate) fn live_filter(project: Option<&crate::Project>, types: &[CellType]) -> CellFilter {
    CellFilter {
        scope: project.map(crate::Project::scope),
        types: types.to_vec(),
        statuses: vec![CellStatus::Active],
        ..CellFilter::default()
    }
}

/// Active cells of these types, of one project or of all, the newest first.
pub(crate) fn live_cells(
    memory: &Memory,
    project: Option<&crate::Project>,
    types: &[CellType],
) -> Result<Vec<CellRow>> {
    let filter = live_filter(project, types);
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let page = memory.store.list(&filter, after, 1000)?;
        rows.extend(page.rows);
        after = page.next;
        if after.is_none() {
            return Ok(rows);
        }
    }
}
