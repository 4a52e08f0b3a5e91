//! Texts of the log: the only place in it where content can be, and how it is erased there.

use std::collections::HashSet;

use rusqlite::{Connection, Transaction};

use crate::Result;
use crate::rows::Seq;

/// Stores a text; returns its number.
pub(super) fn put(tx: &Transaction<'_>, body: &str) -> Result<i64> {
    tx.prepare_cached("INSERT INTO texts (body) VALUES (?1)")?
        .execute([body])?;
    Ok(tx.last_insert_rowid())
}

/// Erases the contexts that showed a cell; returns how many there were.
pub(super) fn erase_contexts(tx: &Transaction<'_>, cell: Seq) -> Result<u64> {
    Ok(tx
        .prepare_cached(
            "DELETE FROM texts WHERE id IN (SELECT d.context FROM decision_items i \
             JOIN decisions d ON d.seq = i.decision WHERE i.cell = ?1 AND i.selected = 1)",
        )?
        .execute([cell])? as u64)
}

/// What gives a purged content away: the content as a whole, and those of its words that no
/// remaining cell contains.
#[derive(Debug, Default)]
pub(super) struct Traces {
    wholes: HashSet<String>,
    stems: HashSet<String>,
}

impl Traces {
    /// Adds a content (or another text of the cell).
    pub(super) fn add(&mut self, text: &str) {
        let text = normal(text);
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            self.stems.extend(stems(word));
        }
        // Shorter ones are one word, and parts of many others.
        if text.chars().count() >= LONG {
            self.wholes.insert(text);
        }
    }

    /// Removes the words that somebody else still has a right to.
    pub(super) fn spare(&mut self, text: &str) {
        if !self.stems.is_empty() {
            let text = normal(text);
            self.stems.retain(|stem| !is_in(&text, stem));
        }
    }

    /// Whether a text gives the content away.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let text = normal(text);
        self.wholes.iter().any(|w| text.contains(w.as_str()))
            || self.stems.iter().any(|s| is_in(&text, s))
    }

    /// Erases every text of the log with such traces; returns how many there were.
    pub(super) fn erase(&self, tx: &Transaction<'_>) -> Result<u64> {
        let doomed = self.search(tx)?;
        let mut delete = tx.prepare_cached("DELETE FROM texts WHERE id = ?1")?;
        for id in &doomed {
            delete.execute([id])?;
        }
        Ok(doomed.len() as u64)
    }

    fn search(&self, conn: &Connection) -> Result<Vec<i64>> {
        let mut found = Vec::new();
        let mut statement = conn.prepare_cached("SELECT id, body FROM texts")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if self.are_in(&row.get::<_, String>(1)?) {
                found.push(row.get(0)?);
            }
        }
        Ok(found)
    }
}

/// From this length on a stem counts inside of words, too ("prequaxtown"); a shorter one is part
/// of too many words that mean something else ("ann" of "planning").
const LONG: usize = 5;

fn is_in(text: &str, stem: &str) -> bool {
    let length = stem.chars().count();
    if length >= LONG || is_dense(stem) {
        return text.contains(stem);
    }
    text.split(|c: char| !c.is_alphanumeric())
        .any(|word| word.starts_with(stem) && word.chars().count() <= length + ENDING)
}

/// Whether there are characters of a script without spaces between words.
fn is_dense(text: &str) -> bool {
    text.chars().any(|c| c as u32 >= 0x2e80)
}

/// Letters that the ending of a word may have.
const ENDING: usize = 3;

/// Lower case, single spaces.
fn normal(text: &str) -> String {
    text.to_lowercase()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What to look for so that a word is found in all its endings: its beginning, at least four
/// letters and at most three short of the word. Words of one or two letters say nothing. In
/// scripts without spaces a "word" is a sentence, so there every three characters count.
fn stems(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let dense = is_dense(word);
    match letters.len() {
        0 => Vec::new(),
        1 | 2 if !dense => Vec::new(),
        n if dense && n > 3 => letters.windows(3).map(|w| w.iter().collect()).collect(),
        n => {
            let kept = n.saturating_sub(ENDING).max(4).min(n);
            vec![letters[..kept].iter().collect()]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_endings_of_a_word_give_it_away_and_words_of_others_do_not() {
        let mut traces = Traces::default();
        traces.add("The Quaxtowns are green");
        traces.spare("the hills are green");
        assert!(traces.are_in("where is QUAXTOWN?"));
        assert!(traces.are_in("the  quaxtowns\nare green"));
        assert!(!traces.are_in("are the hills greener"));
        assert!(!traces.are_in("quax"));
        let mut short = Traces::default();
        short.add("Ann");
        assert!(short.are_in("ask Ann's friend") && short.are_in("ANNE"));
        assert!(!short.are_in("planning an annulment"));
    }

    #[test]
    fn scripts_without_spaces_are_searched_by_threes() {
        let mut traces = Traces::default();
        traces.add("彼女の秘密は記憶です");
        assert!(traces.are_in("秘密は何"));
        assert!(!traces.are_in("秘"));
    }

    #[test]
    fn short_words_say_nothing_but_the_whole_does() {
        let mut traces = Traces::default();
        traces.add("PIN 07 it is");
        traces.spare("the pin");
        assert!(!traces.are_in("it is"));
        assert!(traces.are_in("so pin 07 it is"));
    }
}
