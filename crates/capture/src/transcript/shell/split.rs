//! A command line into simple commands: quotes, pipes, redirections, here-documents.

use std::iter::Peekable;
use std::str::Chars;

use super::Simple;

/// The simple commands of a command line, in order. Bodies of here-documents are skipped; what a
/// substitution runs is not looked at.
pub(in crate::transcript) fn split(command: &str) -> Vec<Simple> {
    let mut splitter = Splitter {
        chars: command.chars().peekable(),
        all: Vec::new(),
        now: Simple::default(),
        word: None,
        redirect: false,
        delimiters: Vec::new(),
    };
    while let Some(c) = splitter.chars.next() {
        splitter.take(c);
    }
    splitter.end_command(false);
    splitter.all
}

struct Splitter<'a> {
    chars: Peekable<Chars<'a>>,
    all: Vec<Simple>,
    now: Simple,
    word: Option<String>,
    /// Whether the next word is the file of a redirection.
    redirect: bool,
    /// Of here-documents that begin on the next line.
    delimiters: Vec<String>,
}

impl Splitter<'_> {
    fn take(&mut self, c: char) {
        match c {
            '\'' => {
                let word = self.word.get_or_insert_default();
                word.extend(self.chars.by_ref().take_while(|c| *c != '\''));
            }
            '"' => self.quoted(),
            '\\' => match self.chars.next() {
                Some('\n') | None => {}
                Some(c) => self.push(c),
            },
            ' ' | '\t' | '\r' => self.end_word(),
            '#' if self.word.is_none() => while self.chars.next_if(|c| *c != '\n').is_some() {},
            '<' => self.input(),
            '>' => self.output(),
            '&' if self.chars.next_if_eq(&'>').is_some() => {
                self.end_word();
                self.redirect = true;
                self.now.writes = true;
            }
            '|' | '&' => {
                let double = self.chars.next_if_eq(&c).is_some();
                let piped = c == '|' && !double;
                if piped {
                    let _ = self.chars.next_if_eq(&'&');
                }
                self.end_command(piped);
            }
            ';' | '(' | ')' => self.end_command(false),
            '\n' => {
                self.end_command(false);
                self.skip_documents();
            }
            c => {
                self.now.dynamic |= matches!(c, '$' | '`' | '*' | '?' | '[' | '{' | '~');
                self.push(c);
            }
        }
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    /// Takes the word that has ended into the command, unless it is the file of a redirection.
    fn end_word(&mut self) {
        if let Some(word) = self.word.take()
            && !std::mem::take(&mut self.redirect)
        {
            self.now.words.push(word);
        }
    }

    fn end_command(&mut self, next_is_piped: bool) {
        self.end_word();
        self.redirect = false;
        let next = Simple {
            piped: next_is_piped,
            ..Simple::default()
        };
        let done = std::mem::replace(&mut self.now, next);
        if !done.words.is_empty() {
            self.all.push(done);
        }
    }

    fn quoted(&mut self) {
        let word = self.word.get_or_insert_default();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => break,
                '\\' => word.extend(self.chars.next()),
                c => {
                    self.now.dynamic |= c == '$' || c == '`';
                    word.push(c);
                }
            }
        }
    }

    /// `< file`, `<< delimiter`, `<<< text`.
    fn input(&mut self) {
        self.end_word();
        let document = self.chars.next_if_eq(&'<').is_some();
        if !document || self.chars.next_if_eq(&'<').is_some() {
            self.redirect = true;
            return;
        }
        let _ = self.chars.next_if_eq(&'-');
        while self.chars.next_if_eq(&' ').is_some() {}
        let mut name = String::new();
        let in_name = |c: &char| !c.is_whitespace() && !";|&)".contains(*c);
        while let Some(c) = self.chars.next_if(in_name) {
            if !"'\"\\".contains(c) {
                name.push(c);
            }
        }
        self.delimiters.push(name);
    }

    /// `> file`, `>> file`, `2>&1`.
    fn output(&mut self) {
        let number = self
            .word
            .as_deref()
            .is_some_and(|w| w.bytes().all(|b| b.is_ascii_digit()));
        let errors = number && self.word.as_deref() == Some("2");
        if number {
            self.word = None;
        }
        self.end_word();
        let _ = self.chars.next_if_eq(&'>');
        let _ = self.chars.next_if_eq(&'|');
        if self.chars.next_if_eq(&'&').is_some() {
            while self
                .chars
                .next_if(|c| c.is_ascii_digit() || *c == '-')
                .is_some()
            {}
        } else {
            self.redirect = true;
            // Where the errors go is no file that matters.
            self.now.writes |= !errors;
        }
    }

    /// Skips the lines of here-documents up to their delimiters.
    fn skip_documents(&mut self) {
        for delimiter in std::mem::take(&mut self.delimiters) {
            while self.chars.peek().is_some() {
                let line: String = self.chars.by_ref().take_while(|c| *c != '\n').collect();
                if line.trim() == delimiter {
                    break;
                }
            }
        }
    }
}
