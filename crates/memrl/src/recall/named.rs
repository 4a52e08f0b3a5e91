//! What a query names besides its words: people and times; and whether a text asks.
//!
//! Pure functions of texts. Months are known by their English names.

use std::collections::HashSet;

use crate::Timestamp;
use crate::live::name_hash;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Months that are everyday words, too.
const WORDS: [&str; 2] = ["March", "May"];
/// Four digits in this range are a year.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2100;

/// Whether a text ends by asking: what asks seldom answers.
pub(super) fn asks(text: &str) -> bool {
    let end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '”' | '’' | ')' | '*');
    text.trim_end_matches(end).ends_with(['?', '？', '؟'])
}

/// Whether a query names a month or a year.
pub(super) fn names_time(query: &str) -> bool {
    Named::of(query).has_time()
}

/// What a query names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Named {
    /// Hashes of its words, any of which may be a speaker's name.
    words: HashSet<u32>,
    months: Vec<i8>,
    years: Vec<i16>,
}

impl Named {
    pub(super) fn of(query: &str) -> Self {
        let mut named = Self::default();
        let words = query
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty());
        for (i, word) in words.enumerate() {
            named.words.insert(name_hash(word));
            let month = (1..).zip(MONTHS).find(|(_, name)| {
                // "march" and "May I …" are words; "March" in a sentence is a month.
                let exact = WORDS.contains(name);
                word == *name && (i > 0 || !exact) || !exact && word.eq_ignore_ascii_case(name)
            });
            named.months.extend(month.map(|(number, _)| number));
            if word.len() == 4
                && let Ok(year) = word.parse()
                && YEARS.contains(&year)
            {
                named.years.push(year);
            }
        }
        named
    }

    /// Whether this hash of a speaker's name (0: none) is one of its words.
    pub(super) fn speaker(&self, name: u32) -> bool {
        self.words.contains(&name)
    }

    /// Whether it names a month or a year at all.
    pub(super) fn has_time(&self) -> bool {
        !self.months.is_empty() || !self.years.is_empty()
    }

    /// Whether this time lies in a month and a year that it names; what it does not name does not
    /// matter. Days are not looked at: what happened is often told a few days later.
    pub(super) fn time(&self, at: Timestamp) -> bool {
        at.year_month().is_some_and(|(year, month)| {
            (self.months.is_empty() || self.months.contains(&month))
                && (self.years.is_empty() || self.years.contains(&year))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_named_month_and_year_hold_for_what_lies_in_both() {
        let named = Named::of("What did Ann plant in May 2023?");
        assert!(named.has_time());
        assert!(named.time(at("2023-05-01T00:00:00Z")) && named.time(at("2023-05-31T23:59:59Z")));
        assert!(!named.time(at("2023-06-01T00:00:00Z")) && !named.time(at("2022-05-10")));
        assert!(Named::of("since august").time(at("1999-08-10")));
        assert!(Named::of("all of 2021").time(at("2021-12-31")));
        assert!(Named::of("June or July").time(at("2020-07-04")));
    }

    #[test]
    fn everyday_words_and_numbers_are_no_times() {
        for text in [
            "May I march on?",
            "it may be",
            "room 4021",
            "1776",
            "",
            "20234 steps",
        ] {
            assert!(!Named::of(text).has_time(), "{text}");
        }
    }

    #[test]
    fn names_are_whole_words_in_any_case() {
        let named = Named::of("what did ANN's brother say");
        assert!(named.speaker(name_hash("Ann")) && !named.speaker(name_hash("An")));
        assert!(!named.speaker(0));
    }

    #[test]
    fn a_question_mark_at_the_end_asks() {
        assert!(asks("Really? ") && asks("(Is it?)") && asks("何ですか？"));
        assert!(!asks("Why? Because.") && !asks("") && !asks("so."));
    }
}
