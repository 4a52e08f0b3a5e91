//! What kind of text a query or a cell is. Pure functions of texts; English words, and whatever a capital or a
//! digit says in any language.

use memrl_learn::{Asks, CellForm, QueryForm};

use super::named;

/// Words of time: a cell that has one may say when.
const TIMES: &[&str] = &[
    "afternoon",
    "ago",
    "april",
    "august",
    "autumn",
    "century",
    "christmas",
    "day",
    "days",
    "december",
    "decade",
    "easter",
    "evening",
    "february",
    "friday",
    "hour",
    "hours",
    "january",
    "july",
    "june",
    "march",
    "midnight",
    "minutes",
    "monday",
    "month",
    "months",
    "morning",
    "night",
    "noon",
    "november",
    "october",
    "recently",
    "saturday",
    "september",
    "since",
    "spring",
    "summer",
    "sunday",
    "thursday",
    "today",
    "tomorrow",
    "tonight",
    "tuesday",
    "wednesday",
    "week",
    "weekend",
    "weeks",
    "winter",
    "year",
    "years",
    "yesterday",
];
/// Numbers that are written out.
const NUMBERS: &[&str] = &[
    "billion",
    "couple",
    "dozen",
    "eight",
    "eleven",
    "fifty",
    "first",
    "five",
    "forty",
    "four",
    "half",
    "hundred",
    "hundreds",
    "million",
    "nine",
    "once",
    "second",
    "seven",
    "seventy",
    "six",
    "sixty",
    "ten",
    "third",
    "thirty",
    "thousand",
    "thousands",
    "three",
    "twelve",
    "twenty",
    "twice",
    "two",
];
/// Who speaks of themselves.
const SELF: &[&str] = &[
    "i", "i'd", "i'll", "i'm", "i've", "me", "mine", "my", "myself", "our", "us", "we", "we're",
    "we've",
];
/// Words that deny.
const DENIALS: &[&str] = &[
    "cannot", "neither", "never", "no", "nobody", "none", "nor", "not", "nothing", "without",
];
/// Verbs that open a question to be answered by yes or no.
const YES_NO: &[&str] = &[
    "am", "are", "can", "could", "did", "do", "does", "had", "has", "have", "is", "may", "might",
    "should", "was", "were", "will", "would",
];
/// What follows "how" when a number is asked for.
const AMOUNTS: &[&str] = &[
    "far", "large", "long", "many", "much", "often", "old", "tall",
];
/// What follows "what" or "which" when a time is asked for.
const WHENS: &[&str] = &[
    "century", "date", "day", "decade", "month", "time", "year", "years",
];

/// Words with their inner apostrophes, in lower case, and whether they looked like names.
fn words(text: &str) -> impl Iterator<Item = (String, bool)> + '_ {
    // The first word of a sentence is written with a capital whatever it is.
    let mut opening = true;
    text.split_whitespace().filter_map(move |raw| {
        let word = raw.trim_matches(|c: char| !c.is_alphanumeric());
        if word.is_empty() {
            return None;
        }
        let starts = std::mem::replace(&mut opening, raw.ends_with(['.', '!', '?', ':']));
        let name = !starts && word.starts_with(char::is_uppercase);
        Some((word.replace('\u{2019}', "'").to_lowercase(), name))
    })
}

/// Without what "'s" adds.
fn stem(word: &str) -> &str {
    word.strip_suffix("'s").unwrap_or(word)
}

fn is(list: &[&str], word: &str) -> bool {
    list.contains(&word)
}

/// What kind of text the content of a cell is.
pub(crate) fn of_cell(text: &str) -> CellForm {
    let mut bits = 0;
    for (word, name) in words(text) {
        let plain = stem(&word);
        let own = is(SELF, &word);
        for (bit, holds) in [
            (
                CellForm::NUMBER,
                word.contains(|c: char| c.is_numeric()) || is(NUMBERS, plain),
            ),
            (CellForm::TIME, is(TIMES, plain) || is_clock(&word)),
            (CellForm::NAME, name && !own),
            (CellForm::FIRST_PERSON, own),
            (
                CellForm::NEGATES,
                is(DENIALS, &word) || word.ends_with("n't"),
            ),
        ] {
            bits |= if holds { bit } else { 0 };
        }
    }
    let code = text.contains('`') || text.split_whitespace().any(is_code);
    CellForm(bits)
        .with(CellForm::ASKS, named::asks(text))
        .with(CellForm::CODE, code)
}

/// A time of day ("7pm", "10:30") or a year.
fn is_clock(word: &str) -> bool {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &word[digits..];
    digits > 0 && (matches!(rest, "am" | "pm") || rest.starts_with(':'))
        || digits == 4 && rest.is_empty() && word.starts_with(['1', '2'])
}

/// A path, a call, an identifier of several parts.
fn is_code(word: &str) -> bool {
    let inner = word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '_');
    inner.contains('_')
        || inner.contains("::")
        || word.contains("()")
        || inner.contains('/') && inner.contains('.')
        || inner
            .as_bytes()
            .windows(2)
            .any(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase())
}

/// What kind of query a text is.
pub(crate) fn of_query(text: &str, time: bool) -> QueryForm {
    let words: Vec<(String, bool)> = words(text).collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let own = |(w, _): &&(String, bool)| is(SELF, w);
    QueryForm {
        asks: asks(&words),
        words: count(words.len()),
        names: count(words.iter().filter(|w| w.1 && !own(w)).count()),
        time,
        first_person: words.iter().any(|w| own(&w)),
    }
}

/// By its first question word, wherever that stands; without one, by the verb that it opens with.
fn asks(words: &[(String, bool)]) -> Asks {
    let next = |i: usize| words.get(i + 1).map_or("", |w| stem(&w.0));
    let opening = words.first().map(|w| w.0.as_str());
    if opening.is_some_and(|w| is(YES_NO, w)) {
        return Asks::YesNo;
    }
    words
        .iter()
        .enumerate()
        .find_map(|(i, (word, _))| {
            Some(match stem(word) {
                "who" | "whom" | "whose" => Asks::Who,
                "what" | "which" if is(WHENS, next(i)) => Asks::When,
                "what" => Asks::What,
                "which" => Asks::Which,
                "when" => Asks::When,
                "where" => Asks::Where,
                "why" => Asks::Why,
                "how" if is(AMOUNTS, next(i)) => Asks::HowMany,
                "how" => Asks::How,
                _ => return None,
            })
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_apart_by_what_they_ask_for() {
        for (text, asks) in [
            ("Who painted it?", Asks::Who),
            ("What's the plan?", Asks::What),
            ("In which year did it open?", Asks::When),
            ("When was Ann there", Asks::When),
            ("where is it", Asks::Where),
            ("How many cats?", Asks::HowMany),
            ("how does it work", Asks::How),
            ("Did Ann say when?", Asks::YesNo),
            ("The firm has its seat in what city?", Asks::What),
            ("fix the build", Asks::Other),
            ("", Asks::Other),
        ] {
            assert_eq!(of_query(text, false).asks, asks, "{text}");
        }
    }

    #[test]
    fn names_and_the_asker_are_counted_in_a_query() {
        let form = of_query("What did Ann and Bob tell me?", true);
        assert_eq!((form.words, form.names), (7, 2));
        assert!(form.first_person && form.time);
        assert!(!of_query("What did Ann do? Sing?", false).first_person);
    }

    #[test]
    fn a_cell_has_the_bits_of_what_it_says() {
        let has = |text: &str, bit| of_cell(text).has(bit);
        assert!(has(
            "We met Ann yesterday",
            CellForm::TIME | CellForm::NAME | CellForm::FIRST_PERSON
        ));
        assert!(has("at 10:30 or 7pm", CellForm::TIME | CellForm::NUMBER));
        assert!(has("in 1999", CellForm::TIME) && !has("room 4021", CellForm::TIME));
        assert!(has("I didn't", CellForm::NEGATES) && has("Really?", CellForm::ASKS));
        for code in [
            "call max_retries",
            "see src/main.rs",
            "`x`",
            "parseHtml()",
            "a::b",
        ] {
            assert!(has(code, CellForm::CODE), "{code}");
        }
        assert_eq!(of_cell("The cat sat. It slept."), CellForm::default());
        assert_eq!(of_cell(""), CellForm::default());
    }
}
