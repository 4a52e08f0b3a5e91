//! What is said in a session: prompts of the user and answers of the model.
//!
//! **Architecture Invariant:** every text is redacted before anything is made of it or cut from
//! it; a secret that was cut in two, or lost its line breaks, is not known any more.

use memrl_types::CountedAnswer;

use super::story::{Story, keep};
use super::words;
use crate::own::{citations, injected_decisions, strip_own, without_citations};
use crate::redact::{redact, redacted};

/// Answers whose tokens are remembered.
const MOST_ANSWERS: usize = 4;
/// Longest prompt that is kept, in characters.
const LONGEST_PROMPT: usize = 4_000;
/// Longest later prompt that is kept, in characters.
const LONGEST_LATER: usize = 200;
/// Most later prompts of one kind; of more of them the first few and the latest are kept.
const MOST_LATER: usize = 12;
const FIRST_LATER: usize = 4;
/// Longest solution, and how long an answer must be to be one, in characters.
const LONGEST_SOLUTION: usize = 600;
const SHORTEST_SOLUTION: usize = 40;
/// So much of an answer is kept while it is read.
const LONGEST_ANSWER: usize = 4 * LONGEST_SOLUTION;
/// A reply to thanks is no solution unless it is as long as this.
const LONGEST_REPLY: usize = 200;

impl Story {
    /// The text without secrets, which are counted.
    pub(super) fn redacted(&mut self, text: &str) -> String {
        let (clean, found) = redact(text);
        let count = &mut self.session.counts.redacted;
        *count = count.saturating_add(u32::try_from(found).unwrap_or(u32::MAX));
        clean.into_owned()
    }

    /// Text around the conversation: only what we injected there is looked at.
    pub(super) fn aside(&mut self, raw: &str) {
        for id in injected_decisions(raw) {
            keep(&mut self.session.decisions, id);
        }
    }

    /// A whole prompt, as the client wrote it down.
    pub(super) fn prompt(&mut self, raw: &str) {
        self.aside(raw);
        if raw.trim_start().starts_with("[Request interrupted by user") {
            self.interruption();
        }
        let text = self.redacted(&words::clean(raw));
        if text.is_empty() {
            return;
        }
        let hash = super::hash(text.as_bytes());
        if self.session.reading.prompt == hash {
            return;
        }
        if self.judge_prompt(&text) == 1 {
            self.first_prompt(&text);
        }
        self.session.reading.prompt = hash;
    }

    /// Counts a prompt and judges it by its redacted beginning; which prompt of the session it is,
    /// from 1.
    pub(super) fn judge_prompt(&mut self, beginning: &str) -> u32 {
        let step = self.step();
        self.session.reading.answer.clear();
        let counts = &mut self.session.counts;
        counts.prompts = counts.prompts.saturating_add(1);
        let seen = &mut self.session.reading.seen;
        seen.prompt = step;
        let number = counts.prompts;
        if number > 1 {
            let approves = words::approves(beginning);
            if words::corrects(beginning) {
                seen.correction = step;
                counts.corrections = counts.corrections.saturating_add(1);
                self.corrected(beginning);
            } else {
                if approves {
                    seen.approval = step;
                }
                self.asked(beginning, approves);
            }
        }
        number
    }

    /// Keeps what the user corrected, whose words are redacted.
    pub(super) fn corrected(&mut self, words: &str) {
        // `No.` alone says nothing.
        if words::telling(words) > 0 {
            let text = redacted(&words::line(words, LONGEST_LATER));
            keep_ends(&mut self.episode.intent.corrections, text);
        }
    }

    /// Keeps what the user asked for later, unless it only says to go on, or thanks.
    fn asked(&mut self, prompt: &str, approves: bool) {
        if words::telling(prompt) >= if approves { 3 } else { 2 } {
            let text = redacted(&words::first_sentences(prompt, LONGEST_LATER));
            keep_ends(&mut self.episode.intent.later, text);
        }
    }

    /// The first prompt, without wrappers, redacted. What was made of an earlier reading of it is
    /// made anew.
    pub(super) fn first_prompt(&mut self, text: &str) {
        let intent = &mut self.episode.intent;
        // Once more: what is stored must not change when it is redacted again.
        intent.raw_prompt = redacted(words::cut(text, LONGEST_PROMPT).trim_end());
        intent.extracted_intent.clear();
        intent.task_type = memrl_types::TaskType::Unknown;
        intent.domain.clear();
    }

    /// One more line of the first prompt; whether another one may follow.
    pub(super) fn more_prompt(&mut self, line: &str, behind_a_blank_line: bool) -> bool {
        let mut text = std::mem::take(&mut self.episode.intent.raw_prompt);
        text.push_str(if behind_a_blank_line { "\n\n" } else { "\n" });
        text.push_str(line);
        let text = self.redacted(&text);
        self.first_prompt(&text);
        self.episode.intent.raw_prompt.len() == text.len()
    }

    /// The user interrupted.
    pub(super) fn interruption(&mut self) {
        let count = &mut self.session.counts.interruptions;
        *count = count.saturating_add(1);
    }

    /// A line that no parser knows.
    pub(super) fn unknown_line(&mut self) {
        let count = &mut self.session.counts.unknown_lines;
        *count = count.saturating_add(1);
    }

    /// An answer of the model, or one more part of it, and its tokens. Parts share an id.
    pub(super) fn answer(&mut self, id: &str, tokens: u64) {
        self.session.reading.prompt.clear();
        self.session.reading.answer.clear();
        let answers = &mut self.session.reading.answers;
        let known = answers.iter_mut().find(|a| !id.is_empty() && a.id == id);
        let more = if let Some(answer) = known {
            let more = tokens.saturating_sub(answer.tokens);
            answer.tokens += more;
            more
        } else {
            if !id.is_empty() {
                if answers.len() >= MOST_ANSWERS {
                    answers.remove(0);
                }
                answers.push(CountedAnswer {
                    id: words::cut(id, 100).to_owned(),
                    tokens,
                });
            }
            self.session.counts.answers = self.session.counts.answers.saturating_add(1);
            self.step();
            tokens
        };
        self.session.counts.tokens = self.session.counts.tokens.saturating_add(more);
    }

    /// What the agent said: a whole text of an answer.
    pub(super) fn said(&mut self, text: &str) {
        let text = self.heard(text);
        self.solved(&text);
    }

    /// One line of an answer of which more may come.
    pub(super) fn said_line(&mut self, line: &str) {
        let line = self.heard(line);
        let answer = &self.session.reading.answer;
        let full = answer.len() >= LONGEST_ANSWER && answer.chars().count() >= LONGEST_ANSWER;
        let blank = line.trim().is_empty();
        if full || blank && (answer.is_empty() || answer.ends_with("\n\n")) {
            return;
        }
        let mut text = std::mem::take(&mut self.session.reading.answer);
        text.push_str(words::cut(&line, 2 * LONGEST_ANSWER));
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let text = redacted(words::cut(&redacted(&text), LONGEST_ANSWER));
        self.solved(&text);
        self.session.reading.answer = text;
    }

    /// Takes an answer as the solution so far, when it says enough.
    fn solved(&mut self, answer: &str) {
        let seen = self.session.reading.seen;
        let solution = words::line(&words::without_marks(answer), LONGEST_SOLUTION);
        let length = solution.chars().count();
        let reply = seen.approval > 0
            && seen.approval == seen.prompt
            && seen.action < seen.prompt
            && length < LONGEST_REPLY
            && !self.episode.solution.is_empty();
        if length >= SHORTEST_SOLUTION && !reply {
            self.episode.solution = redacted(&solution);
        }
    }

    /// Takes the marks out of what the agent said; the rest of it, redacted.
    fn heard(&mut self, text: &str) -> String {
        let text = strip_own(text);
        for id in citations(&text) {
            keep(&mut self.session.cited, id);
        }
        let text = self.redacted(&without_citations(&text));
        for open in &mut self.session.reading.open {
            if open.said.is_empty() {
                open.said = redacted(&words::first_sentences(&text, 200));
            }
        }
        text
    }
}

/// Adds to a list what is not in it yet. Of a long one the middle is given up.
fn keep_ends(list: &mut Vec<String>, item: String) {
    if item.is_empty() || list.contains(&item) {
        return;
    }
    if list.len() >= MOST_LATER {
        list.remove(FIRST_LATER);
    }
    list.push(item);
}
