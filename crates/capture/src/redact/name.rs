//! Which names are names of secrets: `DB_PASSWORD` is one, `token_count` is none.

/// How sure a name makes that its value is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// The value must be long and random.
    Weak,
    /// The value must not be a word.
    Medium,
    /// Any value that is none of the usual stand-ins.
    Strong,
}

/// Words after the noun that say nothing about it.
const NEUTRAL: &[&str] = &[
    "confirmation",
    "confirm",
    "value",
    "val",
    "str",
    "string",
    "plain",
    "plaintext",
    "raw",
    "base64",
    "b64",
    "base",
    "hex",
    "prod",
    "dev",
    "staging",
    "production",
    "test",
    "live",
    "old",
    "new",
    "current",
    "primary",
    "secondary",
];
/// What makes a `key` a secret one.
const KEYS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "signing",
    "sign",
    "encryption",
    "encrypt",
    "decryption",
    "master",
    "account",
    "shared",
    "auth",
    "service",
    "app",
    "application",
    "admin",
    "jwt",
    "hmac",
    "aes",
    "ssh",
    "license",
    "storage",
    "session",
    "deploy",
    "webhook",
    "openai",
    "anthropic",
    "stripe",
    "sendgrid",
    "twilio",
    "azure",
    "aws",
    "gcp",
    "google",
    "github",
    "gitlab",
    "mailgun",
    "datadog",
    "cloudflare",
    "huggingface",
    "groq",
    "mistral",
    "gemini",
    "cohere",
    "function",
    "subscription",
];
/// What makes a `token` none: pages, parsers, language models, cancellation.
const NO_TOKENS: &[&str] = &[
    "next",
    "page",
    "progress",
    "continuation",
    "pagination",
    "cancellation",
    "cancel",
    "stop",
    "eos",
    "bos",
    "pad",
    "unk",
    "special",
    "first",
    "last",
    "cls",
    "sep",
    "mask",
    "start",
    "end",
    "sync",
    "per",
    "max",
    "input",
    "output",
    "open",
    "close",
    "eof",
    "previous",
    "prev",
];
/// What makes a `token` surely one.
const TOKENS: &[&str] = &[
    "access", "auth", "refresh", "api", "bot", "bearer", "session", "csrf", "xsrf", "personal",
    "private", "security", "deploy", "oauth", "oauth2", "vault", "github", "gitlab", "gh", "gl",
    "slack", "npm", "pypi", "hf", "secret", "id", "service", "admin", "user", "registry",
    "publish",
];
/// What a `pass` is not about.
const NO_PASS: &[&str] = &[
    "all", "test", "tests", "first", "second", "one", "two", "by", "low", "high", "band",
];

/// What a name promises; `None` when it names no secret. `flag` says that it is an option of a
/// command line.
pub(super) fn strength(name: &str, flag: bool) -> Option<Strength> {
    use Strength::{Medium, Strong, Weak};
    let mut words = words(name);
    while words.len() > 1 && words.last().is_some_and(|w| is_neutral(w)) {
        words.pop();
    }
    let last = words.last()?.trim_end_matches(|c: char| c.is_ascii_digit());
    let before = words.len().checked_sub(2).map_or("", |i| &words[i]);
    let loud = !name.bytes().any(|b| b.is_ascii_lowercase());
    let found = match last {
        "pass" | "pw" => (!before.is_empty() && !NO_PASS.contains(&before)) || flag,
        "token" => {
            if NO_TOKENS.contains(&before) {
                return None;
            }
            let sure = TOKENS.contains(&before) || loud || flag;
            return Some(if sure { Strong } else { Medium });
        }
        "key" => {
            return if KEYS.contains(&before) {
                Some(Strong)
            } else if before.is_empty() || (loud && !matches!(before, "PUBLIC" | "public")) {
                Some(Weak)
            } else {
                None
            };
        }
        "jwt" | "bearer" => return Some(Medium),
        "auth" | "credential" | "credentials" | "creds" | "cred" | "signature" | "sig" => {
            return Some(Weak);
        }
        "phrase" => matches!(before, "seed" | "recovery" | "backup"),
        "secret" | "mnemonic" | "pwd" | "passcode" | "pword" => true,
        _ => {
            [
                "password",
                "passwd",
                "passphrase",
                "passwort",
                "authtoken",
                "accesstoken",
                "apitoken",
                "refreshtoken",
                "bearertoken",
                "sessiontoken",
                "apikey",
                "secretkey",
                "accesskey",
                "privatekey",
                "authkey",
                "signingkey",
                "masterkey",
                "encryptionkey",
                "accountkey",
                "clientsecret",
                "apisecret",
            ]
            .iter()
            .any(|noun| last.ends_with(noun))
                || matches!(
                    last,
                    "пароль"
                        | "пароля"
                        | "секрет"
                        | "密码"
                        | "密碼"
                        | "パスワード"
                        | "contraseña"
                        | "senha"
                )
        }
    };
    found.then_some(Strong)
}

fn is_neutral(word: &str) -> bool {
    NEUTRAL.contains(&word) || word.bytes().all(|b| b.is_ascii_digit())
}

/// The words of a name in lower case: `apiKey`, `API_KEY` and `api-key` are two each.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        let before = i.checked_sub(1).map(|j| chars[j]);
        let after = chars.get(i + 1);
        let hump = c.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase()
                    || b.is_ascii_digit()
                    || (b.is_uppercase() && after.is_some_and(|a| a.is_lowercase()))
            });
        if hump && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.extend(c.to_lowercase());
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_their_last_noun() {
        for name in [
            "DB_PASSWORD",
            "apiKey",
            "APIKey",
            "x-api-key",
            "smtp_pass",
            "PGPASSWORD",
            "client.secret",
            "password2",
            "пароль",
        ] {
            assert_eq!(strength(name, false), Some(Strength::Strong), "{name}");
        }
        for name in [
            "token_count",
            "max_tokens",
            "next_token",
            "passport",
            "compass",
            "PASS",
            "secretName",
            "key_id",
            "public_key",
            "tokenizer",
            "password_hash",
            "",
        ] {
            assert_eq!(strength(name, false), None, "{name}");
        }
        assert_eq!(strength("token", false), Some(Strength::Medium));
        assert_eq!(strength("auth", false), Some(Strength::Weak));
    }
}
