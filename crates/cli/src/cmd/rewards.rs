//! `memrl reward`.

use memrl::learn::RewardSpec;
use memrl::learn::reward::{Missing, Transform};
use memrl::{Code, Memory};
use serde_json::{Value, json};

use crate::args::{Global, RewardCommand};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// Lists, shows or applies reward specs.
pub fn run(global: &Global, command: &RewardCommand, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    match command {
        RewardCommand::List => list(memory.reward_specs(), &memory.config().reward.spec, out),
        RewardCommand::Show { spec } => {
            let spec = memory.spec(spec).map_err(|e| known_specs(e, &memory))?;
            show(&spec, out)
        }
        RewardCommand::Recompute { spec } => {
            let mut progress = out.progress("scoring decisions", None);
            let report = memory.recompute_rewards(spec, &mut |n| progress.at(n));
            drop(progress);
            let report = report.map_err(|e| known_specs(e, &memory))?;
            if out.is_json() {
                out.json(&report)?;
                return Ok(0);
            }
            let mean = report
                .mean
                .map_or_else(String::new, |m| format!(", mean {}", text::number(m)));
            out.line(&format!(
                "{}: scored {} of {}{mean}",
                report.spec,
                text::grouped(report.scored),
                text::count(report.completed, "decision")
            ))?;
            if report.undefined > 0 {
                out.note(&format!(
                    "{} lack a signal that the spec needs",
                    text::count(report.undefined, "decision")
                ));
            }
            Ok(0)
        }
        RewardCommand::Check {
            name,
            spec,
            against,
            log,
        } => {
            let spec = name.as_ref().or(spec.as_ref()).map(String::as_str);
            super::learning::reward_check(&memory, spec, against, log, out)
        }
    }
}

/// Of a spec, or a file of one, that there is not: which ones there are here.
pub fn known_specs(error: memrl::Error, memory: &Memory) -> Failure {
    let error = Failure::of_file(error);
    if ![Code::RewardSpecNotFound, Code::NotFound].contains(&error.code()) {
        return error;
    }
    let known: Vec<String> = memory.reward_specs().iter().map(RewardSpec::name).collect();
    let hint = format!(
        "there are: {}; or give the path of a TOML file (`memrl reward list`)",
        known.join(", ")
    );
    Failure::hinted(error.code(), error.message(), hint)
}

fn list(specs: &[RewardSpec], used: &str, out: &mut Out) -> Result<u8> {
    if out.is_json() {
        let items: Vec<Value> = specs.iter().map(as_json).collect();
        out.json(&json!({"items": items, "used": used}))?;
        return Ok(0);
    }
    let mut table = Table::new(&[
        ("SPEC", Fit::Left),
        ("BOUNDS", Fit::Left),
        ("", Fit::Left),
        ("ABOUT", Fit::Cut(30)),
    ]);
    for spec in specs {
        let mark = if spec.name() == used { "in use" } else { "" };
        table.row([
            spec.name(),
            bounds(spec),
            mark.to_owned(),
            spec.description.clone(),
        ]);
    }
    out.table(&table)?;
    Ok(0)
}

fn bounds(spec: &RewardSpec) -> String {
    spec.bounds().map_or_else(
        || "none".to_owned(),
        |(low, high)| format!("[{}, {}]", text::number(low), text::number(high)),
    )
}

fn as_json(spec: &RewardSpec) -> Value {
    let terms: Vec<Value> = spec
        .terms
        .iter()
        .map(|t| {
            json!({
                "signal": t.signal.name(),
                "weight": t.weight,
                "transform": transform(t.transform),
                "clipped_to": t.bounds,
                "missing": match t.missing {
                    Missing::Undefined => Value::from("undefined"),
                    Missing::Assume(x) => Value::from(x),
                },
            })
        })
        .collect();
    json!({
        "spec": spec.name(),
        "description": spec.description,
        "offset": spec.offset,
        "terms": terms,
        "clip": spec.clip,
        "round": spec.round,
        "bounds": spec.bounds(),
    })
}

fn transform(t: Transform) -> String {
    match t {
        Transform::Identity => "x".to_owned(),
        Transform::Signed => "2x − 1".to_owned(),
        Transform::Cap(cap) => format!("min(x, {0}) / {0}", text::number(cap)),
        Transform::Log1p => "ln(1 + x)".to_owned(),
        Transform::Log1pCap(cap) => format!("ln(1 + min(x, {0})) / ln(1 + {0})", text::number(cap)),
    }
}

fn show(spec: &RewardSpec, out: &mut Out) -> Result<u8> {
    if out.is_json() {
        out.json(&as_json(spec))?;
        return Ok(0);
    }
    let name = out.style.bold(&spec.name());
    out.line(&format!("{name}: {}", spec.description))?;
    out.line("")?;
    let mut table = Table::new(&[
        ("SIGNAL x", Fit::Left),
        ("WEIGHT", Fit::Right),
        ("TIMES", Fit::Left),
        ("WHEN NOT REPORTED", Fit::Left),
    ]);
    for t in &spec.terms {
        let missing = match t.missing {
            Missing::Undefined => "no reward".to_owned(),
            Missing::Assume(x) => format!("x = {}", text::number(x)),
        };
        table.row([
            t.signal.name(),
            text::number(t.weight),
            transform(t.transform),
            missing,
        ]);
    }
    out.table(&table)?;
    out.line("")?;
    let clip = spec.clip.map_or_else(String::new, |(low, high)| {
        format!(
            ", clipped to [{}, {}]",
            text::number(low),
            text::number(high)
        )
    });
    let round = spec
        .round
        .map_or_else(String::new, |r| format!(", rounded to {r} decimals"));
    out.line(&format!(
        "Sum from {}{clip}{round}; bounds {}",
        text::number(spec.offset),
        bounds(spec)
    ))?;
    Ok(0)
}
