//! Recall of evidence on `LoCoMo` conversations, for each way to fuse.
//!
//! Reads the data set's JSON from standard input:
//! `zcat locomo.json.gz | cargo run --release -p memrl-recall --example locomo`.
//! A turn is a document ("speaker: text"), a session its source; questions of categories 1 to 4.

use std::{collections::HashMap, error::Error, io::Read};

use memrl_recall::{
    embed::{Embedder, StaticEmbedder},
    index::{Attrs, Doc, Fusion, Index, Params, QVec, Query, Verdict},
};
use serde_json::Value;

const POOL: usize = 200;
const CUTS: [usize; 5] = [1, 5, 10, 20, 50];
const BUDGETS: [usize; 3] = [256, 512, 1024];

struct Question {
    text: String,
    vector: Vec<f32>,
    gold: Vec<i64>,
}

struct Conversation {
    index: Index,
    tokens: Vec<usize>,
    questions: Vec<Question>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut json = String::new();
    std::io::stdin().read_to_string(&mut json)?;
    let data: Vec<Value> = serde_json::from_str(&json)?;
    let embedder = StaticEmbedder::builtin();
    let conversations: Vec<Conversation> = data
        .iter()
        .map(|c| load(c, &embedder))
        .collect::<Result<_, _>>()?;
    let count: usize = conversations.iter().map(|c| c.questions.len()).sum();
    println!(
        "{count} questions; % of evidence in the first k; % with all evidence in the budget and in the first {POOL}"
    );
    println!(
        "{:34} {:>5} {:>5} {:>5} {:>5} {:>5} | {:>5} {:>5} {:>5} | {:>5}",
        "fusion (near, far)", "@1", "@5", "@10", "@20", "@50", 256, 512, 1024, "pool"
    );
    for (name, params) in variants() {
        let mut sums = [0.0; 9];
        for c in &conversations {
            for q in &c.questions {
                add(&mut sums, c, q, params)?;
            }
        }
        let p = sums.map(|s| format!("{:5.1}", 100.0 * s / count as f64));
        println!(
            "{name:34} {} | {} | {}",
            p[..5].join(" "),
            p[5..8].join(" "),
            p[8]
        );
    }
    Ok(())
}

fn variants() -> Vec<(String, Params)> {
    let z = |weights| Fusion::ZSum { weights };
    let mut out = vec![("default".to_owned(), Params::default())];
    let fusions = [
        ("lexical", Fusion::Lexical),
        ("dense", Fusion::Dense),
        ("rrf 60", Fusion::Rrf { k: 60.0 }),
        ("convex .6", Fusion::Convex { alpha: 0.6 }),
        ("z bm25+dense", z([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])),
        ("z windows", z([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])),
        ("z bm25 all", z([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])),
        ("z without sources", z([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])),
        ("z without windows", z([1.0, 1.0, 0.0, 0.0, 1.0, 1.0])),
        ("z all", z([1.0; 6])),
    ];
    for (near, far) in [(0.5, 0.25), (1.0, 1.0)] {
        for (name, fusion) in fusions {
            let name = format!("{name} ({near}, {far})");
            let params = Params {
                fusion,
                near,
                far,
                ..Params::default()
            };
            out.push((name, params));
        }
    }
    out
}

fn load(c: &Value, embedder: &StaticEmbedder) -> Result<Conversation, Box<dyn Error>> {
    let mut index = Index::empty(embedder.id(), embedder.dim(), 1)?;
    let mut seq_of = HashMap::new();
    let mut tokens = Vec::new();
    for session in 1.. {
        let Some(turns) = c["conversation"][format!("session_{session}")].as_array() else {
            break;
        };
        for (position, turn) in turns.iter().enumerate() {
            let field = |name: &str| turn[name].as_str().unwrap_or_default();
            let text = format!("{}: {}", field("speaker"), field("text"));
            let vector = QVec::quantise(&embedder.embed(&[&text])?[0]);
            let attrs = Attrs {
                seq: tokens.len() as i64,
                source: session,
                position: position as u32,
                ..Attrs::default()
            };
            seq_of.insert(field("dia_id").to_owned(), attrs.seq);
            tokens.push(text.chars().count() / 4);
            let vector = Some(&vector);
            index.upsert(&Doc {
                attrs,
                text: &text,
                scope_pairs: Vec::new(),
                vector,
            })?;
        }
    }
    let mut questions = Vec::new();
    for q in c["qa"].as_array().into_iter().flatten() {
        let ids = q["evidence"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let ids = ids
            .flat_map(|e| e.split([' ', ';']))
            .filter_map(|e| seq_of.get(e.trim()));
        let mut gold: Vec<i64> = ids.copied().collect();
        gold.sort_unstable();
        gold.dedup();
        if q["category"].as_u64().is_some_and(|c| c <= 4) && !gold.is_empty() {
            let text = q["question"].as_str().unwrap_or_default().to_owned();
            let vector = embedder.embed(&[&text])?.remove(0);
            questions.push(Question { text, vector, gold });
        }
    }
    Ok(Conversation {
        index,
        tokens,
        questions,
    })
}

fn add(
    sums: &mut [f64; 9],
    c: &Conversation,
    q: &Question,
    params: Params,
) -> Result<(), Box<dyn Error>> {
    let hits = c.index.search(&Query {
        text: &q.text,
        vector: Some(&q.vector),
        levels: &[Vec::new()],
        pool: POOL,
        judge: &|_| Verdict::Admit,
        hints: &[],
        params,
    })?;
    let order: Vec<i64> = hits.iter().map(|h| h.attrs.seq).collect();
    let share = |found: &[i64]| {
        q.gold.iter().filter(|g| found.contains(g)).count() as f64 / q.gold.len() as f64
    };
    for (sum, cut) in sums.iter_mut().zip(CUTS) {
        *sum += share(&order[..cut.min(order.len())]);
    }
    for (sum, budget) in sums[5..].iter_mut().zip(BUDGETS) {
        let mut left = budget;
        let mut chosen = order.clone();
        chosen.retain(|&seq| {
            let tokens = c.tokens[seq as usize];
            let fits = tokens <= left;
            left -= if fits { tokens } else { 0 };
            fits
        });
        *sum += f64::from(u8::from(share(&chosen) >= 1.0));
    }
    sums[8] += f64::from(u8::from(share(&order) >= 1.0));
    Ok(())
}
