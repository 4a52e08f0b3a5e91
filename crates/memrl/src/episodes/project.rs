//! Which project a directory belongs to.
//!
//! A repository with all its worktrees is one project (they share the directory that git calls
//! the common one), any other directory is its own. The identity is the name of the directory
//! with a hash of its place, so that two repositories called `app` do not share a memory.

use std::path::{Path, PathBuf};

use crate::config::Worktrees;
use crate::{Code, Error, Memory, Project, Result, Scope};

/// The scope key of projects.
pub(crate) const PROJECT: &str = "project";
/// Longest name of a project, in bytes.
const MAX_NAME: usize = 1024;
/// Names a project for every command of a shell, whatever its directory.
const PROJECT_VARIABLE: &str = "MEMRL_PROJECT";

impl Project {
    /// The project of a directory: of the repository that it lies in, else its own.
    pub fn of_dir(dir: &Path, worktrees: Worktrees) -> Self {
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let Some((root, common)) = repository(&dir) else {
            return Self::at(&dir, &dir);
        };
        match worktrees {
            Worktrees::Isolated => Self::at(&root, &root),
            // `…/app/.git` is called `app`; a bare `app.git` as well.
            Worktrees::Shared if common.ends_with(".git") => {
                let home = common.parent().unwrap_or(&root).to_owned();
                Self {
                    root: Some(root),
                    ..Self::at(&home, &common)
                }
            }
            Worktrees::Shared => Self {
                root: Some(root),
                ..Self::at(&common, &common)
            },
        }
    }

    /// The project of the repository that a file or directory lies in; `None` outside of one.
    pub fn of_repository(path: &Path, worktrees: Worktrees) -> Option<Self> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        repository(&path).map(|_| Self::of_dir(&path, worktrees))
    }

    /// A project that is only a name.
    pub fn named(name: &str) -> Self {
        Self {
            id: name.to_owned(),
            name: display_name(name).to_owned(),
            root: None,
        }
    }

    /// The scope of its cells.
    pub fn scope(&self) -> Scope {
        Scope::of(PROJECT, &self.id)
    }

    /// The scope of cells that know only the project's name, as imported ones do; `None` when
    /// that is its own.
    pub fn namesake(&self) -> Option<Scope> {
        (self.id != self.name).then(|| Scope::of(PROJECT, &self.name))
    }

    fn at(home: &Path, identity: &Path) -> Self {
        let name = home.file_name().map_or_else(
            || "root".into(),
            |n| n.to_string_lossy().trim_end_matches(".git").to_owned(),
        );
        let hash = blake3::hash(identity.as_os_str().as_encoded_bytes());
        Self {
            id: format!("{name}-{}", &hash.to_hex()[..8]),
            name,
            root: Some(home.to_owned()),
        }
    }
}

/// The name in a project's id: without the hash.
pub(crate) fn display_name(id: &str) -> &str {
    match id.rsplit_once('-') {
        Some((name, hash))
            if !name.is_empty()
                && hash.len() == 8
                && hash.bytes().all(|b| b.is_ascii_hexdigit()) =>
        {
            name
        }
        _ => id,
    }
}

/// The name of the project that a scope belongs to; empty for none.
pub(crate) fn project_name(scope: &Scope) -> String {
    display_name(project_id(scope)).to_owned()
}

/// The id of the project that a scope belongs to; empty for none.
pub(crate) fn project_id(scope: &Scope) -> &str {
    let id = scope.0.get(PROJECT).and_then(|v| v.as_str());
    id.unwrap_or_default()
}

/// What to call these projects, in their order: by their names, and by their ids where two of them
/// share a name. Empty for none.
pub(crate) fn told_apart<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    let ids: Vec<&str> = ids.collect();
    ids.iter()
        .map(|id| {
            let name = display_name(id);
            let shared = ids.iter().any(|o| o != id && display_name(o) == name);
            if shared { *id } else { name }.to_owned()
        })
        .collect()
}

/// The root of the worktree that a directory lies in, and the directory that all worktrees of
/// the repository share.
fn repository(dir: &Path) -> Option<(PathBuf, PathBuf)> {
    for root in dir.ancestors() {
        let git = root.join(".git");
        if git.is_dir() {
            return Some((root.to_owned(), git));
        }
        let Ok(text) = std::fs::read_to_string(&git) else {
            continue;
        };
        // A linked worktree or a submodule: `gitdir: PATH`.
        let Some(target) = text.trim().strip_prefix("gitdir:") else {
            continue;
        };
        let git = root.join(target.trim());
        let git = git.canonicalize().unwrap_or(git);
        if !points_back(&git, root) {
            continue;
        }
        let common = match std::fs::read_to_string(git.join("commondir")) {
            Ok(common) => git.join(common.trim()),
            Err(_) => git,
        };
        return Some((root.to_owned(), common.canonicalize().unwrap_or(common)));
    }
    None
}

/// Whether a git directory knows the worktree that names it: a file that somebody unpacked must not
/// make its directory part of another repository's project. A submodule's lies in the repository
/// around it.
fn points_back(git: &Path, root: &Path) -> bool {
    let here = root.join(".git");
    let here = here.canonicalize().unwrap_or(here);
    let back = std::fs::read_to_string(git.join("gitdir")).is_ok_and(|text| {
        let named = git.join(text.trim());
        named.canonicalize().unwrap_or(named) == here
    });
    let inside = || {
        let around = root.ancestors().skip(1).map(|a| a.join(".git/modules"));
        around.into_iter().any(|modules| {
            let modules = modules.canonicalize().unwrap_or(modules);
            git.starts_with(modules)
        })
    };
    back || inside()
}

impl Memory {
    /// The project that a caller names: a directory, an id, the name of a project that has
    /// memories, or a new name. With no name: `$MEMRL_PROJECT`, else that of `cwd`.
    pub fn project(&self, named: Option<&str>, cwd: &Path) -> Result<Project> {
        let from_env = std::env::var(PROJECT_VARIABLE).ok();
        let named = named.or(from_env.as_deref()).map(str::trim);
        let worktrees = self.config.sessions.worktrees;
        let Some(name) = named.filter(|n| !n.is_empty()) else {
            return Ok(Project::of_dir(cwd, worktrees));
        };
        if name.len() > MAX_NAME {
            let message = format!("has {} bytes; the limit is {MAX_NAME}", name.len());
            return Err(Error::invalid(Code::InvalidInput, "project", message));
        }
        if name == "." || name.contains(['/', '\\']) {
            let dir = cwd.join(name);
            if dir.is_dir() {
                return Ok(Project::of_dir(&dir, worktrees));
            }
        }
        self.called(name, || Some(Project::of_dir(cwd, worktrees)))
    }

    /// The project that a caller on another machine names: an id, the name of a project that has
    /// memories, or a new name. Nothing of this machine's directories is looked at, and a path,
    /// which would mean one of them, is refused.
    pub fn project_named(&self, name: &str) -> Result<Project> {
        let name = name.trim();
        let invalid = |message: &str| Error::invalid(Code::InvalidInput, "project", message);
        if name.is_empty() {
            return Err(invalid("is empty"));
        }
        if name.len() > MAX_NAME {
            return Err(invalid(&format!("has more than {MAX_NAME} bytes")));
        }
        if name.contains(char::is_control) {
            return Err(invalid("has control characters in it"));
        }
        let project = self.called(name, || None)?;
        if project.id.contains(['/', '\\']) && !self.is_project(&project.id)? {
            return Err(invalid("must be an id or a name, not a directory"));
        }
        Ok(project)
    }

    pub(super) fn is_project(&self, id: &str) -> Result<bool> {
        let known = self.store.scope_values(PROJECT)?;
        Ok(known.iter().any(|(known, _)| known == id))
    }

    /// The project with this id or name; `here` is looked at before other projects.
    fn called(&self, name: &str, here: impl FnOnce() -> Option<Project>) -> Result<Project> {
        let known = self.store.scope_values(PROJECT)?;
        if known.iter().any(|(id, _)| id == name) {
            return Ok(Project::named(name));
        }
        if let Some(here) = here().filter(|h| h.name.eq_ignore_ascii_case(name)) {
            return Ok(here);
        }
        let called: Vec<&String> = known
            .iter()
            .map(|(id, _)| id)
            .filter(|id| display_name(id).eq_ignore_ascii_case(name))
            .collect();
        match called[..] {
            [] => Ok(Project::named(name)),
            [id] => Ok(Project::named(id)),
            ref several => {
                let ids: Vec<&str> = several.iter().map(|s| s.as_str()).collect();
                let message = format!("{name:?} is the name of several: {}", ids.join(", "));
                Err(Error::invalid(Code::AmbiguousId, "project", message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worktree(at: &Path, main: &Path, name: &str) {
        std::fs::create_dir_all(at).unwrap();
        let private = main.join(".git/worktrees").join(name);
        std::fs::create_dir_all(&private).unwrap();
        std::fs::write(private.join("commondir"), "../..\n").unwrap();
        std::fs::write(
            private.join("gitdir"),
            at.join(".git").display().to_string(),
        )
        .unwrap();
        std::fs::write(at.join(".git"), format!("gitdir: {}\n", private.display())).unwrap();
    }

    #[test]
    fn worktrees_share_a_project_and_can_be_isolated() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("app");
        std::fs::create_dir_all(main.join(".git")).unwrap();
        std::fs::create_dir_all(main.join("src/deep")).unwrap();
        let linked = dir.path().join("app-fix");
        worktree(&linked, &main, "app-fix");
        let shared = |p: &Path| Project::of_dir(p, Worktrees::Shared);
        assert_eq!(shared(&main.join("src/deep")).id, shared(&main).id);
        assert_eq!(shared(&linked).id, shared(&main).id);
        assert_eq!(shared(&linked).name, "app");
        let isolated = |p: &Path| Project::of_dir(p, Worktrees::Isolated);
        assert_ne!(isolated(&linked).id, isolated(&main).id);
        assert_eq!(isolated(&linked).name, "app-fix");
    }

    #[test]
    fn a_file_cannot_make_its_directory_part_of_another_repository() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::create_dir_all(victim.join(".git")).unwrap();
        let unpacked = dir.path().join("unpacked");
        std::fs::create_dir_all(&unpacked).unwrap();
        let pointer = format!("gitdir: {}\n", victim.join(".git").display());
        std::fs::write(unpacked.join(".git"), pointer).unwrap();
        let of = |p: &Path| Project::of_dir(p, Worktrees::Shared);
        assert_ne!(of(&unpacked).id, of(&victim).id);
    }

    #[test]
    fn two_repositories_of_one_name_do_not_share() {
        let dir = tempfile::tempdir().unwrap();
        for parent in ["a", "b"] {
            std::fs::create_dir_all(dir.path().join(parent).join("server/.git")).unwrap();
        }
        let of = |p: &str| Project::of_dir(&dir.path().join(p).join("server"), Worktrees::Shared);
        assert_ne!(of("a").id, of("b").id);
        assert_eq!(of("a").name, of("b").name);
        assert_eq!(display_name(&of("a").id), "server");
    }
}
