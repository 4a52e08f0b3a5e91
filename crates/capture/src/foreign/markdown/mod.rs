//! Markdown that people and agents keep as memory: `CLAUDE.md`, `AGENTS.md`, daily notes and
//! digests. Each section under a heading is one record, or several when it is long.

mod blocks;
mod front;
mod kind;

use std::collections::HashMap;

use self::blocks::{Section, sections};
use self::front::Front;
use super::{Record, Records, without_mark};

/// Longest text of a record, in characters, with its headings. Only a longer code block, which is
/// never split, makes a longer record.
pub const MAX_SECTION: usize = 2_000;
/// Longest line of headings, in characters.
const MAX_HEADING: usize = 200;

/// The sections of a Markdown file. `path` names it, relative to what is imported: it is part of
/// the keys (`path#heading/heading`, with `~2` for a second section of the same name and `:2` for
/// a second part of a long one).
pub fn parse_markdown(text: &str, path: &str) -> Records {
    let mut out = Records::default();
    let (front, body) = Front::split(without_mark(text));
    let when = front.when.or_else(|| front::day_of(path));
    let mut seen: HashMap<String, u32> = HashMap::new();
    // Our own blocks go first: they may span headings.
    let body = crate::strip_own(body);
    for section in sections(&body) {
        let place = section.path.join("/").to_lowercase();
        let times = seen.entry(place.clone()).or_default();
        *times += 1;
        let mut key = format!("{path}#{place}");
        if *times > 1 {
            key = format!("{key}~{times}");
        }
        let kind = kind::of(&section, path);
        for (n, text) in parts(&section, front.title.as_deref())
            .into_iter()
            .enumerate()
        {
            out.add(Record {
                key: if n == 0 {
                    key.clone()
                } else {
                    format!("{key}:{}", n + 1)
                },
                kind,
                text,
                source: path.to_owned(),
                tags: front.tags.clone(),
                when,
            });
        }
    }
    out
}

/// The texts of a section, each with the headings that it stands under.
fn parts(section: &Section, title: Option<&str>) -> Vec<String> {
    let titled = title.filter(|t| section.path.first().is_none_or(|first| first != t));
    let names: Vec<&str> = titled
        .into_iter()
        .chain(section.path.iter().map(String::as_str))
        .collect();
    let heading: String = names.join(" › ").chars().take(MAX_HEADING).collect();
    let room = MAX_SECTION - heading.chars().count() - usize::from(!heading.is_empty());
    section
        .packed(room)
        .into_iter()
        .map(|body| {
            if heading.is_empty() {
                body
            } else {
                format!("{heading}\n{body}")
            }
        })
        .collect()
}
