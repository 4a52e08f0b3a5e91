//! `memrl reward check`.

use memrl::learn::reward::check::{Check, Comparison, PolicyMean, TermCheck};
use memrl::{Memory, RewardCheckReport, RewardCheckRequest};

use super::{estimate, field, heading, log_query, signed, trajectories, with_interval};
use crate::args::LogPart;
use crate::fail::Result;
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::text;

/// Says what drives a spec on the log, and what other specs would change.
pub fn check(
    memory: &Memory,
    spec: Option<&str>,
    against: &[String],
    part: &LogPart,
    out: &mut Out,
) -> Result<u8> {
    let checked = memory.reward_check(&RewardCheckRequest {
        spec: spec.map(str::to_owned),
        against: against.to_vec(),
        log: log_query(part),
    });
    let report: RewardCheckReport =
        checked.map_err(|e| crate::cmd::rewards::known_specs(e, memory))?;
    if out.is_json() {
        out.json(&report)?;
        return Ok(0);
    }
    print(&report.check, spec.is_none(), out)?;
    for comparison in &report.comparisons {
        compared(comparison, out)?;
    }
    Ok(0)
}

fn print(c: &Check, usual: bool, out: &mut Out) -> Result<()> {
    let name = out.style.bold(&c.spec);
    out.line(&format!(
        "{name}: mean {}, standard deviation {}",
        estimate(c.mean),
        estimate(c.sd)
    ))?;
    if usual {
        field(
            out,
            "read",
            &format!(
                "{}, the spec of `memrl train` and `memrl evaluate`; --spec NAME checks another one",
                c.spec
            ),
        )?;
    }
    field(
        out,
        "scored",
        &format!(
            "{} of {}{}",
            text::grouped(c.rewarded),
            text::count(c.decisions, "decision"),
            match c.undefined {
                0 => String::new(),
                n => format!("; {} lack a signal that it needs", text::grouped(n)),
            }
        ),
    )?;
    field(
        out,
        "with success",
        &format!(
            "correlation {} (by rank {})",
            known(c.pearson),
            known(c.spearman)
        ),
    )?;
    if c.clipped > 0.0 {
        field(out, "clipped", &text::percent(c.clipped))?;
    }
    for warning in &c.warnings {
        out.warn(warning);
    }
    heading(out, "Its terms")?;
    terms(&c.terms, out)?;
    heading(out, "Whether success is reported as often everywhere")?;
    missing(c, out)?;
    timing(c, out)
}

fn known(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), signed)
}

fn terms(terms: &[TermCheck], out: &mut Out) -> Result<()> {
    let mut table = Table::new(&[
        ("TERM", Fit::Left),
        ("MEAN", Fit::Right),
        ("SD", Fit::Right),
        ("OF THE VARIANCE", Fit::Right),
        ("WITH SUCCESS", Fit::Right),
        ("BY RANK", Fit::Right),
        ("NOT REPORTED", Fit::Right),
    ]);
    for t in terms {
        let share = t
            .variance_share
            .map_or_else(|| "-".to_owned(), text::percent);
        table.row([
            t.signal.clone(),
            estimate(t.mean),
            estimate(t.sd),
            share,
            known(t.pearson),
            known(t.spearman),
            text::percent(t.missing),
        ]);
    }
    out.table(&table)
}

fn missing(c: &Check, out: &mut Out) -> Result<()> {
    let mut table = Table::new(&[
        ("BY", Fit::Left),
        ("P", Fit::Right),
        ("SHARE OF TRAJECTORIES THAT REPORT IT", Fit::Left),
    ]);
    for test in &c.missing {
        let groups = test.groups.iter().map(|(name, n, share)| {
            format!(
                "{} {} of {}",
                text::one_line(name),
                text::percent(*share),
                text::grouped(*n)
            )
        });
        table.row([
            test.by.to_owned(),
            estimate(test.p),
            groups.collect::<Vec<_>>().join(", "),
        ]);
    }
    out.table(&table)
}

fn timing(c: &Check, out: &mut Out) -> Result<()> {
    let t = &c.timing;
    heading(out, "When outcomes come")?;
    field(
        out,
        "reports",
        &format!(
            "{} decisions have none, {} one, {} several; {} lack a signal that it reads",
            text::grouped(t.without),
            text::grouped(t.once),
            text::grouped(t.several),
            text::grouped(t.partial)
        ),
    )?;
    if let (Some(median), Some(p90)) = (t.median_delay, t.p90_delay) {
        field(
            out,
            "delay",
            &format!(
                "half within {}, nine tenths within {}",
                span(median),
                span(p90)
            ),
        )?;
    }
    Ok(())
}

/// Seconds in the unit that fits.
fn span(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if seconds < 5400.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 129_600.0 {
        format!("{:.0} h", seconds / 3600.0)
    } else {
        format!("{:.0} days", seconds / 86_400.0)
    }
}

fn compared(c: &Comparison, out: &mut Out) -> Result<()> {
    let [first, second] = &c.specs;
    heading(out, &format!("Policies under {first} and under {second}"))?;
    if c.policies.len() < 2 {
        return out.line("  Fewer than two policies have rewards under both: nothing to rank.");
    }
    let mut table = Table::new(&[
        ("POLICY", Fit::Left),
        ("UNDER THE FIRST", Fit::Left),
        ("UNDER THE SECOND", Fit::Left),
        ("OF", Fit::Left),
    ]);
    let mean = |m: &PolicyMean| with_interval(m.mean, m.low, m.high);
    for (policy, [a, b]) in &c.policies {
        table.row([
            text::one_line(policy),
            mean(a),
            mean(b),
            trajectories(a.trajectories),
        ]);
    }
    out.table(&table)?;
    if c.swaps.is_empty() {
        return out.line("No two policies change places.");
    }
    for swap in &c.swaps {
        let sure = if swap.sure {
            ""
        } else {
            " (the intervals leave it open)"
        };
        out.line(&format!(
            "{} is ahead of {} under {first}, behind it under {second}{sure}",
            swap.ahead, swap.behind
        ))?;
    }
    Ok(())
}
