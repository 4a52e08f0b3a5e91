//! The point `compact`: what to keep of a conversation when its window is full.

use std::fmt;

use super::{Feature, flag, log, push, table};
use crate::policy::categorical::Menu;

/// The name and version of the schema.
pub const COMPACT_V1: &str = "compact-v1";

/// What to do with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompactAction {
    /// Keep it word for word.
    Keep,
    /// Replace it by a summary.
    Summarise,
    /// Take it out of the window.
    Drop,
    /// Take it out of the window and store it in the memory.
    Archive,
}

impl CompactAction {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Summarise => "summarise",
            Self::Drop => "drop",
            Self::Archive => "archive",
        }
    }
}

impl fmt::Display for CompactAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The actions, in the order of their kinds in a [`Menu`].
pub const COMPACT: [CompactAction; 4] = [
    CompactAction::Keep,
    CompactAction::Summarise,
    CompactAction::Drop,
    CompactAction::Archive,
];

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The instructions of the conversation.
    System,
    /// The user.
    User,
    /// The agent.
    Assistant,
    /// What a tool answered.
    Tool,
}

/// One message, and the conversation around it.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each a feature of its own"
)]
pub struct CompactInput {
    /// Who wrote it.
    pub role: Role,
    /// Whether it must stay: instructions, constraints, what the user pinned, calls without an answer yet.
    pub pinned: bool,
    /// Its tokens.
    pub tokens: u32,
    /// Tokens of its summary, as estimated.
    pub summary_tokens: u32,
    /// Messages after it.
    pub later: u32,
    /// Messages of the conversation.
    pub messages: u32,
    /// Tokens of the conversation.
    pub window_tokens: u64,
    /// Tokens that the window holds.
    pub window_limit: u64,
    /// Whether it is already a summary.
    pub summary: bool,
    /// Whether it is a question.
    pub question: bool,
    /// Whether it reports an error.
    pub error: bool,
    /// Share of its characters that are code, in [0, 1].
    pub code_share: f64,
    /// Its proper names.
    pub names: u32,
    /// Its numbers.
    pub numbers: u32,
    /// Share of its names and numbers that later messages use, in [0, 1].
    pub referenced: f64,
    /// Cosine to the last message of the user.
    pub to_goal: f64,
    /// Largest cosine to a later message: how far it is repeated.
    pub repeated: f64,
    /// Largest cosine to a cell of the memory: how far it is stored already.
    pub stored: f64,
}

/// `part` of `whole` in [0, 1]; all of it when there is nothing.
fn share(part: f64, whole: f64) -> f64 {
    (part / whole.max(1.0)).min(1.0)
}

pub(super) static TABLE: &[Feature<CompactInput>] = table! {
    "log_tokens", 0.0..=25.0, "ln(1 + tokens of the message)", |x| log(f64::from(x.tokens));
    "window_share", 0.0..=1.0, "its share of the tokens of the conversation", |x| share(f64::from(x.tokens), x.window_tokens as f64);
    "summary_share", 0.0..=1.0, "tokens of its summary as a share of its own", |x| share(f64::from(x.summary_tokens), f64::from(x.tokens));
    "recency", 0.0..=1.0, "1 / (1 + messages after it)", |x| 1.0 / (1.0 + f64::from(x.later));
    "log_later", 0.0..=25.0, "ln(1 + messages after it)", |x| log(f64::from(x.later));
    "first", 0.0..=1.0, "1 for the first message", |x| flag(x.later + 1 >= x.messages);
    "role_system", 0.0..=1.0, "1 for instructions", |x| flag(x.role == Role::System);
    "role_user", 0.0..=1.0, "1 when the user wrote it", |x| flag(x.role == Role::User);
    "role_assistant", 0.0..=1.0, "1 when the agent wrote it", |x| flag(x.role == Role::Assistant);
    "role_tool", 0.0..=1.0, "1 when a tool answered it", |x| flag(x.role == Role::Tool);
    "pinned", 0.0..=1.0, "1 when it must stay", |x| flag(x.pinned);
    "summary", 0.0..=1.0, "1 when it is a summary already", |x| flag(x.summary);
    "question", 0.0..=1.0, "1 when it is a question", |x| flag(x.question);
    "error", 0.0..=1.0, "1 when it reports an error", |x| flag(x.error);
    "code_share", 0.0..=1.0, "share of its characters that are code", |x| x.code_share;
    "names", 0.0..=10.0, "ln(1 + its proper names)", |x| log(f64::from(x.names));
    "numbers", 0.0..=10.0, "ln(1 + its numbers)", |x| log(f64::from(x.numbers));
    "referenced", 0.0..=1.0, "share of its names and numbers that later messages use", |x| x.referenced;
    "to_goal", -1.0..=1.0, "cosine to the last message of the user", |x| x.to_goal;
    "repeated", -1.0..=1.0, "largest cosine to a later message", |x| x.repeated;
    "stored", -1.0..=1.0, "largest cosine to a cell of the memory", |x| x.stored;
    "window_full", 0.0..=2.0, "tokens of the conversation / tokens that the window holds", |x| x.window_tokens as f64 / (x.window_limit as f64).max(1.0);
    "log_messages", 0.0..=25.0, "ln(1 + messages of the conversation)", |x| log(f64::from(x.messages));
};

/// What could be done with a message: keep, summarise, drop, archive.
///
/// What is pinned is kept. A summary is legal where it is shorter than the message, and never of a summary, which
/// would lose a
/// little each time.
pub fn compact_menu(input: &CompactInput) -> Menu {
    let free = !input.pinned;
    let shorter = input.summary_tokens < input.tokens && !input.summary;
    let legal = [true, free && shorter, free, free];
    let mut menu = Menu {
        kinds: (0..COMPACT.len()).collect(),
        legal: legal.to_vec(),
        features: Vec::new(),
    };
    for _ in COMPACT {
        push(TABLE, input, &mut menu.features);
    }
    menu
}
