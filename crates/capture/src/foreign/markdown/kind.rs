//! What a section seems to be, by its words. A guess: the user sees it before it is stored.

use memrl_types::CellType;

use super::blocks::{Section, Shape};

/// Beginnings of words, or phrases, that make a line a rule.
const RULES: &[&str] = &[
    "always",
    "never",
    "must",
    "do not",
    "don't",
    "don’t",
    "shall",
    "forbidden",
    "required to",
    "not allowed",
    "ensure",
    "make sure",
    "only use",
    "всегда",
    "никогда",
    "нельзя",
    "обязательно",
    "не используй",
    "запрещ",
];
/// Those that make it a wish rather than a rule.
const WISHES: &[&str] = &[
    "prefer",
    "favor",
    "favour",
    "i like",
    "i want",
    "would rather",
    "avoid",
    "rather than",
    "предпоч",
    "лучше",
];
/// Headings of sections that say how something is done.
const HOW: &[&str] = &[
    "how to",
    "steps",
    "setup",
    "set up",
    "install",
    "usage",
    "workflow",
    "deploy",
    "release",
    "commands",
    "build",
    "running",
    "procedure",
    "runbook",
    "как ",
    "установка",
    "сборка",
];
/// Languages of code blocks that are commands.
const SHELLS: &[&str] = &[
    "bash",
    "sh",
    "shell",
    "console",
    "zsh",
    "powershell",
    "fish",
];

/// A rule or a wish when at least half of its lines are, a procedure when it has numbered steps or
/// commands, else a fact.
pub(super) fn of(section: &Section, path: &str) -> CellType {
    let (mut lines, mut rules, mut wishes, mut numbered, mut commands) = (0, 0, 0, 0, false);
    for block in &section.blocks {
        match block.shape {
            Shape::Code => {
                let language = block.text.trim_start().trim_start_matches(['`', '~']);
                commands |= SHELLS.iter().any(|s| language.lines().next() == Some(*s));
                continue;
            }
            Shape::Item { numbered: true } => numbered += 1,
            _ => {}
        }
        let text = block.text.to_lowercase();
        lines += 1;
        let wish = WISHES.iter().any(|w| says(&text, w));
        rules += u32::from(RULES.iter().any(|w| says(&text, w)));
        wishes += u32::from(wish);
    }
    if lines > 0 && (rules + wishes) * 2 >= lines {
        return if wishes > rules {
            CellType::Preference
        } else {
            CellType::Constraint
        };
    }
    let heading = section
        .path
        .last()
        .map(|h| h.to_lowercase())
        .unwrap_or_default();
    let about_how = HOW.iter().any(|h| heading.contains(h)) && (commands || numbered > 0);
    let filed = path
        .replace('\\', "/")
        .split('/')
        .any(|dir| dir.starts_with("procedur"));
    if numbered >= 2 || about_how || (commands && lines <= 2) || filed {
        return CellType::Procedure;
    }
    CellType::Fact
}

/// Whether the text has the phrase at the beginning of a word.
fn says(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(at, _)| {
        text[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric())
    })
}
