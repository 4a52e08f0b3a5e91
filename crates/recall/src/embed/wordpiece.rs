//! BERT's uncased tokenizer: text to word pieces (Devlin et al. 2019; Wu et al. 2016 §4.1).
//!
//! Drops control characters, strips accents, lower-cases, splits at white space, punctuation and
//! CJK characters, then takes the longest listed piece again and again. Agrees with the reference
//! tokenizer on the texts of `tests/data/wordpiece.json`. Any string is a valid input. Knows
//! nothing of models or vectors.

use unicode_normalization::char::decompose_canonical;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::vocab::{PieceHash, Vocab};

/// A word of more characters than this is unknown as a whole, as in the reference.
const MAX_WORD_CHARS: usize = 100;

/// What a character does to the word in front of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Part of a word.
    Letter,
    /// Ends the word.
    Space,
    /// Ends the word and is a word of its own.
    Alone,
    /// Is not there.
    Nothing,
}

const fn ascii_kind(byte: u8) -> Kind {
    match byte {
        b'\t' | b'\n' | b'\r' | b' ' => Kind::Space,
        0..=0x1f | 0x7f => Kind::Nothing,
        b'!'..=b'/' | b':'..=b'@' | b'['..=b'`' | b'{'..=b'~' => Kind::Alone,
        _ => Kind::Letter,
    }
}

const ASCII: [Kind; 128] = {
    let mut table = [Kind::Letter; 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = ascii_kind(byte as u8);
        byte += 1;
    }
    table
};

/// Ideographs, which stand alone; the blocks are those of the reference implementation. Hangul,
/// hiragana and katakana are not among them.
fn is_cjk(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x2_0000..=0x2_A6DF | 0x2_A700..=0x2_B73F
        | 0x2_B740..=0x2_B81F | 0x2_B920..=0x2_CEAF | 0xF900..=0xFAFF | 0x2_F800..=0x2_FA1F)
}

/// Category `C*`. An unassigned character stays: it makes its word unknown, as in the reference.
fn is_control(c: char) -> bool {
    c == '\u{fffd}'
        || matches!(
            c.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::PrivateUse
                | GeneralCategory::Surrogate
        )
}

fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        ASCII[c as usize] == Kind::Alone
    } else {
        c.general_category_group() == GeneralCategoryGroup::Punctuation
    }
}

/// A tokenizer over one vocabulary.
#[derive(Clone, Debug)]
pub struct WordPiece {
    vocab: Vocab,
    /// Hash of `##`, from which the hashes of continuing pieces go on.
    inside: PieceHash,
}

impl std::fmt::Debug for PieceHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PieceHash")
    }
}

/// The word being read, and the hashes of its prefixes.
struct Word {
    text: Vec<u8>,
    /// Ends of its characters in `text`.
    ends: Vec<usize>,
    /// Hash of each prefix of the part that is being matched.
    hashes: Vec<PieceHash>,
}

impl Word {
    /// Adds a character; of a word that is too long anyway, the rest is not kept.
    #[inline]
    fn push_ascii(&mut self, byte: u8) {
        if self.ends.len() <= MAX_WORD_CHARS {
            self.text.push(byte);
            self.ends.push(self.text.len());
        }
    }

    fn push(&mut self, c: char) {
        if self.ends.len() > MAX_WORD_CHARS {
            return;
        }
        let mut buffer = [0; 4];
        self.text
            .extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
        self.ends.push(self.text.len());
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

impl WordPiece {
    /// A tokenizer over `vocab`.
    pub fn new(vocab: Vocab) -> Self {
        Self {
            vocab,
            inside: PieceHash::new().then(b"##"),
        }
    }

    /// The vocabulary.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// Appends the numbers of the pieces of `text` to `out`, at most `limit` of them; reading
    /// stops there. A word that cannot be put together from pieces gives `unknown`, or nothing.
    pub fn encode(&self, text: &str, limit: usize, unknown: Option<u32>, out: &mut Vec<u32>) {
        let limit = out.len().saturating_add(limit);
        let mut word = Word {
            text: Vec::with_capacity(64),
            ends: Vec::with_capacity(64),
            hashes: Vec::with_capacity(64),
        };
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && out.len() < limit {
            let byte = bytes[at];
            if byte.is_ascii() {
                at += 1;
                match ASCII[byte as usize] {
                    Kind::Letter => word.push_ascii(byte.to_ascii_lowercase()),
                    Kind::Space => self.flush(&mut word, unknown, out),
                    Kind::Alone => {
                        self.flush(&mut word, unknown, out);
                        word.push_ascii(byte);
                        self.flush(&mut word, unknown, out);
                    }
                    Kind::Nothing => {}
                }
            } else if let Some(c) = text[at..].chars().next() {
                at += c.len_utf8();
                self.other(c, &mut word, unknown, out);
            }
        }
        self.flush(&mut word, unknown, out);
        out.truncate(limit);
    }

    /// Takes one character beyond ASCII.
    #[cold]
    fn other(&self, c: char, word: &mut Word, unknown: Option<u32>, out: &mut Vec<u32>) {
        // In this order: U+0085 is both, and the reference drops it.
        if is_control(c) {
            return;
        }
        if c.is_whitespace() {
            return self.flush(word, unknown, out);
        }
        let alone = is_cjk(c);
        if alone {
            self.flush(word, unknown, out);
        }
        decompose_canonical(c, |part| {
            if part.general_category() == GeneralCategory::NonspacingMark {
                return;
            }
            if is_punctuation(part) {
                self.flush(word, unknown, out);
                word.push(part);
                self.flush(word, unknown, out);
            } else {
                part.to_lowercase().for_each(|lower| word.push(lower));
            }
        });
        if alone {
            self.flush(word, unknown, out);
        }
    }

    /// Ends the word: appends its pieces, the longest first at each place.
    #[inline]
    fn flush(&self, word: &mut Word, unknown: Option<u32>, out: &mut Vec<u32>) {
        if word.ends.is_empty() {
            return;
        }
        let before = out.len();
        if word.ends.len() > MAX_WORD_CHARS || !self.pieces(word, out) {
            out.truncate(before);
            out.extend(unknown);
        }
        word.clear();
    }

    /// Greedy longest match; false when some part of the word matches nothing.
    fn pieces(&self, word: &mut Word, out: &mut Vec<u32>) -> bool {
        let Word { text, ends, hashes } = word;
        let mut first = 0;
        while first < ends.len() {
            let start = if first == 0 { 0 } else { ends[first - 1] };
            let (prefix, mut hash): (&[u8], _) = if first == 0 {
                (b"", PieceHash::new())
            } else {
                (b"##", self.inside)
            };
            hashes.clear();
            let mut from = start;
            for &end in &ends[first..] {
                if prefix.len() + end - start > self.vocab.longest() {
                    break;
                }
                hash = hash.then(&text[from..end]);
                hashes.push(hash);
                from = end;
            }
            let found = (0..hashes.len()).rev().find_map(|i| {
                let id = self
                    .vocab
                    .find(hashes[i], prefix, &text[start..ends[first + i]])?;
                Some((id, first + i + 1))
            });
            let Some((id, next)) = found else {
                return false;
            };
            out.push(id);
            first = next;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(text: &str) -> Vec<String> {
        let list = "[UNK]\nun\n##aff\n##able\naffable\ncafe\n,\n!\n世\nstraße\nι\n##ς\na\n##a";
        let tokenizer = WordPiece::new(Vocab::from_lines(list).unwrap());
        let mut out = Vec::new();
        tokenizer.encode(text, 1000, Some(0), &mut out);
        out.iter()
            .map(|&id| tokenizer.vocab().piece(id).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn words_split_into_the_longest_pieces() {
        assert_eq!(pieces("unaffable"), ["un", "##aff", "##able"]);
        assert_eq!(pieces("affable"), ["affable"]);
        assert_eq!(pieces("unaffably"), ["[UNK]"]);
    }

    #[test]
    fn accents_case_and_control_characters_do_not_matter() {
        assert_eq!(pieces("CAFÉ\u{200d}"), ["cafe"]);
        assert_eq!(pieces("cafe\u{301}\0"), ["cafe"]);
        assert_eq!(pieces("STRAßE"), ["straße"]);
        assert_eq!(pieces("ΙΣ"), ["[UNK]"]);
    }

    #[test]
    fn punctuation_and_ideographs_stand_alone() {
        assert_eq!(pieces("cafe,世cafe!"), ["cafe", ",", "世", "cafe", "!"]);
        assert_eq!(pieces("cafe\u{3000}cafe"), ["cafe", "cafe"]);
    }

    #[test]
    fn a_word_of_more_than_100_characters_is_unknown() {
        assert_eq!(pieces(&"a".repeat(100)).len(), 100);
        assert_eq!(pieces(&"a".repeat(101)), ["[UNK]"]);
    }

    #[test]
    fn reading_stops_at_the_limit() {
        let tokenizer = WordPiece::new(Vocab::from_lines("a\n##a").unwrap());
        let mut out = vec![7];
        tokenizer.encode(&"aaa ".repeat(1_000_000), 5, None, &mut out);
        assert_eq!(out, [7, 0, 1, 1, 0, 1]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>(), limit in 0_usize..20) {
            let tokenizer = WordPiece::new(Vocab::from_lines("a\n##b\nc").unwrap());
            let mut out = Vec::new();
            tokenizer.encode(&text, limit, Some(1), &mut out);
            prop_assert!(out.len() <= limit);
            prop_assert!(out.iter().all(|&id| id < 3));
        }
    }
}
