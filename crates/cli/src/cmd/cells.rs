//! Commands on memories that are there.

use std::io::{BufRead, IsTerminal, Write};

use memrl::{Cell, CellPatch, CellStatus, CellVersion, Code, ListRequest, Memory, Page, Successor};
use serde_json::json;

use crate::args::{Get, Global, List, Purge, Reasoned, Supersede, Update};
use crate::cmd::add::{changed_features, json_value, text_or_stdin, whole_ids};
use crate::cmd::{episodes, explain};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// `memrl get`.
pub fn get(global: &Global, args: &Get, out: &mut Out) -> Result<u8> {
    if args.history {
        return history(global, &args.id, out);
    }
    let memory = session::open(global, &[], out)?;
    let cell = memory.get(&args.id)?;
    if out.is_json() {
        out.json(&cell)?;
        return Ok(0);
    }
    for (name, value) in explain::cell(&cell, memory.masked(&cell)) {
        let name = out.style.dim(&format!("{name:<12}"));
        out.line(&format!("{name}{value}"))?;
    }
    out.line("")?;
    out.text(&cell.content)?;
    out.line("")?;
    Ok(0)
}

/// `memrl history`.
pub fn history(global: &Global, id: &str, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let versions: Vec<CellVersion> = memory.history(id)?;
    if out.is_json() {
        out.json(&json!({"items": versions}))?;
        return Ok(0);
    }
    let mut table = Table::new(&[
        ("VERSION", Fit::Right),
        ("STATUS", Fit::Left),
        ("UNTIL", Fit::Left),
        ("THEN", Fit::Left),
        ("CONTENT", Fit::Cut(20)),
    ]);
    for v in &versions {
        let until = v.replaced_at.map_or_else(|| "now".to_owned(), seconds);
        table.row([
            v.version.to_string(),
            v.cell.status.to_string(),
            until,
            v.reason.clone(),
            text::one_line(&v.cell.content),
        ]);
    }
    out.table(&table)?;
    Ok(0)
}

/// A time without its fraction.
fn seconds(time: memrl::Timestamp) -> String {
    let whole = time.to_string();
    match whole.split_once('.') {
        Some((head, _)) => format!("{head}Z"),
        None => whole,
    }
}

/// `memrl list`.
pub fn list(global: &Global, args: List, out: &mut Out) -> Result<u8> {
    if episodes::wanted(&args) {
        return episodes::list(global, args, out);
    }
    let memory = session::open(global, &[], out)?;
    let page: Page<Cell> = memory.list(&ListRequest {
        scope: session::scope(&args.scope),
        types: args.kind,
        statuses: args.status,
        clearance: args.clearance,
        contains: args.contains,
        created_from: args.from,
        created_to: args.to,
        cursor: args.cursor,
        limit: args.first.or(args.limit),
    })?;
    if out.is_json() {
        out.json(&page)?;
        return Ok(0);
    }
    if page.items.is_empty() {
        out.note("No memory fits.");
        return Ok(0);
    }
    let mut table = Table::new(&[
        ("ID", Fit::Left),
        ("TYPE", Fit::Left),
        ("STATUS", Fit::Left),
        ("SCOPE", Fit::Cut(12)),
        ("CONTENT", Fit::Cut(24)),
    ]);
    for cell in &page.items {
        // Piped tables are read by programs, and those may cut nothing.
        let id = if out.is_terminal() {
            cell.cell_id.short()
        } else {
            cell.cell_id.to_string()
        };
        table.row([
            id,
            cell.kind.to_string(),
            cell.status.to_string(),
            text::scope(&cell.scope),
            text::one_line(&spoken(cell)),
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

fn spoken(cell: &Cell) -> String {
    if cell.status == CellStatus::Deleted {
        cell.content.clone()
    } else {
        cell.indexed_text()
    }
}

/// `memrl update`.
pub fn update(global: &Global, args: Update, out: &mut Out) -> Result<u8> {
    let content = args.content.map(text_or_stdin).transpose()?;
    let payload = args
        .payload
        .map(|p| json_value(&p, "--payload"))
        .transpose()?;
    let memory = session::open(global, &[], out)?;
    let given = [
        args.criticality,
        args.compressibility,
        args.staleness,
        args.future_utility,
    ];
    let policy_features = if given.iter().any(Option::is_some) {
        changed_features(memory.get(&args.id)?.policy_features, given)
    } else {
        None
    };
    let patch = CellPatch {
        content,
        scope: (!args.scope.is_empty()).then(|| session::scope(&args.scope)),
        confidence: args.confidence,
        sensitivity: args.sensitivity,
        source_refs: (!args.source_ref.is_empty()).then_some(args.source_ref),
        valid_from: args.valid_from.map(|c| c.0),
        valid_until: args.valid_until.map(|c| c.0),
        contradicted_by: match args.contradicted_by.as_slice() {
            [] => None,
            ids => Some(whole_ids(&memory, ids)?),
        },
        policy_features,
        payload,
        expected_version: args.expected_version,
    };
    let nothing = CellPatch {
        expected_version: patch.expected_version,
        ..CellPatch::default()
    };
    if patch == nothing {
        return Err(Failure::hinted(
            Code::InvalidInput,
            "nothing to change was given",
            "`memrl update --help` lists what can be changed, e.g. --content",
        ));
    }
    let cell = memory.update(&args.id, patch)?;
    if out.is_json() {
        out.json(&cell)?;
    } else {
        out.line(&cell.cell_id.to_string())?;
        out.note(&format!("Updated: version {}", cell.version));
    }
    out.flush()?;
    session::maintain(&memory, out);
    Ok(0)
}

/// `memrl supersede`.
pub fn supersede(global: &Global, args: Supersede, out: &mut Out) -> Result<u8> {
    let content = text_or_stdin(args.text)?;
    let memory = session::open(global, &[], out)?;
    let successor = Successor {
        content,
        confidence: args.confidence,
        source_refs: args.source_ref,
        valid_until: args.valid_until,
    };
    let done = memory.supersede(&args.id, successor)?;
    if out.is_json() {
        out.json(&done)?;
    } else {
        out.line(&done.new_cell.cell_id.to_string())?;
        let old = done.old_cell.cell_id.short();
        out.note(&format!(
            "Takes the place of m:{old}, which is kept as superseded"
        ));
    }
    out.flush()?;
    session::maintain(&memory, out);
    Ok(0)
}

/// `memrl forget`.
pub fn forget(global: &Global, args: &Reasoned, out: &mut Out) -> Result<u8> {
    each(global, args, out, "Forgot", |memory, id| {
        memory.forget(id, &args.reason)
    })
}

/// `memrl quarantine`.
pub fn quarantine(global: &Global, args: &Reasoned, out: &mut Out) -> Result<u8> {
    each(global, args, out, "Quarantined", |memory, id| {
        memory.quarantine(id, &args.reason)
    })
}

/// `memrl release`.
pub fn release(global: &Global, args: &Reasoned, out: &mut Out) -> Result<u8> {
    each(global, args, out, "Released", |memory, id| {
        memory.release(id, &args.reason)
    })
}

fn each(
    global: &Global,
    args: &Reasoned,
    out: &mut Out,
    done: &str,
    act: impl Fn(&Memory, &str) -> memrl::Result<Cell>,
) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    // All are looked up before the first is changed, so that a misspelt id changes nothing.
    let ids = whole_ids(&memory, &args.ids)?;
    let mut cells = Vec::with_capacity(ids.len());
    for id in &ids {
        cells.push(act(&memory, id)?);
    }
    if out.is_json() {
        out.json(&json!({"items": cells}))?;
    } else {
        for cell in &cells {
            out.line(&cell.cell_id.to_string())?;
        }
        out.note(&format!("{done} {}", memories(cells.len())));
    }
    out.flush()?;
    session::maintain(&memory, out);
    Ok(0)
}

/// `1 memory`, `2 memories`.
pub fn memories(n: usize) -> String {
    if n == 1 {
        "1 memory".to_owned()
    } else {
        format!("{} memories", text::grouped(n as u64))
    }
}

/// `memrl purge`.
pub fn purge(global: &Global, args: &Purge, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let cells = args
        .ids
        .iter()
        .map(|id| memory.get(id))
        .collect::<memrl::Result<Vec<_>>>()?;
    if !args.yes {
        confirm(&cells, out)?;
    }
    let ids: Vec<String> = cells.iter().map(|c| c.cell_id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let done = memory.purge(&ids)?;
    if out.is_json() {
        out.json(&done)?;
    } else {
        out.line(&format!("Purged {}", memories(done.cells)))?;
        if done.log_texts > 0 {
            out.note(&format!(
                "Erased with them: {} of the log",
                text::count(done.log_texts as u64, "text")
            ));
        }
        if done.backups_removed > 0 {
            out.note(&format!(
                "Removed {} that held them",
                text::count(done.backups_removed as u64, "backup")
            ));
        }
    }
    if done.pending {
        out.warn(
            "another process still reads an old state of the file; what is left goes with \
             `memrl doctor --repair` once it has ended",
        );
    }
    Ok(0)
}

/// Asks on a terminal; elsewhere nobody can answer.
fn confirm(cells: &[Cell], out: &mut Out) -> Result<()> {
    let refusal = || {
        let message = format!("purging {} needs a confirmation", memories(cells.len()));
        Failure::hinted(
            Code::NotConfirmed,
            message,
            "add --yes: this cannot be undone",
        )
    };
    if out.is_json() || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refusal());
    }
    let lines = cells.iter().map(|cell| {
        let line = text::one_line(&cell.content);
        let line = console::truncate_str(&line, 60, "…");
        format!("  m:{}  {line}\n", cell.cell_id.short())
    });
    let question = format!("Destroy {} for good? [y/N] ", memories(cells.len()));
    let question = lines.chain([question]).collect::<String>();
    let _ = std::io::stderr().write_all(question.as_bytes());
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| Failure::io(std::path::Path::new("stdin"), e))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refusal()),
    }
}
