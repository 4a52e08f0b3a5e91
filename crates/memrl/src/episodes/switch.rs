//! The switch that turns memory off for a project or for one session.
//!
//! A marker file per switched-off thing in `off/` of the data directory, named by a hash: whoever
//! asks needs no database, and a program that cannot read the directory treats memory as on only
//! where it would be useless anyway.
//!
//! **Architecture Invariant:** knows files, not the memory; no clock, no randomness.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The directory of the markers.
const DIR: &str = "off";

/// What is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A project, by its id.
    Project(&'a str),
    /// A session, by the client's id of it.
    Session(&'a str),
}

impl Target<'_> {
    fn parts(self) -> (&'static str, &'static str, String) {
        match self {
            Self::Project(id) => ("project", "memrl 2026 switched off project", id.to_owned()),
            Self::Session(id) => ("session", "memrl 2026 switched off session", id.to_owned()),
        }
    }

    /// The marker. Ids come from other programs, and may hold anything: only a hash is a name.
    fn marker(self, dir: &Path) -> PathBuf {
        let (kind, context, id) = self.parts();
        let hash = blake3::Hash::from_bytes(blake3::derive_key(context, id.as_bytes()));
        let short: String = hash.to_hex().chars().take(16).collect();
        dir.join(DIR).join(format!("{kind}-{short}"))
    }
}

/// Turns memory off (or on again) for a project or a session; whether that changed anything.
///
/// `dir` is the data directory; it is created when something is switched off.
pub fn set(dir: &Path, target: Target<'_>, off: bool) -> Result<bool> {
    let marker = target.marker(dir);
    if is_off(dir, target) == off {
        return Ok(false);
    }
    if off {
        super::queue::private_dir(&dir.join(DIR))?;
        let (kind, _, id) = target.parts();
        // What it is about, for whoever looks into the directory.
        let line = format!("{kind} {}\n", id.replace(char::is_control, "?"));
        super::queue::replace(&marker, line.as_bytes())?;
        return Ok(true);
    }
    match std::fs::remove_file(&marker) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io(&marker, e)),
    }
}

/// Whether memory is off for this project or session.
pub fn is_off(dir: &Path, target: Target<'_>) -> bool {
    target.marker(dir).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_holds_for_what_it_names_and_for_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let shop = Target::Project("shop-1a2b3c4d");
        assert!(!is_off(&data, shop));
        assert!(!set(&data, shop, false).unwrap());
        assert!(!data.exists(), "asking creates nothing");

        assert!(set(&data, shop, true).unwrap());
        assert!(!set(&data, shop, true).unwrap(), "it is off already");
        assert!(is_off(&data, shop));
        assert!(!is_off(&data, Target::Session("shop-1a2b3c4d")));
        assert!(!is_off(&data, Target::Project("shop-1a2b3c4e")));

        assert!(set(&data, shop, false).unwrap());
        assert!(!is_off(&data, shop));
    }

    #[test]
    fn any_id_of_another_program_has_a_marker_inside_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        for id in [
            "../../etc/passwd",
            "",
            "a/b\\c",
            "сессия 🦀\n\u{7}",
            &"x".repeat(100_000),
        ] {
            assert!(
                set(dir.path(), Target::Session(id), true).unwrap(),
                "{id:?}"
            );
            assert!(is_off(dir.path(), Target::Session(id)), "{id:?}");
        }
        assert_eq!(
            std::fs::read_dir(dir.path().join("off")).unwrap().count(),
            5
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
