//! The tables of `memrl bench experience`, and what its sensitivity and tuning runs change.

use memrl::config::ValueConfig;

use super::{Arm, ExperienceOptions, Learner, SeedRun, Signals, WINDOWS};
use crate::experience::Assumptions;
use crate::experience::stats::student;
use crate::machine::Machine;
use crate::metrics::mean;
use crate::report::{Column, Estimate, Report, Row, Table, Unit};

/// The stage of the tuning runs.
pub const TUNING: &str = "settings on tuning seeds";

/// Seeds for choosing settings; nothing is reported on them.
pub const TUNING_SEEDS: std::ops::Range<u64> = 100..105;

/// A change of one assumption.
type Change = fn(&mut Assumptions);

/// The assumptions that are changed one at a time: what is changed, and how.
pub const SENSITIVITY: &[(&str, Change)] = &[
    ("no verdicts", |a| a.verdicts = 0.0),
    ("verdicts after 10 % of the tasks", |a| a.verdicts = 0.1),
    ("verdicts after every task", |a| a.verdicts = 1.0),
    ("verdicts right 70 %", |a| a.verdicts_right = 0.7),
    ("verdicts right 100 %", |a| a.verdicts_right = 1.0),
    ("no citations", |a| a.citations = 0.0),
    ("no test runs", |a| a.tests = 0.0),
    ("test runs right 70 %", |a| a.tests_right = 0.7),
    ("test runs and verdicts are coin tosses", |a| {
        a.tests_right = 0.5;
        a.verdicts_right = 0.5;
    }),
    ("nothing changes in the middle", |a| a.changed = 0.0),
    ("everything changes in the middle", |a| a.changed = 1.0),
    ("no harm in misleading advice", |a| a.harm = 0.0),
    ("little gain: 0.15", |a| a.gain = 0.15),
    ("two plausible remedies", |a| a.remedies = 2),
    ("six plausible remedies", |a| a.remedies = 6),
    ("one episode shown", |a| a.shown = 1),
    ("five episodes shown", |a| a.shown = 5),
    ("all families alike", |a| a.zipf = 0.0),
    ("80 families", |a| a.families = 80),
    ("150 tasks", |a| a.tasks = 150),
    ("the run takes two years", |a| a.days = 730.0),
];

/// The settings that are compared on tuning seeds: ours and `MemRL`'s, as many of either.
pub(super) fn tuning_arms() -> Vec<Arm> {
    let learner = |change: fn(&mut ValueConfig)| {
        let mut values = ValueConfig::default();
        change(&mut values);
        Arm::learning(values)
    };
    let mut arms = vec![Arm::Off, Arm::learning(ValueConfig::default())];
    for weight in [0.2, 0.33, 0.7, 0.8, 0.9, 0.95] {
        arms.push(Arm::learning(ValueConfig {
            utility_weight: weight,
            ..ValueConfig::default()
        }));
    }
    arms.extend([
        learner(|v| v.learning_rate = 0.05),
        learner(|v| v.learning_rate = 0.2),
        learner(|v| v.learning_rate = 0.5),
        learner(|v| {
            v.learning_rate = 0.2;
            v.utility_weight = 0.8;
        }),
        learner(|v| v.decay_rate = 0.0),
        learner(|v| v.decay_rate = 0.03),
        learner(|v| v.propagation_threshold = 0.8),
        learner(|v| {
            v.propagation_threshold = 0.8;
            v.utility_weight = 0.8;
        }),
        learner(|v| v.neighbours = 3),
    ]);
    for (weight, propagate, temporal) in [(0.5, true, true), (0.8, false, false)] {
        arms.push(Arm::Learning(Learner {
            values: ValueConfig {
                utility_weight: weight,
                ..ValueConfig::default()
            },
            propagate,
            temporal,
        }));
    }
    for signals in [Signals::Verdicts, Signals::All] {
        for weight in [0.1, 0.2, 0.35, 0.5, 0.7] {
            arms.push(Arm::Memrl { weight, signals });
        }
    }
    arms
}

/// All tables of a report.
pub(super) fn report(
    options: &ExperienceOptions,
    runs: &[SeedRun],
    sensitivity: &[(String, Vec<SeedRun>)],
    tuning: &[SeedRun],
) -> Report {
    let base = Arm::Off.label();
    let mut tables = vec![successes(runs, "Success of the tasks")];
    if runs.iter().any(|r| r.arm == base) {
        tables.push(differences(runs, &base));
    }
    let learning = Arm::learning(options.values.clone()).label();
    if runs.iter().any(|r| r.arm == learning) {
        tables.push(leads(runs, &learning));
    }
    tables.push(causes(runs));
    if !sensitivity.is_empty() {
        tables.push(sensitivities(options, sensitivity, runs));
    }
    if !tuning.is_empty() {
        tables.push(differences_of_tuning(tuning, &base));
    }
    Report {
        benchmark: "experience".to_owned(),
        machine: Machine::here(),
        command: options.command.clone(),
        tables,
    }
}

/// The arms, in the order in which they ran.
fn arms(runs: &[SeedRun]) -> Vec<&str> {
    let mut arms: Vec<&str> = Vec::new();
    for run in runs {
        if !arms.contains(&run.arm.as_str()) {
            arms.push(&run.arm);
        }
    }
    arms
}

/// One number of each run of an arm, in the order of the seeds.
fn column(runs: &[SeedRun], arm: &str, f: impl Fn(&SeedRun) -> f64) -> Vec<f64> {
    runs.iter().filter(|r| r.arm == arm).map(f).collect()
}

/// The mean over seeds with Student's interval.
fn estimate(values: &[f64]) -> Option<Estimate> {
    Some(Estimate {
        value: mean(values)?,
        by_question: student(values),
        by_conversation: None,
    })
}

/// The mean of the differences of two arms on the same seeds.
fn paired(
    runs: &[SeedRun],
    arm: &str,
    base: &str,
    f: &dyn Fn(&SeedRun) -> f64,
) -> Option<Estimate> {
    let (own, other) = (column(runs, arm, f), column(runs, base, f));
    let differences: Vec<f64> = own.iter().zip(&other).map(|(a, b)| a - b).collect();
    estimate(&differences)
}

fn columns(measure: &str) -> Vec<Column> {
    let at = |at: String| Column {
        measure: measure.to_owned(),
        at,
        unit: Unit::Share,
    };
    let parts = (0..WINDOWS).map(|w| {
        let (from, to) = (100 * w / WINDOWS, 100 * (w + 1) / WINDOWS);
        at(format!("{from}–{to} %"))
    });
    std::iter::once(at("all tasks".to_owned()))
        .chain(parts)
        .collect()
}

/// `f` of the whole run and of each part.
fn whole_and_parts<T>(mut f: impl FnMut(&dyn Fn(&SeedRun) -> f64) -> T) -> Vec<T> {
    let mut all = vec![f(&|r| r.success)];
    all.extend((0..WINDOWS).map(|w| f(&move |r: &SeedRun| r.windows[w])));
    all
}

const INTERVALS: &str =
    "n = seeds. Intervals: 95 %, Student's t over seeds, each of which is a world of its own.";

fn successes(runs: &[SeedRun], title: &str) -> Table {
    Table {
        title: title.to_owned(),
        columns: columns("success"),
        rows: arms(runs)
            .into_iter()
            .map(|arm| Row {
                label: arm.to_owned(),
                n: column(runs, arm, |r| r.success).len(),
                values: whole_and_parts(|f| estimate(&column(runs, arm, f))),
            })
            .collect(),
        notes: vec![INTERVALS.to_owned()],
    }
}

fn differences(runs: &[SeedRun], base: &str) -> Table {
    Table {
        title: format!("Difference to {base}, same seeds and coins, percentage points"),
        columns: columns("difference"),
        rows: arms(runs)
            .into_iter()
            .filter(|arm| *arm != base)
            .map(|arm| Row {
                label: arm.to_owned(),
                n: column(runs, arm, |r| r.success).len(),
                values: whole_and_parts(|f| paired(runs, arm, base, f)),
            })
            .collect(),
        notes: vec![INTERVALS.to_owned()],
    }
}

/// What learning is ahead of each other arm.
fn leads(runs: &[SeedRun], learning: &str) -> Table {
    Table {
        title: format!("{learning}, minus each of the others, percentage points"),
        columns: columns("lead"),
        rows: arms(runs)
            .into_iter()
            .filter(|arm| *arm != learning)
            .map(|arm| Row {
                label: arm.to_owned(),
                n: column(runs, arm, |r| r.success).len(),
                values: whole_and_parts(|f| paired(runs, learning, arm, f)),
            })
            .collect(),
        notes: vec![INTERVALS.to_owned()],
    }
}

/// A measure of a run, and its name.
type Cause = (&'static str, fn(&SeedRun) -> f64);

fn causes(runs: &[SeedRun]) -> Table {
    let measures: [Cause; 3] = [
        ("advice that works is shown", |r| r.working_shown),
        ("misleading advice above it", |r| r.misled),
        ("expected success", |r| r.expected),
    ];
    Table {
        title: "What was shown".to_owned(),
        columns: measures
            .iter()
            .map(|(name, _)| Column {
                measure: "share of tasks".to_owned(),
                at: (*name).to_owned(),
                unit: Unit::Share,
            })
            .collect(),
        rows: arms(runs)
            .into_iter()
            .map(|arm| Row {
                label: arm.to_owned(),
                n: column(runs, arm, |r| r.success).len(),
                values: measures
                    .iter()
                    .map(|(_, f)| estimate(&column(runs, arm, f)))
                    .collect(),
            })
            .collect(),
        notes: vec![
            "Expected success is the probability of success after what was shown, without the luck of the task."
                .to_owned(),
        ],
    }
}

fn sensitivities(
    options: &ExperienceOptions,
    changed: &[(String, Vec<SeedRun>)],
    runs: &[SeedRun],
) -> Table {
    let (learning, off) = (
        Arm::learning(options.values.clone()).label(),
        Arm::Off.label(),
    );
    let none = Arm::NoMemory.label();
    let last = |r: &SeedRun| r.windows[WINDOWS - 1];
    let names = [
        ("success", none.clone()),
        ("success", off.clone()),
        ("success", learning.clone()),
        ("learning minus learning off", "all tasks".to_owned()),
        ("learning minus learning off", "80–100 %".to_owned()),
    ];
    let row = |label: &str, runs: &[SeedRun]| Row {
        label: label.to_owned(),
        n: column(runs, &learning, |r| r.success).len(),
        values: vec![
            estimate(&column(runs, &none, |r| r.success)),
            estimate(&column(runs, &off, |r| r.success)),
            estimate(&column(runs, &learning, |r| r.success)),
            paired(runs, &learning, &off, &|r| r.success),
            paired(runs, &learning, &off, &last),
        ],
    };
    let mut rows = vec![row("as assumed", runs)];
    rows.extend(changed.iter().map(|(name, runs)| row(name, runs)));
    Table {
        title: "One assumption changed at a time".to_owned(),
        columns: names
            .into_iter()
            .map(|(measure, at)| Column {
                measure: measure.to_owned(),
                at,
                unit: Unit::Share,
            })
            .collect(),
        rows,
        notes: vec![INTERVALS.to_owned()],
    }
}

fn differences_of_tuning(tuning: &[SeedRun], base: &str) -> Table {
    let mut table = differences(tuning, base);
    table.title = format!("Settings on tuning seeds: {}", table.title.to_lowercase());
    table
}
