//! The episode while it is told: prompts, answers, calls and results, in order, from any client.
//!
//! **Architecture Invariant:** everything that it must remember is in the episode, so that reading
//! in pieces equals reading at once. Knows no file format.

use memrl_types::{EPISODE_SCHEMA, Episode, OpenTrouble, PendingCall, Session, Timestamp, Trouble};

use super::action::{Action, Kind, relative};
use super::counts::test_counts;
use super::{PARSER, ReadOptions, outputs, shell, words};
use crate::own::decision_ids;
use crate::redact::redacted;
use crate::signs;

/// Most errors that an episode keeps.
const MOST_TROUBLES: usize = 50;
/// Most files, tools, marks in one list.
const MOST_FILES: usize = 200;
/// Most calls that wait for results; the oldest are given up.
const MOST_PENDING: usize = 256;

/// An episode that is being told.
pub(super) struct Story {
    /// What was told so far.
    pub episode: Episode,
    /// The session, taken out of the episode for the time.
    pub session: Session,
}

impl Story {
    /// Goes on with an episode, or begins one.
    pub(super) fn new(before: Option<Episode>, options: &ReadOptions) -> Self {
        let mut episode = before.unwrap_or_default();
        let mut session = episode.session.take().unwrap_or_default();
        session.parser = PARSER;
        if !options.root.is_empty() {
            session.reading.root.clone_from(&options.root);
        }
        Self { episode, session }
    }

    /// The episode as told so far.
    pub(super) fn end(self) -> Episode {
        let Self {
            mut episode,
            session,
        } = self;
        episode.schema = EPISODE_SCHEMA;
        if episode.project.is_empty() {
            shell::base(session.reading.root.trim_end_matches(['/', '\\']))
                .clone_into(&mut episode.project);
        }
        let intent = &mut episode.intent;
        let first = redacted(&words::first_sentences(&intent.raw_prompt, 300));
        // `hi` is no task: the first prompt behind it is. What somebody else put there stays.
        let task = intent
            .later
            .first()
            .filter(|_| words::telling(&intent.raw_prompt) == 0);
        if intent.extracted_intent.is_empty() || intent.extracted_intent == first {
            intent.extracted_intent = task.cloned().unwrap_or(first);
        }
        if intent.task_type == memrl_types::TaskType::Unknown {
            intent.task_type = signs::task_type_of(&intent.raw_prompt);
        }
        if intent.task_type == memrl_types::TaskType::Unknown
            && words::telling(&intent.raw_prompt) == 0
        {
            intent.task_type = signs::task_type_of(&intent.extracted_intent);
        }
        episode.session = Some(session);
        episode.outcome.status = signs::status_of(&episode);
        let mut tags = signs::tags_of(&episode);
        tags.append(&mut episode.intent.domain);
        tags.sort();
        tags.dedup();
        episode.intent.domain = tags;
        episode
    }

    /// The directory that the client worked in; the first one is the root.
    pub(super) fn directory(&mut self, path: &str) {
        if self.session.reading.root.is_empty() {
            self.session.reading.root = redacted(words::cut(&redacted(path), 1_000));
        }
    }

    /// The client's id of the session; the first one stays.
    pub(super) fn id(&mut self, id: &str) {
        if self.session.id.is_empty() {
            words::cut(id, 100).clone_into(&mut self.session.id);
        }
    }

    /// When something of the session happened.
    pub(super) fn time(&mut self, text: &str) {
        if let Ok(time) = text.parse::<Timestamp>() {
            let e = &mut self.episode;
            e.timestamp_start = Some(e.timestamp_start.map_or(time, |t| t.min(time)));
            e.timestamp_end = Some(e.timestamp_end.map_or(time, |t| t.max(time)));
        }
    }

    /// One more step, and its number.
    pub(super) fn step(&mut self) -> u32 {
        let seen = &mut self.session.reading.seen;
        seen.step = seen.step.saturating_add(1);
        seen.step
    }

    /// A tool is called.
    pub(super) fn call(&mut self, id: &str, action: Action) {
        self.session.reading.prompt.clear();
        self.session.counts.tool_calls = self.session.counts.tool_calls.saturating_add(1);
        let tools = &mut self.episode.context.tools_invoked;
        match Kind::of(&action.tool) {
            Kind::Ours => {}
            Kind::Shell => shell::split(&action.subject)
                .iter()
                .filter(|c| !c.is_filter())
                .filter_map(shell::Simple::program)
                .for_each(|p| keep(tools, p)),
            _ => keep(tools, action.tool.clone()),
        }
        if id.is_empty() {
            return;
        }
        let pending = &mut self.session.pending;
        if pending.len() >= MOST_PENDING {
            pending.remove(0);
        }
        pending.push(PendingCall {
            id: words::cut(id, 100).to_owned(),
            tool: action.tool,
            subject: action.subject,
            action: action.key,
        });
    }

    /// The result of a call. `output` is asked for only where it matters.
    pub(super) fn result(&mut self, id: &str, failed: bool, output: impl FnOnce() -> String) {
        let pending = &mut self.session.pending;
        let Some(at) = pending.iter().position(|p| p.id == words::cut(id, 100)) else {
            return;
        };
        let call = pending.remove(at);
        let step = self.step();
        self.session.reading.seen.action = step;
        match Kind::of(&call.tool) {
            Kind::Ours => {
                for id in decision_ids(&output()) {
                    keep(&mut self.session.decisions, id);
                }
            }
            Kind::Shell => self.command_ended(&call, failed, &outputs::plain(&output())),
            _ if failed => self.failed(&call, &call.tool, &outputs::plain(&output())),
            _ => self.succeeded(&call),
        }
    }

    fn command_ended(&mut self, call: &PendingCall, failed: bool, output: &str) {
        let commands = shell::split(&call.subject);
        let step = self.session.reading.seen.step;
        let programs: Vec<String> = commands.iter().filter_map(shell::Simple::program).collect();
        let tests = commands.iter().find(|c| c.tests());
        let counts = tests.and_then(|_| test_counts(output));
        let code = outputs::exit_code(output);
        // These exit with 1 to say `nothing found` or `not the same`.
        let no_match = code == Some(1)
            && commands
                .last()
                .and_then(shell::Simple::program)
                .is_some_and(|p| {
                    ["grep", "rg", "ag", "diff", "cmp", "which", "pgrep"].contains(&p.as_str())
                });
        let failed = (failed || code.is_some_and(|c| c != 0)) && !no_match
            || counts.is_some_and(|c| c.failed > 0)
            || programs.iter().any(|p| p.starts_with("cargo ")) && outputs::build_failed(output);
        if let Some(counts) = counts {
            let outcome = &mut self.episode.outcome;
            outcome.tests_before.get_or_insert(counts);
            outcome.tests_after = Some(counts);
            self.session.reading.seen.tests = step;
        } else if tests.is_some() && failed {
            self.session.reading.seen.broken = step;
        }
        if commands.iter().any(shell::Simple::commits)
            && let Some(sha) = outputs::commit_sha(output)
        {
            self.episode.outcome.commit_sha = Some(sha);
            self.session.reading.seen.commit = step;
        }
        if commands.iter().any(shell::Simple::opens_pull_request)
            && let Some(number) = outputs::pull_request(output)
        {
            self.episode.outcome.pr_number = Some(number);
            self.session.reading.seen.commit = step;
        }
        if failed {
            let class = tests
                .and_then(shell::Simple::program)
                .or_else(|| programs.first().cloned());
            self.failed(call, class.as_deref().unwrap_or(&call.tool), output);
            return;
        }
        if commands.iter().any(shell::Simple::reverts) {
            self.session.counts.reverts = self.session.counts.reverts.saturating_add(1);
            self.session.reading.seen.revert = step;
        }
        self.succeeded(call);
    }

    /// An action went well: it settles its earlier failures, and its files count.
    fn succeeded(&mut self, call: &PendingCall) {
        self.resolve(&call.action);
        let root = self.session.reading.root.clone();
        match Kind::of(&call.tool) {
            Kind::Read => keep(
                &mut self.episode.context.files_read,
                inside(&call.subject, &root),
            ),
            Kind::Search if !call.subject.starts_with("for ") => {
                keep(
                    &mut self.episode.context.files_read,
                    inside(&call.subject, &root),
                );
            }
            Kind::Edit => call
                .subject
                .lines()
                .for_each(|path| self.edited(&inside(path, &root))),
            Kind::Shell => {
                let mut here = true;
                for simple in shell::split(&call.subject) {
                    if let Some(to) = simple.goes_to() {
                        here = relative(to, "") == relative(&root, "");
                    }
                    for file in simple.reads() {
                        // Where a relative path leads is known only while nobody has gone elsewhere.
                        if here || file.starts_with('/') {
                            keep(&mut self.episode.context.files_read, inside(file, &root));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn edited(&mut self, path: &str) {
        let files = &mut self.episode.context.files_modified;
        keep(files, path.to_owned());
        let Some(at) = files.iter().position(|f| f == path) else {
            return;
        };
        for open in &mut self.session.reading.open {
            if open.edited.len() < 5 && !open.edited.contains(&(at as u32)) {
                open.edited.push(at as u32);
            }
        }
    }

    /// An action failed.
    fn failed(&mut self, call: &PendingCall, class: &str, output: &str) {
        // A refusal by the user is no error of the tool.
        if output.trim_start().starts_with("The user doesn't want to")
            || output.trim_start().starts_with("[Request interrupted")
        {
            if let Some((_, said)) = output.split_once("the user said:") {
                let said = self.redacted(said);
                self.corrected(&said);
                let counts = &mut self.session.counts;
                counts.corrections = counts.corrections.saturating_add(1);
                let seen = &mut self.session.reading.seen;
                seen.correction = seen.step;
            }
            return;
        }
        let counts = &mut self.session.counts;
        counts.tool_failures = counts.tool_failures.saturating_add(1);
        let seen = &mut self.session.reading.seen;
        seen.failure = seen.step;
        let (error_type, message) = outputs::classify(&self.redacted(output), class);
        let (error_type, message) = (redacted(&error_type), redacted(&message));
        let troubles = &mut self.episode.context.errors_encountered;
        let known = troubles
            .iter()
            .position(|t| t.error_type == error_type && t.message == message);
        let at = known.unwrap_or(troubles.len());
        match troubles.get_mut(at) {
            Some(again) => {
                again.resolved = false;
                again.resolution = None;
            }
            None if at < MOST_TROUBLES => troubles.push(Trouble {
                error_type,
                message,
                ..Trouble::default()
            }),
            None => return,
        }
        let open = &mut self.session.reading.open;
        if !open.iter().any(|o| o.trouble == at as u32) {
            open.push(OpenTrouble {
                trouble: at as u32,
                action: call.action.clone(),
                ..OpenTrouble::default()
            });
        }
    }

    /// The same action went well: its failures are settled by what happened in between.
    fn resolve(&mut self, action: &str) {
        let context = &mut self.episode.context;
        self.session.reading.open.retain_mut(|open| {
            if open.action != action {
                return true;
            }
            let Some(trouble) = context.errors_encountered.get_mut(open.trouble as usize) else {
                return false;
            };
            let edited: Vec<&str> = open
                .edited
                .iter()
                .filter_map(|at| context.files_modified.get(*at as usize))
                .map(String::as_str)
                .collect();
            let edited = edited.join(", ");
            let text = match (open.said.as_str(), edited.as_str()) {
                ("", files) => files.to_owned(),
                (said, "") => said.to_owned(),
                (said, files) => format!("{said} ({files})"),
            };
            trouble.resolved = true;
            trouble.resolution = (!text.is_empty()).then(|| redacted(&words::line(&text, 500)));
            false
        });
    }
}

/// A path as it is kept: relative to the root where it lies in it.
fn inside(path: &str, root: &str) -> String {
    redacted(&relative(path, root))
}

/// Adds to a bounded list what is not in it yet.
pub(super) fn keep(list: &mut Vec<String>, item: String) {
    if !item.is_empty() && list.len() < MOST_FILES && !list.contains(&item) {
        list.push(item);
    }
}
