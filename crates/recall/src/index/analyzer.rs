//! Text to terms: what counts as the same word.
//!
//! Words are runs of letters, digits, `_` and inner apostrophes; lower-case, Latin, Greek and
//! Cyrillic accents folded, English Porter2 stems. Identifiers (`snake_case`, `camelCase`) give
//! their parts and the whole. Scripts without spaces give character bigrams. Knows neither
//! hashes nor documents.

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::stop::is_stop_word;

/// Longest word that is told from others by its tail, in bytes; longer ones (encoded data) are cut.
const MAX_WORD: usize = 96;

/// Most words of the name of a source that count.
const MAX_SOURCE_WORDS: usize = 12;

/// One word of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term<'a> {
    pub text: &'a str,
    /// Whether it says little about what is looked for.
    pub stop: bool,
    /// Whether it looks like a name: a capital letter inside a sentence, a digit, or a part of an identifier.
    pub name: bool,
}

/// Cuts texts into terms. Building one is cheap.
pub(super) struct Analyzer {
    stemmer: Stemmer,
}

/// Which side of the search a text is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Everything by which the text may be found.
    Document,
    /// What is looked for: of the overlapping forms of one place, only the most precise ones.
    Query,
}

impl Analyzer {
    pub fn new() -> Self {
        Self {
            stemmer: Stemmer::create(Algorithm::English),
        }
    }

    /// Calls `emit` for each term in the order of the text; stops early when it returns false.
    pub fn terms(&self, text: &str, side: Side, mut emit: impl FnMut(Term<'_>) -> bool) {
        let mut scratch = String::new();
        let mut rest = text;
        let mut first_word = true;
        while let Some((start, first)) = rest.char_indices().find(|&(_, c)| is_word_char(c)) {
            rest = &rest[start..];
            let dense = is_unspaced(first);
            let end = rest
                .char_indices()
                .find(|&(i, c)| !continues(rest, i, c, dense))
                .map_or(rest.len(), |(i, _)| i);
            let (word, tail) = rest.split_at(end);
            rest = tail;
            let go_on = if dense {
                bigrams(word, side, &mut emit)
            } else {
                self.word(word, first_word, &mut scratch, &mut emit)
            };
            first_word = false;
            if !go_on {
                return;
            }
        }
    }

    fn word(
        &self,
        word: &str,
        first: bool,
        scratch: &mut String,
        emit: &mut impl FnMut(Term<'_>) -> bool,
    ) -> bool {
        let word = word.trim_matches('_');
        if word.is_empty() {
            return true;
        }
        let cuts = cuts(word);
        // The first word of a text is written with a capital whatever it is.
        let name = !cuts.is_empty()
            || !first && word.starts_with(char::is_uppercase)
            || word.contains(|c: char| c.is_numeric());
        if !self.form(word, name, scratch, emit) {
            return false;
        }
        let mut from = 0;
        for &cut in &cuts {
            if !self.form(word[from..cut].trim_matches('_'), name, scratch, emit) {
                return false;
            }
            from = cut;
        }
        cuts.is_empty() || self.form(word[from..].trim_matches('_'), name, scratch, emit)
    }

    fn form(
        &self,
        word: &str,
        name: bool,
        scratch: &mut String,
        emit: &mut impl FnMut(Term<'_>) -> bool,
    ) -> bool {
        if word.is_empty() {
            return true;
        }
        fold(word, scratch);
        let stop = is_stop_word(scratch);
        // Porter2 knows apostrophes and letters; anything else (numbers, identifiers) stays whole.
        if scratch
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'\'')
        {
            let stem = self.stemmer.stem(scratch);
            emit(Term {
                text: &stem,
                stop,
                name,
            })
        } else {
            emit(Term {
                text: scratch,
                stop,
                name,
            })
        }
    }
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn continues(text: &str, at: usize, c: char, dense: bool) -> bool {
    if is_word_char(c) {
        return is_unspaced(c) == dense;
    }
    if is_combining_mark(c) {
        return true;
    }
    // An apostrophe belongs to the word only between letters.
    matches!(c, '\'' | '\u{2019}')
        && !dense
        && text[at + c.len_utf8()..]
            .chars()
            .next()
            .is_some_and(char::is_alphabetic)
}

/// Scripts that are written without spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}'      // Thai, Lao
        | '\u{1000}'..='\u{109F}'    // Myanmar
        | '\u{1780}'..='\u{17FF}'    // Khmer
        | '\u{3040}'..='\u{30FF}'    // Hiragana, Katakana
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' // Han
        | '\u{AC00}'..='\u{D7AF}'    // Hangul: spaced, but particles stick to the words
        | '\u{20000}'..='\u{3FFFF}') // Han extensions
}

/// Documents give characters and pairs, so that a query of one character is found too.
fn bigrams(run: &str, side: Side, emit: &mut impl FnMut(Term<'_>) -> bool) -> bool {
    let starts: Vec<usize> = run.char_indices().map(|(i, _)| i).collect();
    let end = |i: usize| starts.get(i).copied().unwrap_or(run.len());
    for (i, &start) in starts.iter().enumerate() {
        let single = side == Side::Document || starts.len() == 1;
        if single
            && !emit(Term {
                text: &run[start..end(i + 1)],
                stop: false,
                name: false,
            })
        {
            return false;
        }
        let pair = i + 1 < starts.len();
        if pair
            && !emit(Term {
                text: &run[start..end(i + 2)],
                stop: false,
                name: false,
            })
        {
            return false;
        }
    }
    true
}

/// Byte offsets at which an identifier is cut: at `_`, at `aB`, and before the last capital of
/// `ABc`. Empty for a plain word.
fn cuts(word: &str) -> Vec<usize> {
    let mut out = Vec::new();
    let mut chars = word.char_indices().peekable();
    let mut before: Option<char> = None;
    while let Some((at, c)) = chars.next() {
        if let Some(b) = before {
            let hump = c.is_uppercase()
                && (b.is_lowercase()
                    || b.is_uppercase() && chars.peek().is_some_and(|&(_, n)| n.is_lowercase()));
            if (hump || c == '_') && out.last() != Some(&at) {
                out.push(at);
            }
        }
        before = Some(c);
    }
    out
}

/// Lower case without accents into `out`, cut to [`MAX_WORD`].
fn fold(word: &str, out: &mut String) {
    out.clear();
    for c in word.chars() {
        if out.len() >= MAX_WORD {
            return;
        }
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
        } else if c == '\u{2019}' {
            out.push('\'');
        } else if has_foldable_accents(c) {
            let plain = std::iter::once(c).nfkd().filter(|&d| !is_accent(d));
            out.extend(plain.flat_map(char::to_lowercase));
        } else if !is_accent(c) {
            out.extend(c.to_lowercase());
        }
    }
}

fn is_accent(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}')
}

/// Scripts in which an accent is often left out. Elsewhere a mark is a letter (vowel signs), and a
/// decomposition would take syllables apart.
fn has_foldable_accents(c: char) -> bool {
    matches!(c, '\u{00AA}'..='\u{052F}' | '\u{1E00}'..='\u{1FFF}' | '\u{FB00}'..='\u{FB06}'
        | '\u{FF10}'..='\u{FF5A}')
}

/// The words of the name of a source (a file, a document), as the words of a query are cut: at most
/// twelve, the last ones, because the end of a path says more than its beginning.
pub fn source_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    Analyzer::new().terms(name, Side::Document, |t| {
        if !t.stop && !words.iter().any(|w| w == t.text) {
            words.push(t.text.to_owned());
        }
        true
    });
    let from = words.len().saturating_sub(MAX_SOURCE_WORDS);
    words.split_off(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        collect(text, Side::Document)
    }

    fn collect(text: &str, side: Side) -> Vec<String> {
        let mut out = Vec::new();
        Analyzer::new().terms(text, side, |t| {
            out.push(t.text.to_owned());
            true
        });
        out
    }

    #[test]
    fn forms_of_one_word_are_one_term() {
        assert_eq!(terms("Camping CAMPS camped"), ["camp"; 3]);
        assert_eq!(terms("Caroline's caroline’s Caroline"), ["carolin"; 3]);
        assert_eq!(terms("Café cafe\u{301} CAFE"), ["cafe"; 3]);
        assert_eq!(terms("Ёлка елка"), ["елка"; 2]);
    }

    #[test]
    fn stems_are_those_of_the_published_vocabulary() {
        // From the sample on the page of the Snowball project about its English stemmer.
        let words = "consign consisted consistency consistently consolation consoling conspire kneel \
                     kneeling knightly knives knocking knots";
        let stems = "consign consist consist consist consol consol conspir kneel kneel knight knive \
                     knock knot";
        let expected: Vec<&str> = stems.split_whitespace().collect();
        assert_eq!(terms(words), expected);
    }

    #[test]
    fn identifiers_are_found_whole_and_by_their_parts() {
        assert_eq!(terms("max_retries"), ["max_retries", "max", "retri"]);
        assert_eq!(
            terms("parseHTTPResponse"),
            ["parsehttprespons", "pars", "http", "respons"]
        );
        assert_eq!(terms("parsehttpresponse"), ["parsehttprespons"]);
        assert_eq!(
            terms("__init__ utf8 v2.13 src/main.rs"),
            ["init", "utf8", "v2", "13", "src", "main", "rs"]
        );
        assert_eq!(terms("a__b"), ["a__b", "a", "b"]);
    }

    #[test]
    fn scripts_without_spaces_give_pairs() {
        assert_eq!(collect("東京都に", Side::Query), ["東京", "京都", "都に"]);
        assert_eq!(collect("猫", Side::Query), ["猫"]);
        assert_eq!(terms("黒猫"), ["黒", "黒猫", "猫"]);
        assert_eq!(collect("Rust言語", Side::Query), ["rust", "言語"]);
    }

    #[test]
    fn capitals_digits_and_identifiers_are_names_but_not_the_first_word() {
        let names = |text: &str| {
            let mut out = Vec::new();
            Analyzer::new().terms(text, Side::Query, |t| {
                if t.name {
                    out.push(t.text.to_owned());
                }
                true
            });
            out
        };
        assert_eq!(names("Where did Ann go in 2023?"), ["ann", "2023"]);
        assert_eq!(names("fix max_retries"), ["max_retries", "max", "retri"]);
        assert!(names("Fix it").is_empty());
    }

    #[test]
    fn the_words_of_a_source_are_its_last_ones_once_each() {
        assert_eq!(source_words("src/main.rs"), ["src", "main", "rs"]);
        assert_eq!(source_words("c1/The Camping Trip"), ["c1", "camp", "trip"]);
        let long: Vec<String> = (0..40).map(|i| format!("d{i}")).collect();
        let words = source_words(&long.join("/"));
        assert_eq!((words.len(), words[11].as_str()), (12, "d39"));
    }

    #[test]
    fn punctuation_and_emptiness_give_nothing() {
        assert!(terms("").is_empty());
        assert!(terms(" … ' '' _ ___ 🦀 - ").is_empty());
        assert_eq!(terms("'quoted' rock'n'roll"), ["quot", "rock'n'rol"]);
    }

    #[test]
    fn a_huge_word_is_cut_and_not_kept() {
        assert_eq!(terms(&"x".repeat(1_000_000))[0].len(), MAX_WORD);
    }

    #[test]
    fn any_text_is_survived() {
        for text in [
            "\u{301}",
            "a\u{301}\u{301}'",
            "_'_",
            "İstanbul ŒUVRE ﬁn",
            "Ａ１",
            "กขค",
            "'_a'",
            "A\u{2019}_B",
        ] {
            let _ = terms(text);
        }
    }
}
