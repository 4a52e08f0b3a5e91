//! `memrl evaluate`.

use std::ops::ControlFlow;

use memrl::learn::ope::evaluate::{Difference, Rate, Report, Value, Verdict};
use memrl::learn::ope::intervals::{Interval, Method};
use memrl::{EvaluateReport, EvaluateRequest};

use super::{difference, estimate, field, heading, log_query, trajectories, with_interval};
use crate::args::{self, Global};
use crate::fail::Result;
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// Says what a policy would earn.
pub fn run(global: &Global, args: &args::Evaluate, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let usual = EvaluateRequest::default();
    let request = EvaluateRequest {
        policy: args.name.clone(),
        log: log_query(&args.log),
        spec: args.spec.clone().unwrap_or(usual.spec),
        temperature: args.temperature,
        drawn: args.drawn,
        slates: usual.slates,
        seed: args.seed.unwrap_or(usual.seed),
    };
    let mut progress = out.progress("weighing decisions", None);
    let evaluated = memory.evaluate(&request, &mut |n| {
        progress.at(n);
        ControlFlow::Continue(())
    });
    drop(progress);
    let report = evaluated?;
    if out.is_json() {
        out.json(&report)?;
        return Ok(0);
    }
    print(&report, out)?;
    Ok(0)
}

fn print(e: &EvaluateReport, out: &mut Out) -> Result<()> {
    let r = &e.report;
    let sentence = match r.verdict {
        Verdict::Better | Verdict::ProbablyBetter => out.style.good(&r.sentence),
        Verdict::NotShown => out.style.bold(&r.sentence),
        _ => out.style.bad(&r.sentence),
    };
    out.line(&format!("{}: {sentence}", e.policy))?;
    out.line("")?;
    basis(e, out)?;
    heading(out, "Against what it is compared with")?;
    compared(&r.difference, out)?;
    heading(out, &format!("Value, in units of {}", e.spec))?;
    if let Some(baseline) = &r.baseline {
        field(out, &r.difference.versus, &value(baseline))?;
    }
    field(out, "the log", &value(&r.log))?;
    out.line("")?;
    estimates(r, out)?;
    heading(out, "Safety")?;
    rate("unsafe", &r.unsafe_rate, out)?;
    rate("out of date", &r.stale_rate, out)?;
    reporting(r, out)?;
    if r.verdict.is_candidate() {
        out.note(&format!(
            "\nThis is a filter, not the proof. The proof is a trial: {}",
            out.talk.hint(&format!("memrl policy canary {}", e.policy))
        ));
    }
    Ok(())
}

/// What the report is made of.
fn basis(e: &EvaluateReport, out: &mut Out) -> Result<()> {
    let r = &e.report;
    field(
        out,
        "read",
        &format!(
            "{} of {} with an outcome",
            text::count(r.decisions, "decision"),
            trajectories(r.trajectories)
        ),
    )?;
    field(
        out,
        "worth",
        &format!(
            "{:.0} of its own (n_eff); the largest weight is {}",
            r.n_eff,
            estimate(r.max_weight)
        ),
    )?;
    field(
        out,
        "coverage",
        &format!(
            "{} of what it would do, the log could have shown",
            text::percent(r.coverage)
        ),
    )?;
    let d = &e.draw;
    field(
        out,
        "slates",
        &format!(
            "{} drawn at temperature {}, {} of each memory withheld",
            text::percent(d.sampled_share),
            text::number(d.temperature),
            text::percent(d.epsilon)
        ),
    )?;
    let model = if e.model > 0 {
        format!("fitted on {}, crosswise", text::count(e.model, "decision"))
    } else {
        "none: the log says too little for one".to_owned()
    };
    field(out, "reward model", &model)?;
    let left_out = [
        (e.trained_on, "decisions it was trained on"),
        (e.foreign, "decisions with other features"),
        (e.on_trial, "decisions with a memory on trial"),
        (
            r.changed_mixture,
            "trajectories whose settings changed on the way",
        ),
        (
            r.zero_propensity,
            "trajectories with a logged probability of zero",
        ),
    ];
    let left_out = left_out
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, why)| format!("{} {why}", text::grouped(*n)));
    let left_out = left_out.collect::<Vec<_>>();
    if !left_out.is_empty() {
        field(out, "left out", &left_out.join(", "))?;
    }
    if r.bounded > 0 {
        field(
            out,
            "bounded",
            &format!(
                "{}: their probability is an upper bound, so that their weight is rather too small",
                trajectories(r.bounded)
            ),
        )?;
    }
    Ok(())
}

fn compared(d: &Difference, out: &mut Out) -> Result<()> {
    let versus = if d.versus == "log" {
        "the log itself"
    } else {
        d.versus.as_str()
    };
    field(out, "with", versus)?;
    field(out, "difference", &change(&d.estimate))?;
    if let Some(doubly_robust) = &d.doubly_robust {
        let contradicts = if d.disagree {
            "; the two contradict each other, so neither is advice"
        } else {
            ""
        };
        field(
            out,
            "doubly robust",
            &format!("{}{contradicts}", change(doubly_robust)),
        )?;
    }
    let surely = if d.better_by > 0.0 {
        format!("better by at least {}", estimate(d.better_by))
    } else if d.worse_by > 0.0 {
        format!("worse by at least {}", estimate(d.worse_by))
    } else {
        "neither better nor worse".to_owned()
    };
    field(
        out,
        "for sure",
        &format!(
            "{surely} (wrong with probability {} at most)",
            text::number(d.delta)
        ),
    )?;
    if let Some(more) = d.more {
        field(
            out,
            "to decide it",
            &format!("about {} more", trajectories(more)),
        )?;
    }
    Ok(())
}

fn change(v: &Value) -> String {
    difference(v.value, v.interval.low, v.interval.high)
}

fn value(v: &Value) -> String {
    with_interval(v.value, v.interval.low, v.interval.high)
}

fn estimates(r: &Report, out: &mut Out) -> Result<()> {
    let several = r.estimates.iter().any(|l| l.denominator != "logged");
    let mut columns = vec![("ESTIMATOR", Fit::Left)];
    if several {
        columns.push(("PROBABILITIES", Fit::Left));
    }
    columns.extend([
        ("VALUE", Fit::Right),
        ("N_EFF", Fit::Right),
        ("STUDENT T", Fit::Left),
        ("BOOTSTRAP", Fit::Left),
        ("VALID FOR EVERY N", Fit::Left),
    ]);
    let mut table = Table::new(&columns);
    for line in &r.estimates {
        let by = |method: Method| interval(line.intervals.iter().find(|i| i.method == method));
        let valid = match by(Method::Betting) {
            none if none == "-" => by(Method::EmpiricalBernstein),
            betting => betting,
        };
        let mut row = vec![line.estimator.clone()];
        if several {
            row.push(line.denominator.clone());
        }
        row.extend([
            estimate(line.value),
            format!("{:.0}", line.n_eff),
            by(Method::StudentT),
            by(Method::Bootstrap),
            valid,
        ]);
        table.row(row);
    }
    out.table(&table)
}

fn interval(interval: Option<&Interval>) -> String {
    interval.map_or_else(
        || "-".to_owned(),
        |i| format!("[{}, {}]", estimate(i.low), estimate(i.high)),
    )
}

fn rate(name: &str, r: &Rate, out: &mut Out) -> Result<()> {
    if r.said == 0 {
        return field(out, name, "no outcome says whether it happened");
    }
    let worse = if r.worse_by > 0.0 {
        format!(
            "; more often for sure, by at least {}",
            estimate(r.worse_by)
        )
    } else {
        String::new()
    };
    field(
        out,
        name,
        &format!(
            "{} in the log, {} under it{worse}",
            estimate(r.log),
            value(&r.policy)
        ),
    )
}

fn reporting(r: &Report, out: &mut Out) -> Result<()> {
    let missing = r.reporting.arms.iter().filter(|a| a.missing > 0).map(|a| {
        format!(
            "{} of {} in {}",
            text::grouped(a.missing),
            text::grouped(a.trajectories),
            a.arm
        )
    });
    let missing = missing.collect::<Vec<_>>();
    let told = if missing.is_empty() {
        "none: every trajectory has an outcome".to_owned()
    } else {
        format!("outcomes of {}", missing.join(", "))
    };
    field(out, "missing", &told)?;
    if r.reporting.differs {
        out.warn("outcomes are missing more often in one arm than in others: what is there cannot be compared");
    }
    Ok(())
}
