//! Estimates from numbers, and how well intervals cover.
//!
//! `cargo run -p memrl-learn --example ope < rounds.json` reads `{"rounds": [...], "slates": [...], "clip": 2, "lambda": 2}` and prints
//! the estimates as JSON; `scripts/ope_agreement.py` feeds it the same numbers as other implementations. A round has plain
//! probabilities: `{"reward", "target", "logging", "q", "v", "logger", "loggers"}`; a slate
//! `{"joint": [μ, π], "slots": [{"reward", "marginal": [μ, π], "prefix": [μ, π]}]}`.
//!
//! `cargo run --release -p memrl-learn --example ope -- coverage [runs]` prints the tables of `docs/evaluation.md`.

use std::io::Read;

use memrl_learn::gate::{Arrival, Role, Trial, TrialConfig, Verdict};
use memrl_learn::ope::estimators::{Slot, SlottedSlate, iips, pseudo_inverse, rips, sips};
use memrl_learn::ope::intervals::{
    Bootstrap, betting, bootstrap, empirical_bernstein, student_t, student_t_lower,
};
use memrl_learn::ope::{Denominator, Estimate, Estimator, Interval, Round, Weighting, estimate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What is read.
#[derive(Deserialize)]
#[serde(default)]
struct Input {
    rounds: Vec<Given>,
    slates: Vec<GivenSlate>,
    clip: f64,
    lambda: f64,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            rounds: Vec::new(),
            slates: Vec::new(),
            clip: 2.0,
            lambda: 2.0,
        }
    }
}

#[derive(Deserialize)]
struct Given {
    reward: f64,
    target: f64,
    logging: f64,
    #[serde(default)]
    q: f64,
    #[serde(default)]
    v: f64,
    #[serde(default)]
    logger: usize,
    #[serde(default)]
    loggers: Vec<f64>,
}

#[derive(Deserialize)]
struct GivenSlate {
    joint: (f64, f64),
    slots: Vec<GivenSlot>,
}

#[derive(Deserialize)]
struct GivenSlot {
    reward: f64,
    marginal: (f64, f64),
    prefix: (f64, f64),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("coverage") {
        let runs = args.next().map_or(Ok(2_000), |n| n.parse())?;
        tables(runs);
        return Ok(());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let input: Input = serde_json::from_str(&text)?;
    println!(
        "{:#}",
        json!({"rounds": rounds(&input), "slates": slates(&input)})
    );
    Ok(())
}

fn rounds(input: &Input) -> Value {
    let rounds: Vec<Round> = input
        .rounds
        .iter()
        .map(|g| Round {
            logger: g.logger,
            loggers: g.loggers.iter().map(|p| p.ln()).collect(),
            ..Round::new(g.reward, g.target, g.logging).with_model(g.q, g.v)
        })
        .collect();
    let (clip, lambda) = (Some(input.clip), input.lambda);
    let mut out = Map::new();
    for denominator in Denominator::ALL {
        let mut values = Map::new();
        for weighting in [
            Weighting::Ips { clip: None },
            Weighting::Ips { clip },
            Weighting::Snips,
            Weighting::Dm,
            Weighting::Dr,
            Weighting::SwitchDr { lambda },
            Weighting::DrOs { lambda },
        ] {
            let estimator = Estimator {
                weighting,
                denominator,
            };
            let made = estimate(&rounds, estimator);
            values.insert(
                weighting.name().to_owned(),
                made.map_or_else(|e| json!(e.to_string()), |e| json!(e.value)),
            );
        }
        out.insert(denominator.name().to_owned(), Value::Object(values));
    }
    Value::Object(out)
}

fn slates(input: &Input) -> Value {
    let slates: Vec<SlottedSlate> = input
        .slates
        .iter()
        .map(|s| SlottedSlate {
            joint: s.joint,
            slots: s
                .slots
                .iter()
                .map(|l| Slot {
                    reward: l.reward,
                    marginal: l.marginal,
                    prefix: l.prefix,
                })
                .collect(),
        })
        .collect();
    let value = |made: Result<Estimate, _>| made.ok().map(|e| e.value);
    json!({
        "sips": value(sips(&slates)),
        "iips": value(iips(&slates)),
        "rips": value(rips(&slates)),
        "pi": value(pseudo_inverse(&slates)),
    })
}

const LOGGING: [f64; 5] = [0.4, 0.3, 0.1, 0.1, 0.1];
const TARGET: [f64; 5] = [0.1, 0.2, 0.2, 0.1, 0.4];
const REWARD: [f64; 5] = [0.3, 0.4, 0.7, 0.5, 0.8];

/// Five actions, weights of at most 4, and a reward model that is a tenth too low everywhere.
fn log(n: usize, rng: &mut ChaCha8Rng) -> Vec<Round> {
    let one = |_| {
        let mut u: f64 = rng.random();
        let hit = LOGGING.iter().position(|p| {
            u -= p;
            u < 0.0
        });
        let a = hit.unwrap_or(4);
        let r = f64::from(u8::from(rng.random_bool(REWARD[a])));
        let v = (0..5).map(|a| TARGET[a] * (REWARD[a] - 0.1)).sum();
        Round::new(r, TARGET[a], LOGGING[a]).with_model(REWARD[a] - 0.1, v)
    };
    (0..n).map(one).collect()
}

fn tables(runs: u64) {
    let value: f64 = TARGET.iter().zip(REWARD).map(|(p, r)| p * r).sum();
    println!("| estimator | interval | n | n_eff | covers |\n|---|---|---|---|---|");
    let settings = Bootstrap {
        replicates: 400,
        seed: 1,
    };
    for n in [50, 100, 500, 2_000] {
        for weighting in [
            Weighting::Ips { clip: None },
            Weighting::Snips,
            Weighting::Dr,
        ] {
            let mut covered: Vec<(&str, u64)> = Vec::new();
            let mut n_eff = 0.0;
            for seed in 0..runs {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let rounds = log(n, &mut rng);
                let Ok(made) = estimate(&rounds, weighting.into()) else {
                    continue;
                };
                n_eff += made.n_eff / runs as f64;
                let xs = made.linear();
                let mut intervals: Vec<Interval> = student_t(&xs, 0.95).into_iter().collect();
                intervals.extend(bootstrap(&made.terms, 0.95, settings));
                if matches!(weighting, Weighting::Ips { .. }) {
                    intervals.push(empirical_bernstein(&xs, (0.0, 4.0), 0.95));
                    intervals.push(betting(&xs, (0.0, 4.0), 0.95));
                }
                for (k, i) in intervals.iter().enumerate() {
                    if covered.len() <= k {
                        covered.push((i.method.name(), 0));
                    }
                    covered[k].1 += u64::from(i.covers(value));
                }
            }
            for (method, hits) in covered {
                let share = 100.0 * hits as f64 / runs as f64;
                let name = weighting.name();
                println!("| `{name}` | `{method}` | {n} | {n_eff:.0} | {share:.1} % |");
            }
        }
    }
    println!(
        "\nEqual policies, 400 trajectories of ten decisions, called better at 5 %, in {runs} runs:\n"
    );
    let per_decision = equal(runs, 10, false);
    println!("| how | share |\n|---|---|");
    println!(
        "| t-test over decisions, one look | {:.1} % |",
        per_decision.0
    );
    println!(
        "| t-test over trajectories, one look | {:.1} % |",
        equal(runs, 1, false).0
    );
    println!(
        "| t-test over trajectories, a look every 20 | {:.1} % |",
        equal(runs, 1, true).0
    );
    println!("| the gate, a look at each | {:.1} % |", per_decision.1);
    println!(
        "\nThe gate on trajectories of one success each, control at 50 %, up to 5,000 trajectories, in {} runs:\n",
        runs / 10
    );
    println!(
        "| policy succeeds | share on trial | promoted | stopped | median length of those promoted |\n|---|---|---|---|---|"
    );
    for p in [0.5, 0.2] {
        for success in [0.4, 0.5, 0.55, 0.6, 0.7] {
            power(runs / 10, success, p);
        }
    }
}

/// Share of runs in which equal policies are called better, by a t-test over units that are each counted `copies` times, and by the gate.
fn equal(runs: u64, copies: usize, peek: bool) -> (f64, f64) {
    let (mut by_t, mut by_gate) = (0, 0);
    for seed in 0..runs {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut xs = Vec::new();
        let (mut t, mut gate) = (false, false);
        let config = TrialConfig {
            unsafe_margin: 1.0,
            stale_margin: 1.0,
            ..TrialConfig::default()
        };
        let mut trial = Trial::new(config).expect("in range");
        for i in 1..=400 {
            let treated = rng.random_bool(0.5);
            let reward = f64::from(u8::from(rng.random_bool(0.5)));
            let x = if treated { 2.0 } else { -2.0 } * (reward - 0.5);
            xs.extend(std::iter::repeat_n(x, copies));
            if (peek && i >= 40 && i % 20 == 0) || i == 400 {
                t |= student_t_lower(&xs, 0.05).is_some_and(|low| low > 0.0);
            }
            let arrival = Arrival {
                treated,
                p: 0.5,
                reward: Some(reward),
                unsafe_action: false,
                stale: false,
            };
            gate |= trial.update(&arrival) == Ok(Verdict::Promote);
        }
        by_t += u64::from(t);
        by_gate += u64::from(gate);
    }
    let share = |hits: u64| 100.0 * hits as f64 / runs as f64;
    (share(by_t), share(by_gate))
}

fn power(runs: u64, success: f64, p: f64) {
    let (mut lengths, mut stopped) = (Vec::new(), 0);
    for seed in 0..runs {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let config = TrialConfig {
            role: Role::Trial,
            ..TrialConfig::default()
        };
        let mut trial = Trial::new(config).expect("in range");
        for i in 1..=5_000 {
            let treated = rng.random_bool(p);
            let rate = if treated { success } else { 0.5 };
            let arrival = Arrival {
                treated,
                p,
                reward: Some(f64::from(u8::from(rng.random_bool(rate)))),
                unsafe_action: rng.random_bool(0.005),
                stale: rng.random_bool(0.02),
            };
            match trial.update(&arrival).expect("in range") {
                Verdict::Promote => {
                    lengths.push(i);
                    break;
                }
                Verdict::Continue { .. } => {}
                _ => {
                    stopped += 1;
                    break;
                }
            }
        }
    }
    lengths.sort_unstable();
    let share = |n: u64| 100.0 * n as f64 / runs as f64;
    let median = lengths
        .get(lengths.len() / 2)
        .map_or("-".to_owned(), u32::to_string);
    println!(
        "| {:.0} % | {:.0} % | {:.1} % | {:.1} % | {median} |",
        100.0 * success,
        100.0 * p,
        share(lengths.len() as u64),
        share(stopped)
    );
}
