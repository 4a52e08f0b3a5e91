//! Is this reward the right one? What a spec does to the outcomes that were logged.
//!
//! - **Terms**: how each term correlates with success, and which of them make the variance of the reward. With
//!   `r = Σ tₖ`, the share of term k is `cov(tₖ, r) / var(r)`: the shares add up to 1, and one near 1 says that whatever is learned from this reward
//!   is learned from that term. (memcell-rl's latency of 0.001 per millisecond: a second is worth half the step from failure to success.)
//! - **Missing outcomes**: whether success is reported as often in each arm, under each policy, for small and large slates. If not, it is
//!   not missing at random, and comparing those who report compares different tasks.
//! - **Timing**: how late outcomes come, in how many reports.
//! - **Other specs** ([`compare`]): which policies change places.
//!
//! It may not know decisions or stores: a row is a few numbers and the outcome.

use std::collections::BTreeMap;

use memrl_types::Outcome;
use serde::Serialize;

use super::RewardSpec;
use crate::impact::stats::{chi_square_above, two_sided};
use crate::ope::intervals::quantile;

/// One decision and what was reported about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Index of its trajectory.
    pub trajectory: u32,
    /// The label of the policy that acted.
    pub policy: String,
    /// The arm.
    pub arm: String,
    /// Cells shown.
    pub shown: u32,
    /// Tokens of what was shown.
    pub shown_tokens: f64,
    /// All reports, added up; `None` when there is none.
    pub outcome: Option<Outcome>,
    /// Number of reports.
    pub reports: u32,
    /// Seconds from the decision to its last report, at least 0.
    pub delay: Option<f64>,
}

/// What one term does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TermCheck {
    /// The signal.
    pub signal: String,
    /// Share of the outcomes that do not report it, so that a value is assumed (or there is no reward).
    pub missing: f64,
    /// Mean contribution to the reward.
    pub mean: f64,
    /// Standard deviation of the contribution.
    pub sd: f64,
    /// Share of the variance of the reward (before clipping) that it makes; all shares add up to 1. Below 0: it works against the others.
    /// `None` when the reward does not vary.
    pub variance_share: Option<f64>,
    /// Pearson's correlation with success; `None` when one of them does not vary.
    pub pearson: Option<f64>,
    /// Spearman's rank correlation with success.
    pub spearman: Option<f64>,
    /// Outcomes that the correlations are of.
    pub n: u64,
}

/// Whether success is missing at random with respect to something known about the decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MissingTest {
    /// What was compared: `arm`, `policy`, `cells shown`, `tokens shown`.
    pub by: &'static str,
    /// Groups, with their trajectories and the share of them that report success. Numbers are cut at their median.
    pub groups: Vec<(String, u64, f64)>,
    /// P-value of "success is reported as often everywhere", over trajectories: χ² for groups, the correlation with the
    /// number otherwise. 1 where it cannot be told.
    pub p: f64,
}

/// When outcomes come, and in how many pieces.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Timing {
    /// Decisions without any report.
    pub without: u64,
    /// Decisions with one report.
    pub once: u64,
    /// Decisions with several.
    pub several: u64,
    /// Outcomes that lack a signal that the spec reads.
    pub partial: u64,
    /// Median of the seconds to the last report.
    pub median_delay: Option<f64>,
    /// 90 % quantile of the same.
    pub p90_delay: Option<f64>,
}

/// What a spec does to the outcomes that were logged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// The spec.
    pub spec: String,
    /// Decisions.
    pub decisions: u64,
    /// Decisions with a reward.
    pub rewarded: u64,
    /// Outcomes without a reward, because a signal that the spec demands is missing, or the sum is not finite.
    pub undefined: u64,
    /// Mean and standard deviation of the reward.
    pub mean: f64,
    /// Standard deviation of the reward.
    pub sd: f64,
    /// Pearson's correlation of the reward with success.
    pub pearson: Option<f64>,
    /// Spearman's rank correlation of the reward with success.
    pub spearman: Option<f64>,
    /// Share of the rewards that were clipped.
    pub clipped: f64,
    /// Its terms, in their order.
    pub terms: Vec<TermCheck>,
    /// Whether success is missing at random.
    pub missing: Vec<MissingTest>,
    /// When outcomes come.
    pub timing: Timing,
    /// What a reader should know, a sentence each.
    pub warnings: Vec<String>,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There is no outcome with a reward.
    #[error("none of {decisions} decisions has a reward under {spec}: report outcomes first")]
    NoRewards {
        /// The spec.
        spec: String,
        /// Decisions read.
        decisions: u64,
    },
}

/// Correlations below this are called none in warnings.
const WEAK: f64 = 0.1;
/// P-values below this are told in warnings.
const SUSPICIOUS: f64 = 0.01;

/// Looks at what `spec` makes of the outcomes.
pub fn check(spec: &RewardSpec, rows: &[Row]) -> Result<Check, CheckError> {
    let mut contributions: Vec<Vec<f64>> = vec![Vec::new(); spec.terms.len()];
    let mut missing = vec![0.0; spec.terms.len()];
    let (mut sums, mut values, mut success) = (Vec::new(), Vec::new(), Vec::new());
    let (mut outcomes, mut undefined, mut partial, mut clipped) = (0_u64, 0_u64, 0_u64, 0.0);
    for outcome in rows.iter().filter_map(|r| r.outcome.as_ref()) {
        outcomes += 1;
        let read: Vec<bool> = spec
            .terms
            .iter()
            .map(|t| t.signal.read(outcome).is_some())
            .collect();
        for (count, known) in missing.iter_mut().zip(&read) {
            *count += f64::from(u8::from(!known));
        }
        partial += u64::from(read.contains(&false));
        let Ok(reward) = spec.score(outcome) else {
            undefined += 1;
            continue;
        };
        for (all, term) in contributions.iter_mut().zip(&reward.terms) {
            all.push(term.contribution);
        }
        let sum = spec.offset + reward.terms.iter().map(|t| t.contribution).sum::<f64>();
        let outside = |(low, high): (f64, f64)| sum < low || sum > high;
        clipped += f64::from(u8::from(spec.clip.is_some_and(outside)));
        sums.push(sum);
        values.push(reward.value);
        success.push(
            outcome
                .success
                .filter(|y| y.is_finite())
                .unwrap_or(f64::NAN),
        );
    }
    if values.is_empty() {
        return Err(CheckError::NoRewards {
            spec: spec.name(),
            decisions: rows.len() as u64,
        });
    }
    let variance = covariance(&sums, &sums);
    let terms: Vec<TermCheck> = (spec.terms.iter().zip(&contributions).zip(&missing))
        .map(|((term, t), absent)| {
            let (x, y) = both_known(t, &success);
            TermCheck {
                signal: term.signal.name(),
                missing: absent / outcomes as f64,
                mean: mean(t),
                sd: covariance(t, t).sqrt(),
                variance_share: (variance > 1e-300).then(|| covariance(t, &sums) / variance),
                pearson: correlation(&x, &y),
                spearman: correlation(&ranks(&x), &ranks(&y)),
                n: x.len() as u64,
            }
        })
        .collect();
    let (x, y) = both_known(&values, &success);
    let mut made = Check {
        spec: spec.name(),
        decisions: rows.len() as u64,
        rewarded: values.len() as u64,
        undefined,
        mean: mean(&values),
        sd: covariance(&values, &values).sqrt(),
        pearson: correlation(&x, &y),
        spearman: correlation(&ranks(&x), &ranks(&y)),
        clipped: clipped / values.len() as f64,
        terms,
        missing: missing_tests(rows),
        timing: timing(rows, partial),
        warnings: Vec::new(),
    };
    made.warnings = warnings(&made);
    Ok(made)
}

fn warnings(check: &Check) -> Vec<String> {
    let mut said = Vec::new();
    for term in check.terms.iter().filter(|t| t.signal != "success") {
        if let Some(share) = term.variance_share.filter(|s| *s > 0.5) {
            said.push(format!(
                "{} makes {:.0} % of the variance of {}: what is learned from it is learned from {}, not from success",
                term.signal,
                100.0 * share,
                check.spec,
                term.signal
            ));
        }
    }
    if let Some(r) = check.spearman.filter(|r| *r < WEAK) {
        said.push(format!(
            "{} hardly rises with success (rank correlation {r:.2})",
            check.spec
        ));
    }
    if check.clipped > 0.05 {
        said.push(format!(
            "{:.0} % of the rewards are clipped: beyond the bounds nothing can be told apart",
            100.0 * check.clipped
        ));
    }
    for test in check.missing.iter().filter(|t| t.p < SUSPICIOUS) {
        let groups: Vec<String> = (test.groups.iter())
            .map(|(name, _, share)| format!("{name} {:.0} %", 100.0 * share))
            .collect();
        said.push(format!(
            "success is not missing at random: how often it is reported differs by {} ({}; p = {:.2e}), so a difference between them may be one of who reports",
            test.by,
            groups.join(", "),
            test.p
        ));
    }
    if check.undefined > 0 {
        said.push(format!(
            "{} outcomes have no reward: a signal that {} demands was not reported",
            check.undefined, check.spec
        ));
    }
    said
}

/// A trajectory, as far as missing outcomes go: its labels at its first decision, means of its numbers, and whether any decision reports
/// success.
struct Reported<'a> {
    policy: &'a str,
    arm: &'a str,
    shown: f64,
    tokens: f64,
    n: f64,
    reports: bool,
}

fn missing_tests(rows: &[Row]) -> Vec<MissingTest> {
    let mut trajectories: BTreeMap<u32, Reported<'_>> = BTreeMap::new();
    for row in rows {
        let t = trajectories.entry(row.trajectory).or_insert(Reported {
            policy: &row.policy,
            arm: &row.arm,
            shown: 0.0,
            tokens: 0.0,
            n: 0.0,
            reports: false,
        });
        t.shown += f64::from(row.shown);
        t.tokens += row.shown_tokens;
        t.n += 1.0;
        t.reports |= row
            .outcome
            .as_ref()
            .is_some_and(|o| o.success.is_some_and(f64::is_finite));
    }
    let all: Vec<Reported<'_>> = trajectories.into_values().collect();
    vec![
        by_label("arm", &all, |t| t.arm),
        by_label("policy", &all, |t| t.policy),
        by_number("cells shown", &all, |t| t.shown / t.n),
        by_number("tokens shown", &all, |t| t.tokens / t.n),
    ]
}

/// Pearson's χ² of groups against reporting.
fn by_label<'a>(
    by: &'static str,
    all: &'a [Reported<'a>],
    label: impl Fn(&'a Reported<'a>) -> &'a str,
) -> MissingTest {
    let mut groups: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for t in all {
        let (n, reports) = groups.entry(label(t)).or_default();
        *n += 1.0;
        *reports += f64::from(u8::from(t.reports));
    }
    let n = all.len() as f64;
    let common = all.iter().filter(|t| t.reports).count() as f64 / n.max(1.0);
    let spread = common * (1.0 - common);
    let statistic: f64 = (groups.values())
        .map(|(n, reports)| (reports - n * common).powi(2) / (n * spread))
        .sum();
    let df = groups.len().saturating_sub(1) as u32;
    MissingTest {
        by,
        groups: (groups.iter())
            .map(|(name, (n, reports))| ((*name).to_owned(), *n as u64, reports / n))
            .collect(),
        p: if spread > 0.0 {
            chi_square_above(df, statistic)
        } else {
            1.0
        },
    }
}

/// Correlation of a number with reporting: `r √(n − 1)` is nearly standard normal when there is none.
fn by_number<'a>(
    by: &'static str,
    all: &'a [Reported<'a>],
    number: impl Fn(&'a Reported<'a>) -> f64,
) -> MissingTest {
    let x: Vec<f64> = all.iter().map(number).collect();
    let y: Vec<f64> = all.iter().map(|t| f64::from(u8::from(t.reports))).collect();
    let mut sorted = x.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let half = |name: String, below: bool| {
        let of: Vec<f64> = (x.iter().zip(&y))
            .filter(|(x, _)| (**x < median) == below)
            .map(|(_, y)| *y)
            .collect();
        (name, of.len() as u64, mean(&of))
    };
    let groups = [
        half(format!("below {median:.0}"), true),
        half(format!("{median:.0} and more"), false),
    ];
    let r = correlation(&ranks(&x), &y);
    MissingTest {
        by,
        groups: groups.into_iter().filter(|g| g.1 > 0).collect(),
        p: r.map_or(1.0, |r| two_sided(r * (x.len() as f64 - 1.0).sqrt())),
    }
}

fn timing(rows: &[Row], partial: u64) -> Timing {
    let count = |test: fn(u32) -> bool| rows.iter().filter(|r| test(r.reports)).count() as u64;
    let mut delays: Vec<f64> = (rows.iter().filter_map(|r| r.delay))
        .filter(|d| d.is_finite())
        .collect();
    delays.sort_by(f64::total_cmp);
    let at = |q: f64| {
        delays
            .get(((delays.len().max(1) - 1) as f64 * q).round() as usize)
            .copied()
    };
    Timing {
        without: count(|n| n == 0),
        once: count(|n| n == 1),
        several: count(|n| n > 1),
        partial,
        median_delay: at(0.5),
        p90_delay: at(0.9),
    }
}

/// The mean reward of a policy under one spec, over its trajectories.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PolicyMean {
    /// Trajectories with a reward.
    pub trajectories: u64,
    /// Mean of their mean rewards.
    pub mean: f64,
    /// Lower end of its 95 % interval (Student's t).
    pub low: f64,
    /// Upper end of its 95 % interval.
    pub high: f64,
}

/// Two policies that change places from one spec to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Swap {
    /// The policy that is ahead under the first spec.
    pub ahead: String,
    /// The policy that is ahead under the second.
    pub behind: String,
    /// Whether the 95 % interval of the difference excludes 0 under both specs (Welch): else it may be chance.
    pub sure: bool,
}

/// What becomes of the ranking of policies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The two specs.
    pub specs: [String; 2],
    /// Policies with at least two rewarded trajectories under both, with their means under each, the best under the first spec
    /// first.
    pub policies: Vec<(String, [PolicyMean; 2])>,
    /// Kendall's τ-b of the two rankings, in [−1, 1]; `None` with fewer than two policies, or where all are equal.
    pub kendall: Option<f64>,
    /// The pairs that change places.
    pub swaps: Vec<Swap>,
}

/// Mean, variance of the mean, and number.
type Moments = (f64, f64, f64);

/// Ranks the policies in the log under two specs. Means are as logged: policies are comparable as far as their trajectories were assigned by
/// a coin (arms), and not where one followed the other in time.
pub fn compare(specs: [&RewardSpec; 2], rows: &[Row]) -> Comparison {
    let under = specs.map(|spec| by_policy(spec, rows));
    let mut policies: Vec<(String, [Moments; 2])> = (under[0].iter())
        .filter_map(|(name, a)| Some((name.clone(), [*a, *under[1].get(name)?])))
        .filter(|(_, both)| both.iter().all(|m| m.2 > 1.0))
        .collect();
    policies.sort_by(|a, b| b.1[0].0.total_cmp(&a.1[0].0));
    let (mut swaps, mut agree, mut disagree) = (Vec::new(), 0.0, 0.0);
    let (mut tied_first, mut tied_second) = (0.0, 0.0);
    for (i, (ahead, a)) in policies.iter().enumerate() {
        for (behind, b) in &policies[i + 1..] {
            let [first, second] = [0, 1].map(|k| a[k].0 - b[k].0);
            match (first == 0.0, second == 0.0) {
                (true, true) => {}
                (true, false) => tied_first += 1.0,
                (false, true) => tied_second += 1.0,
                (false, false) if (first > 0.0) == (second > 0.0) => agree += 1.0,
                (false, false) => {
                    disagree += 1.0;
                    swaps.push(Swap {
                        ahead: ahead.clone(),
                        behind: behind.clone(),
                        sure: (0..2).all(|k| differs(a[k], b[k])),
                    });
                }
            }
        }
    }
    let scale = f64::sqrt((agree + disagree + tied_first) * (agree + disagree + tied_second));
    Comparison {
        specs: specs.map(RewardSpec::name),
        kendall: (scale > 0.0).then(|| (agree - disagree) / scale),
        swaps,
        policies: (policies.into_iter())
            .map(|(name, both)| (name, both.map(interval)))
            .collect(),
    }
}

fn by_policy(spec: &RewardSpec, rows: &[Row]) -> BTreeMap<String, Moments> {
    let mut trajectories: BTreeMap<(&str, u32), (f64, f64)> = BTreeMap::new();
    for row in rows {
        if let Some(reward) = row.outcome.as_ref().and_then(|o| spec.score(o).ok()) {
            let (sum, n) = trajectories
                .entry((&row.policy, row.trajectory))
                .or_default();
            *sum += reward.value;
            *n += 1.0;
        }
    }
    let mut means: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for ((policy, _), (sum, n)) in trajectories {
        means.entry(policy.to_owned()).or_default().push(sum / n);
    }
    (means.into_iter())
        .map(|(policy, of)| {
            let n = of.len() as f64;
            (
                policy,
                (mean(&of), covariance(&of, &of) / (n - 1.0).max(1.0), n),
            )
        })
        .collect()
}

fn interval((mean, variance, n): Moments) -> PolicyMean {
    let reach = quantile::student_t(0.975, n - 1.0) * variance.sqrt();
    PolicyMean {
        trajectories: n as u64,
        mean,
        low: mean - reach,
        high: mean + reach,
    }
}

/// Whether two means differ at 5 % (Welch 1947).
fn differs(a: Moments, b: Moments) -> bool {
    let variance = a.1 + b.1;
    let spread = a.1 * a.1 / (a.2 - 1.0) + b.1 * b.1 / (b.2 - 1.0);
    let df = if spread > 0.0 {
        (variance * variance / spread).max(1.0)
    } else {
        1.0
    };
    (a.0 - b.0).abs() > quantile::student_t(0.975, df) * variance.sqrt()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len().max(1) as f64
}

/// Covariance with denominator n.
fn covariance(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    let sum: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    sum / x.len().max(1) as f64
}

/// Pearson's correlation; `None` when one of the two does not vary.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let (vx, vy) = (covariance(x, x), covariance(y, y));
    let tiny = |v: f64, m: f64| v <= 1e-24 * (1.0 + m * m);
    if x.len() < 2 || tiny(vx, mean(x)) || tiny(vy, mean(y)) {
        return None;
    }
    Some((covariance(x, y) / (vx * vy).sqrt()).clamp(-1.0, 1.0))
}

/// Ranks from 1, equal values sharing the mean of theirs.
fn ranks(x: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    let mut ranks = vec![0.0; x.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| x[a].total_cmp(&x[b]).is_eq()) {
        let rank = before as f64 + 0.5 * (equal.len() + 1) as f64;
        for &i in equal {
            ranks[i] = rank;
        }
        before += equal.len();
    }
    ranks
}

/// The pairs of which the second is known.
fn both_known(x: &[f64], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    x.iter()
        .zip(y)
        .filter(|(_, y)| y.is_finite())
        .map(|(x, y)| (*x, *y))
        .unzip()
}
