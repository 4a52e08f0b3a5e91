//! Counting tokens without a tokenizer of any particular model.

use serde::{Deserialize, Serialize};

/// How the tokens of a text are counted. Budgets are kept as counted by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenCounter {
    /// memcell-rl's and the benchmarks' rule: `max(1, characters / 4)`, rounded down. Far too
    /// low for text in Chinese or Japanese.
    Chars4,
    /// An upper estimate for common byte-pair vocabularies: a quarter of the ASCII characters
    /// rounded up, half a token per other alphabetic character of short scripts, and one and a
    /// half per ideograph, syllable block or emoji.
    #[default]
    Careful,
}

impl TokenCounter {
    /// The number of tokens of `text`; at least 1.
    pub fn count(self, text: &str) -> u32 {
        match self {
            Self::Chars4 => ((text.chars().count() / 4) as u32).max(1),
            Self::Careful => {
                // In sixths of a token, so that no rounding accumulates.
                let sixths: u64 = text
                    .chars()
                    .map(|c| match c as u32 {
                        0..=0x7f => 3,
                        0x80..=0x10ff => 6,
                        _ => 18,
                    })
                    .sum();
                (sixths.div_ceil(12) as u32).max(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideographs_cost_more_than_letters() {
        assert_eq!(TokenCounter::Chars4.count("abcdefgh"), 2);
        assert_eq!(TokenCounter::Careful.count("abcdefgh"), 2);
        assert_eq!(TokenCounter::Chars4.count("記憶記憶記憶記憶"), 2);
        assert_eq!(TokenCounter::Careful.count("記憶記憶記憶記憶"), 12);
        assert_eq!(TokenCounter::Careful.count(""), 1);
    }
}
