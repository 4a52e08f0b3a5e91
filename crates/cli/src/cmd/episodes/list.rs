//! `memrl list` with values.

use memrl::{CellType, EpisodeQuery};
use serde_json::{Value, json};

use super::words;
use crate::args::{self, Global};
use crate::fail::Result;
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// Whether these options ask for values: episodes, a project, a tag or an outcome.
pub fn wanted(args: &args::List) -> bool {
    let narrowed = !args.scope.is_empty()
        || !args.status.is_empty()
        || args.contains.is_some()
        || args.from.is_some()
        || args.to.is_some();
    let episodes = args.kind == [CellType::Episode] && !narrowed;
    episodes || args.project.is_some() || args.tag.is_some() || args.outcome.is_some()
}

/// Lists memories with what they are worth, the newest first.
pub fn list(global: &Global, args: args::List, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let project = super::named_project(&memory, args.project.as_deref())?;
    super::note_unknown(&memory, args.project.as_deref(), project.as_ref(), out)?;
    let page = memory.episodes(&EpisodeQuery {
        project,
        types: args.kind,
        tag: args.tag,
        outcome: args.outcome,
        clearance: args.clearance,
        limit: args.first.or(args.limit),
        cursor: args.cursor,
    })?;
    if out.is_json() {
        let items = page.items.iter().map(|row| {
            // As any list of memories, with two more fields.
            let mut item = json!(row.cell);
            if let Value::Object(map) = &mut item {
                map.insert("project".into(), json!(row.project));
                map.insert("value".into(), json!(row.value));
            }
            item
        });
        let items: Vec<Value> = items.collect();
        out.json(&json!({"items": items, "next_cursor": page.next_cursor}))?;
        return Ok(0);
    }
    if page.items.is_empty() {
        out.note("No memory fits.");
        return Ok(0);
    }
    let mut table = Table::new(&[
        ("ID", Fit::Left),
        ("DATE", Fit::Left),
        ("PROJECT", Fit::Cut(8)),
        ("INTENT", Fit::Cut(20)),
        ("OUTCOME", Fit::Left),
        ("VALUE", Fit::Right),
        ("SHOWN", Fit::Right),
    ]);
    for row in &page.items {
        let episode = words::episode(&row.cell);
        let outcome = episode.as_ref().map_or("-", |e| e.outcome.status.as_str());
        table.row([
            words::id(&row.cell, out),
            words::day(&row.cell),
            text::one_line(&row.project),
            words::intent(&row.cell, episode.as_ref(), out),
            outcome.to_owned(),
            words::worth(&row.value),
            text::grouped(row.value.shown),
        ]);
    }
    out.table(&table)?;
    if let Some(cursor) = &page.next_cursor {
        out.note(&format!(
            "\nMore: add {}",
            out.talk.hint(&format!("--cursor {cursor}"))
        ));
    }
    Ok(0)
}
