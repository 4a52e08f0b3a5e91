//! `memrl add`.

use std::io::Read;
use std::path::Path;

use memrl::{Code, Memory, NewCell, PolicyFeatures, SourcePosition, Written};
use serde_json::{Value, json};

use crate::args::{Add, Global, New};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::{session, text};

/// More than any memory may have, little enough to read: what stdin and files are read up to.
const MOST: u64 = 256 << 20;

/// Writes one memory, or a file of them.
pub fn run(global: &Global, args: Add, out: &mut Out) -> Result<u8> {
    match (args.text, args.batch) {
        (Some(text), _) => {
            let content = text_or_stdin(text)?;
            let memory = session::open(global, &[], out)?;
            let cell = new_cell(&memory, args.new, content)?;
            let written = memory.write(cell)?;
            one(&written, out)?;
            out.flush()?;
            session::maintain(&memory, out);
        }
        (None, Some(file)) => {
            let cells = batch(&file, &args.new)?;
            let memory = session::open(global, &[], out)?;
            let written = memory.write_batch(cells)?;
            many(&written, out)?;
            out.flush()?;
            session::maintain(&memory, out);
        }
        (None, None) => {
            return Err(Failure::new(
                Code::EmptyContent,
                "there is no text to remember",
            ));
        }
    }
    Ok(0)
}

/// The argument, or what stdin has when it is `-`. One line break at the end is not content.
pub fn text_or_stdin(text: String) -> Result<String> {
    if text != "-" {
        return Ok(text);
    }
    let mut read = utf8(read_all(&mut std::io::stdin().lock(), "stdin")?, "stdin")?;
    if read.ends_with('\n') {
        read.pop();
        if read.ends_with('\r') {
            read.pop();
        }
    }
    Ok(read)
}

fn read_all(from: &mut dyn Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::io(Path::new(name), e))?;
    if bytes.len() as u64 > MOST {
        let message = format!("{name} has more than {}", text::bytes(MOST));
        let hint = "write it in parts, or use `memrl import`, which reads files of any size";
        return Err(Failure::hinted(Code::ContentTooLarge, message, hint));
    }
    Ok(bytes)
}

fn utf8(bytes: Vec<u8>, name: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Failure::hinted(
            Code::InvalidInput,
            format!("{name} is not UTF-8 text (byte {at})"),
            "convert it first, e.g. with `iconv -t utf-8`",
        )
    })
}

/// A JSON argument.
pub fn json_value(text: &str, option: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|e| Failure::new(Code::MalformedJson, format!("{option}: {e}")))
}

fn new_cell(memory: &Memory, new: New, content: String) -> Result<NewCell> {
    let mut cell = NewCell::new(new.kind, session::scope(&new.scope), content);
    cell.policy_features = features(&new, None);
    cell.confidence = new.confidence.unwrap_or(cell.confidence);
    cell.sensitivity = new.sensitivity.unwrap_or(cell.sensitivity);
    cell.origin = new.origin.unwrap_or(cell.origin);
    cell.status = new.status.unwrap_or(cell.status);
    cell.valid_from = new.valid_from;
    cell.valid_until = new.valid_until;
    cell.occurred_at = new.occurred_at;
    cell.speaker = new.speaker;
    cell.source = new.source.map(|source| SourcePosition {
        source,
        position: new.position.unwrap_or(0),
    });
    cell.source_refs = new.source_ref;
    cell.idempotency_key = new.key;
    cell.contradicted_by = whole_ids(memory, &new.contradicted_by)?;
    if let Some(payload) = new.payload {
        cell.payload = Some(json_value(&payload, "--payload")?);
    }
    if let Some(decision) = new.during {
        cell = cell.made_during(memory.decision_id(&decision)?);
    }
    Ok(cell)
}

/// The ids as the engine stores them, of ids, prefixes and citations.
pub fn whole_ids(memory: &Memory, ids: &[String]) -> Result<Vec<String>> {
    ids.iter()
        .map(|id| Ok(memory.get(id)?.cell_id.to_string()))
        .collect()
}

/// The features that are given; what is not given stays as in `former`.
fn features(new: &New, former: Option<PolicyFeatures>) -> Option<PolicyFeatures> {
    changed_features(
        former,
        [
            new.criticality,
            new.compressibility,
            new.staleness,
            new.future_utility,
        ],
    )
}

/// Features with these four changed: criticality, compressibility, staleness, future utility.
/// `None` when none of them is given.
pub fn changed_features(
    former: Option<PolicyFeatures>,
    given: [Option<f64>; 4],
) -> Option<PolicyFeatures> {
    if given.iter().all(Option::is_none) {
        return None;
    }
    let f = former.unwrap_or_default();
    let [criticality, compressibility, staleness, future] = given;
    Some(PolicyFeatures {
        criticality: criticality.unwrap_or(f.criticality),
        compressibility: compressibility.unwrap_or(f.compressibility),
        staleness: staleness.unwrap_or(f.staleness),
        future_utility_estimate: future.unwrap_or(f.future_utility_estimate),
    })
}

/// The cells of a JSON Lines file. `--type` and `--scope` are for lines that have none.
fn batch(file: &Path, new: &New) -> Result<Vec<NewCell>> {
    let name = file.display().to_string();
    let bytes = if name == "-" {
        read_all(&mut std::io::stdin().lock(), "stdin")?
    } else {
        let mut opened = std::fs::File::open(file).map_err(|e| Failure::reading(file, e))?;
        read_all(&mut opened, &name)?
    };
    let scope = session::scope(&new.scope);
    let mut cells = Vec::new();
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrong = |code, e: &dyn std::fmt::Display| {
            Failure::new(
                code,
                format!("{name}, line {}: {e}; nothing was written", i + 1),
            )
        };
        let mut value: Value = serde_json::from_slice(line).map_err(|e| {
            // The line is ours to count: to the parser there is only one.
            let message = e.to_string().replace(" at line 1 column ", " at column ");
            wrong(Code::MalformedJson, &message)
        })?;
        if let Some(map) = value.as_object_mut() {
            map.entry("type").or_insert_with(|| json!(new.kind));
        }
        let mut cell: NewCell =
            serde_json::from_value(value).map_err(|e| wrong(Code::InvalidInput, &e))?;
        if cell.scope.is_empty() {
            cell.scope = scope.clone();
        }
        cells.push(cell);
    }
    Ok(cells)
}

fn one(written: &Written, out: &mut Out) -> Result<()> {
    if out.is_json() {
        return out.json(written);
    }
    let cell = &written.cell;
    out.line(&cell.cell_id.to_string())?;
    let what = if written.created {
        "Stored"
    } else {
        "Already there:"
    };
    out.note(&format!(
        "{what} {} in {}",
        cell.kind,
        text::scope(&cell.scope)
    ));
    Ok(())
}

fn many(written: &[Written], out: &mut Out) -> Result<()> {
    let created = written.iter().filter(|w| w.created).count() as u64;
    let known = written.len() as u64 - created;
    if out.is_json() {
        return out.json(&json!({
            "created": created,
            "duplicates": known,
            "cells": written,
        }));
    }
    for w in written {
        out.line(&w.cell.cell_id.to_string())?;
    }
    let note = match known {
        0 => String::new(),
        n => format!(", {} already there", text::grouped(n)),
    };
    out.note(&format!(
        "Stored {}{note}",
        crate::cmd::cells::memories(created as usize)
    ));
    Ok(())
}
