//! Plain text: turns that begin with `Human:`, `User:` or `Assistant:`, or prompts behind `> `.

use std::borrow::Cow;

use memrl_types::Turn;

use super::story::Story;
use super::words;
use crate::own::open_block;
use crate::redact::redact_line;

const USER: [&str; 2] = ["human:", "user:"];
const AGENT: [&str; 2] = ["assistant:", "ai:"];
/// So much of one line of a prompt is looked at, in characters.
const LONGEST_LINE: usize = 32_000;
/// The number of a turn of which nothing more is wanted.
const ENOUGH: u32 = u32::MAX;

/// What a line without its mark is, and whose.
enum Mark<'a> {
    User(&'a str),
    Agent(&'a str),
    Quoted(&'a str),
    None,
}

fn mark(line: &str) -> Mark<'_> {
    let after = |names: &[&str]| {
        names.iter().find_map(|n| {
            let head = line.get(..n.len())?;
            head.eq_ignore_ascii_case(n).then(|| &line[n.len()..])
        })
    };
    if let Some(rest) = after(&USER) {
        Mark::User(rest)
    } else if let Some(rest) = after(&AGENT) {
        Mark::Agent(rest)
    } else if let Some(rest) = line.strip_prefix("> ") {
        Mark::Quoted(rest)
    } else {
        Mark::None
    }
}

/// Whether a line begins a turn. A quotation alone does so only at the beginning of a file.
pub(super) fn is_line(line: &str, first: bool) -> bool {
    match mark(line) {
        Mark::User(_) | Mark::Agent(_) => true,
        Mark::Quoted(_) => first,
        Mark::None => false,
    }
}

/// Tells what a line says; whether it belongs to a turn.
pub(super) fn tell(line: &str, story: &mut Story) -> bool {
    let turn = story.session.reading.turn.take();
    let quoted = turn.as_ref().is_some_and(|t| t.quoted);
    let begin = |user, quoted| Turn {
        user,
        quoted,
        ..Turn::default()
    };
    let (mut turn, text) = match (mark(line), turn) {
        (Mark::User(text), _) => (begin(true, false), text),
        (Mark::Agent(text), _) => (begin_answer(story, quoted), text),
        (Mark::Quoted(text), None) => (begin(true, true), text),
        (Mark::Quoted(text), Some(turn)) if turn.quoted => {
            (if turn.user { turn } else { begin(true, true) }, text)
        }
        (_, Some(turn)) if turn.quoted && turn.user => {
            if line.trim().is_empty() {
                (turn, line)
            } else {
                (begin_answer(story, true), line)
            }
        }
        (_, Some(turn)) => (turn, line),
        (Mark::None, None) => return line.trim().is_empty(),
    };
    if turn.user {
        user(&mut turn, text, story);
    } else {
        agent(&mut turn, text, story);
    }
    story.session.reading.turn = Some(turn);
    true
}

fn begin_answer(story: &mut Story, quoted: bool) -> Turn {
    story.answer("", 0);
    Turn {
        quoted,
        ..Turn::default()
    }
}

/// The line without what belongs to a private key that goes on over several.
fn without_key<'t>(line: &'t str, turn: &mut Turn, story: &mut Story) -> Cow<'t, str> {
    let was_open = turn.key;
    let line = redact_line(line, &mut turn.key);
    if turn.key && !was_open {
        let count = &mut story.session.counts.redacted;
        *count = count.saturating_add(1);
    }
    line
}

/// Takes one line of a prompt. Between lines only the element that is still open is remembered,
/// or that there was an empty line, so that a line costs no more in a long turn than in a short one.
fn user(turn: &mut Turn, line: &str, story: &mut Story) {
    if turn.number == ENOUGH {
        return;
    }
    let blank = turn.text == "\n";
    // No line alone shows that a key goes on from the line before.
    let was_open = turn.key;
    let line = without_key(words::cut(line, LONGEST_LINE), turn, story);
    if was_open && line.is_empty() {
        return;
    }
    let text = format!("{}{line}\n", turn.text);
    story.aside(&text);
    let clean = words::clean(&text);
    let open = words::open_tag(&text).map(|tag| format!("<{tag}>\n"));
    turn.text = match open {
        Some(open) => open,
        None if clean.is_empty() && turn.number > 0 => "\n".to_owned(),
        None => String::new(),
    };
    if turn.number == 0 && words::by_programs(text.trim_start()) {
        if text
            .trim_start()
            .starts_with("[Request interrupted by user")
        {
            story.interruption();
        }
        turn.number = ENOUGH;
    }
    if clean.is_empty() || turn.number == ENOUGH {
        return;
    }
    if turn.number > 0 {
        if !story.more_prompt(&clean, blank) {
            turn.number = ENOUGH;
        }
        return;
    }
    let clean = story.redacted(&clean);
    turn.number = story.judge_prompt(&clean);
    if turn.number == 1 {
        story.first_prompt(&clean);
    } else {
        // Later prompts are judged by their beginning; of the first one all is wanted.
        turn.number = ENOUGH;
    }
}

fn agent(turn: &mut Turn, line: &str, story: &mut Story) {
    let line = without_key(line, turn, story);
    // Only a block of ours that is still open must be remembered, and of it only that it is.
    turn.text.push_str(&line);
    turn.text.push('\n');
    story.aside(&turn.text);
    story.said_line(&turn.text);
    turn.text = open_block(&turn.text)
        .map(|tag| format!("<{tag}>"))
        .unwrap_or_default();
}
