//! Reports: what they say of policies of known value, and what is refused.

use memrl_learn::ope::evaluate::{Line, Value};
use memrl_learn::ope::intervals::Bootstrap;
use memrl_learn::ope::{EvaluateConfig, Evidence, Refusal, Report, Round, Unit, Verdict, evaluate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::close;

/// A log of three actions by an incumbent (share 0.8) and a uniform arm; the evaluated policy mostly does the third one.
struct World {
    target: [f64; 3],
    reward: [f64; 3],
    unsafe_action: [f64; 3],
    missing: [f64; 2],
}

const INCUMBENT: [f64; 3] = [0.6, 0.2, 0.2];
const SHARE: f64 = 0.8;

const BETTER: World = World {
    target: [0.1, 0.2, 0.7],
    reward: [0.4, 0.5, 0.8],
    unsafe_action: [0.01; 3],
    missing: [0.1; 2],
};

impl World {
    fn value(&self, policy: [f64; 3]) -> f64 {
        policy.iter().zip(self.reward).map(|(p, r)| p * r).sum()
    }

    fn log(&self, n: u32, seed: u64) -> Evidence {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let units = (0..n).map(|t| self.unit(t, &mut rng)).collect();
        Evidence {
            units,
            decisions: u64::from(n),
            has_model: true,
            baseline: "incumbent".to_owned(),
            ..Evidence::default()
        }
    }

    fn unit(&self, trajectory: u32, rng: &mut ChaCha8Rng) -> Unit {
        let incumbent = rng.random_bool(SHARE);
        let mut u: f64 = rng.random();
        let own = if incumbent { INCUMBENT } else { [1.0 / 3.0; 3] };
        let hit = own.iter().position(|p| {
            u -= p;
            u < 0.0
        });
        let a = hit.unwrap_or(2);
        let success = rng.random_bool(self.reward[a]);
        let reported = !rng.random_bool(self.missing[usize::from(incumbent)]);
        let joint = SHARE * INCUMBENT[a] + (1.0 - SHARE) / 3.0;
        // A model that is wrong.
        let q = |a: usize| 0.3 + 0.2 * a as f64;
        let v = (0..3).map(|a| self.target[a] * q(a)).sum();
        let reward = if reported {
            f64::from(u8::from(success))
        } else {
            0.0
        };
        Unit {
            trajectory,
            arm: if incumbent { "incumbent" } else { "canary" }.to_owned(),
            decisions: 1,
            reported,
            round: Round {
                logger: usize::from(!incumbent),
                loggers: vec![INCUMBENT[a].ln(), (1.0_f64 / 3.0).ln()],
                ..Round::new(reward, self.target[a], joint).with_model(q(a), v)
            },
            baseline: INCUMBENT[a].ln(),
            baseline_share: SHARE,
            unsafe_action: reported.then(|| rng.random_bool(self.unsafe_action[a])),
            stale: None,
            exact: true,
        }
    }
}

fn config() -> EvaluateConfig {
    EvaluateConfig {
        bootstrap: Bootstrap {
            replicates: 100,
            seed: 1,
        },
        ..EvaluateConfig::new(Some((0.0, 1.0)))
    }
}

fn report(world: &World, n: u32, seed: u64) -> Report {
    evaluate(&world.log(n, seed), &config()).unwrap()
}

#[test]
fn a_report_covers_the_values_that_are_known() {
    let (value, incumbent) = (BETTER.value(BETTER.target), BETTER.value(INCUMBENT));
    let runs = 40;
    let mut covered = std::collections::BTreeMap::new();
    let mut wrong = 0;
    for seed in 0..runs {
        let r = report(&BETTER, 2_000, seed);
        assert_eq!(r.estimates.len(), 14, "all estimators, both denominators");
        let unbiased = |l: &&Line| l.estimator != "dm" && l.estimator != "dr_os";
        for line in r.estimates.iter().filter(unbiased) {
            for i in &line.intervals {
                let key = (
                    line.estimator.clone(),
                    line.denominator.clone(),
                    i.method.name(),
                );
                *covered.entry(key).or_insert(0) += u32::from(i.covers(value));
            }
        }
        let covers = |v: Value, truth| v.interval.covers(truth);
        let mut note = |name: &str, ok| {
            let key = (name.to_owned(), String::new(), "student_t");
            *covered.entry(key).or_insert(0) += u32::from(ok);
        };
        note("incumbent", covers(r.baseline.unwrap(), incumbent));
        note(
            "difference",
            covers(r.difference.estimate, value - incumbent),
        );
        note(
            "dr",
            covers(r.difference.doubly_robust.unwrap(), value - incumbent),
        );
        note("unsafe", covers(r.unsafe_rate.policy, 0.01));
        wrong += u32::from(r.difference.better_by > value - incumbent);
    }
    // DM says 0.62 of a policy that is worth 0.7, with certainty, and DR-os leans towards it: they are biased, and no interval
    // tells by how much.
    for (key, n) in &covered {
        let least = if key.2 == "betting" || key.2 == "empirical_bernstein" {
            40
        } else {
            34
        };
        assert!(*n >= least, "{key:?}: {n} of {runs}");
    }
    assert!(covered.len() >= 20, "{covered:?}");
    // Expected of 40 at δ = 0.05: at most 2.
    assert!(wrong <= 5, "{wrong} of {runs}");
}

#[test]
fn a_better_policy_is_shown_to_be_better_and_the_mirrored_one_worse() {
    let r = report(&BETTER, 3_000, 1);
    assert_eq!(r.verdict, Verdict::Better, "{}", r.sentence);
    assert!(r.difference.better_by > 0.0 && r.difference.worse_by <= 0.0);
    assert_eq!(r.difference.versus, "incumbent");
    assert!(
        r.sentence.starts_with("Better: by at least 0."),
        "{}",
        r.sentence
    );
    let worse = World {
        reward: [0.8, 0.5, 0.4],
        ..BETTER
    };
    let r = report(&worse, 3_000, 1);
    assert_eq!(r.verdict, Verdict::Worse, "{}", r.sentence);
    // With little data the same policy is probably better, and it is said how much more is needed.
    let small = World {
        reward: [0.45, 0.5, 0.62],
        ..BETTER
    };
    let r = (0..20)
        .map(|seed| report(&small, 600, seed))
        .find(|r| r.verdict == Verdict::ProbablyBetter)
        .unwrap();
    assert!(r.difference.more.is_some_and(|n| n > 100 && n < 100_000));
    assert!(r.sentence.contains("more trajectories"), "{}", r.sentence);
}

#[test]
fn equal_policies_are_hardly_ever_called_better() {
    let equal = World {
        reward: [0.5; 3],
        ..BETTER
    };
    let verdicts: Vec<_> = (0..150)
        .map(|seed| report(&equal, 600, seed).verdict)
        .collect();
    let count = |v| verdicts.iter().filter(|w| **w == v).count();
    assert!(count(Verdict::Better) <= 7, "{}", count(Verdict::Better));
    assert!(count(Verdict::ProbablyBetter) <= 12);
    assert!(count(Verdict::NotShown) >= 120);
}

/// A reward model that expects much of whatever the policy would do, and is right about what the log did: DR says better, the log itself
/// says that it makes no difference, or worse.
fn praised(reward: [f64; 3], seed: u64) -> Report {
    let world = World { reward, ..BETTER };
    let mut evidence = world.log(2_000, seed);
    for u in &mut evidence.units {
        u.round.v += 0.3;
    }
    evaluate(&evidence, &config()).unwrap()
}

#[test]
fn estimates_that_contradict_each_other_are_no_advice_and_it_is_said() {
    let equal = praised([0.5; 3], 3);
    let d = &equal.difference;
    let dr = d.doubly_robust.unwrap();
    assert!(dr.interval.low > 0.0 && dr.interval.low > d.estimate.interval.high);
    assert!(d.disagree && d.more.is_none(), "{d:?}");
    assert_eq!(equal.verdict, Verdict::NotShown, "{}", equal.sentence);
    assert!(equal.sentence.contains("contradicts"), "{}", equal.sentence);
    // Where a bound that is always valid decides, the verdict stands; what speaks against it is named all the same.
    let worse = praised([0.95, 0.5, 0.05], 3);
    assert_eq!(worse.verdict, Verdict::Worse, "{}", worse.sentence);
    let sure = worse.difference.estimate;
    assert!(sure.interval.high < 0.0 && worse.difference.disagree);
    assert!(worse.sentence.contains("contradicts"), "{}", worse.sentence);
    // A model that is wrong by the same everywhere is corrected by the weights: no disagreement.
    let fine = report(&BETTER, 3_000, 1);
    assert!(!fine.difference.disagree);
    assert!(
        !fine.sentence.contains("self-normalised"),
        "{}",
        fine.sentence
    );
}

#[test]
fn an_estimate_that_says_more_than_the_other_is_named_in_the_sentence() {
    let small = World {
        reward: [0.45, 0.5, 0.62],
        ..BETTER
    };
    let mut named = 0;
    for seed in 0..20 {
        let r = report(&small, 600, seed);
        let d = &r.difference;
        let differs = d.doubly_robust.unwrap().says() != d.estimate.says();
        assert_eq!(
            differs,
            r.sentence.contains("self-normalised"),
            "{}",
            r.sentence
        );
        named += u32::from(differs);
    }
    assert!((1..20).contains(&named), "{named}");
}

/// The policy that logged, evaluated: all weights are 1 and a model that knows the world expects what is.
#[test]
fn a_policy_against_itself_is_worth_what_the_log_earned() {
    let world = World {
        target: INCUMBENT,
        ..BETTER
    };
    let mut evidence = world.log(3_000, 5);
    let v: f64 = world.value(INCUMBENT);
    evidence.units.retain(|u| u.arm == "incumbent");
    for u in &mut evidence.units {
        // Which action it was, by what the world's model says of it.
        let a = ((u.round.q - 0.3) / 0.2).round() as usize;
        u.round.logging = INCUMBENT[a].ln();
        u.baseline_share = 1.0;
        u.round = u.round.clone().with_model(world.reward[a], v);
    }
    let r = evaluate(&evidence, &config()).unwrap();
    assert!((r.coverage - 1.0).abs() < 1e-9 && (r.max_weight - 1.0).abs() < 1e-9);
    let n = r.trajectories as f64;
    assert!((r.n_eff - n).abs() < 1e-6 * n);
    for line in r.estimates.iter().filter(|l| l.denominator == "logged") {
        let exact = line.estimator.contains("ips");
        let within = if exact { 1e-9 } else { 0.04 };
        let off = (line.value - r.log.value).abs();
        assert!(
            off < within,
            "{}: {} is off by {off}",
            line.estimator,
            line.value
        );
    }
    let d = &r.difference;
    assert_eq!(d.estimate.value, 0.0);
    assert!(d.doubly_robust.unwrap().value.abs() < 0.04, "{d:?}");
    assert!(d.better_by <= 0.0 && d.worse_by <= 0.0 && !d.disagree);
    assert_eq!(r.verdict, Verdict::NotShown, "{}", r.sentence);
    // Rounding in the weights is no difference, and an interval around it no advice.
    evidence.has_model = false;
    for u in &mut evidence.units {
        u.round.target += 1e-12 * u.round.reward;
    }
    let r = evaluate(&evidence, &config()).unwrap();
    let d = r.difference.estimate;
    assert!(d.interval.low > 0.0 && d.interval.high < 1e-9, "{d:?}");
    assert_eq!(r.verdict, Verdict::NotShown, "{}", r.sentence);
}

#[test]
fn shuffled_rewards_are_not_called_better() {
    let mut better = 0;
    for seed in 0..100 {
        let mut evidence = BETTER.log(800, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Only among those that have one.
        let at: Vec<usize> = (0..evidence.units.len())
            .filter(|i| evidence.units[*i].reported)
            .collect();
        for k in (1..at.len()).rev() {
            let (a, b) = (at[k], at[rng.random_range(0..=k)]);
            let (ra, rb) = (
                evidence.units[a].round.reward,
                evidence.units[b].round.reward,
            );
            (
                evidence.units[a].round.reward,
                evidence.units[b].round.reward,
            ) = (rb, ra);
        }
        let made = evaluate(&evidence, &config()).unwrap();
        better += u32::from(made.verdict == Verdict::Better);
    }
    assert!(better <= 5, "{better} of 100");
}

#[test]
fn unsafe_outcomes_veto_and_unequal_reporting_is_no_verdict() {
    let unsafe_one = World {
        unsafe_action: [0.0, 0.0, 0.1],
        ..BETTER
    };
    let r = report(&unsafe_one, 3_000, 1);
    assert_eq!(r.verdict, Verdict::Unsafe, "{}", r.sentence);
    assert!(
        r.unsafe_rate.policy.interval.covers(0.07),
        "{:?}",
        r.unsafe_rate
    );
    let hidden = World {
        missing: [0.4, 0.1],
        ..BETTER
    };
    let r = report(&hidden, 2_000, 1);
    assert_eq!(r.verdict, Verdict::ReportingDiffers, "{}", r.sentence);
    assert!(r.sentence.contains("canary 4"), "{}", r.sentence);
    assert!(!report(&BETTER, 2_000, 1).reporting.differs);
}

/// Somebody who only says that something unsafe happened has said nothing that a spec makes a reward of. It happened all the same.
#[test]
fn an_unsafe_outcome_counts_where_no_reward_does() {
    let plain = report(&BETTER, 3_000, 1);
    let mut evidence = BETTER.log(3_000, 1);
    let third = |u: &Unit| u.round.target > u.round.logging;
    // One in ten has no outcome; here what is known of them is that what the policy would do was unsafe.
    for u in evidence.units.iter_mut().filter(|u| !u.reported) {
        u.unsafe_action = Some(third(u));
    }
    let silent = evidence.units.iter().filter(|u| !u.reported).count() as u64;
    let r = evaluate(&evidence, &config()).unwrap();
    assert_eq!(r.unsafe_rate.said, plain.unsafe_rate.said + silent);
    assert_eq!(r.verdict, Verdict::Unsafe, "{}", r.sentence);
    // Weighted by hand: SNIPS over all that have a reward or said it.
    let (mut sum, mut weights) = (0.0, 0.0);
    for u in &evidence.units {
        weights += u.round.weight();
        sum += u.round.weight() * f64::from(u8::from(u.unsafe_action == Some(true)));
    }
    assert!(close(r.unsafe_rate.policy.value, sum / weights, 1e-9));
    // The rewards are those of the others, as before.
    assert_eq!(
        (r.trajectories, r.difference.estimate),
        (plain.trajectories, plain.difference.estimate)
    );
    assert_eq!(r.stale_rate, plain.stale_rate);
}

#[test]
fn without_an_incumbent_the_log_is_what_is_compared_with() {
    let mut evidence = BETTER.log(2_000, 1);
    for u in &mut evidence.units {
        (u.baseline, u.baseline_share) = (f64::NEG_INFINITY, 0.0);
    }
    evidence.has_model = false;
    let r = evaluate(&evidence, &config()).unwrap();
    assert_eq!((r.difference.versus.as_str(), r.baseline), ("log", None));
    assert_eq!(r.verdict, Verdict::Better);
    let names: Vec<_> = r.estimates.iter().map(|l| l.estimator.as_str()).collect();
    assert_eq!(
        names,
        ["ips", "ips_clipped", "snips", "ips", "ips_clipped", "snips"]
    );
}

#[test]
fn other_units_of_the_reward_change_the_numbers_and_not_the_verdict() {
    let plain = report(&BETTER, 2_000, 1);
    let mut evidence = BETTER.log(2_000, 1);
    for u in evidence.units.iter_mut().filter(|u| u.reported) {
        u.round.reward = 4.0 * u.round.reward - 1.0;
        u.round.q = 4.0 * u.round.q - 1.0;
        u.round.v = 4.0 * u.round.v - 1.0;
    }
    let scaled = evaluate(&evidence, &EvaluateConfig::new(Some((-1.0, 3.0)))).unwrap();
    assert_eq!(scaled.verdict, plain.verdict);
    assert!(close(
        scaled.difference.better_by,
        4.0 * plain.difference.better_by,
        1e-9
    ));
    let clipped = |r: &Report| r.estimates[1].intervals.clone();
    for (a, b) in clipped(&scaled).iter().zip(clipped(&plain)).skip(2) {
        assert!(close(a.low, 4.0 * b.low - 1.0, 1e-9) && close(a.high, 4.0 * b.high - 1.0, 1e-9));
    }
}

#[test]
fn a_report_can_be_written_and_read() {
    let made = report(&BETTER, 500, 1);
    let json = serde_json::to_string(&made).unwrap();
    let read: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(read.verdict, made.verdict);
    assert_eq!(read.sentence, made.sentence);
    let refusal = evaluate(&BETTER.log(10, 1), &config()).unwrap_err();
    let json = serde_json::to_value(&refusal).unwrap();
    assert_eq!(json["code"], refusal.code());
    assert_eq!(serde_json::from_value::<Refusal>(json).unwrap(), refusal);
}

/// What is wrong with the log is named, and what to log instead.
#[test]
fn logs_that_say_nothing_are_refused_with_what_to_log() {
    let good = || BETTER.log(500, 1);
    let refused = |evidence: &Evidence, config: &EvaluateConfig, code: &str, hint: &str| {
        let refusal = evaluate(evidence, config).expect_err(code);
        assert_eq!(refusal.code(), code);
        assert!(refusal.to_string().contains(hint), "{refusal}");
        assert!(Refusal::CODES.contains(&code));
    };
    let config = config();
    refused(
        &good(),
        &EvaluateConfig::new(None),
        "unbounded_reward",
        "bounded_v1",
    );
    let bad = EvaluateConfig {
        delta: 0.0,
        ..config.clone()
    };
    refused(&good(), &bad, "bad_config", "delta");
    let mut zero = good();
    zero.zero_propensity = 40;
    refused(&zero, &config, "zero_propensities", "40 of 540");
    refused(
        &BETTER.log(3, 1),
        &config,
        "too_few_trajectories",
        "at least 50",
    );
    let mut silent = good();
    for u in silent.units.iter_mut().filter(|u| u.trajectory % 10 > 0) {
        u.reported = false;
    }
    refused(&silent, &config, "mostly_missing", "at least 50 %");
    let mut nan = good();
    let at = nan.units.iter().position(|u| u.reported).unwrap();
    nan.units[at].round.reward = f64::NAN;
    refused(&nan, &config, "bad_reward", "not a finite number");
    nan.units[at].round.reward = 1.5;
    refused(&nan, &config, "reward_out_of_bounds", "1.5");
    let mut certain = good();
    for u in &mut certain.units {
        u.round.logging = 0.0;
    }
    refused(&certain, &config, "deterministic_log", "sampled_share");
    let mut apart = good();
    for u in &mut apart.units {
        u.round.target = f64::NEG_INFINITY;
    }
    refused(&apart, &config, "no_overlap", "could have made");
    let mut half = good();
    for u in &mut half.units {
        u.round.target += 0.3_f64.ln();
    }
    refused(&half, &config, "low_coverage", "80 % are needed");
    let few = World {
        target: [0.0, 0.0, 1.0],
        ..BETTER
    };
    refused(
        &few.log(150, 3),
        &config,
        "low_effective",
        "more like these",
    );
}
