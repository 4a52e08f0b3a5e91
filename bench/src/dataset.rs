//! What every loader produces: conversations of turns, and questions with their evidence.
//!
//! Plain data; knows nothing of files, formats or engines.

use memrl_types::{CellType, NewCell, Scope, SourcePosition, Timestamp, TokenCounter};
use serde::{Deserialize, Serialize};

/// One stream of turns with the questions asked about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// The identifier, unique within its file.
    pub id: String,
    /// Everything that was said, in order of session and position.
    pub turns: Vec<Turn>,
    /// The questions about it.
    pub questions: Vec<Question>,
    /// What the loader could not use, one sentence each (an evidence id without a turn, a date
    /// that is none). Empty for clean data.
    pub warnings: Vec<String>,
}

/// One thing that somebody said, or one sentence of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The identifier in the data set, e.g. `D3:14`.
    pub id: String,
    /// The session or document it belongs to.
    pub session: String,
    /// Its position there, from 0; neighbours differ by one.
    pub position: u32,
    /// Who said it; `None` for documents.
    pub speaker: Option<String>,
    /// What was said.
    pub text: String,
    /// When the session took place. All turns of a session share it: the data sets have no finer times.
    pub at: Option<Timestamp>,
    /// A description of an image that was shared with it.
    pub caption: Option<String>,
}

/// One question with the turns that answer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The question.
    pub text: String,
    /// What kind of question it is.
    pub category: Category,
    /// Indices into [`Conversation::turns`], ascending, without repetition. Empty when the data
    /// set names none: such a question cannot measure recall.
    pub evidence: Vec<usize>,
    /// The answer, when the data set has one.
    pub answer: Option<String>,
}

/// `LoCoMo`'s kinds of questions (Maharana et al. 2024, section 4.1), by their numbers in its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// 1: several turns have to be put together.
    MultiHop,
    /// 2: about when, in which order, or how long.
    Temporal,
    /// 3: needs knowledge of the world as well.
    OpenDomain,
    /// 4: one turn answers it.
    SingleHop,
    /// 5: cannot be answered.
    Adversarial,
}

impl Category {
    /// All categories, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::MultiHop,
        Self::Temporal,
        Self::OpenDomain,
        Self::SingleHop,
        Self::Adversarial,
    ];

    /// The category with this number, 1 to 5.
    pub fn from_number(number: u64) -> Option<Self> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        Self::ALL.get(index).copied()
    }

    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MultiHop => "multi-hop",
            Self::Temporal => "temporal",
            Self::OpenDomain => "open-domain",
            Self::SingleHop => "single-hop",
            Self::Adversarial => "adversarial",
        }
    }
}

impl std::fmt::Display for Category {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Turn {
    /// The text that is indexed and counted: `speaker: text`, the same as
    /// [`memrl_types::Cell::indexed_text`] of its cell. Captions are left out.
    pub fn indexed_text(&self) -> String {
        match &self.speaker {
            Some(speaker) => format!("{speaker}: {}", self.text),
            None => self.text.clone(),
        }
    }

    /// Tokens by the rule of the benchmarks: characters of the indexed text / 4, at least 1.
    pub fn tokens(&self) -> u32 {
        TokenCounter::Chars4.count(&self.indexed_text())
    }

    /// The cell to be written for this turn. `conversation` keeps sessions of different
    /// conversations apart; the turn's id becomes a source reference.
    pub fn to_cell(&self, conversation: &str, kind: CellType, scope: Scope) -> NewCell {
        NewCell {
            source: Some(SourcePosition {
                source: format!("{conversation}/{}", self.session),
                position: self.position,
            }),
            speaker: self.speaker.clone(),
            occurred_at: self.at,
            source_refs: vec![self.id.clone()],
            ..NewCell::new(kind, scope, self.text.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_have_the_numbers_of_the_files() {
        assert_eq!(Category::from_number(1), Some(Category::MultiHop));
        assert_eq!(Category::from_number(4), Some(Category::SingleHop));
        assert_eq!(Category::from_number(0), None);
        assert_eq!(Category::from_number(6), None);
    }

    #[test]
    fn a_turns_cell_indexes_the_turns_text() {
        let turn = Turn {
            id: "D2:1".into(),
            session: "session_2".into(),
            position: 0,
            speaker: Some("Ada".into()),
            text: "Tea, please.".into(),
            at: Some(Timestamp(5)),
            caption: None,
        };
        let cell = turn.to_cell("c1", CellType::Episode, Scope::default());
        assert_eq!(cell.speaker.as_deref(), Some("Ada"));
        assert_eq!(cell.content, "Tea, please.");
        assert_eq!(cell.source.unwrap().source, "c1/session_2");
        assert_eq!(cell.occurred_at, Some(Timestamp(5)));
        assert_eq!(turn.indexed_text(), "Ada: Tea, please.");
        assert_eq!(turn.tokens(), 4);
    }
}
