//! Reading and writing settings files of other programs.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use memrl::Code;

use super::Change;
use crate::fail::{Failure, Result};

/// The ending of the copy that is kept of a file as it was before us.
const BACKUP: &str = ".before-memrl";

/// The file itself, where it is a link to one: dotfiles are often links into a repository.
pub fn real(path: &Path) -> Result<PathBuf> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => path.canonicalize().map_err(|e| Failure::io(path, e)),
        _ => Ok(path.to_owned()),
    }
}

/// The text of a file; `None` when there is none.
pub fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| {
            Failure::hinted(
                Code::InvalidInput,
                format!("{}: is not UTF-8", path.display()),
                "nothing was changed; save the file as UTF-8 and try again",
            )
        }),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::io(path, e)),
    }
}

/// Where the copy of a file lies.
pub fn backup(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(BACKUP);
    path.with_file_name(name)
}

/// Makes all changes, or none: what was written is put back when a later file cannot be.
pub fn write(changes: &[Change]) -> Result<()> {
    for change in changes {
        if read(&change.path)? != change.before {
            return Err(Failure::hinted(
                Code::Conflict,
                format!("{}: was changed meanwhile", change.path.display()),
                "nothing was written; try again",
            ));
        }
    }
    for (n, change) in changes.iter().enumerate() {
        if let Err(failure) = make(change) {
            for done in changes[..n].iter().rev() {
                // The first failure is the one to tell.
                let _ = set(&done.path, done.before.as_deref(), &done.path);
            }
            return Err(failure);
        }
    }
    Ok(())
}

fn make(change: &Change) -> Result<()> {
    if let (Some(before), true) = (&change.before, change.keep) {
        set(&backup(&change.path), Some(before), &change.path)?;
    }
    set(&change.path, change.after.as_deref(), &change.path)?;
    if let (None, Some(dir)) = (&change.after, change.path.parent()) {
        // A folder of settings (`.vscode`) that held nothing else; one that does is not removed,
        // nor is one that is not a folder of settings.
        let hidden = dir.file_name().and_then(|n| n.to_str());
        if hidden.is_some_and(|n| n.starts_with('.')) {
            let _ = std::fs::remove_dir(dir);
        }
    }
    if change.drop_backup {
        // It holds what the file itself holds again.
        let _ = std::fs::remove_file(backup(&change.path));
    }
    Ok(())
}

/// Gives a file this text, whole or not at all, with the permissions of `like` where there is
/// such a file; `None` removes it.
fn set(path: &Path, text: Option<&str>, like: &Path) -> Result<()> {
    let failed = |e| Failure::io(path, e);
    let Some(text) = text else {
        return match std::fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed(e)),
            _ => Ok(()),
        };
    };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|e| Failure::io(dir, e))?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".memrl-{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = std::fs::File::create(&temporary)?;
        if let Ok(meta) = std::fs::metadata(like) {
            file.set_permissions(meta.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        // Nothing of ours stays behind; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(&temporary);
        failed(e)
    })
}
