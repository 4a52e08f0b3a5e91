//! `memrl policy`.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use memrl::{LogQuery, Memory, PolicyDiff, PolicyRow, PolicyView, Step};
use serde_json::{Value, json};

use super::{bars, check, field, heading};
use crate::args::{self, Global, PolicyCommand};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// Weights and features that are named.
const FEATURES: usize = 10;
/// No policy file is larger; what is, is none.
const LARGEST_FILE: u64 = 1 << 30;

/// Does what was asked with policies.
pub fn run(global: &Global, command: &PolicyCommand, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    act(&memory, command, out)
        .map_err(|e| super::roles_hint(e, "`memrl policy list` shows what each policy does now"))
}

fn act(memory: &Memory, command: &PolicyCommand, out: &mut Out) -> Result<u8> {
    match command {
        PolicyCommand::List => list(&memory.policies()?, &memory.in_charge()?, out),
        PolicyCommand::Show { name } => show(&memory.policy_view(name)?, out),
        PolicyCommand::Diff { a, b, limit } => diff(&memory.policy_diff(a, b, *limit)?, out),
        PolicyCommand::Shadow(what) => shadow(memory, what, out),
        PolicyCommand::Canary {
            name,
            share,
            hold,
            force,
        } => {
            let mut progress = out.progress("weighing decisions", None);
            let mut on = |n| {
                progress.at(n);
                ControlFlow::Continue(())
            };
            let force = force.as_deref();
            let tried = memory.policy_canary_with_progress(name, *share, *hold, force, &mut on);
            drop(progress);
            step(&tried?, out)
        }
        PolicyCommand::Check => check::run(&memory.policy_check()?, out),
        PolicyCommand::Stop { reason } => step(&memory.policy_stop(reason)?, out),
        PolicyCommand::Promote { name, force } => {
            step(&memory.policy_promote(name, force.as_deref())?, out)
        }
        PolicyCommand::Rollback { reason } => step(&memory.policy_rollback(reason)?, out),
        PolicyCommand::Delete { name } => delete(&memory.policy_delete(name)?, out),
        PolicyCommand::Export { name, file } => export(memory, name, file, out),
        PolicyCommand::Import { file, name } => import(memory, file, name.as_deref(), out),
    }
}

fn list(rows: &[PolicyRow], in_charge: &[String], out: &mut Out) -> Result<u8> {
    if out.is_json() {
        out.json(&json!({"items": rows, "in_charge": in_charge}))?;
        return Ok(0);
    }
    let mut table = Table::new(&[
        ("POLICY", Fit::Cut(16)),
        ("MADE BY", Fit::Left),
        ("MADE", Fit::Left),
        ("NOW", Fit::Left),
    ]);
    for row in rows {
        table.row([
            row.label.clone(),
            text::one_line(&row.algo),
            row.created_at
                .map_or_else(|| "-".to_owned(), |t| t.to_string()),
            roles(row),
        ]);
    }
    out.table(&table)?;
    let promoted = rows
        .iter()
        .find(|r| r.roles.iter().any(|r| r == "incumbent"));
    let why = match promoted {
        Some(PolicyRow {
            forced: Some(why), ..
        }) => format!("promoted by force: {}", text::one_line(why)),
        Some(_) => "promoted on the proof of its trial".to_owned(),
        None => "of the settings; none is promoted".to_owned(),
    };
    out.note(&format!("\nDecides now: {} ({why})", who(in_charge)));
    if rows.iter().all(|r| r.created_at.is_none()) {
        out.note(&format!(
            "\nNone is learned yet: {}",
            out.talk.hint("memrl train --algo credit")
        ));
    }
    Ok(0)
}

fn show(view: &PolicyView, out: &mut Out) -> Result<u8> {
    if out.is_json() {
        out.json(view)?;
        return Ok(0);
    }
    let label = out.style.bold(&view.row.label);
    let Some(card) = &view.card else {
        out.line(&format!("{label}: a rule, built in"))?;
        return now(&view.row, out);
    };
    out.line(&format!("{label}: {}", text::one_line(&view.row.algo)))?;
    now(&view.row, out)?;
    if let Some(made) = view.row.created_at {
        field(out, "made", &made.to_string())?;
    }
    if let Some(note) = &view.note {
        field(out, "found", note)?;
    }
    described(card, out)?;
    let form = if view.hidden == 0 {
        "linear".to_owned()
    } else {
        text::count(view.hidden as u64, "hidden unit")
    };
    let stop = view.stop.map_or_else(
        || "fills the budget".to_owned(),
        |s| format!("stops below {}", text::number(f64::from(s))),
    );
    field(out, "form", &format!("{form}; {stop}"))?;
    let importance: Vec<(String, f64)> = card
        .get("importance")
        .and_then(|v| serde_json::from_value(v.clone()).ok())
        .unwrap_or_default();
    if !importance.is_empty() {
        heading(
            out,
            "What matters to it: by how much the loss grows when a feature is shuffled",
        )?;
        bars(&importance, FEATURES, out)?;
    }
    if !view.weights.is_empty() {
        heading(
            out,
            "Largest weights, per standard deviation of the feature",
        )?;
        bars(&view.weights, FEATURES, out)?;
    }
    Ok(0)
}

fn now(row: &PolicyRow, out: &mut Out) -> Result<u8> {
    let decides = match (row.decides, row.roles.is_empty()) {
        (_, true) => "no role".to_owned(),
        (true, _) => format!("{}: decides", roles(row)),
        (false, _) => roles(row),
    };
    field(out, "now", &decides)?;
    if let Some(why) = &row.forced {
        field(out, "forced", &text::one_line(why))?;
    }
    Ok(0)
}

/// The roles of a policy; those that it was put into without proof are marked.
fn roles(row: &PolicyRow) -> String {
    let marked = row.roles.iter().map(|role| {
        let forced = row.forced.is_some() && ["incumbent", "canary"].contains(&role.as_str());
        if forced {
            format!("{role} (forced)")
        } else {
            role.clone()
        }
    });
    marked.collect::<Vec<_>>().join(", ")
}

/// The policies in charge: of plain recalls, and of sessions where that is another one.
fn who(in_charge: &[String]) -> String {
    match in_charge {
        [recalls, sessions] => format!("{recalls}, in sessions {sessions}"),
        all => all.join(", "),
    }
}

/// What a card says of the data and the training.
fn described(card: &Value, out: &mut Out) -> Result<()> {
    let word = |path: &str| {
        card.pointer(path)
            .and_then(Value::as_str)
            .map(text::one_line)
    };
    let number = |path: &str| card.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let span = match (word("/data/from"), word("/data/to")) {
        (Some(from), Some(to)) => format!(", {from} to {to}"),
        _ => String::new(),
    };
    field(
        out,
        "learned from",
        &format!(
            "{} of {}{span}",
            text::count(number("/counts/decisions"), "decision"),
            super::trajectories(number("/counts/trajectories"))
        ),
    )?;
    if let Some(parent) = word("/parent") {
        field(out, "to better", &parent)?;
    }
    if let Some(reward) = word("/reward") {
        field(out, "reward", &reward)?;
    }
    if let Some(schema) = word("/schema/name") {
        field(out, "features", &schema)?;
    }
    field(out, "seed", &number("/seed").to_string())?;
    if let Some(metrics) = card.get("metrics").and_then(Value::as_object) {
        let metrics = metrics.iter().filter_map(|(name, value)| {
            Some(format!(
                "{} {}",
                text::one_line(name),
                text::number(value.as_f64()?)
            ))
        });
        field(out, "measured", &metrics.collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

fn diff(d: &PolicyDiff, out: &mut Out) -> Result<u8> {
    if out.is_json() {
        out.json(d)?;
        return Ok(0);
    }
    let title = out.style.bold(&format!("{} against {}", d.a, d.b));
    out.line(&title)?;
    field(
        out,
        "asked about",
        &format!(
            "the newest {} of the log",
            text::count(d.decisions, "decision")
        ),
    )?;
    if d.decisions > 0 {
        field(out, "same slate", &text::percent(d.same_slate))?;
        field(
            out,
            "overlap",
            &format!(
                "{} of the memories shown by either",
                text::percent(d.overlap)
            ),
        )?;
        field(
            out,
            "tokens",
            &format!("{:.1} against {:.1}", d.tokens.0, d.tokens.1),
        )?;
    }
    if d.stop.0 != d.stop.1 {
        let stop = |s: Option<f32>| s.map_or("none".to_owned(), |s| text::number(f64::from(s)));
        let (a, b) = (stop(d.stop.0), stop(d.stop.1));
        field(out, "stops below", &format!("{a} against {b}"))?;
    }
    if !d.weights.is_empty() {
        heading(out, "Weights that differ most")?;
        let mut table = Table::new(&[
            ("FEATURE", Fit::Left),
            ("FIRST", Fit::Right),
            ("SECOND", Fit::Right),
        ]);
        for (name, a, b) in d.weights.iter().take(FEATURES) {
            table.row([name.clone(), format!("{a:.4}"), format!("{b:.4}")]);
        }
        out.table(&table)?;
    }
    Ok(0)
}

fn shadow(memory: &Memory, what: &args::Shadow, out: &mut Out) -> Result<u8> {
    if what.report {
        let policies = memory.policies()?;
        let on = policies
            .iter()
            .find(|p| p.roles.iter().any(|r| r == "shadow"));
        if let Some(on) = on.filter(|_| !out.is_json()) {
            let asked = memory.shadow_report(&LogQuery::default())?;
            if asked.is_empty() {
                let label = &on.label;
                out.line(&format!(
                    "{label}: it is on; no decision has been made since"
                ))?;
                return Ok(0);
            }
        }
        return check::shadow(memory, out);
    }
    step(&memory.policy_shadow(what.name.as_deref())?, out)
}

/// One step in the life of a policy.
fn step(step: &Step, out: &mut Out) -> Result<u8> {
    if out.is_json() {
        out.json(step)?;
    } else {
        out.line(&step.summary)?;
        if let Some(says) = &step.log_says {
            let cannot = if says.verdict.is_none() {
                "nothing yet: "
            } else {
                ""
            };
            let sentence = text::one_line(&says.sentence);
            field(out, "the log says", &format!("{cannot}{sentence}"))?;
        }
        field(out, "decides now", &who(&step.in_charge))?;
    }
    Ok(0)
}

fn delete(label: &str, out: &mut Out) -> Result<u8> {
    if out.is_json() {
        out.json(&json!({"policy": label}))?;
    } else {
        out.line(label)?;
        out.note("Deleted; what it decided stays in the log.");
    }
    Ok(0)
}

fn export(memory: &Memory, name: &str, file: &Path, out: &mut Out) -> Result<u8> {
    let bytes = memory.policy_export(name)?;
    // Beside its final name, so that a failed export leaves the former file alone.
    let mut beside = file.to_owned().into_os_string();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let written = std::fs::File::create(&beside).and_then(|mut f| {
        f.write_all(&bytes)?;
        f.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&beside, file))
        .map_err(|e| Failure::io(file, e))?;
    if out.is_json() {
        out.json(&json!({"file": file, "bytes": bytes.len()}))?;
    } else {
        out.line(&file.display().to_string())?;
        out.note(&format!("Exported {}", text::bytes(bytes.len() as u64)));
    }
    Ok(0)
}

fn import(memory: &Memory, file: &Path, name: Option<&str>, out: &mut Out) -> Result<u8> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|f| f.take(LARGEST_FILE).read_to_end(&mut bytes))
        .map_err(|e| Failure::reading(file, e))?;
    let label = memory.policy_import(&bytes, name)?;
    if out.is_json() {
        out.json(&json!({"policy": label}))?;
    } else {
        out.line(&label)?;
        out.note(&format!(
            "It has no role yet. What it would earn: {}",
            out.talk.hint(&format!("memrl evaluate {label}"))
        ));
    }
    Ok(0)
}
