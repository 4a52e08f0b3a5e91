//! Colours, as few as possible: nothing that is said with a colour is said by the colour alone.

use crate::args::When;

/// Whether and how to colour one of the two outputs.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    on: bool,
}

impl Style {
    /// No colours.
    pub const fn plain() -> Self {
        Self { on: false }
    }

    /// Colours as asked for: `auto` means on a terminal, unless `NO_COLOR` is set.
    pub fn new(when: When, terminal: bool) -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let on = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !forbidden,
        };
        Self { on }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// As it should be.
    pub fn good(self, text: &str) -> String {
        self.wrap("1;32", text)
    }

    /// Wrong.
    pub fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// To be looked at.
    pub fn warn(self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    /// Ids, paths and advice.
    pub fn hint(self, text: &str) -> String {
        self.wrap("36", text)
    }

    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Of lesser interest.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
}
