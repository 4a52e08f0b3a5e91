//! The bearer token: from the environment, from its file, or made once.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::serve::ServeError;

/// Name of the file in the data directory.
const FILE: &str = "token";

/// Where the token of a server comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOrigin {
    /// No token is asked for: the server can be reached from this machine only.
    None,
    /// The caller gave it (`MEMRL_TOKEN`).
    Given,
    /// It was in this file.
    File(PathBuf),
    /// It was made now and stored in this file: to be shown to the user once.
    Made(PathBuf, String),
}

/// The token to ask for, and where it comes from.
///
/// On loopback only a given token counts; elsewhere there is always one.
pub(crate) fn resolve(
    given: Option<&str>,
    loopback: bool,
    data_dir: &Path,
) -> Result<(Option<String>, TokenOrigin), ServeError> {
    if let Some(token) = given.filter(|t| !t.is_empty()) {
        check(token, "MEMRL_TOKEN")?;
        return Ok((Some(token.to_owned()), TokenOrigin::Given));
    }
    if loopback {
        return Ok((None, TokenOrigin::None));
    }
    let path = data_dir.join(FILE);
    let token = make()?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    match options.open(&path) {
        Ok(mut file) => {
            writeln!(file, "{token}")
                .and_then(|()| file.sync_all())
                .map_err(|e| io(&path, &e))?;
            Ok((Some(token.clone()), TokenOrigin::Made(path, token)))
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let mut text = String::new();
            let mut file = File::open(&path).map_err(|e| io(&path, &e))?;
            file.read_to_string(&mut text).map_err(|e| io(&path, &e))?;
            close_to_others(&file).map_err(|e| io(&path, &e))?;
            let token = text.trim().to_owned();
            check(&token, &path.display().to_string())?;
            Ok((Some(token), TokenOrigin::File(path)))
        }
        Err(e) => Err(io(&path, &e)),
    }
}

fn io(path: &Path, source: &std::io::Error) -> ServeError {
    ServeError::Token(format!("{}: {source}", path.display()))
}

/// A token that can stand in a header and is worth having.
fn check(token: &str, place: &str) -> Result<(), ServeError> {
    if token.len() < 16 {
        return Err(ServeError::Token(format!(
            "the token in {place} is shorter than 16 characters"
        )));
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ServeError::Token(format!(
            "the token in {place} has blanks or characters beyond ASCII"
        )));
    }
    Ok(())
}

/// 32 random bytes in hexadecimal.
fn make() -> Result<String, ServeError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| ServeError::Token(format!("the system has no randomness: {e}")))?;
    Ok(bytes.iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    }))
}

/// A copied or restored file may have come back readable for everybody.
#[cfg(unix)]
fn close_to_others(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode();
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn close_to_others(_: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_needs_none_and_honours_a_given_one() {
        let dir = tempfile::tempdir().unwrap();
        let (token, origin) = resolve(None, true, dir.path()).unwrap();
        assert_eq!((token, origin), (None, TokenOrigin::None));
        let given = "0123456789abcdef";
        let (token, origin) = resolve(Some(given), true, dir.path()).unwrap();
        assert_eq!(
            (token.as_deref(), origin),
            (Some(given), TokenOrigin::Given)
        );
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn elsewhere_a_token_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let (first, origin) = resolve(None, false, dir.path()).unwrap();
        assert!(matches!(origin, TokenOrigin::Made(..)));
        assert_eq!(first.as_ref().unwrap().len(), 64);
        let (second, origin) = resolve(None, false, dir.path()).unwrap();
        assert!(matches!(origin, TokenOrigin::File(_)));
        assert_eq!(first, second);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(dir.path().join(FILE))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_token_that_is_no_token_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(resolve(Some("short"), false, dir.path()).is_err());
        assert!(resolve(Some("sixteen letters and blanks"), false, dir.path()).is_err());
        std::fs::write(dir.path().join(FILE), "").unwrap();
        assert!(resolve(None, false, dir.path()).is_err());
    }
}
