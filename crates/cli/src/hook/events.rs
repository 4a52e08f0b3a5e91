//! The one table of events: which hooks there are, what each program calls them, and how they are
//! entered into its settings. `memrl hook`, `memrl setup` and the plugin follow it.

use std::time::Duration;

/// A program whose hooks we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Claude Code.
    ClaudeCode,
    /// Codex, which speaks as Claude Code does.
    Codex,
    /// Cursor.
    Cursor,
}

impl Client {
    /// The name on the command line and in notes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::ClaudeCode, Self::Codex, Self::Cursor];
        all.into_iter().find(|c| c.name() == name)
    }
}

/// Something that happens in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A session starts, or goes on.
    SessionStart,
    /// The user sends a prompt.
    Prompt,
    /// A tool was used.
    Tool,
    /// The agent has answered.
    Stop,
    /// The context is about to be shortened.
    PreCompact,
    /// The session ends.
    SessionEnd,
}

impl Event {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::SessionStart,
        Self::Prompt,
        Self::Tool,
        Self::Stop,
        Self::PreCompact,
        Self::SessionEnd,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessionStart => "session-start",
            Self::Prompt => "prompt",
            Self::Tool => "tool",
            Self::Stop => "stop",
            Self::PreCompact => "pre-compact",
            Self::SessionEnd => "session-end",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.name() == name)
    }

    /// Longest time that a hook may take. Claude Code cuts a session's end off after about 1.5 s,
    /// and where nobody waits there is time for a database that is busy.
    pub fn limit(self, client: Client) -> Duration {
        let mut hooks = hooks_of(client).iter();
        Duration::from_millis(match self {
            Self::PreCompact | Self::SessionEnd => 1000,
            _ if hooks.any(|h| h.event == self && h.background) => 8000,
            _ => 2000,
        })
    }
}

/// How an event is entered into the settings of a program.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// The event.
    pub event: Event,
    /// What the program calls it.
    pub native: &'static str,
    /// Which of them; `None` for all.
    pub matcher: Option<&'static str>,
    /// Seconds after which the program gives up; `None` leaves its default.
    pub timeout: Option<u32>,
    /// Whether the program goes on without waiting.
    pub background: bool,
    /// Whether the command line names the program.
    pub says_client: bool,
}

const fn entry(event: Event, native: &'static str) -> Registered {
    Registered {
        event,
        native,
        matcher: None,
        timeout: Some(5),
        background: false,
        says_client: false,
    }
}

/// Every way in which a session starts.
const STARTS: Option<&str> = Some("startup|resume|clear|compact");

/// `PostToolUse` is not among them: it comes after every successful call, and a process per call
/// would learn nothing from it.
const CLAUDE_CODE: &[Registered] = &[
    Registered {
        matcher: STARTS,
        ..entry(Event::SessionStart, "SessionStart")
    },
    entry(Event::Prompt, "UserPromptSubmit"),
    Registered {
        timeout: Some(10),
        background: true,
        ..entry(Event::Tool, "PostToolUseFailure")
    },
    Registered {
        timeout: Some(10),
        background: true,
        ..entry(Event::Stop, "Stop")
    },
    Registered {
        background: true,
        ..entry(Event::PreCompact, "PreCompact")
    },
    entry(Event::SessionEnd, "SessionEnd"),
];

/// Codex drops hooks that are to run in the background, has no event of failed tools and none of
/// a session's end: failures are read from the transcript, and each answer notes the session.
const CODEX: &[Registered] = &[
    Registered {
        matcher: STARTS,
        says_client: true,
        ..entry(Event::SessionStart, "SessionStart")
    },
    Registered {
        says_client: true,
        ..entry(Event::Prompt, "UserPromptSubmit")
    },
    Registered {
        timeout: Some(10),
        says_client: true,
        ..entry(Event::Stop, "Stop")
    },
];

/// Cursor takes context at the start of a session only, so nothing is recalled for its prompts.
const CURSOR: &[Registered] = &[
    Registered {
        timeout: None,
        says_client: true,
        ..entry(Event::SessionStart, "sessionStart")
    },
    Registered {
        timeout: None,
        says_client: true,
        ..entry(Event::Tool, "postToolUseFailure")
    },
    Registered {
        timeout: None,
        says_client: true,
        ..entry(Event::Stop, "afterAgentResponse")
    },
];

/// The hooks that a program gets.
pub const fn hooks_of(client: Client) -> &'static [Registered] {
    match client {
        Client::ClaudeCode => CLAUDE_CODE,
        Client::Codex => CODEX,
        Client::Cursor => CURSOR,
    }
}
