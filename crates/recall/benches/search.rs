//! Times of building, writing, opening and searching an index, on synthetic documents.
//!
//! `cargo bench -p memrl-recall --bench search -- [--quick] [documents ...]`; without numbers 10,000
//! and 100,000, with `--quick` 10,000 only. Words follow Zipf's law over 50,000 words, 20 to a
//! document; vectors have 256 components around 500 centres; every document has neighbours, 50 to a
//! source.
//! Each line gives median, 5 % and 95 % of the times of single calls, in milliseconds.

use std::{hint::black_box, path::Path, time::Instant};

use memrl_recall::index::{
    Attrs, Doc, Fusion, Index, MemcellQuery, Pair, Params, QVec, Query, Verdict,
};

const DIM: usize = 256;
const VOCABULARY: f64 = 50_000.0;
const CENTRES: u64 = 500;

/// `SplitMix64`: the same documents in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A word of rank r with probability about 1/r.
    fn word(&mut self) -> String {
        format!("w{}", VOCABULARY.powf(self.unit()) as u64)
    }

    fn text(&mut self, words: usize) -> String {
        let words: Vec<String> = (0..words).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn vector(&mut self) -> Vec<f32> {
        let mut centre = Random(self.next() % CENTRES);
        let mut component = || centre.unit() as f32 - 0.5 + 0.7 * (self.unit() as f32 - 0.5);
        (0..DIM).map(|_| component()).collect()
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut sizes: Vec<usize> = args.iter().filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        let quick = args.iter().any(|a| a == "--quick");
        sizes = if quick {
            vec![10_000]
        } else {
            vec![10_000, 100_000]
        };
    }
    let folder = std::env::temp_dir().join(format!("memrl-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the files");
    for size in sizes {
        run(size, &folder.join("index.bin"));
    }
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

fn run(size: usize, path: &Path) {
    println!("\n{size} documents");
    let index = build(size);
    let start = Instant::now();
    index.write_snapshot(path).expect("written");
    let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    once("write file", start, &format!("{} MB", bytes / 1_000_000));
    drop(index);
    let start = Instant::now();
    black_box(Index::open(path).expect("opened").search(&Query {
        vector: None,
        ..query("w100 w900", &[])
    }))
    .expect("searched");
    once("open and first lexical search", start, "");
    let vector = Random(3).vector();
    let start = Instant::now();
    black_box(
        Index::open(path)
            .expect("opened")
            .search(&query("w100 w900", &vector)),
    )
    .expect("searched");
    once("open and first hybrid search", start, "");
    times("open", 50, || {
        drop(black_box(Index::open(path).expect("opened")));
    });
    let mut index = Index::open(path).expect("opened");
    searches("base", &index);
    let mut random = Random(99);
    let extra = (size / 100).max(1);
    for i in 0..extra {
        upsert(&mut index, size + i, &mut random);
        index.remove((random.next() % size as u64) as i64);
    }
    println!("  with {extra} added and about as many removed in memory");
    searches("mix", &index);
}

fn build(size: usize) -> Index {
    let mut random = Random(1);
    let mut index = Index::empty("bench", DIM, 7).expect("valid");
    // What is timed is the index, not the making of synthetic documents.
    let mut spent = std::time::Duration::ZERO;
    for i in 0..size {
        spent += upsert(&mut index, i, &mut random);
    }
    let rate = size as f64 / spent.as_secs_f64();
    println!(
        "  {:34} {:9.1} ms  ({rate:.0} documents/s)",
        "build in memory",
        spent.as_secs_f64() * 1e3
    );
    index
}

fn upsert(index: &mut Index, i: usize, random: &mut Random) -> std::time::Duration {
    let text = random.text(20);
    let vector = QVec::quantise(&random.vector());
    let doc = Doc {
        attrs: Attrs {
            seq: i as i64,
            created_at: i as i64,
            source: 1 + i as u64 / 50,
            position: (i % 50) as u32,
            confidence: random.unit(),
            criticality: random.unit(),
            ..Attrs::default()
        },
        text: &text,
        scope_pairs: vec![pair("user", i % 2), pair("project", i % 100)],
        vector: Some(&vector),
    };
    let start = Instant::now();
    index.upsert(&doc).expect("valid");
    start.elapsed()
}

fn pair(key: &str, value: usize) -> Pair {
    (key.to_owned(), value.to_string())
}

fn admit(attrs: &Attrs) -> Verdict {
    if attrs.status == 1 {
        Verdict::Exclude
    } else {
        Verdict::Admit
    }
}

fn query<'a>(text: &'a str, vector: &'a [f32]) -> Query<'a> {
    const EVERYTHING: &[Vec<Pair>] = &[Vec::new()];
    Query {
        text,
        vector: Some(vector),
        levels: EVERYTHING,
        pool: 200,
        judge: &admit,
        hints: &[],
        params: Params::default(),
    }
}

fn searches(name: &str, index: &Index) {
    let mut random = Random(5);
    let asked: Vec<_> = (0..64).map(|_| (random.text(6), random.vector())).collect();
    let narrow = [vec![pair("user", 1), pair("project", 7)]];
    let rounds = if index.len() > 500_000 { 1 } else { 5 };
    let each = |what: &str, f: &dyn Fn(&str, &[f32])| {
        let mut turns = asked.iter().cycle();
        times(&format!("{name}: {what}"), asked.len() * rounds, || {
            if let Some((text, vector)) = turns.next() {
                f(text, vector);
            }
        });
    };
    let search = |q: Query<'_>| drop(black_box(index.search(&q).expect("searched")));
    each("hybrid, all", &|t, v| search(query(t, v)));
    each("hybrid, scope of 1 %", &|t, v| {
        search(Query {
            levels: &narrow,
            ..query(t, v)
        });
    });
    each("lexical, all", &|t, _| {
        search(Query {
            vector: None,
            ..query(t, &[])
        });
    });
    each("dense, all", &|_, v| {
        let params = Params {
            fusion: Fusion::Dense,
            ..Params::default()
        };
        search(Query {
            params,
            ..query("", v)
        });
    });
    each("newest, all", &|_, _| {
        search(Query {
            vector: None,
            ..query("", &[])
        });
    });
    each("memcell, all, k 10", &|t, _| {
        let q = MemcellQuery {
            text: t,
            scope: &[],
            judge: &admit,
            k: 10,
        };
        drop(black_box(index.memcell(&q)));
    });
}

fn once(name: &str, start: Instant, note: &str) {
    println!(
        "  {name:34} {:9.3} ms  {note}",
        start.elapsed().as_secs_f64() * 1e3
    );
}

fn times(name: &str, count: usize, mut f: impl FnMut()) {
    let mut all: Vec<f64> = (0..count)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    println!(
        "  {name:34} {:9.3} ms  ({:.3} .. {:.3})",
        at(0.5),
        at(0.05),
        at(0.95)
    );
}
