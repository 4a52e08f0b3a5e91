//! What would be changed, worked out before anything is.

use std::path::{Path, PathBuf};

use memrl::Code;
use similar::TextDiff;

use super::Edit;
use super::files;
use super::targets::Target;
use crate::fail::{Failure, Result};

/// What an edit gives, or why it cannot be made.
type Edited<T> = std::result::Result<T, String>;

/// A change of one file.
#[derive(Debug)]
pub struct Change {
    /// The file; where it is a link, what it leads to.
    pub path: PathBuf,
    /// Its text now; `None` when there is no such file.
    pub before: Option<String>,
    /// Its text afterwards; `None` when it goes.
    pub after: Option<String>,
    /// Whether the text now is kept beside it: it has nothing of ours yet.
    pub keep: bool,
    /// Whether the copy beside it is of no more use.
    pub drop_backup: bool,
}

/// The changes that put us into these files, or take us out of them. Files that are as they
/// should be are not among them.
pub fn plan(targets: &[Target], undo: bool) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for target in targets {
        let path = files::real(&target.path)?;
        let before = files::read(&path)?;
        let wrong = |message: String| malformed(&path, &message, target);
        let change = if undo {
            let Some(before) = before else { continue };
            let backup = files::read(&files::backup(&path))?;
            take_out(&target.edit, &path, before, backup.as_deref()).map_err(wrong)?
        } else {
            put_in(&target.edit, &path, before).map_err(wrong)?
        };
        changes.extend(change.filter(|c| c.before != c.after));
    }
    Ok(changes)
}

fn put_in(edit: &Edit, path: &Path, before: Option<String>) -> Edited<Option<Change>> {
    let text = before.as_deref().unwrap_or_default();
    let after = edit.apply(text)?;
    let keep = edit.revert(text, Some(text))? == text;
    Ok(Some(Change {
        path: path.to_owned(),
        before,
        after: Some(after),
        keep,
        drop_backup: false,
    }))
}

/// Back to what was there before us where nothing else has happened since; otherwise everything
/// but our entries stays.
fn take_out(edit: &Edit, path: &Path, now: String, backup: Option<&str>) -> Edited<Option<Change>> {
    let reverted = edit.revert(&now, backup)?;
    if reverted == now {
        return Ok(None);
    }
    let as_now = edit.as_in(&now)?;
    let (after, drop_backup) = match backup {
        Some(old) if came_from(&as_now, old, &now) => (Some(old.to_owned()), true),
        None if came_from(&as_now, "", &now) || edit.is_bare(&reverted) => (None, false),
        _ => (Some(reverted), false),
    };
    Ok(Some(Change {
        path: path.to_owned(),
        before: Some(now),
        after,
        keep: false,
        drop_backup,
    }))
}

/// Whether a text without our entries becomes the present one by putting them in.
fn came_from(edit: &Edit, old: &str, now: &str) -> bool {
    edit.revert(old, Some(old)).as_deref() == Ok(old) && edit.apply(old).as_deref() == Ok(now)
}

fn malformed(path: &Path, message: &str, target: &Target) -> Failure {
    Failure::hinted(
        Code::InvalidInput,
        format!("{}: {message}", path.display()),
        format!(
            "nothing was changed; mend the file and try again, or put this in by hand:\n{}",
            target.edit.snippet()
        ),
    )
}

impl Change {
    /// The change as a unified diff.
    pub fn diff(&self) -> String {
        let name = self.path.display().to_string();
        let missing = "/dev/null".to_owned();
        let old = self.before.as_ref().map_or(&missing, |_| &name);
        let new = self.after.as_ref().map_or(&missing, |_| &name);
        let before = self.before.as_deref().unwrap_or_default();
        let after = self.after.as_deref().unwrap_or_default();
        TextDiff::from_lines(before, after)
            .unified_diff()
            .context_radius(3)
            .header(old, new)
            .to_string()
    }
}
