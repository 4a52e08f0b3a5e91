//! Loader for `HotpotQA` (Yang et al. 2018, distractor setting): one JSON object per line with
//! `question`, `answer`, `context` (titles with their sentences) and `supporting_facts`.
//!
//! Sentences become turns: the session is the title, the position is the sentence's number.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::dataset::{Category, Conversation, Question, Turn};
use crate::read::{self, LoadError, Node};

/// Loads a `.jsonl` or `.jsonl.gz` file: one conversation per question, whose turns are the
/// sentences of the question's own paragraphs.
pub fn load(path: &Path) -> Result<Vec<Conversation>, LoadError> {
    parse(&read::text(path)?, &path.display().to_string())
}

/// Reads the text of such a file; `file` is its name in errors.
pub fn parse(text: &str, file: &str) -> Result<Vec<Conversation>, LoadError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            let place = format!("line {}", i + 1);
            let value: Value = serde_json::from_str(line).map_err(|source| LoadError::Json {
                file: file.to_owned(),
                place: place.clone(),
                source,
            })?;
            record(&Node::root(file, place, &value))
        })
        .collect()
}

/// One conversation in which every question searches the paragraphs of all. A paragraph that
/// several questions share is taken once.
pub fn pooled(conversations: &[Conversation]) -> Conversation {
    let mut pool = Conversation {
        id: "pool".to_owned(),
        ..Conversation::default()
    };
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for conversation in conversations {
        let places: Vec<usize> = conversation
            .turns
            .iter()
            .map(|turn| {
                // Title and text: two dumps of one article may cut its sentences differently.
                *seen
                    .entry((turn.id.clone(), turn.text.clone()))
                    .or_insert_with(|| {
                        pool.turns.push(turn.clone());
                        pool.turns.len() - 1
                    })
            })
            .collect();
        pool.questions
            .extend(conversation.questions.iter().map(|question| {
                let mut evidence: Vec<usize> =
                    question.evidence.iter().map(|&e| places[e]).collect();
                evidence.sort_unstable();
                Question {
                    evidence,
                    ..question.clone()
                }
            }));
        pool.warnings.extend(conversation.warnings.iter().cloned());
    }
    pool
}

fn record(node: &Node<'_>) -> Result<Conversation, LoadError> {
    let mut result = Conversation {
        id: match node.maybe("_id")? {
            Some(id) => id.scalar()?,
            None => node.path().to_owned(),
        },
        ..Conversation::default()
    };
    let mut places = HashMap::new();
    for paragraph in node.get("context", "a member `context`")?.items()? {
        let pair = paragraph.items()?;
        let [title, sentences] = pair.as_slice() else {
            return Err(paragraph.expected("[title, sentences]"));
        };
        let title = title.text()?;
        for (i, sentence) in sentences.items()?.iter().enumerate() {
            places.insert((title, i as u64), result.turns.len());
            result.turns.push(Turn {
                id: format!("{title}#{i}"),
                session: title.to_owned(),
                position: i as u32,
                speaker: None,
                text: sentence.text()?.trim().to_owned(),
                at: None,
                caption: None,
            });
        }
    }
    let mut evidence = Vec::new();
    for fact in node
        .get("supporting_facts", "a member `supporting_facts`")?
        .items()?
    {
        let pair = fact.items()?;
        let [title, sentence] = pair.as_slice() else {
            return Err(fact.expected("[title, sentence number]"));
        };
        let key = (title.text()?, sentence.number()?);
        match places.get(&key) {
            Some(&turn) => evidence.push(turn),
            None => result.warnings.push(format!(
                "{}: no sentence {} of {:?}",
                fact.path(),
                key.1,
                key.0
            )),
        }
    }
    evidence.sort_unstable();
    evidence.dedup();
    result.questions.push(Question {
        text: node
            .get("question", "a member `question`")?
            .text()?
            .to_owned(),
        // Bridge and comparison questions alike need two paragraphs.
        category: Category::MultiHop,
        evidence,
        answer: node.maybe("answer")?.map(|a| a.scalar()).transpose()?,
    });
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"_id":"q1","question":"Who?","answer":"Ann","context":[["A",["A is."," B made A."]],["B",["B is Ann."]]],"supporting_facts":[["B",0],["A",1],["A",9]]}"#;

    #[test]
    fn sentences_become_turns_with_their_title() {
        let loaded = parse(LINE, "x").unwrap();
        assert_eq!(loaded[0].turns.len(), 3);
        assert_eq!(loaded[0].turns[1].session, "A");
        assert_eq!(loaded[0].turns[1].text, "B made A.");
        assert_eq!(loaded[0].questions[0].evidence, [1, 2]);
        assert_eq!(loaded[0].warnings.len(), 1);
    }

    #[test]
    fn shared_paragraphs_are_pooled_once() {
        let two = parse(&format!("{LINE}\n\n{}", LINE.replace("q1", "q2")), "x").unwrap();
        let pool = pooled(&two);
        assert_eq!(pool.turns.len(), 3);
        assert_eq!(pool.questions.len(), 2);
        assert_eq!(pool.questions[1].evidence, [1, 2]);
    }

    #[test]
    fn a_wrong_shape_names_file_line_and_place() {
        let bad = LINE.replace("\"B is Ann.\"", "7");
        let error = parse(&format!("{LINE}\n{bad}"), "h.jsonl")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "h.jsonl: line 2.context[1][1][0]: expected a text, found the number 7"
        );
    }
}
