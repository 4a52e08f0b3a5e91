//! What can be told from signs: the kind of work, tags, and how it ended.
//!
//! Words are compared as whole words (`ci` is not in `decide`); only languages that put no spaces
//! between words are searched for parts. Knows episodes; no file format.

use memrl_types::{Episode, EpisodeStatus, LastSeen, SessionCounts, TaskType};

use crate::transcript::words::{cut, telling, words};

mod vocabulary;

use vocabulary::{EXTENSIONS, NAMES, TAGS, TASKS};

/// Prompts may hold whole logs: the kind of work is told from the beginning.
const TELLING_WORDS: usize = 60;

/// The kind of work that a prompt asks for: each word of the table counts for its kind, the kind
/// with the highest sum wins, of equals the one named first.
pub fn task_type_of(prompt: &str) -> TaskType {
    let beginning = cut(prompt, 2_000);
    let mut words = words(beginning);
    words.truncate(TELLING_WORDS);
    let mut sums = [(0_u32, usize::MAX); TaskType::ALL.len()];
    let mut count = |kind: TaskType, weight: u32, at: usize| {
        let (sum, first) = &mut sums[kind as usize];
        *sum += weight;
        *first = (*first).min(at);
    };
    for (at, word) in words.iter().enumerate() {
        let denied = at > 0 && ["0", "no", "zero", "without"].contains(&words[at - 1].as_str());
        for (kind, weight, names) in TASKS {
            if !denied && names.iter().any(|n| is(word, n)) {
                count(*kind, *weight, at);
            }
        }
    }
    for (kind, weight, names) in vocabulary::TASKS_JOINED {
        if let Some(at) = names.iter().filter_map(|n| beginning.find(n)).min() {
            count(*kind, *weight, at);
        }
    }
    TaskType::ALL
        .iter()
        .filter(|kind| sums[**kind as usize].0 > 0)
        .max_by_key(|kind| {
            (
                sums[**kind as usize].0,
                std::cmp::Reverse(sums[**kind as usize].1),
            )
        })
        .copied()
        .unwrap_or_default()
}

/// Whether a word is the one of a table, where `*` stands for any ending.
fn is(word: &str, name: &str) -> bool {
    match name.strip_suffix('*') {
        Some(stem) => word.starts_with(stem),
        None => word == name,
    }
}

/// Tags for a task, from its words and the files that it touched; sorted, each once.
pub fn tags_of(episode: &Episode) -> Vec<String> {
    let mut tags: Vec<&str> = Vec::new();
    for text in [&episode.intent.raw_prompt, &episode.intent.extracted_intent] {
        let all = words(text);
        for (tag, names) in TAGS {
            if all.iter().any(|w| names.iter().any(|n| is(w, n))) {
                tags.push(tag);
            }
        }
        tags.extend(
            vocabulary::TAGS_JOINED
                .iter()
                .filter(|(_, names)| names.iter().any(|n| text.contains(n)))
                .map(|(tag, _)| *tag),
        );
    }
    let context = &episode.context;
    for path in context.files_modified.iter().chain(&context.files_read) {
        let path = path.to_lowercase();
        let name = path.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map_or("", |(_, e)| e);
        tags.extend(
            EXTENSIONS
                .iter()
                .filter(|(_, all)| all.contains(&extension))
                .map(|(tag, _)| *tag),
        );
        tags.extend(
            NAMES
                .iter()
                .filter(|(_, all)| path.split('/').any(|part| all.contains(&part)))
                .map(|(tag, _)| *tag),
        );
    }
    tags.sort_unstable();
    tags.dedup();
    tags.into_iter().map(str::to_owned).collect()
}

/// Fewer telling words than this are no task.
const FEWEST_WORDS: usize = 4;
/// An answer longer than this says something, whatever was asked, in characters.
const LONGEST_TALK: usize = 200;

/// Whether a session was only talk in which nothing was done or said that is worth keeping
/// (`hi`, `/clear`, `ok continue`): no tool was called, no file touched, nothing went wrong or was
/// learned, the answer is short, and the prompts together have hardly a telling word.
pub fn is_empty_talk(episode: &Episode) -> bool {
    let Episode {
        intent,
        context,
        outcome,
        ..
    } = episode;
    let session = episode.session.as_ref();
    let done = session.is_some_and(|s| s.counts.tool_calls > 0)
        || !context.tools_invoked.is_empty()
        || !context.files_read.is_empty()
        || !context.files_modified.is_empty()
        || !context.errors_encountered.is_empty()
        || !episode.learnings.is_empty()
        || episode.diff.is_some()
        || outcome.tests_after.is_some()
        || outcome.commit_sha.is_some()
        || outcome.pr_number.is_some();
    if done || cut(&episode.solution, LONGEST_TALK).len() < episode.solution.len() {
        return false;
    }
    let mut said = format!("{}\n{}", intent.raw_prompt, intent.extracted_intent);
    for prompt in intent.corrections.iter().chain(&intent.later) {
        said.push('\n');
        said.push_str(prompt);
    }
    telling(&said) < FEWEST_WORDS
}

/// The signs of an episode in the order in which they were seen. An episode that was read from no
/// transcript knows no order: what it has counts as seen, nothing as later.
struct Signs {
    seen: LastSeen,
    counts: SessionCounts,
    /// Of the last test run: `Some(true)` when nothing failed.
    green: Option<bool>,
    /// Errors that nothing resolved.
    unresolved: usize,
    committed: bool,
}

impl Signs {
    fn of(episode: &Episode) -> Self {
        let (mut seen, counts) = episode
            .session
            .as_ref()
            .map_or_else(Default::default, |s| (s.reading.seen, s.counts));
        let outcome = &episode.outcome;
        let mut green = outcome
            .tests_after
            .filter(|t| t.passed > 0 || t.failed > 0)
            .map(|t| t.failed == 0);
        let committed = outcome.commit_sha.is_some() || outcome.pr_number.is_some();
        if green.is_some() {
            seen.tests = seen.tests.max(1);
        }
        if committed {
            seen.commit = seen.commit.max(1);
        }
        if seen.broken > seen.tests {
            green = Some(false);
        }
        Self {
            green,
            committed,
            unresolved: episode
                .context
                .errors_encountered
                .iter()
                .filter(|t| !t.resolved)
                .count(),
            seen,
            counts,
        }
    }

    /// When the user or a command last took something back; 0 = never.
    fn refused(&self) -> u32 {
        self.seen.correction.max(self.seen.revert)
    }

    /// Whether the last thing that was tried went wrong, and nothing made it good.
    fn ended_in_failure(&self) -> bool {
        self.unresolved > 0 && self.seen.failure > 0 && self.seen.failure == self.seen.action
    }

    /// Whether the user approved, and took nothing back later.
    fn approved(&self) -> bool {
        self.seen.approval > self.refused()
    }
}

/// The verdict on a session, from the signs in it. The first rule that applies decides:
///
/// 1. something was reverted, and neither a green test run nor a commit nor an approval came
///    after it: failure;
/// 2. the user's last prompt corrects, and nothing came after it: failure. What came after it is
///    judged by the other rules, so that a correction that was followed is partial at most;
/// 3. the user approved, and corrected or reverted nothing later: success;
/// 4. the last test run was red, or did not get as far as counting: partial if a commit came
///    after it, failure otherwise;
/// 5. the last action failed, and its error was not resolved: failure;
/// 6. the last test run was green, or a commit was made, and no correction or revert came later:
///    success;
/// 7. anything else: partial.
pub fn status_of(episode: &Episode) -> EpisodeStatus {
    let signs = Signs::of(episode);
    let seen = signs.seen;
    let refused = signs.refused();
    let good_tests = if signs.green == Some(true) {
        seen.tests
    } else {
        0
    };
    let good = good_tests.max(if signs.committed { seen.commit } else { 0 });
    let taken_back = seen.revert > good.max(seen.approval);
    // A step is a prompt, an answer or a result: the last one is the last thing at all.
    let last_word = seen.correction > 0 && seen.correction == seen.step;
    if taken_back || last_word {
        return EpisodeStatus::Failure;
    }
    if signs.approved() {
        return EpisodeStatus::Success;
    }
    if signs.green == Some(false) {
        let mended = signs.committed && seen.commit > seen.tests.max(seen.broken);
        return if mended {
            EpisodeStatus::Partial
        } else {
            EpisodeStatus::Failure
        };
    }
    if signs.ended_in_failure() {
        return EpisodeStatus::Failure;
    }
    if good > refused {
        EpisodeStatus::Success
    } else {
        EpisodeStatus::Partial
    }
}

/// Success in [0, 1] as guessed from the signs; `None` when there is no sign at all.
///
/// σ(Σ) with σ the logistic function and Σ the sum of
///
/// | sign | weight |
/// |---|---|
/// | last test run green, nothing taken back later | +2 |
/// | last test run green, something taken back later | 0 |
/// | last test run red or broken | −2 |
/// | a commit or pull request | +1 |
/// | the user approved and took nothing back later | +1.5 |
/// | each correction, at most 4 | −0.75 |
/// | each revert, at most 3 | −1 |
/// | each interruption, at most 3 | −0.5 |
/// | each unresolved error, at most 5 | −0.4 |
/// | the last action failed and was not made good | −1 |
///
/// One more failure, correction, revert or interruption never raises it, one more passed test
/// never lowers it. A correction that was followed weighs as much as one that was not: that it was
/// needed is the sign. The weights are a guess by hand: what they are worth is for the learner to
/// find out, which treats this as one observation of low weight.
pub fn implied_success(episode: &Episode) -> Option<f64> {
    let signs = Signs::of(episode);
    let some = |count: u32, most: u32, weight: f64| -weight * f64::from(count.min(most));
    let tests = match signs.green {
        Some(true) if signs.refused() > signs.seen.tests => 0.0,
        Some(true) => 2.0,
        Some(false) => -2.0,
        None => 0.0,
    };
    let counts = signs.counts;
    let parts = [
        tests,
        if signs.committed { 1.0 } else { 0.0 },
        if signs.approved() { 1.5 } else { 0.0 },
        some(counts.corrections, 4, 0.75),
        some(counts.reverts, 3, 1.0),
        some(counts.interruptions, 3, 0.5),
        some(signs.unresolved as u32, 5, 0.4),
        if signs.ended_in_failure() { -1.0 } else { 0.0 },
    ];
    let any = signs.green.is_some() || parts.iter().any(|p| *p != 0.0);
    any.then(|| 1.0 / (1.0 + (-parts.iter().sum::<f64>()).exp()))
}
