//! The structure of Markdown that matters here: headings, paragraphs, list items, code blocks.

/// What stands under one heading, up to the next.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Section {
    /// The headings that it stands under, the outermost first.
    pub path: Vec<String>,
    /// What it consists of, in order.
    pub blocks: Vec<Block>,
}

/// A piece that stays together where it can.
#[derive(Debug, PartialEq)]
pub(super) struct Block {
    /// What it is.
    pub shape: Shape,
    /// Its lines, as they are.
    pub text: String,
    /// Whether a blank line stands before it.
    pub apart: bool,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Lines of text.
    Paragraph,
    /// An entry of a list, with what is indented under it.
    Item {
        /// Whether it has a number.
        numbered: bool,
    },
    /// A fenced code block, with its fences.
    Code,
}

/// The sections of a text that have any content.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut now = Section::default();
    let mut fence: Option<Fence> = None;
    let mut blank = true;
    for line in text.lines() {
        if let Some(open) = fence {
            if open.nested {
                now.extend(line);
            } else {
                now.extend_code(line);
            }
            if open.closes(line) {
                fence = None;
            }
            blank = false;
            continue;
        }
        if let Some(mut open) = Fence::opens(line) {
            // A fence that is indented under a list item belongs to it.
            open.nested = line.starts_with([' ', '\t'])
                && matches!(now.blocks.last(), Some(b) if matches!(b.shape, Shape::Item { .. }));
            if open.nested {
                if blank {
                    now.extend("");
                }
                now.extend(line);
            } else {
                now.push(Shape::Code, line, blank);
            }
            fence = Some(open);
            blank = false;
            continue;
        }
        let under = if blank { None } else { underline(line, &now) };
        if let Some((level, title)) = heading(line).or_else(|| under.clone()) {
            if under.is_some() && heading(line).is_none() {
                now.blocks.pop();
            }
            path.retain(|(l, _)| *l < level);
            path.push((level, title));
            let names = path.iter().map(|(_, name)| name.clone()).collect();
            let done = std::mem::replace(
                &mut now,
                Section {
                    path: names,
                    blocks: Vec::new(),
                },
            );
            out.push(done);
            blank = true;
            continue;
        }
        if line.trim().is_empty() {
            blank = true;
            continue;
        }
        now.line(line, blank);
        blank = false;
    }
    out.push(now);
    out.retain(|section| !section.blocks.is_empty());
    out
}

impl Section {
    /// Takes a line that is neither a heading nor code.
    fn line(&mut self, line: &str, blank: bool) {
        let indented = line.starts_with([' ', '\t']);
        let in_item =
            matches!(self.blocks.last(), Some(b) if matches!(b.shape, Shape::Item { .. }));
        let marked = item(line);
        if indented && in_item {
            if blank {
                self.extend("");
            }
            self.extend(line);
        } else if let Some(numbered) = marked {
            self.push(Shape::Item { numbered }, line, blank);
        } else if !blank && self.blocks.last().is_some_and(|b| b.shape != Shape::Code) {
            self.extend(line);
        } else {
            self.push(Shape::Paragraph, line, blank);
        }
    }

    fn push(&mut self, shape: Shape, line: &str, apart: bool) {
        self.blocks.push(Block {
            shape,
            text: line.trim_end().to_owned(),
            apart,
        });
    }

    /// Adds a line to the last block.
    fn extend(&mut self, line: &str) {
        if let Some(block) = self.blocks.last_mut() {
            block.text.push('\n');
            block.text.push_str(line.trim_end());
        }
    }

    /// Adds a line of code, with the blanks at its end.
    fn extend_code(&mut self, line: &str) {
        if let Some(block) = self.blocks.last_mut() {
            block.text.push('\n');
            block.text.push_str(line);
        }
    }

    /// The text of the section in as few pieces as fit into `room` characters each. Code is never
    /// split; a longer item or paragraph is split between lines, then between words.
    pub fn packed(&self, room: usize) -> Vec<String> {
        let room = room.max(1);
        let mut out: Vec<String> = Vec::new();
        let mut size = 0;
        for block in &self.blocks {
            let code = block.shape == Shape::Code
                || block.text.contains("```")
                || block.text.contains("~~~");
            let pieces = if code || block.text.chars().count() <= room {
                vec![block.text.clone()]
            } else {
                broken(&block.text, room)
            };
            for (n, piece) in pieces.into_iter().enumerate() {
                let glue = if n > 0 {
                    " "
                } else if block.apart {
                    "\n\n"
                } else {
                    "\n"
                };
                let length = piece.chars().count();
                match out.last_mut() {
                    Some(last) if n == 0 && size + glue.len() + length <= room => {
                        last.push_str(glue);
                        last.push_str(&piece);
                        size += glue.len() + length;
                    }
                    _ => {
                        out.push(piece);
                        size = length;
                    }
                }
            }
        }
        out
    }
}

/// A text in pieces of at most `room` characters, cut after lines, else after words, else
/// anywhere.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((limit, _)) = rest.char_indices().nth(room) {
        let head = &rest[..limit];
        let cut = head
            .rfind('\n')
            .or_else(|| head.rfind(". ").map(|n| n + 1))
            .or_else(|| head.rfind(char::is_whitespace))
            .filter(|&n| n > 0)
            .unwrap_or(limit);
        out.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() {
        out.push(rest.to_owned());
    }
    out
}

/// An open code fence.
#[derive(Clone, Copy)]
struct Fence {
    mark: char,
    length: usize,
    nested: bool,
}

impl Fence {
    fn opens(line: &str) -> Option<Self> {
        let bare = line.trim_start();
        let mark = bare.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let length = bare.chars().take_while(|&c| c == mark).count();
        // `code` in a line of its own is no fence.
        let rest = bare.trim_start_matches(mark);
        (length >= 3 && !(mark == '`' && rest.contains('`'))).then_some(Self {
            mark,
            length,
            nested: false,
        })
    }

    fn closes(self, line: &str) -> bool {
        let bare = line.trim();
        bare.chars().count() >= self.length && bare.chars().all(|c| c == self.mark)
    }
}

/// `## Title`.
fn heading(line: &str) -> Option<(usize, String)> {
    let level = line.bytes().take_while(|&b| b == b'#').count();
    let rest = line.get(level..)?;
    if !(1..=6).contains(&level) || !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return None;
    }
    let title = rest.trim().trim_end_matches('#').trim_end();
    Some((level, title.to_owned()))
}

/// A line of `===` or `---` under a one-line paragraph.
fn underline(line: &str, section: &Section) -> Option<(usize, String)> {
    let mark = line.trim_end();
    let level = match mark.chars().next()? {
        '=' => 1,
        '-' => 2,
        _ => return None,
    };
    let first = mark.chars().next()?;
    let last = section.blocks.last()?;
    let whole = mark.len() >= 3 && mark.chars().all(|c| c == first);
    (whole && last.shape == Shape::Paragraph && !last.text.contains('\n'))
        .then(|| (level, last.text.trim().to_owned()))
}

/// Whether a line begins an item of a list, and whether that has a number.
fn item(line: &str) -> Option<bool> {
    let bare = line.trim_start();
    if ["- ", "* ", "+ "].iter().any(|mark| bare.starts_with(mark)) {
        return Some(false);
    }
    let digits = bare.bytes().take_while(u8::is_ascii_digit).count();
    let after = bare.get(digits..)?;
    ((1..=9).contains(&digits) && (after.starts_with(". ") || after.starts_with(") ")))
        .then_some(true)
}
