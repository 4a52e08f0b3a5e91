//! Front matter: the few lines of YAML before a note.

use memrl_types::Timestamp;

/// What front matter says that is of use; the rest is skipped.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Front {
    /// `title` or `name`.
    pub title: Option<String>,
    /// `tags`, as a list of either form or as words.
    pub tags: Vec<String>,
    /// `date`, `created`, `created_at`, `updated` or `updated_at`, the first that is a time.
    pub when: Option<Timestamp>,
}

impl Front {
    /// The front matter of a text, and the rest. A text without one, or with one that does not
    /// end, has none.
    pub fn split(text: &str) -> (Self, &str) {
        let mut front = Self::default();
        let mut lines = text.split_inclusive('\n');
        let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else {
            return (front, text);
        };
        let mut length = first.len();
        let mut inside = Vec::new();
        for line in lines {
            length += line.len();
            if matches!(line.trim_end(), "---" | "...") {
                front.read(&inside);
                return (front, text.get(length..).unwrap_or_default());
            }
            inside.push(line.trim_end());
        }
        (front, text)
    }

    fn read(&mut self, lines: &[&str]) {
        let mut list = false;
        for line in lines {
            if let Some(item) = line.trim_start().strip_prefix("- ").filter(|_| list) {
                self.tag(item);
                continue;
            }
            list = false;
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            if name.starts_with([' ', '\t']) {
                continue;
            }
            let value = bare(value);
            match name.trim().to_lowercase().as_str() {
                "title" | "name" if self.title.is_none() && !value.is_empty() => {
                    self.title = Some(value.to_owned());
                }
                "tags" | "keywords" => {
                    list = value.is_empty();
                    for tag in value.trim_matches(['[', ']']).split(',') {
                        self.tag(tag);
                    }
                }
                "date" | "created" | "created_at" | "updated" | "updated_at"
                    if self.when.is_none() =>
                {
                    self.when = value.parse().ok();
                }
                _ => {}
            }
        }
    }

    fn tag(&mut self, tag: &str) {
        let tag = bare(tag).trim_start_matches('#').to_lowercase();
        if !tag.is_empty() && !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
    }
}

fn bare(value: &str) -> &str {
    value.trim().trim_matches(['"', '\'']).trim()
}

/// The day in the name of a daily note (`daily/2026-11-20.md`).
pub(super) fn day_of(path: &str) -> Option<Timestamp> {
    let name = path.rsplit(['/', '\\']).next()?;
    let day = name.get(..10)?;
    let digits = day.bytes().enumerate().all(|(i, b)| match i {
        4 | 7 => b == b'-',
        _ => b.is_ascii_digit(),
    });
    digits.then(|| day.parse().ok()).flatten()
}
