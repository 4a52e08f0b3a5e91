//! Loader for conversations in the format of `LoCoMo` (Maharana et al. 2024): a list of
//! `{sample_id, conversation, qa}`, or a single one.
//!
//! The published data has evidence such as `"D8:6; D9:17"`, `"D:11:26"` or ids of turns that do
//! not exist, and dates without sessions. What can be understood is; what cannot is named in
//! [`Conversation::warnings`]; a wrong shape is an error that names file and place.

use std::collections::HashMap;
use std::path::Path;

use memrl_types::Timestamp;
use serde_json::Value;

use crate::dataset::{Category, Conversation, Question, Turn};
use crate::read::{self, LoadError, Node};

/// What to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether to load questions that have no answer (category 5). Their evidence is what they
    /// mislead to, so recall says nothing about them.
    pub adversarial: bool,
}

/// Loads a `.json` or `.json.gz` file.
pub fn load(path: &Path, options: Options) -> Result<Vec<Conversation>, LoadError> {
    parse(&read::text(path)?, &path.display().to_string(), options)
}

/// Reads the text of such a file; `file` is its name in errors.
pub fn parse(text: &str, file: &str, options: Options) -> Result<Vec<Conversation>, LoadError> {
    let value: Value = serde_json::from_str(text).map_err(|source| LoadError::Json {
        file: file.to_owned(),
        place: "the file".to_owned(),
        source,
    })?;
    let root = Node::root(file, "", &value);
    if value.is_object() {
        return Ok(vec![sample(&root, 0, options)?]);
    }
    if !value.is_array() {
        return Err(root.expected("a list of conversations, or one"));
    }
    root.items()?
        .iter()
        .enumerate()
        .map(|(i, node)| sample(node, i, options))
        .collect()
}

fn sample(node: &Node<'_>, index: usize, options: Options) -> Result<Conversation, LoadError> {
    let mut result = Conversation {
        id: match node.maybe("sample_id")? {
            Some(id) => id.scalar()?,
            None => format!("conversation-{}", index + 1),
        },
        ..Conversation::default()
    };
    let talk = node.get("conversation", "a member `conversation`")?;
    for number in session_numbers(&talk)? {
        session(&talk, number, &mut result)?;
    }
    let mut ids = HashMap::with_capacity(result.turns.len());
    for (i, turn) in result.turns.iter().enumerate() {
        if ids.insert(turn.id.clone(), i).is_some() {
            result.warnings.push(format!(
                "turn id {} occurs twice; evidence means the last",
                turn.id
            ));
        }
    }
    if let Some(qa) = node.maybe("qa")? {
        for q in qa.items()? {
            result
                .questions
                .extend(question(&q, &ids, options, &mut result.warnings)?);
        }
    }
    Ok(result)
}

/// The numbers of the sessions that have turns, ascending. Dates without a session are common.
fn session_numbers(talk: &Node<'_>) -> Result<Vec<u64>, LoadError> {
    let map = talk
        .value
        .as_object()
        .ok_or_else(|| talk.expected("an object"))?;
    let mut numbers: Vec<u64> = map
        .iter()
        .filter(|(_, v)| !v.is_null())
        .filter_map(|(k, _)| k.strip_prefix("session_")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn session(talk: &Node<'_>, number: u64, result: &mut Conversation) -> Result<(), LoadError> {
    let name = format!("session_{number}");
    let at = match talk.maybe(&format!("{name}_date_time"))? {
        None => None,
        Some(date) => {
            let at = parse_date(date.text()?);
            if at.is_none() {
                result
                    .warnings
                    .push(format!("{}: {:?} is not a date", date.path(), date.text()?));
            }
            at
        }
    };
    for (position, turn) in talk.get(&name, "the session")?.items()?.iter().enumerate() {
        let optional = |key| -> Result<Option<String>, LoadError> {
            turn.maybe(key)?
                .map(|n| n.text().map(str::to_owned))
                .transpose()
        };
        result.turns.push(Turn {
            id: optional("dia_id")?.unwrap_or_else(|| format!("D{number}:{}", position + 1)),
            session: name.clone(),
            position: position as u32,
            speaker: Some(
                turn.get("speaker", "a member `speaker`")?
                    .text()?
                    .to_owned(),
            ),
            text: turn.get("text", "a member `text`")?.text()?.to_owned(),
            at,
            caption: optional("blip_caption")?,
        });
    }
    Ok(())
}

fn question(
    node: &Node<'_>,
    ids: &HashMap<String, usize>,
    options: Options,
    warnings: &mut Vec<String>,
) -> Result<Option<Question>, LoadError> {
    let number = node.get("category", "a member `category`")?;
    let category = Category::from_number(number.number()?)
        .ok_or_else(|| number.expected("a category from 1 to 5"))?;
    if category == Category::Adversarial && !options.adversarial {
        return Ok(None);
    }
    let mut evidence = Vec::new();
    if let Some(list) = node.maybe("evidence")? {
        // Some files have one text where others have a list.
        let texts = if list.value.is_string() {
            vec![list]
        } else {
            list.items()?
        };
        for text in texts {
            for id in evidence_ids(text.text()?) {
                match ids.get(&id) {
                    Some(&turn) => evidence.push(turn),
                    None => warnings.push(format!("{}: no turn {id:?}", text.path())),
                }
            }
        }
    }
    evidence.sort_unstable();
    evidence.dedup();
    Ok(Some(Question {
        text: node
            .get("question", "a member `question`")?
            .text()?
            .to_owned(),
        category,
        evidence,
        answer: node.maybe("answer")?.map(|a| a.scalar()).transpose()?,
    }))
}

/// The turn ids in one evidence text: split at blanks, commas and semicolons, and written as
/// the turns have them (`D:11:26` and `D11:026` are `D11:26`).
fn evidence_ids(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'))
        .filter(|part| !part.is_empty())
        .map(|part| canonical_id(part).unwrap_or_else(|| part.to_owned()))
}

fn canonical_id(id: &str) -> Option<String> {
    let (session, turn) = id
        .strip_prefix('D')?
        .trim_start_matches(':')
        .split_once(':')?;
    let (session, turn): (u32, u32) = (session.parse().ok()?, turn.parse().ok()?);
    Some(format!("D{session}:{turn}"))
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// The time in `1:56 pm on 8 May, 2023` (taken as UTC), or in any form that [`Timestamp`] reads.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let lower = text.to_ascii_lowercase().replace(',', " ");
    let words: Vec<&str> = lower.split_whitespace().collect();
    let [clock, half, "on", day, month, year] = words.as_slice() else {
        return None;
    };
    let (hour, minute) = clock.split_once(':')?;
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match (*half, hour) {
        ("am", 12) => 0,
        ("am", 1..=11) | ("pm", 12) => hour,
        ("pm", 1..=11) => hour + 12,
        _ => return None,
    };
    let month = MONTHS.iter().position(|m| month.starts_with(m))? + 1;
    let (day, year): (u32, u32) = (day.parse().ok()?, year.parse().ok()?);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z")
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<String> {
        parse_date(text).map(|t| t.to_string())
    }

    #[test]
    fn locomo_dates_are_read_as_utc() {
        assert_eq!(
            date("1:56 pm on 8 May, 2023").unwrap(),
            "2023-05-08T13:56:00Z"
        );
        assert_eq!(
            date("12:40 am on 27 March, 2022").unwrap(),
            "2022-03-27T00:40:00Z"
        );
        assert_eq!(
            date("12:05 pm on 1 January, 2023").unwrap(),
            "2023-01-01T12:05:00Z"
        );
        assert_eq!(
            date("2023-05-08T13:56:00+02:00").unwrap(),
            "2023-05-08T11:56:00Z"
        );
        for nonsense in [
            "",
            "soon",
            "13:00 pm on 8 May, 2023",
            "1:56 pm on 31 February, 2023",
        ] {
            assert_eq!(date(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn odd_evidence_is_understood() {
        let ids = |text| evidence_ids(text).collect::<Vec<_>>();
        assert_eq!(ids("D8:6; D9:17"), ["D8:6", "D9:17"]);
        assert_eq!(ids("D9:1 D4:4 D4:6"), ["D9:1", "D4:4", "D4:6"]);
        assert_eq!(ids("D:11:26"), ["D11:26"]);
        assert_eq!(ids("D30:05"), ["D30:5"]);
        assert_eq!(ids("D"), ["D"]);
    }
}
