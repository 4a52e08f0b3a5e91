//! Patches: what a patch does to a file of secrets is not kept at all.

use std::borrow::Cow;

/// Names of files that hold secrets, in lower case.
const NAMES: &[&str] = &[
    "credentials",
    "credentials.json",
    "credentials.yml.enc",
    "client_secret.json",
    "secrets.yml",
    "secrets.yaml",
    "secrets.json",
    "secrets.toml",
    "secret.yml",
    "secret.yaml",
    "service-account.json",
    "service_account.json",
    "serviceaccount.json",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".htpasswd",
    ".git-credentials",
    ".dockerconfigjson",
    ".my.cnf",
    "master.key",
    "auth.json",
    "kubeconfig",
    "terraform.tfvars",
    "terraform.tfstate",
    "wp-config.php",
    ".vault-token",
    ".s3cfg",
    ".boto",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
];
/// Endings of files that hold keys.
const ENDINGS: &[&str] = &[
    ".env",
    ".pem",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".key",
    ".ppk",
    ".kdbx",
    ".asc",
    ".gpg",
    ".p8",
    ".tfstate",
    ".tfvars",
    ".ovpn",
    ".mobileprovision",
];
/// Endings of files that only look like it: public keys, templates.
const TEMPLATES: &[&str] = &[
    ".pub",
    ".example",
    ".sample",
    ".template",
    ".dist",
    ".defaults",
];

/// The patch without its parts about files that hold secrets by their names (`.env*`, `*.pem`,
/// `id_rsa` …): one line says for each what was left out. And how many there were. What is in the
/// other parts is for [`super::redact`].
pub fn redact_diff(patch: &str) -> (Cow<'_, str>, usize) {
    if !sections(patch).any(|s| secret_file(s).is_some()) {
        return (patch.into(), 0);
    }
    let mut out = String::with_capacity(patch.len());
    let mut count = 0;
    for section in sections(patch) {
        match secret_file(section) {
            Some(path) => {
                count += 1;
                out.push_str("[left out: the patch of ");
                out.push_str(path);
                out.push_str(", a file of secrets]\n");
            }
            None => out.push_str(section),
        }
    }
    (out.into(), count)
}

/// The parts of a patch, one per file; what comes before the first is a part of its own.
fn sections(patch: &str) -> impl Iterator<Item = &str> {
    let git = patch.lines().any(|l| l.starts_with("diff --git "));
    let mut rest = patch;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len();
        let mut at = 0;
        let mut lines = rest.split_inclusive('\n').peekable();
        while let Some(line) = lines.next() {
            let begins = if git {
                line.starts_with("diff --git ")
            } else {
                line.starts_with("--- ")
                    && lines.peek().is_some_and(|next| next.starts_with("+++ "))
            };
            if begins && at > 0 {
                end = at;
                break;
            }
            at += line.len();
        }
        let (section, after) = rest.split_at(end);
        rest = after;
        Some(section)
    })
}

/// The path of the section when it is that of a file of secrets.
fn secret_file(section: &str) -> Option<&str> {
    section
        .lines()
        .take_while(|line| !line.starts_with("@@"))
        .flat_map(paths)
        .find(|path| is_secret_file(path))
}

/// The paths that a line of a header names.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let both = line
        .strip_prefix("diff --git ")
        .map(|rest| rest.split(" b/").collect::<Vec<_>>())
        .unwrap_or_default();
    let one = [
        "--- ",
        "+++ ",
        "rename from ",
        "rename to ",
        "copy from ",
        "copy to ",
    ]
    .iter()
    .find_map(|mark| line.strip_prefix(mark));
    both.into_iter().chain(one).map(|path| {
        let path = path
            .split('\t')
            .next()
            .unwrap_or(path)
            .trim()
            .trim_matches('"');
        path.strip_prefix("a/")
            .or_else(|| path.strip_prefix("b/"))
            .unwrap_or(path)
    })
}

/// Whether a file holds secrets, by its name alone.
fn is_secret_file(path: &str) -> bool {
    let path = path.to_lowercase();
    let name = path.rsplit(['/', '\\']).next().unwrap_or(&path);
    if TEMPLATES.iter().any(|t| name.ends_with(t)) {
        return false;
    }
    name == ".envrc"
        || name.starts_with(".env.")
        || NAMES.contains(&name)
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || path.contains(".aws/")
        || path.contains(".ssh/id_")
        || path.contains(".gnupg/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_secrets_are_known_by_name() {
        for path in [
            ".env",
            "a/.env.production",
            "certs/server.pem",
            "id_rsa",
            "x/credentials.json",
            "C:\\k\\a.p12",
            "prod.env",
        ] {
            assert!(is_secret_file(path), "{path}");
        }
        for path in [
            ".env.example",
            "id_rsa.pub",
            "src/env.rs",
            "environment.ts",
            "monkey.rs",
            "keys.rs",
        ] {
            assert!(!is_secret_file(path), "{path}");
        }
    }
}
