//! Times of a decision of a learned policy.
//!
//! `cargo bench -p memrl-learn --bench train`. Prints the best and the median of 101 decisions over 200 candidates.

use std::{hint::black_box, time::Instant};

use memrl_learn::data::Schema;
use memrl_learn::net::{Net, Standard};
use memrl_learn::policy::Learned;
use memrl_learn::{Candidate, Context, RecallPolicy, features};
use memrl_types::{CellId, CellType};

fn main() {
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
