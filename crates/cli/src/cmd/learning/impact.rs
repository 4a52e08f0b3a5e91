//! `memrl impact`.

use std::collections::HashMap;

use memrl::learn::impact::memory::{MemoryEffect, MemoryReport};
use memrl::learn::impact::trial::TrialVerdict;
use memrl::learn::impact::{
    By, CellImpact, Estimate, ExposureCounts, GroupImpact, ImpactReport, Metric, Reporting, Verdict,
};
use memrl::{CellId, Code, ImpactAnswer, ImpactOf, ImpactRequest, TrialView};

use super::{difference, estimate, field, heading, log_query, roles_hint, trajectories};
use crate::args::{self, Global, ImpactMetric};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// A p-value of "reported as often" below this is worth a warning.
const SUSPICIOUS: f64 = 0.01;

/// Rows that are shown when nobody says how many.
const ROWS: usize = 20;
/// Marks an effect that a memory's own log says nothing about.
const ONLY_POOLED: &str = " (pooled only)";

/// Says what showing memories does, or runs a trial of one.
pub fn run(global: &Global, args: &args::Impact, out: &mut Out) -> Result<u8> {
    usable(args)?;
    let memory = session::open(global, &[], out)?;
    if let Some(cell) = &args.test {
        let view = memory.trial_start(cell.as_str(), args.withhold, args.most);
        return trial(Some(&view.map_err(of_trial)?), out);
    }
    if args.test_stop {
        return trial(Some(&memory.trial_stop().map_err(of_trial)?), out);
    }
    if args.test_status {
        return trial(memory.trial_check()?.as_ref(), out);
    }
    let top = args.top.unwrap_or(ROWS);
    let answer = memory.impact(&ImpactRequest {
        of: of(args.of),
        metric: args.metric.map_or(Metric::Success, metric),
        log: log_query(&args.log),
        confidence: 1.0 - args.level,
        false_discovery: args.level,
    })?;
    if out.is_json() {
        out.json(&answer)?;
        return Ok(0);
    }
    match answer {
        ImpactAnswer::Cell { report, contents } => cells(&report, &contents, top, args.level, out)?,
        ImpactAnswer::Group {
            by,
            metric,
            groups,
            counts,
        } => {
            basis(metric, &counts, out)?;
            group_table(by, metric, &groups, top, out)?;
            if groups
                .iter()
                .any(|g| g.verdict == Verdict::Unknown && g.effect.is_some_and(off_zero))
            {
                not_a_finding(args.level, out);
            }
        }
        ImpactAnswer::Memory { report } => of_memory(&report, out)?,
    }
    Ok(0)
}

fn of_trial(error: memrl::Error) -> Failure {
    let hint = "`memrl impact --test-status` shows what is on trial, `--test-stop` ends it";
    roles_hint(error.into(), hint)
}

/// Refuses options that say nothing here, and a level that is none, by its own name.
fn usable(args: &args::Impact) -> Result<()> {
    if !(args.level > 0.0 && args.level < 1.0) {
        let message = format!("--level is {}; it must lie between 0 and 1", args.level);
        return Err(Failure::new(Code::InvalidInput, message));
    }
    let besides = [
        ("--metric", args.metric.is_some()),
        ("--top", args.top.is_some()),
    ];
    if args.of == args::ImpactOf::Memory
        && let Some((option, _)) = besides.iter().find(|(_, given)| *given)
    {
        return Err(Failure::hinted(
            Code::InvalidInput,
            format!("{option} cannot be used with --of memory"),
            "--of memory answers with all metrics at once: leave it out",
        ));
    }
    Ok(())
}

fn of(of: args::ImpactOf) -> ImpactOf {
    match of {
        args::ImpactOf::Cell => ImpactOf::Cell,
        args::ImpactOf::Type => ImpactOf::Type,
        args::ImpactOf::Scope => ImpactOf::Scope,
        args::ImpactOf::Origin => ImpactOf::Origin,
        args::ImpactOf::All => ImpactOf::All,
        args::ImpactOf::Memory => ImpactOf::Memory,
    }
}

/// Whether the interval leaves out 0.
fn off_zero(e: Estimate) -> bool {
    e.low > 0.0 || e.high < 0.0
}

/// Why an interval that leaves out 0 may stand beside "not known yet".
fn not_a_finding(level: f64, out: &mut Out) {
    out.note(&format!(
        "\nAn interval that leaves out 0 is no finding by itself: of many rows some do so by chance. \
         \"Surely\" is what e-BH over all rows says, which keeps the false ones among them at {} or below.",
        text::percent(level)
    ));
}

fn metric(metric: ImpactMetric) -> Metric {
    match metric {
        ImpactMetric::Success => Metric::Success,
        ImpactMetric::Tokens => Metric::Tokens,
        ImpactMetric::Stale => Metric::Stale,
        ImpactMetric::Unsafe => Metric::Unsafe,
        ImpactMetric::Latency => Metric::Latency,
    }
}

/// What a verdict says.
fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Helps => "surely helps",
        Verdict::Harms => "surely harms",
        Verdict::Unknown => "not known yet",
    }
}

/// The change, in words: `success when shown`, `tokens when shown (less is better)`.
fn changes(metric: Metric) -> String {
    let better = if metric.sign() < 0.0 {
        " (less is better)"
    } else {
        ""
    };
    format!("{} when shown{better}", metric.as_str())
}

/// What the answer is made of, and what was left out of it.
fn basis(metric: Metric, counts: &ExposureCounts, out: &mut Out) -> Result<()> {
    field(out, "change of", &changes(metric))?;
    field(
        out,
        "read from",
        &format!(
            "{} of {}: {} times a memory was wanted and its coin tossed",
            text::count(counts.decisions, "decision"),
            trajectories(counts.trajectories),
            text::grouped(counts.units)
        ),
    )?;
    let left_out = [
        (
            counts.not_randomised,
            "decisions withheld nothing at random",
        ),
        (counts.drawn, "decisions had a drawn slate"),
        (
            counts.without_memory,
            "decisions were of the arm without memory",
        ),
        (
            counts.unexplained,
            "decisions have a probability that no setting explains",
        ),
        (counts.without_outcome, "of these times have no outcome"),
    ];
    let left_out = left_out
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, why)| format!("{} {why}", text::grouped(*n)));
    let left_out = left_out.collect::<Vec<_>>();
    if !left_out.is_empty() {
        field(out, "left out", &left_out.join(", "))?;
    }
    Ok(())
}

fn cells(
    report: &ImpactReport,
    contents: &HashMap<CellId, String>,
    top: usize,
    level: f64,
    out: &mut Out,
) -> Result<()> {
    basis(report.metric, &report.counts, out)?;
    warn_of_reporting(&report.reporting, out);
    if let Some(pooling) = &report.pooling {
        let mean = pooling.mean;
        field(
            out,
            "on average",
            &format!(
                "{} per memory; memories differ by ±{}",
                difference(mean.effect, mean.low, mean.high),
                estimate(pooling.spread)
            ),
        )?;
    }
    out.line("")?;
    let mut table = Table::new(&[
        ("MEMORY", Fit::Left),
        ("CONTENT", Fit::Cut(16)),
        ("SHOWN", Fit::Right),
        ("WITHHELD", Fit::Right),
        ("EFFECT", Fit::Left),
        ("VERDICT", Fit::Left),
        ("MORE DECISIONS NEEDED", Fit::Left),
    ]);
    let (shown, cut) = best_and_worst(&report.cells, top);
    for c in shown {
        // Piped tables are read by programs, and those may cut nothing.
        let id = if out.is_terminal() {
            c.cell.short()
        } else {
            c.cell.to_string()
        };
        let pooled = difference(c.pooled.effect, c.pooled.low, c.pooled.high);
        let mark = if c.own.is_none() { ONLY_POOLED } else { "" };
        let content = contents
            .get(&c.cell)
            .map_or_else(|| "[gone]".to_owned(), |c| text::one_line(c));
        table.row([
            id,
            content,
            text::grouped(c.shown),
            text::grouped(c.withheld),
            format!("{pooled}{mark}"),
            words(c.verdict).to_owned(),
            needed(c),
        ]);
    }
    out.table(&table)?;
    if cut > 0 {
        out.note(&format!(
            "\n{} between them; --top shows more",
            text::count(cut as u64, "memory").replace("memorys", "memories")
        ));
    }
    let only = report.cells.iter().filter(|c| c.own.is_none()).count();
    if only > 0 {
        out.note(&format!(
            "\n(pooled only): never withheld, or never shown, with an outcome; the effect is that of memories like it. So it is for {} of {}.",
            text::grouped(only as u64),
            text::grouped(report.cells.len() as u64)
        ));
    }
    let open = |c: &CellImpact| c.verdict == Verdict::Unknown;
    if report.cells.iter().any(|c| open(c) && off_zero(c.pooled)) {
        not_a_finding(level, out);
    }
    let unknown = report.cells.iter().find(|c| c.verdict == Verdict::Unknown);
    if let Some(cell) = unknown {
        out.note(&format!(
            "\nFind out sooner about one: {}",
            out.talk
                .hint(&format!("memrl impact --test {}", cell.cell.short()))
        ));
    }
    Ok(())
}

/// Of cells in the order of their effects: the first and the last, and how many are between them.
fn best_and_worst(cells: &[CellImpact], top: usize) -> (Vec<&CellImpact>, usize) {
    let cut = cells.len().saturating_sub(top);
    if cut == 0 {
        return (cells.iter().collect(), 0);
    }
    let first = top.div_ceil(2);
    let last = cells.len() - (top - first);
    let both = cells[..first].iter().chain(&cells[last..]);
    (both.collect(), cut)
}

fn needed(c: &CellImpact) -> String {
    match c.more_decisions {
        _ if c.verdict != Verdict::Unknown => "none".to_owned(),
        Some(0) => "none".to_owned(),
        Some(n) => format!("about {}", text::grouped(rough(n))),
        None => "withheld too seldom to say".to_owned(),
    }
}

/// Two digits of it, rounded up: more would promise what nobody knows.
fn rough(n: u64) -> u64 {
    let unit = 10_u64.pow(n.max(1).ilog10().saturating_sub(1));
    n.div_ceil(unit).saturating_mul(unit)
}

fn warn_of_reporting(r: &Reporting, out: &mut Out) {
    if r.p < SUSPICIOUS {
        out.warn(&format!(
            "outcomes are reported for {} of what was shown and {} of what was withheld: \
             what is missing is not missing at random, and the effects are not to be trusted",
            text::percent(r.shown),
            text::percent(r.withheld)
        ));
    }
}

fn group_table(
    by: By,
    metric: Metric,
    groups: &[GroupImpact],
    top: usize,
    out: &mut Out,
) -> Result<()> {
    let head = match by {
        By::All => "GROUP",
        By::Type => "TYPE",
        By::Scope => "SCOPE",
        By::Origin => "ORIGIN",
    };
    out.line("")?;
    let mut table = Table::new(&[
        (head, Fit::Cut(12)),
        ("MEMORIES", Fit::Right),
        ("SHOWN", Fit::Right),
        ("WITHHELD", Fit::Right),
        ("EFFECT", Fit::Left),
        ("VERDICT", Fit::Left),
    ]);
    for g in groups.iter().take(top) {
        let effect = g
            .effect
            .map_or_else(|| "-".to_owned(), |e| difference(e.effect, e.low, e.high));
        table.row([
            text::one_line(&g.name),
            text::grouped(g.cells),
            text::grouped(g.shown),
            text::grouped(g.withheld),
            effect,
            words(g.verdict).to_owned(),
        ]);
    }
    out.table(&table)?;
    let cut = groups.len().saturating_sub(top);
    if cut > 0 {
        out.note(&format!("\n{cut} more; --top shows them"));
    }
    if groups.iter().all(|g| g.verdict == Verdict::Unknown) {
        out.note(&format!(
            "\nNothing is sure yet about {}: it takes more decisions, or a higher explore.epsilon.",
            metric.as_str()
        ));
    }
    Ok(())
}

/// Trajectories of each arm before memory is said to help or to harm.
const ENOUGH: u64 = 30;

fn of_memory(r: &MemoryReport, out: &mut Out) -> Result<()> {
    let success = r.effects.iter().find(|e| e.metric == Metric::Success);
    if let Some((told, effect)) = success.and_then(|e| Some((e, e.effect?))) {
        let few = told.with.min(told.without) < ENOUGH;
        let answer = if few {
            "Too early to say whether memory helps"
        } else if effect.low > 0.0 {
            "Memory helps"
        } else if effect.high < 0.0 {
            "Memory harms"
        } else {
            "Not known yet whether memory helps"
        };
        let answer = out.style.bold(answer);
        out.line(&format!(
            "{answer}: success changes by {} with memory",
            difference(effect.effect, effect.low, effect.high)
        ))?;
        if few {
            out.line(&format!(
                "It takes {ENOUGH} trajectories with memory and as many without that say whether they succeeded."
            ))?;
        }
    } else {
        let answer = out.style.bold("Not known yet whether memory helps");
        out.line(&format!("{answer}: success was reported too seldom"))?;
    }
    let outside = if r.outside > 0 {
        format!(
            "; {} could not have been in both, and are left out",
            trajectories(r.outside)
        )
    } else {
        String::new()
    };
    out.line(&format!(
        "{} with memory, {} without{outside}",
        trajectories(r.with),
        text::grouped(r.without)
    ))?;
    heading(out, "With memory against without")?;
    let mut table = Table::new(&[
        ("METRIC", Fit::Left),
        ("WITH", Fit::Right),
        ("WITHOUT", Fit::Right),
        ("REPORTED", Fit::Left),
        ("DIFFERENCE", Fit::Left),
    ]);
    for e in &r.effects {
        table.row([
            e.metric.as_str().to_owned(),
            estimate(e.mean_with),
            estimate(e.mean_without),
            format!("{} and {}", text::grouped(e.with), text::grouped(e.without)),
            e.effect
                .map_or_else(|| "-".to_owned(), |d| difference(d.effect, d.low, d.high)),
        ]);
    }
    out.table(&table)?;
    for e in r.effects.iter().filter(|e| e.reporting_p < SUSPICIOUS) {
        out.warn(&missing(e));
    }
    Ok(())
}

fn missing(e: &MemoryEffect) -> String {
    format!(
        "{} is not reported as often with memory as without (p = {}): the difference is not to be trusted",
        e.metric.as_str(),
        text::number(e.reporting_p)
    )
}

/// Where a trial stands.
fn trial(view: Option<&TrialView>, out: &mut Out) -> Result<u8> {
    if out.is_json() {
        out.json(&view)?;
        return Ok(0);
    }
    let Some(view) = view else {
        out.note(&format!(
            "No memory is on trial. Start one: {}",
            out.talk.hint("memrl impact --test ID")
        ));
        return Ok(0);
    };
    let (t, r) = (&view.trial, &view.report);
    out.line(&view.summary)?;
    field(out, "memory", &t.cell.to_string())?;
    field(
        out,
        "withheld",
        &format!(
            "with probability {}, from at most {} since {}",
            text::number(t.withhold),
            trajectories(t.most),
            t.since
        ),
    )?;
    field(
        out,
        "so far",
        &format!(
            "shown {}, withheld {}",
            text::grouped(r.shown),
            text::grouped(r.withheld)
        ),
    )?;
    if let Some(effect) = r.effect {
        field(out, "effect", &difference(effect, r.low, r.high))?;
    }
    if !view.over && r.verdict == TrialVerdict::Running {
        out.note(&format!(
            "It ends by itself. How it stands: {}",
            out.talk.hint("memrl impact --test-status")
        ));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_have_two_digits() {
        assert_eq!(
            [0, 7, 42, 134, 134_052].map(rough),
            [0, 7, 42, 140, 140_000]
        );
        assert_eq!(rough(u64::MAX), u64::MAX);
    }
}
