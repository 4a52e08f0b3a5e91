//! `memrl train`.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memrl::{Algo, Code, DecisionPoint, TrainReport, TrainRequest};

use super::{bars, counted, field, heading, log_query, trajectories};
use crate::args::{self, Global, Trainer};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::{session, text};

/// Features that are named.
const FEATURES: usize = 10;

/// Trains, and says what was learned.
pub fn run(global: &Global, args: &args::Train, out: &mut Out) -> Result<u8> {
    let algo = learns_from_a_log(args.algo)?;
    if args.point != DecisionPoint::Recall {
        return Err(Failure::hinted(
            Code::InvalidInput,
            format!(
                "the log has no decisions to learn from at the point {:?}: a rule makes them, and nothing in them is tried",
                args.point.as_str()
            ),
            "decisions that can be learned from are logged at the point recall: leave --point out",
        ));
    }
    let memory = session::open(global, &[], out)?;
    let request = request(algo, args);
    let name = request.policy_name();
    if args.resume && !memory.can_resume(name) {
        out.warn(&format!(
            "nothing to resume for {name}; training from the start"
        ));
    }
    let interrupted = ctrl_c();
    let mut progress = out.progress("reading the log", None);
    let trained = memory.train(&request, &mut |p| {
        let what = match p.validation {
            Some(v) => format!("loss {:.4}, kept apart {v:.4}", p.loss),
            None => format!("loss {:.4}", p.loss),
        };
        progress.of(p.step, p.total, &what);
        if interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    drop(progress);
    let report = trained?;
    session::maintain(&memory, out);
    if out.is_json() {
        out.json(&report)?;
        return Ok(0);
    }
    print(&report, request.fill_budget, out)
}

/// The trainer, when it is one that learns from a log.
fn learns_from_a_log(trainer: Trainer) -> Result<Algo> {
    Ok(match trainer {
        Trainer::Bc => Algo::Bc,
        Trainer::Credit => Algo::Credit,
        Trainer::IpsPg => Algo::IpsPg,
        Trainer::Dqn => Algo::Dqn,
        Trainer::Thompson => Algo::Thompson,
        Trainer::Grpo => {
            return Err(Failure::hinted(
                Code::InvalidInput,
                "grpo learns by acting in an environment; a log cannot answer what it tries",
                "`memrl bench policies` trains it in simulated ones; from a log learn bc, credit, ips_pg, dqn and thompson",
            ));
        }
    })
}

fn request(algo: Algo, args: &args::Train) -> TrainRequest {
    let mut config = algo.config();
    config.epochs = args.epochs.unwrap_or(config.epochs);
    config.hidden = args.hidden.unwrap_or(config.hidden);
    config.learning_rate = args.learning_rate.unwrap_or(config.learning_rate);
    config.seed = args.seed.unwrap_or(config.seed);
    config.validation = args.validation.unwrap_or(config.validation);
    let usual = TrainRequest::default();
    TrainRequest {
        algo,
        name: args.name.clone(),
        log: log_query(&args.log),
        spec: args.spec.clone().unwrap_or(usual.spec),
        config: Some(config),
        keep: args.keep.unwrap_or(usual.keep),
        resume: args.resume,
        fill_budget: args.fill_budget,
    }
}

/// A flag that Ctrl-C (and SIGTERM) sets; the second time it ends the process at once. Where the system does not let us, Ctrl-C ends the
/// process, and the checkpoint of the last pass stays all the same.
fn ctrl_c() -> Arc<AtomicBool> {
    use signal_hook::{consts, flag};
    let set = Arc::new(AtomicBool::new(false));
    for signal in [consts::SIGINT, consts::SIGTERM] {
        let code = i32::from(Code::Stopped.info().exit);
        // In this order: the first one finds the flag unset.
        let _ = flag::register_conditional_shutdown(signal, code, Arc::clone(&set));
        let _ = flag::register(signal, Arc::clone(&set));
    }
    set
}

fn print(report: &TrainReport, fill_budget: bool, out: &mut Out) -> Result<u8> {
    let label = out.style.bold(&report.policy);
    let went_on = if report.resumed { ", gone on with" } else { "" };
    out.line(&format!("{label}: {}{went_on}", report.algo.as_str()))?;
    if let Some(note) = &report.note {
        field(out, "found", note)?;
    }
    let c = &report.counts;
    let decisions = |n: u64| text::count(n, "decision");
    field(
        out,
        "learned from",
        &format!(
            "{} of {}",
            decisions(c.decisions),
            trajectories(c.trajectories)
        ),
    )?;
    let kept_apart = if c.validation == c.decisions {
        "each once, by turns, to choose when to stop"
    } else {
        "to choose when to stop"
    };
    let others = [
        (c.validation, "kept apart", kept_apart),
        (
            c.skipped,
            "left out",
            "without an outcome, or with nothing to choose",
        ),
        (
            report.kept,
            "kept back",
            "never trained on: for `memrl evaluate`",
        ),
        (report.foreign, "not read", "logged with other features"),
        (
            report.without_outcome,
            "no outcome",
            "nobody reported how they went",
        ),
    ];
    for (n, name, why) in others.into_iter().filter(|(n, ..)| *n > 0) {
        field(out, name, &format!("{}: {why}", decisions(n)))?;
    }
    field(out, "how much", &how_much(report, fill_budget))?;
    field(out, "decided by", &counted(&report.learned_from))?;
    field(out, "reward", &report.spec)?;
    field(out, "features", &report.schema)?;
    let metrics = report
        .metrics
        .iter()
        .map(|(name, value)| format!("{name} {}", text::number(*value)));
    field(out, "measured", &metrics.collect::<Vec<_>>().join(", "))?;
    if !report.importance.is_empty() {
        heading(
            out,
            "What matters to it: by how much the loss grows when a feature is shuffled",
        )?;
        bars(&report.importance, FEATURES, out)?;
    }
    out.note(&format!(
        "\nIt has no role yet. What it would earn: {}",
        out.talk.hint(&format!("memrl evaluate {}", report.policy))
    ));
    Ok(0)
}

/// Whether it knows when to stop, and what that is worth.
fn how_much(report: &TrainReport, fill_budget: bool) -> String {
    let metric = |name: &str| report.metrics.get(name).copied();
    let unsure = match (metric("stop_gain"), metric("stop_gain_sd")) {
        (Some(gain), Some(sd)) if gain < 2.0 * sd => {
            ", which cannot be told from 0 yet; --fill-budget leaves it out"
        }
        _ => "",
    };
    let gain = match (metric("stop_gain"), metric("stop_gain_sd")) {
        (Some(gain), Some(sd)) => format!(
            ": {} ± {} of reward per decision by the model",
            text::number(gain),
            text::number(sd)
        ),
        _ => String::new(),
    };
    match report.stop {
        Some(_) => {
            format!("stops before the budget is full where more is not worth it{gain}{unsure}")
        }
        None if fill_budget => "what fits into the budget, as asked".to_owned(),
        None if metric("reward_per_cell").is_some() => {
            "what fits into the budget: a STOP was looked for, and none gains".to_owned()
        }
        None if report.algo == Algo::Credit => {
            "what fits into the budget: the log says too little to learn a STOP from".to_owned()
        }
        None => "what fits into the budget".to_owned(),
    }
}
