//! Cutting secrets out of text before anything is stored.
//!
//! [`RULES`] is the one table of what is cut. A rule either knows a secret by its shape (a token
//! with the prefix of its maker) or by its place (the value of a name like `password`, the
//! credentials of an address). A value that only *stands for* a secret (`$TOKEN`, `<your key>`,
//! `os.environ[…]`) stays, and so does everything that is long and random but names no secret:
//! commit hashes, UUIDs, checksums, images.
//!
//! Knows text only. Time grows linearly with the text: patterns have no open repetition that can
//! fail, look-arounds are bounded, and the engine does not backtrack.

use std::borrow::Cow;
use std::ops::Range;

use memrl_types::Episode;

use crate::texts::each_text;

mod address;
mod assign;
mod diff;
mod header;
mod name;
mod pem;
mod rules;
mod shapes;
mod value;

pub use diff::redact_diff;
pub(crate) use pem::redact_line;
pub use rules::{How, RULES, Rule};

/// What a secret is replaced by.
pub const REDACTED: &str = "[redacted]";

/// Cuts can uncover another secret at their edge; text that needs more rounds is made to.
const MAX_ROUNDS: usize = 16;

/// The text without what looks like a secret, and how many there were. The rest stays byte for
/// byte; redacting what was redacted changes nothing.
pub fn redact(text: &str) -> (Cow<'_, str>, usize) {
    let mut out = Cow::Borrowed(text);
    let mut count = 0;
    for _ in 0..MAX_ROUNDS {
        let cuts = cuts(&out);
        if cuts.is_empty() {
            break;
        }
        count += cuts.len();
        out = Cow::Owned(replace(&out, &cuts));
    }
    (out, count)
}

/// The text without what looks like a secret.
pub(crate) fn redacted(text: &str) -> String {
    redact(text).0.into_owned()
}

/// What all rules cut, in order, without overlaps.
fn cuts(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for rule in RULES {
        if let How::Scan(scan) = rule.how {
            scan(text, &mut found);
        }
    }
    shapes::scan(text, &mut found);
    found.retain(|cut| !text[cut.clone()].is_empty() && &text[cut.clone()] != REDACTED);
    found.sort_by_key(|cut| cut.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for cut in found {
        match merged.last_mut() {
            Some(last) if cut.start < last.end => last.end = last.end.max(cut.end),
            _ => merged.push(cut),
        }
    }
    merged
}

fn replace(text: &str, cuts: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for cut in cuts {
        out.push_str(&text[from..cut.start]);
        out.push_str(REDACTED);
        from = cut.end;
    }
    out.push_str(&text[from..]);
    out
}

/// Redacts every text of an episode; how many secrets there were.
pub fn redact_episode(episode: &mut Episode) -> usize {
    let mut count = 0;
    if let Some(patch) = &mut episode.diff {
        let (clean, dropped) = redact_diff(patch);
        if dropped > 0 {
            *patch = clean.into_owned();
            count += dropped;
        }
    }
    each_text(episode, &mut |text| {
        let (clean, found) = redact(text);
        if found > 0 {
            *text = clean.into_owned();
            count += found;
        }
    });
    count
}
