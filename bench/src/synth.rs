//! Synthetic memories for runs at scale: deterministic from a seed, one at a time, in constant
//! memory however many there are.
//!
//! Any cell can be made alone ([`Synth::cell`]), so a checker need not keep what was written.
//! Synthetic text measures speed only; it says nothing about the quality of recall.

use memrl_types::{CellType, NewCell, PolicyFeatures, Scope};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::corpus;
use crate::read::LoadError;

/// Distinct words of the Zipf vocabulary.
pub const VOCABULARY: usize = 20_000;
/// Users that the cells belong to, evenly: a scope of one user holds 1 % of them.
pub const USERS: u64 = 100;

/// What the text is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// This many words, drawn independently with frequency ∝ 1/rank from [`VOCABULARY`] invented
    /// words: at least `min`, at most `max`.
    Zipf {
        /// The least number of words.
        min: usize,
        /// The greatest number of words.
        max: usize,
    },
    /// Two halves of different turns of the demo corpus and one rare word: lengths and words as
    /// in conversations.
    Splice,
}

impl Default for Style {
    fn default() -> Self {
        Self::Zipf { min: 12, max: 30 }
    }
}

/// A synthetic corpus.
#[derive(Debug, Clone)]
pub struct Synth {
    seed: u64,
    len: u64,
    style: Style,
    /// Summed weights 1/1 + 1/2 + … of the Zipf vocabulary.
    cumulative: Vec<f64>,
    /// The words of the demo corpus's turns; empty for Zipf.
    turns: Vec<Vec<String>>,
}

impl Synth {
    /// `len` cells in this style.
    pub fn new(seed: u64, len: u64, style: Style) -> Result<Self, LoadError> {
        let turns = match style {
            Style::Zipf { .. } => Vec::new(),
            Style::Splice => corpus::demo()?
                .iter()
                .flat_map(|c| &c.turns)
                .map(|t| {
                    t.text
                        .split_whitespace()
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                })
                .filter(|words| words.len() >= 6)
                .collect(),
        };
        let mut sum = 0.0;
        let cumulative = (1..=VOCABULARY)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        Ok(Self {
            seed,
            len,
            style,
            cumulative,
            turns,
        })
    }

    /// How many cells there are.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All cells, made one by one.
    pub fn iter(&self) -> impl Iterator<Item = NewCell> + '_ {
        (0..self.len).map(|i| self.cell(i))
    }

    /// The `i`-th cell: its own stream of the generator, independent of the others.
    pub fn cell(&self, i: u64) -> NewCell {
        let rng = &mut self.stream(2 * i);
        let content = self.text(rng);
        let kind = CellType::ALL.choose(rng).copied().unwrap_or(CellType::Fact);
        NewCell {
            confidence: hundredths(rng),
            policy_features: Some(PolicyFeatures {
                criticality: hundredths(rng),
                compressibility: hundredths(rng),
                staleness: hundredths(rng),
                future_utility_estimate: hundredths(rng),
            }),
            ..NewCell::new(kind, Self::scope(i), content)
        }
    }

    /// A query that the `i`-th cell answers: half of its words in random order.
    pub fn query(&self, i: u64) -> String {
        let content = self.cell(i).content;
        let words: Vec<&str> = content.split_whitespace().collect();
        let half = words.len().div_ceil(2);
        let rng = &mut self.stream(2 * i + 1);
        words
            .choose_multiple(rng, half)
            .copied()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The scope of the `i`-th cell: `{"user":"uNN"}`.
    pub fn scope(i: u64) -> Scope {
        Scope::of("user", &format!("u{:02}", i % USERS))
    }

    fn stream(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        rng
    }

    fn text(&self, rng: &mut ChaCha8Rng) -> String {
        match self.style {
            Style::Zipf { min, max } => {
                let n = rng.random_range(min..=max.max(min));
                (0..n)
                    .map(|_| word(self.rank(rng)))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Style::Splice => {
                let mut words: Vec<&str> = Vec::new();
                if let Some(first) = self.turns.choose(rng) {
                    words.extend(first[..first.len() / 2].iter().map(String::as_str));
                }
                if let Some(second) = self.turns.choose(rng) {
                    words.extend(second[second.len() / 2..].iter().map(String::as_str));
                }
                let rare = word(rng.random_range(VOCABULARY / 2..VOCABULARY));
                words.insert(rng.random_range(0..=words.len()), &rare);
                words.join(" ")
            }
        }
    }

    /// A rank from 0, drawn with probability ∝ 1/(rank + 1).
    fn rank(&self, rng: &mut ChaCha8Rng) -> usize {
        let total = self.cumulative[VOCABULARY - 1];
        let draw = rng.random::<f64>() * total;
        self.cumulative
            .partition_point(|&c| c <= draw)
            .min(VOCABULARY - 1)
    }
}

fn hundredths(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.random_range(0..=100u8)) / 100.0
}

/// The invented word of this rank: consonant–vowel syllables that spell the rank in base 70, so
/// that frequent words are short and no two are equal.
fn word(rank: usize) -> String {
    const CONSONANTS: &[u8; 14] = b"bdfghklmnprstv";
    const VOWELS: &[u8; 5] = b"aeiou";
    let mut word = String::new();
    let mut left = rank + 1;
    while left > 0 {
        let digit = (left - 1) % 70;
        word.push(char::from(CONSONANTS[digit / 5]));
        word.push(char::from(VOWELS[digit % 5]));
        left = (left - 1) / 70;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn words_of_different_ranks_differ() {
        let words: HashSet<String> = (0..VOCABULARY).map(word).collect();
        assert_eq!(words.len(), VOCABULARY);
        assert_eq!(
            (word(0), word(69), word(70)),
            ("ba".into(), "vu".into(), "baba".into())
        );
    }

    #[test]
    fn the_same_seed_makes_the_same_cells_in_any_order() {
        for style in [Style::default(), Style::Splice] {
            let synth = Synth::new(9, 50, style).unwrap();
            let all: Vec<NewCell> = synth.iter().collect();
            assert_eq!(all.len(), 50);
            assert_eq!(Synth::new(9, 50, style).unwrap().cell(31), all[31]);
            assert_ne!(Synth::new(8, 50, style).unwrap().cell(31), all[31]);
            assert_eq!(synth.query(31), synth.query(31));
        }
    }

    #[test]
    fn words_follow_zipfs_law() {
        let synth = Synth::new(1, 4000, Style::Zipf { min: 12, max: 30 }).unwrap();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for cell in synth.iter() {
            let words = cell.content.split(' ').count();
            assert!((12..=30).contains(&words));
            for w in cell.content.split(' ') {
                *counts.entry(w.to_owned()).or_default() += 1;
            }
        }
        // ~84,000 words; rank 1 has the share 1/H(20,000) = 9.54 %, rank 10 a tenth of it.
        let total: usize = counts.values().sum();
        let share = |rank| counts[&word(rank)] as f64 / total as f64;
        assert!((share(0) - 0.0954).abs() < 0.005, "{}", share(0));
        assert!((share(9) - 0.00954).abs() < 0.0015, "{}", share(9));
    }

    #[test]
    fn a_scope_holds_one_percent_and_a_query_half_of_the_words() {
        let synth = Synth::new(1, 1000, Style::default()).unwrap();
        let mine = synth
            .iter()
            .filter(|c| c.scope == Scope::of("user", "u07"))
            .count();
        assert_eq!(mine, 10);
        let cell = synth.cell(7);
        let words: HashSet<&str> = cell.content.split(' ').collect();
        let query = synth.query(7);
        assert!(query.split(' ').all(|w| words.contains(w)));
        assert_eq!(
            query.split(' ').count(),
            cell.content.split(' ').count().div_ceil(2)
        );
    }
}
