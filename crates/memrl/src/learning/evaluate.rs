//! What a policy would earn, from a log that other policies made.
//!
//! Reads the log once for a reward model and once for the estimates; those are [`memrl_learn::ope`]'s. What the policy was trained on
//! is left out.

use std::cell::RefCell;
use std::ops::ControlFlow;

use memrl_learn::data::{Dataset, Logged};
use memrl_learn::gate;
use memrl_learn::ope::evaluate::{EvaluateConfig, Refusal, Report, Verdict, evaluate};
use memrl_learn::ope::log::{Draw, Evidence, Replay, ReplayConfig};
use memrl_learn::train::credit::{self, Credit};
use memrl_learn::train::{Hooks, TrainError};
use serde::{Deserialize, Serialize};

use super::log::{LogQuery, Reader};
use super::registry::logged_schema;
use super::target::Asked;
use super::watch::Progress;
use crate::{Code, Error, Memory, Result};

/// Newest decisions that the reward model is fitted on.
const MODEL_LIMIT: u64 = 5_000;
/// Newest decisions that are asked how they were randomised.
const NEWEST: u64 = 100;

/// What to evaluate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateRequest {
    /// The policy.
    pub policy: String,
    /// The part of the log.
    pub log: LogQuery,
    /// The reward spec; must be bounded.
    pub spec: String,
    /// Temperature of its drawn slates; `None`: that of the log.
    pub temperature: Option<f64>,
    /// Evaluate drawn slates only, instead of what the policy would do in the incumbent's place under the randomisation of the log.
    pub drawn: bool,
    /// Slates drawn per decision for what a model expects of the policy.
    pub slates: usize,
    /// Seed of those draws.
    pub seed: u64,
}

impl Default for EvaluateRequest {
    fn default() -> Self {
        Self {
            policy: String::new(),
            log: LogQuery::default(),
            spec: "bounded_v1".to_owned(),
            temperature: None,
            drawn: false,
            slates: 8,
            seed: 1,
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluateReport {
    /// The policy (`name@version`).
    pub policy: String,
    /// The reward spec.
    pub spec: String,
    /// How it was taken to make slates of its scores.
    pub draw: Draw,
    /// Decisions left out because the policy was trained on their trajectories.
    pub trained_on: u64,
    /// Decisions left out because they were logged under another feature schema.
    pub foreign: u64,
    /// Decisions left out because a cell that was on trial was among their candidates.
    pub on_trial: u64,
    /// Decisions left out because another policy was in charge, or the caller had named one.
    pub others: u64,
    /// The policies in charge now (of plain recalls and of sessions), which it is compared with.
    pub against: Vec<String>,
    /// Decisions that the reward model was fitted on; 0: there is none, because the log says too little for one.
    pub model: u64,
    /// The estimates and the verdict.
    pub report: Report,
}

/// What the log says about a policy that is to be tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogSays {
    /// The verdict; `None` where the log cannot tell.
    pub verdict: Option<Verdict>,
    /// The verdict, or why there is none, as a sentence.
    pub sentence: String,
}

impl Memory {
    /// Estimates what a policy would earn in the incumbent's place, from the log. Refuses, and says what to log, where
    /// the log cannot tell. `progress` is told the decisions read so far (0 while the reward model is fitted), and may break off
    /// ([`Code::Stopped`]).
    pub fn evaluate(
        &self,
        request: &EvaluateRequest,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<EvaluateReport> {
        whole(&request.log)?;
        settings(request)?;
        let schema = logged_schema()?;
        let spec = self.spec(&request.spec)?;
        let in_charge = self.in_charge()?;
        let asked = self.asked(&request.policy, &schema)?;
        let label = asked.label();
        let trained_on = match &asked {
            Asked::Learned(_) => Some(self.policy_file(&label)?.card.data),
            Asked::Rule(..) => None,
        };
        let seen = |name: &str| trained_on.as_ref().is_some_and(|t| t.has(name));
        let model = self.reward_model(&request.log, &schema, &spec, &seen, progress)?;
        let draw = self.draw_of(request, &schema, &spec)?;
        let (mut left_out, mut on_trial, mut others, mut read) = (0, 0, 0, 0);
        let mut stopped = false;
        let mut failure = None;
        let mut decisions: Option<Replay<'_>> = None;
        let cache = Scores::default();
        let names: RefCell<Vec<String>> = RefCell::default();
        let q = |d: &Logged, slate: &[usize]| match &model {
            Some(m) => m.line.at(cache.q(&m.credit, &names.borrow(), d, slate)),
            None => 0.0,
        };
        let reader = self.read_log(&request.log, Some(&schema), &spec, &mut |logged, reader| {
            read += 1;
            if progress(read).is_break() {
                stopped = true;
                return ControlFlow::Break(());
            }
            let name = &reader.trajectories.all[logged.trajectory as usize];
            if seen(name) {
                left_out += 1;
                return ControlFlow::Continue(());
            }
            let incumbent = reader.arms.iter().find(|a| a.name == "incumbent");
            if reader.asked || !incumbent.is_some_and(|a| in_charge.contains(&a.policy)) {
                others += 1;
                return ControlFlow::Continue(());
            }
            if reader.trial.is_some_and(|t| wants(&logged, t.cell)) {
                on_trial += 1;
                return ControlFlow::Continue(());
            }
            remember(&mut names.borrow_mut(), reader);
            if decisions.is_none() {
                let config = ReplayConfig {
                    slates: request.slates,
                    seed: request.seed,
                    ..ReplayConfig::new(draw)
                };
                match Replay::new(&asked, config) {
                    Ok(replay) => decisions = Some(replay),
                    Err(e) => failure = Some(e.to_string()),
                }
                if model.is_some() {
                    decisions = decisions.take().map(|r| r.with_model(&q));
                }
            }
            if let Some(replay) = &mut decisions
                && let Err(e) = replay.push(&logged)
            {
                failure = Some(e.to_string());
            }
            if failure.is_some() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if stopped {
            return Err(Error::invalid(Code::Stopped, "evaluate", "stopped"));
        }
        if let Some(message) = failure {
            return Err(Error::invalid(Code::InvalidInput, "log", message));
        }
        let Some(replay) = decisions else {
            return Err(Error::invalid(
                Code::TooLittleData,
                "log",
                nothing(left_out, others, &label),
            ));
        };
        let evidence = replay.finish();
        let config = EvaluateConfig::new(spec.bounds());
        let report = self.report_of(&evidence, config, &label, left_out)?;
        Ok(EvaluateReport {
            policy: label,
            spec: spec.name(),
            draw,
            trained_on: left_out,
            foreign: reader.foreign,
            on_trial,
            others,
            against: in_charge,
            model: model.map_or(0, |m| m.decisions),
            report,
        })
    }

    /// How the policy makes slates: by drawing only, or as it would in charge, under the randomisation of the newest decisions that had
    /// any (of the settings, where none had).
    fn draw_of(
        &self,
        request: &EvaluateRequest,
        schema: &memrl_learn::data::Schema,
        spec: &memrl_learn::RewardSpec,
    ) -> Result<Draw> {
        let e = &self.config.explore;
        let mut draw = Draw {
            sampled_share: e.sampled_share,
            temperature: e.temperature,
            epsilon: e.epsilon,
        };
        let newest = LogQuery {
            limit: Some(NEWEST),
            ..request.log.clone()
        };
        self.read_log(&newest, Some(schema), spec, &mut |logged, reader| {
            let explore = super::replay::explore_of(&logged, reader);
            if !reader.asked && (explore.sampled_share > 0.0 || explore.epsilon > 0.0) {
                draw = Draw {
                    sampled_share: explore.sampled_share,
                    temperature: logged.temperature,
                    epsilon: explore.epsilon,
                };
            }
            ControlFlow::Continue(())
        })?;
        draw.temperature = request.temperature.unwrap_or(draw.temperature);
        Ok(if request.drawn {
            Draw::sampled(draw.temperature)
        } else {
            draw
        })
    }

    /// What a log that is too short has, and what it will need besides being longer.
    fn lacks(&self, refusal: &Refusal, evidence: &Evidence) -> String {
        if !matches!(refusal, Refusal::TooFewTrajectories { .. }) {
            return String::new();
        }
        let with = evidence.units.iter().filter(|u| u.reported).count();
        let drawn = if self.config.explore.sampled_share > 0.0 {
            ""
        } else {
            "; another policy can only be judged by slates that were drawn at random, so set explore.sampled_share above 0 as well"
        };
        format!(
            ". There are {} decisions of {} trajectories, {with} of them with an outcome: report how it went each time{drawn}",
            evidence.decisions,
            evidence.units.len(),
        )
    }

    /// The report on this evidence. A refusal gives no verdict, so it takes none of δ: a policy counts as judged after there is a report,
    /// which is made anew where another one was judged in the meantime.
    fn report_of(
        &self,
        evidence: &Evidence,
        mut config: EvaluateConfig,
        label: &str,
        left_out: u64,
    ) -> Result<Report> {
        let delta = config.delta;
        let mut rank = place(&self.roles()?.judged, label) as u64 + 1;
        loop {
            config.delta = gate::spread(delta, rank);
            let report = evaluate(evidence, &config)
                .map_err(|why| refused(&why, left_out, label, &self.lacks(&why, evidence)))?;
            let now = self.judged(label)?;
            if now == rank {
                return Ok(report);
            }
            rank = now;
        }
    }

    /// The how many-th policy this is that is judged, from 1; each counts once.
    fn judged(&self, label: &str) -> Result<u64> {
        self.change_roles(|roles| {
            let at = place(&roles.judged, label);
            if at == roles.judged.len() {
                roles.judged.push(label.to_owned());
            }
            Ok(at as u64 + 1)
        })
    }

    /// A cross-fitted reward model of the log; `None` where the log says too little for one.
    fn reward_model(
        &self,
        query: &LogQuery,
        schema: &memrl_learn::data::Schema,
        spec: &memrl_learn::RewardSpec,
        seen: &dyn Fn(&str) -> bool,
        progress: Progress<'_>,
    ) -> Result<Option<RewardModel>> {
        let query = LogQuery {
            limit: Some(query.limit.unwrap_or(MODEL_LIMIT).min(MODEL_LIMIT)),
            ..query.clone()
        };
        let data: Dataset = self.dataset(&query, schema, spec, &|name| !seen(name))?;
        let mut hooks = Hooks {
            // Nothing of the log has been judged yet.
            progress: &mut |_| progress(0),
            checkpoint: &mut |_| {},
            resume: None,
        };
        Ok(
            match credit::train_model(&data, &credit::config(), &mut hooks) {
                Err(e @ TrainError::Stopped { .. }) => return Err(e.into()),
                Ok(credit) => Some(RewardModel {
                    line: Line::fit(&data, &credit),
                    credit,
                    decisions: data.decisions.len() as u64,
                }),
                // The estimators that need no model are reported all the same.
                Err(_) => None,
            },
        )
    }

    /// What the log says about a policy. Refuses one that it speaks against, unless that is `forced`. Where the log cannot tell, a small
    /// trial is how to find out.
    pub(super) fn check_filter(
        &self,
        label: &str,
        forced: bool,
        progress: Progress<'_>,
    ) -> Result<LogSays> {
        let request = EvaluateRequest {
            policy: label.to_owned(),
            ..EvaluateRequest::default()
        };
        let report = match self.evaluate(&request, progress) {
            Ok(report) => report.report,
            // Nobody waits for what it says any more: then nothing is tried either.
            Err(e) if e.code() == Code::Stopped => return Err(e),
            Err(e) if forced || e.code() == Code::TooLittleData => {
                let sentence = match e {
                    Error::Invalid { message, .. } => message,
                    other => other.to_string(),
                };
                return Ok(LogSays {
                    verdict: None,
                    sentence,
                });
            }
            Err(e) => return Err(e),
        };
        if forced || report.verdict.is_candidate() || report.verdict == Verdict::NotShown {
            return Ok(LogSays {
                verdict: Some(report.verdict),
                sentence: report.sentence,
            });
        }
        let message = format!("{label}: {}", report.sentence);
        Err(Error::invalid(Code::NotProven, "policy", message))
    }
}

/// What a slate is expected to earn.
struct RewardModel {
    /// P(success).
    credit: Credit,
    /// From there to the units of the reward.
    line: Line,
    /// Decisions that it was fitted on.
    decisions: u64,
}

/// reward ≈ a + b · P(success): the model knows success, the spec knows more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    a: f64,
    b: f64,
}

impl Line {
    /// Least squares over what the models say of trajectories that they have not seen.
    pub(super) fn fit(data: &Dataset, credit: &Credit) -> Self {
        let scores = Scores::default();
        let pairs: Vec<(f64, f64)> = data
            .decisions
            .iter()
            .filter_map(|d| {
                let reward = d.reward?;
                Some((scores.q(credit, &data.trajectories, d, &d.shown()), reward))
            })
            .collect();
        let n = pairs.len().max(1) as f64;
        let mean = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / n;
        let (mx, my) = (mean(&|p| p.0), mean(&|p| p.1));
        let variance = mean(&|p| (p.0 - mx).powi(2));
        let covariance = mean(&|p| (p.0 - mx) * (p.1 - my));
        let b = if variance > 1e-9 {
            covariance / variance
        } else {
            0.0
        };
        Self { a: my - b * mx, b }
    }

    pub(super) fn at(self, p: f64) -> f64 {
        self.a + self.b * p
    }
}

/// The names of trajectories, as far as they are known by now.
fn remember(names: &mut Vec<String>, reader: &Reader) {
    let known = names.len();
    names.extend_from_slice(&reader.trajectories.all[known..]);
}

/// Settings in their ranges, each refused by its own name.
fn settings(request: &EvaluateRequest) -> Result<()> {
    let bad = |field, message: String| Err(Error::invalid(Code::InvalidInput, field, message));
    if let Some(t) = request.temperature.filter(|t| !(t.is_finite() && *t > 0.0)) {
        return bad(
            "temperature",
            format!("is {t}; it must be a number above 0"),
        );
    }
    if request.slates == 0 {
        return bad("slates", "is 0; it must be at least 1".to_owned());
    }
    Ok(())
}

/// Refuses a part of the log that one policy made.
fn whole(log: &LogQuery) -> Result<()> {
    if log.policy.is_none() {
        return Ok(());
    }
    let message = "must not be chosen: an evaluation needs everything that could have happened, not what one policy did";
    Err(Error::invalid(Code::InvalidInput, "log.policy", message))
}

/// Why the log cannot tell.
fn refused(refusal: &Refusal, left_out: u64, label: &str, lacks: &str) -> Error {
    let message = match left_out {
        0 => format!("{refusal}{lacks}"),
        n => format!(
            "{refusal} ({n} decisions were left out because {label} was trained on them){lacks}"
        ),
    };
    Error::invalid(Code::TooLittleData, "log", message)
}

/// The place of a policy among those that were judged; behind them when it is new.
fn place(judged: &[String], label: &str) -> usize {
    let at = judged.iter().position(|l| l == label);
    at.unwrap_or(judged.len())
}

/// Whether a cell is a candidate that could be shown.
fn wants(logged: &Logged, cell: crate::CellId) -> bool {
    logged.items.iter().any(|i| i.cell == cell && !i.masked)
}

/// Why nothing is left to evaluate on.
fn nothing(left_out: u64, others: u64, label: &str) -> String {
    if others > left_out {
        format!(
            "{others} decisions were made under another policy than the one in charge, or under one that the caller named; an evaluation \
             compares with the one in charge: let it decide, and report outcomes"
        )
    } else if left_out > 0 {
        format!(
            "all {left_out} decisions of this part of the log were used to train {label}, and a policy is not judged on what it was trained on; \
             log more, or train with a larger --keep"
        )
    } else {
        "there is no decision with the features of this version; recall and report outcomes first"
            .to_owned()
    }
}

/// The scores of the decision asked about last: a model is asked about many slates of one decision.
#[derive(Default)]
pub(super) struct Scores(RefCell<Option<(crate::DecisionId, Vec<f64>)>>);

impl Scores {
    /// What the model that has not seen the decision's trajectory expects of a slate.
    pub(super) fn q(&self, credit: &Credit, names: &[String], d: &Logged, slate: &[usize]) -> f64 {
        let name = names.get(d.trajectory as usize).map_or("", String::as_str);
        let model = credit.for_trajectory(name);
        let mut last = self.0.borrow_mut();
        if last.as_ref().is_none_or(|(id, _)| *id != d.id) {
            *last = Some((d.id, model.scores(&d.features)));
        }
        last.as_ref()
            .map_or(0.0, |(_, scores)| model.p_success(scores, slate))
    }
}
