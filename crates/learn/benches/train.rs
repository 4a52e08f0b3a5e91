//! Times of a decision of a learned policy, and of training.
//!
//! `cargo bench -p memrl-learn --bench train -- [decisions ...]`; without numbers 100,000. Prints the best and the median of
//! 101 decisions over 200 candidates; then, for a log of so many decisions with 50 candidates of 49 features of which 8 are
//! shown, seconds for `bc` and for `credit` with the settings that they recommend, everything included (checks, importance).

use std::{hint::black_box, time::Instant};

use std::ops::ControlFlow;

use memrl_learn::data::{Dataset, Logged, LoggedItem, Schema, Signals};
use memrl_learn::net::{Net, Standard};
use memrl_learn::policy::Learned;
use memrl_learn::train::{Hooks, bc, credit};
use memrl_learn::{Candidate, Context, RecallPolicy, features};
use memrl_types::{CellId, CellType, DecisionId, ExploreMode, Propensity, Timestamp};
use rand::{Rng, SeedableRng};

/// Candidates of a decision, and how many fit.
const POOL: usize = 50;
const SHOWN: usize = 8;

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![100_000];
    }
    decide();
    for decisions in sizes {
        train(decisions);
    }
}

/// A log of random features; the first of them decides what is shown.
fn log(decisions: usize) -> Dataset {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let names: Vec<String> = (features::schema().iter())
        .map(|f| f.name.to_owned())
        .collect();
    let width = names.len();
    let item = LoggedItem {
        cell: CellId::from_random([0; 16]),
        score: 0.0,
        cost: 20,
        masked: false,
        critical: false,
        held_out: false,
        p_include: None,
        label: None,
    };
    let mut one = |k: usize| {
        let features: Vec<f32> = (0..POOL * width).map(|_| rng.random()).collect();
        let mut slate: Vec<u32> = (0..POOL as u32).collect();
        let key = |i: u32| features[i as usize * width] + 0.3 * features[i as usize * width + 5];
        slate.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
        slate.truncate(SHOWN);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(k as u64).to_le_bytes());
        let best: f32 = slate
            .iter()
            .map(|&i| features[i as usize * width + 3])
            .sum();
        let success = f64::from(u8::from(rng.random_range(0.0..8.0) < best));
        Logged {
            id: DecisionId::from_random(id),
            trajectory: k as u32,
            step: 0,
            at: Timestamp(k as i64),
            policy: 0,
            arm: "incumbent".to_owned(),
            mode: ExploreMode::PlackettLuce,
            propensity: Propensity {
                log_joint: 0.0,
                components: Vec::new(),
                epsilon: 0.0,
                salt: 0,
                seed: 0,
            },
            temperature: 0.1,
            context: Context::with_budget(20 * SHOWN as u64),
            items: vec![item; POOL],
            features,
            slate,
            signals: Signals {
                success: Some(success),
                ..Signals::default()
            },
            reward: None,
        }
    };
    Dataset {
        schema: Schema {
            name: features::RECALL_V1.to_owned(),
            hash: features::schema_hash(),
            features: names,
        },
        trajectories: (0..decisions).map(|k| format!("t{k}")).collect(),
        policies: vec!["similarity@1".to_owned()],
        decisions: (0..decisions).map(&mut one).collect(),
    }
}

/// Seconds to train on a log of this size.
fn train(decisions: usize) {
    let data = log(decisions);
    let timed = |name: &str, f: &dyn Fn(&mut Hooks<'_>) -> f64| {
        let mut hooks = Hooks {
            progress: &mut |_| ControlFlow::Continue(()),
            checkpoint: &mut |_| {},
            resume: None,
        };
        let start = Instant::now();
        let epochs = f(&mut hooks);
        let seconds = start.elapsed().as_secs_f64();
        println!("{name}, {decisions} decisions x {POOL}: {seconds:.1} s, best pass {epochs}");
    };
    let epochs = |trained: memrl_learn::train::Trained| trained.metrics["epochs"];
    timed("bc", &|h| {
        epochs(bc::train(&data, &bc::config(), h).expect("the log is sound"))
    });
    timed("credit", &|h| {
        epochs(credit::train(&data, &credit::config(), h).expect("the log is sound"))
    });
}

/// Milliseconds to decide.
fn decide() {
    let names = features::schema().iter().map(|f| f.name.to_owned());
    let schema = Schema {
        name: features::RECALL_V1.to_owned(),
        hash: features::schema_hash(),
        features: names.collect(),
    };
    let width = schema.width();
    for hidden in [0, 32] {
        let mut net = Net::new(width, hidden, 1);
        let at = net.params.len() - 1 - width;
        for (k, w) in net.params[at..].iter_mut().enumerate() {
            *w = 0.1 * (k as f32).sin();
        }
        let standard = Standard::identity(width);
        let policy = Learned::new("bench", 1, schema.clone(), standard, net, None)
            .expect("the schema is ours");
        let candidates: Vec<Candidate> = (0..200u8)
            .map(|k| {
                let mut c = Candidate::new(CellId::from_random([k; 16]), CellType::Fact);
                c.score = f64::from(k) / 200.0;
                c.dense = Some(f64::from(k % 17) / 17.0);
                c
            })
            .collect();
        let ctx = Context::with_budget(1024);
        let mut times: Vec<f64> = (0..101)
            .map(|_| {
                let start = Instant::now();
                black_box(policy.order(black_box(&ctx), black_box(&candidates)));
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "200 candidates, {hidden} hidden units: best {:.3} ms, median {:.3} ms",
            times[0], times[50]
        );
    }
}
