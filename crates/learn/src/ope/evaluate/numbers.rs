//! The numbers of a report.

use super::{
    ArmReport, Difference, EvaluateConfig, Line, Rate, Refusal, Report, Reporting, Value, Verdict,
};
use crate::ope::{
    Denominator, Estimate, Estimator, Round, Weighting, estimate,
    intervals::{
        Interval, Method, betting_lower, bootstrap, empirical_bernstein, moments, quantile,
        student_t, student_t_lower,
    },
    log::{Evidence, Unit},
};

/// The units as columns of numbers.
struct Columns {
    rounds: Vec<Round>,
    /// The policy's weight.
    w: Vec<f64>,
    /// The weight of what it is compared with.
    w0: Vec<f64>,
    /// The largest that `w0` can be.
    w0_max: f64,
    /// Rewards scaled to [0, 1].
    r: Vec<f64>,
    /// Width of the reward's bounds.
    width: f64,
    low: f64,
    versus_log: bool,
}

impl Columns {
    fn of(units: &[&Unit], (low, high): (f64, f64)) -> Self {
        let rounds: Vec<Round> = units.iter().map(|u| u.round.clone()).collect();
        let share = units.iter().map(|u| u.baseline_share).fold(1.0, f64::min);
        let versus_log = share <= 0.0;
        let width = high - low;
        Self {
            w: rounds.iter().map(Round::weight).collect(),
            w0: units.iter().map(|u| baseline(u, versus_log)).collect(),
            w0_max: if versus_log { 1.0 } else { 1.0 / share },
            r: rounds.iter().map(|r| (r.reward - low) / width).collect(),
            width,
            low,
            versus_log,
            rounds,
        }
    }

    /// (min(w, λ) − w₀) · f(r), a lower bound of whose mean is one of V − V₀ for f(r) = r.
    fn paired(&self, clip: f64, f: impl Fn(f64) -> f64) -> Vec<f64> {
        let all = self.w.iter().zip(&self.w0).zip(&self.r);
        // Rounding must not put a number outside bounds that hold of it.
        all.map(|((w, w0), r)| ((w.min(clip) - w0) * f(*r)).clamp(-self.w0_max, clip))
            .collect()
    }

    /// Mean of `x` under a policy with weights `w`, self-normalised, and its terms, whose mean it is.
    fn normalised(w: &[f64], x: &[f64]) -> (f64, Vec<f64>) {
        let sum: f64 = w.iter().sum();
        let pairs = || w.iter().zip(x);
        if sum <= 0.0 {
            return (0.0, vec![0.0; x.len()]);
        }
        let value = pairs().map(|(w, x)| w * x).sum::<f64>() / sum;
        let mean = sum / w.len() as f64;
        let term = |(w, x): (&f64, &f64)| value + w * (x - value) / mean;
        (value, pairs().map(term).collect())
    }
}

/// The weight of what the policy is compared with: the baseline arm, or the log.
fn baseline(unit: &Unit, versus_log: bool) -> f64 {
    if versus_log {
        1.0
    } else {
        (unit.baseline - unit.round.logging).exp()
    }
}

/// Term by term: the policy (weights `w`) minus what it is compared with (`w0`), of something that has the values `x`.
fn contrast(w: &[f64], w0: &[f64], x: &[f64]) -> Vec<f64> {
    let (_, policy) = Columns::normalised(w, x);
    let (_, other) = Columns::normalised(w0, x);
    policy.iter().zip(other).map(|(a, b)| a - b).collect()
}

/// A mean with its Student-t interval.
fn value(terms: &[f64], level: f64) -> Value {
    let (mean, _) = moments(terms);
    let unknown = Interval {
        method: Method::StudentT,
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
        level,
    };
    Value {
        value: mean,
        interval: student_t(terms, level).unwrap_or(unknown),
    }
}

pub(super) fn report(
    evidence: &Evidence,
    units: &[&Unit],
    config: &EvaluateConfig,
    bounds: (f64, f64),
) -> Result<Report, Refusal> {
    let columns = Columns::of(units, bounds);
    let first =
        estimate(&columns.rounds, Weighting::Snips.into()).map_err(|_| Refusal::NoOverlap {
            n: units.len() as u64,
        })?;
    let rewards: Vec<f64> = columns.rounds.iter().map(|r| r.reward).collect();
    let (_, own) = Columns::normalised(&columns.w0, &rewards);
    let baseline = (!columns.versus_log).then(|| value(&own, config.level));
    let difference = difference(&columns, evidence, config);
    let versus_log = columns.versus_log;
    let unsafe_rate = rate(evidence, versus_log, config, |u| u.unsafe_action);
    let stale_rate = rate(evidence, versus_log, config, |u| u.stale);
    let reporting = reporting(evidence, config);
    let verdict = verdict(&difference, &unsafe_rate, &reporting, config);
    let mut report = Report {
        trajectories: units.len() as u64,
        decisions: evidence.decisions,
        n_eff: first.n_eff,
        coverage: first.coverage,
        max_weight: first.max_weight,
        bounded: units.iter().filter(|u| !u.exact).count() as u64,
        changed_mixture: evidence.changed_mixture,
        zero_propensity: evidence.zero_propensity,
        estimates: lines(&columns, evidence.has_model, config),
        log: value(&rewards, config.level),
        baseline,
        difference,
        unsafe_rate,
        stale_rate,
        reporting,
        verdict,
        sentence: String::new(),
    };
    report.sentence = sentence(&report);
    Ok(report)
}

/// All estimators that can be computed.
fn lines(columns: &Columns, has_model: bool, config: &EvaluateConfig) -> Vec<Line> {
    let lambda = config.lambda;
    let weightings = [
        Weighting::Ips { clip: None },
        Weighting::Ips {
            clip: Some(config.clip),
        },
        Weighting::Snips,
        Weighting::Dm,
        Weighting::Dr,
        Weighting::SwitchDr { lambda },
        Weighting::DrOs {
            lambda: lambda * lambda,
        },
    ];
    let several = columns
        .rounds
        .iter()
        .any(|r| r.logger != columns.rounds[0].logger);
    let denominators = [Denominator::Logged, Denominator::Balanced];
    denominators
        .into_iter()
        .filter(|d| several || *d == Denominator::Logged)
        .flat_map(|denominator| {
            weightings.map(|weighting| Estimator {
                weighting,
                denominator,
            })
        })
        .filter(|e| has_model || !e.weighting.needs_model())
        .filter_map(|estimator| {
            let made = estimate(&columns.rounds, estimator).ok()?;
            Some(Line {
                estimator: estimator.weighting.name().to_owned(),
                denominator: estimator.denominator.name().to_owned(),
                value: made.value,
                n_eff: made.n_eff,
                intervals: intervals(&made, estimator, columns, config),
            })
        })
        .collect()
}

/// Approximate intervals of every estimate, and the valid ones with clipped IPS, which has bounds that are known beforehand.
fn intervals(
    made: &Estimate,
    estimator: Estimator,
    columns: &Columns,
    config: &EvaluateConfig,
) -> Vec<Interval> {
    let level = config.level;
    let mut all: Vec<Interval> = student_t(&made.linear(), level).into_iter().collect();
    all.extend(bootstrap(&made.terms, level, config.bootstrap));
    let Weighting::Ips { clip: Some(clip) } = estimator.weighting else {
        return all;
    };
    if estimator.denominator != Denominator::Logged {
        return all;
    }
    // Lower bounds of the mean reward and of the mean loss, both of which clipping makes smaller.
    let weighted = |f: fn(f64) -> f64| -> Vec<f64> {
        let pairs = columns.w.iter().zip(&columns.r);
        pairs
            .map(|(w, r)| (w.min(clip) * f(*r)).clamp(0.0, clip))
            .collect()
    };
    let (gain, loss) = (weighted(|r| r), weighted(|r| 1.0 - r));
    let delta = (1.0 - level) / 2.0;
    let bounds = (0.0, clip);
    let valid = |method, low: f64, loss: f64| Interval {
        method,
        low: columns.low + columns.width * low.min(1.0),
        high: columns.low + columns.width * (1.0 - loss.min(1.0)),
        level,
    };
    let bernstein = |x: &[f64]| empirical_bernstein(x, bounds, level).low;
    all.push(valid(
        Method::EmpiricalBernstein,
        bernstein(&gain),
        bernstein(&loss),
    ));
    all.push(valid(
        Method::Betting,
        betting_lower(&gain, bounds, delta),
        betting_lower(&loss, bounds, delta),
    ));
    all
}

fn difference(columns: &Columns, evidence: &Evidence, config: &EvaluateConfig) -> Difference {
    let bounds = (-columns.w0_max, config.clip);
    let lower = |x: &[f64]| betting_lower(x, bounds, config.delta) * columns.width;
    let better_by = lower(&columns.paired(config.clip, |r| r));
    let worse_by = lower(&columns.paired(config.clip, |r| 1.0 - r));
    let rewards: Vec<f64> = columns.rounds.iter().map(|r| r.reward).collect();
    let contrast = contrast(&columns.w, &columns.w0, &rewards);
    let doubly_robust = evidence
        .has_model
        .then(|| {
            let dr = estimate(&columns.rounds, Weighting::Dr.into()).ok()?;
            let (_, own) = Columns::normalised(&columns.w0, &rewards);
            let terms: Vec<f64> = dr.terms.iter().zip(own).map(|(t, o)| t.num - o).collect();
            Some(value(&terms, config.level))
        })
        .flatten();
    // A bet on a mean m with variance s² grows by about m²/2s² per unit.
    let (mean, variance) = moments(&columns.paired(config.clip, |r| r));
    let n = contrast.len() as f64;
    let need = 2.0 * variance * (1.0 / config.delta).ln() / (mean * mean);
    let open = better_by <= 0.0 && worse_by <= 0.0 && mean > 1e-9 && need < 1e9;
    let estimate = value(&contrast, config.level);
    // Advice that follows from one of the two numbers and contradicts the other is none.
    let disagree = doubly_robust.is_some_and(|dr| Difference::contradict(&dr, &estimate));
    let open = open && estimate.value > 1e-9 && !disagree;
    let evidence_arm = if columns.versus_log {
        "log".to_owned()
    } else {
        evidence.baseline.clone()
    };
    Difference {
        versus: evidence_arm,
        estimate,
        doubly_robust,
        better_by,
        worse_by,
        delta: config.delta,
        more: open.then(|| (need - n).max(0.1 * n).ceil() as u64),
        disagree,
    }
}

/// Over all trajectories with an outcome, and those of which nothing else is known than this: what somebody takes the trouble to report
/// as unsafe must not be lost because it makes no reward.
fn rate(
    evidence: &Evidence,
    versus_log: bool,
    config: &EvaluateConfig,
    signal: impl Fn(&Unit) -> Option<bool>,
) -> Rate {
    let known = |u: &&Unit| u.reported || signal(u).is_some();
    let units: Vec<&Unit> = evidence.units.iter().filter(known).collect();
    let happened = |u: &&Unit| f64::from(u8::from(signal(u) == Some(true)));
    let x: Vec<f64> = units.iter().map(happened).collect();
    let w: Vec<f64> = units.iter().map(|u| u.round.weight()).collect();
    let w0: Vec<f64> = units.iter().map(|u| baseline(u, versus_log)).collect();
    let (_, terms) = Columns::normalised(&w, &x);
    let worse = student_t_lower(&contrast(&w, &w0, &x), config.delta);
    Rate {
        said: units.iter().filter(|u| signal(u).is_some()).count() as u64,
        log: moments(&x).0,
        policy: value(&terms, config.level),
        worse_by: worse.unwrap_or(f64::NEG_INFINITY),
    }
}

/// Each arm against the rest (two proportions, at 1 % over all arms).
fn reporting(evidence: &Evidence, config: &EvaluateConfig) -> Reporting {
    let mut arms: Vec<ArmReport> = Vec::new();
    for unit in &evidence.units {
        let at = arms.iter().position(|a| a.arm == unit.arm);
        let at = at.unwrap_or_else(|| {
            arms.push(ArmReport {
                arm: unit.arm.clone(),
                trajectories: 0,
                missing: 0,
            });
            arms.len() - 1
        });
        arms[at].trajectories += 1;
        arms[at].missing += u64::from(!unit.reported);
    }
    arms.sort_by(|a, b| a.arm.cmp(&b.arm));
    let total: u64 = arms.iter().map(|a| a.trajectories).sum();
    let missing: u64 = arms.iter().map(|a| a.missing).sum();
    let limit = quantile::normal(1.0 - 0.005 / arms.len().max(1) as f64);
    let differs = |a: &ArmReport| {
        let rest = total - a.trajectories;
        if rest == 0 {
            return false;
        }
        let (m, n) = (a.trajectories as f64, rest as f64);
        let gap = a.missing as f64 / m - (missing - a.missing) as f64 / n;
        let p = missing as f64 / total as f64;
        let se = (p * (1.0 - p) * (1.0 / m + 1.0 / n)).sqrt();
        gap.abs() > config.reporting_margin && gap.abs() > limit * se
    };
    Reporting {
        differs: arms.iter().any(differs),
        arms,
    }
}

fn verdict(
    difference: &Difference,
    unsafe_rate: &Rate,
    reporting: &Reporting,
    config: &EvaluateConfig,
) -> Verdict {
    let advice = difference.doubly_robust.unwrap_or(difference.estimate);
    if unsafe_rate.worse_by > config.unsafe_margin {
        Verdict::Unsafe
    } else if reporting.differs {
        Verdict::ReportingDiffers
    } else if difference.better_by > 0.0 {
        Verdict::Better
    } else if difference.worse_by > 0.0 {
        Verdict::Worse
    } else {
        match advice.says() {
            1 if !difference.disagree => Verdict::ProbablyBetter,
            -1 if !difference.disagree => Verdict::ProbablyWorse,
            _ => Verdict::NotShown,
        }
    }
}

/// What the reader of the doubly robust difference has to know about the self-normalised one: nothing where both say the same.
fn second_opinion(d: &Difference) -> String {
    let Some(dr) = d
        .doubly_robust
        .filter(|dr| dr.says() != d.estimate.says() || d.disagree)
    else {
        return String::new();
    };
    let snips = &d.estimate;
    let of = format!(
        "{:+.3} ({:+.3} to {:+.3})",
        snips.value, snips.interval.low, snips.interval.high
    );
    if d.disagree {
        return format!(
            "; the self-normalised estimate contradicts that with {of}: the reward model or the weights do not hold"
        );
    }
    match (dr.says(), snips.says()) {
        (_, 1) => format!("; the self-normalised estimate alone, {of}, says better"),
        (_, -1) => format!("; the self-normalised estimate alone, {of}, says worse"),
        _ => format!("; the self-normalised estimate, {of}, leaves it open"),
    }
}

fn sentence(report: &Report) -> String {
    let d = &report.difference;
    let by = d.doubly_robust.unwrap_or(d.estimate);
    let about = format!(
        "{:+.3} ({:+.3} to {:+.3}) against the {} on {} trajectories (n_eff {:.0})",
        by.value, by.interval.low, by.interval.high, d.versus, report.trajectories, report.n_eff
    ) + &second_opinion(d);
    let more = d
        .more
        .map(|n| format!("; about {n} more trajectories would show it if that is right"))
        .unwrap_or_default();
    match report.verdict {
        Verdict::Better => format!(
            "Better: by at least {:.3} with probability {:.1} %; estimated {about}.",
            d.better_by,
            100.0 * (1.0 - d.delta)
        ),
        Verdict::Worse => format!(
            "Worse: by at least {:.3} with probability {:.1} %; estimated {about}.",
            d.worse_by,
            100.0 * (1.0 - d.delta)
        ),
        Verdict::ProbablyBetter => {
            format!("Probably better, not yet shown: estimated {about}{more}.")
        }
        Verdict::ProbablyWorse => format!("Probably worse: estimated {about}."),
        Verdict::NotShown => format!("Not shown either way: estimated {about}{more}."),
        Verdict::Unsafe => format!(
            "Vetoed: unsafe outcomes in {:.2} % under the policy against {:.2} % in the log, more by at least {:.2} %.",
            100.0 * report.unsafe_rate.policy.value,
            100.0 * report.unsafe_rate.log,
            100.0 * report.unsafe_rate.worse_by
        ),
        Verdict::ReportingDiffers => {
            let arms = report.reporting.arms.iter().map(|a| {
                format!(
                    "{} {:.1} %",
                    a.arm,
                    100.0 * a.missing as f64 / a.trajectories as f64
                )
            });
            let arms: Vec<_> = arms.collect();
            format!(
                "No verdict: outcomes are missing more often in one arm than in others ({}); report them in all arms alike.",
                arms.join(", ")
            )
        }
    }
}
