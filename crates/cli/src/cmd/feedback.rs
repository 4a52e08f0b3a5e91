//! `memrl feedback`.

use memrl::{CellId, Code, Memory, Outcome, Verdict};

use crate::args::{self, Global};
use crate::cmd::episodes;
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::{session, text};

/// Records an outcome; prints the rewards that it makes.
pub fn run(global: &Global, args: args::Feedback, out: &mut Out) -> Result<u8> {
    let judged = !args.episodes.is_empty() || args.shown_by.is_some();
    if judged || episodes::verdict(&args.about).is_some() {
        return episodes::judge(global, args, out);
    }
    let memory = session::open(global, &[], out)?;
    let decision = memory.decision_meant(&args.about, args.trajectory.as_deref());
    let decision = decision.map_err(|e| match e.code() {
        Code::InvalidId => Failure::hinted(
            e.code(),
            e.to_string(),
            "name a decision (an id, or last), or say helpful, not-helpful or mixed with --episodes",
        ),
        _ => e.into(),
    })?;
    let verdicts = verdicts(&memory, &args)?;
    let cited = args
        .cited
        .iter()
        .map(|id| cell_id(&memory, id))
        .collect::<Result<Vec<_>>>()?;
    let outcome = Outcome {
        success: args.success,
        implied_success: None,
        unsafe_action: args.unsafe_action,
        stale_memory_error: args.stale,
        tokens_used: args.tokens,
        latency_ms: args.latency_ms,
        user_correction: args.correction,
        verdicts,
        cited,
        metrics: args.metric.into_iter().collect(),
        source: args.source,
        is_final: args.is_final,
        revise: args.revise,
        whole: false,
    };
    let report = memory.feedback(decision, &outcome)?;
    if out.is_json() {
        out.json(&report)?;
    } else {
        for reward in &report.rewards {
            let value = out.style.bold(&text::number(reward.value));
            out.line(&format!(
                "{:<14} {value}{}",
                reward.spec,
                terms(&reward.terms)
            ))?;
        }
        if report.rewards.is_empty() {
            out.note("No reward yet: the specs in use need --success.");
        }
        for (id, before, after) in &report.values {
            let (before, after) = (text::number(*before), text::number(*after));
            // Evidence ages while one waits: changes that nobody can see are not worth a line.
            if before != after {
                out.line(&format!("m:{:<12} value {before} → {after}", id.short()))?;
            }
        }
        let what = if report.repeated {
            "This was reported before:"
        } else {
            "Recorded:"
        };
        let reports = text::count(report.merged.reports as u64, "report");
        out.note(&format!(
            "{what} {reports} on decision {}",
            report.decision_id
        ));
    }
    // Earlier contradictions were said when they were made.
    let own = report
        .merged
        .conflicts
        .iter()
        .filter(|c| c.outcome_id == report.outcome_id);
    for conflict in own {
        out.warn(&format!(
            "{} {} contradicts the {} reported before: this report is stored and does not count; \
             with --revise it counts instead",
            conflict.field,
            text::number(conflict.reported),
            text::number(conflict.kept)
        ));
    }
    Ok(0)
}

/// What is said of single memories.
fn verdicts(memory: &Memory, args: &args::Feedback) -> Result<Vec<Verdict>> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    for (id, useful) in &args.useful {
        let cell_id = cell_id(memory, id)?;
        verdicts.retain(|v| v.cell_id != cell_id);
        verdicts.push(Verdict {
            cell_id,
            useful: *useful,
            stale: false,
        });
    }
    for id in &args.outdated {
        let cell_id = cell_id(memory, id)?;
        match verdicts.iter_mut().find(|v| v.cell_id == cell_id) {
            Some(verdict) => verdict.stale = true,
            None => verdicts.push(Verdict {
                cell_id,
                useful: 0.0,
                stale: true,
            }),
        }
    }
    Ok(verdicts)
}

/// A whole id as it is, so that a purged memory can still be judged; anything else is looked up.
fn cell_id(memory: &Memory, text: &str) -> Result<CellId> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(memory.get(text)?.cell_id),
    }
}

/// ` = success 1.0, tokens -0.07`.
pub fn terms(terms: &[(String, f64)]) -> String {
    if terms.is_empty() {
        return String::new();
    }
    let parts = terms
        .iter()
        .filter(|(_, v)| *v != 0.0)
        .map(|(name, value)| {
            let sign = if *value < 0.0 { "−" } else { "+" };
            format!("{sign} {} {name}", text::number(value.abs()))
        });
    format!("   {}", parts.collect::<Vec<_>>().join(" "))
}
