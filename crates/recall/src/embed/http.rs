//! What the two users of the network share: addresses, keys, agents, errors.
//!
//! A key never reaches a log, an error message or another host: its type cannot be printed, it
//! is cut out of what servers answer, redirects do not carry it, and it is not sent in the clear
//! beyond this machine.

use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;

use super::EmbedError;

/// Longest part of a server's message that an error shows, in characters.
const MAX_MESSAGE: usize = 300;

/// A secret for an endpoint. Has no `Display` and no `Serialize`, and prints as dots.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Wraps a key. White space around it is dropped; nothing may be left that could break out
    /// of a header.
    pub fn new(key: &str) -> Result<Self, EmbedError> {
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(EmbedError::Format(
                "a key is empty or has characters that no key has".into(),
            ));
        }
        Ok(Self(key.to_owned()))
    }

    /// The key in the environment variable `name`; nothing when it is unset or empty.
    pub fn from_env(name: &str) -> Result<Option<Self>, EmbedError> {
        match std::env::var(name) {
            Ok(key) if !key.trim().is_empty() => Self::new(&key).map(Some),
            Err(std::env::VarError::NotUnicode(_)) => Err(EmbedError::Format(format!(
                "the environment variable {name} is not text"
            ))),
            _ => Ok(None),
        }
    }

    /// Value of the `Authorization` header.
    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// A checked base address, without a slash at its end.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub url: String,
    /// Host and port, as they stand in the address.
    pub host: String,
    pub path: String,
    /// Whether the host is this machine.
    local: bool,
}

impl Address {
    /// Takes `http` and `https` addresses without user name, query or fragment.
    pub fn parse(text: &str) -> Result<Self, EmbedError> {
        // The text itself may hold a password; it is not repeated in the error.
        let refuse = |what: &str| Err(EmbedError::Format(format!("the address {what}")));
        let Ok(uri) = text.trim().parse::<Uri>() else {
            return refuse("is not a URL");
        };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return refuse("does not start with http:// or https://");
        }
        let (Some(authority), Some(host)) = (uri.authority(), uri.host()) else {
            return refuse("names no host");
        };
        if authority.as_str().contains('@') {
            return refuse("holds a user name or password; use a key instead");
        }
        if uri.query().is_some() || text.contains('#') {
            return refuse("has a query or a fragment");
        }
        let bare = host.trim_matches(['[', ']']);
        let local = bare.eq_ignore_ascii_case("localhost")
            || bare
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self {
            url: format!(
                "{}://{authority}{path}",
                uri.scheme_str().unwrap_or("https")
            ),
            host: authority.as_str().to_owned(),
            path,
            local,
        })
    }

    /// An error when a key would travel unencrypted to another machine.
    pub fn check_key(&self, key: Option<&ApiKey>) -> Result<(), EmbedError> {
        if key.is_some() && !self.local && !self.url.starts_with("https://") {
            return Err(EmbedError::Format(format!(
                "a key is not sent to {} without https",
                self.host
            )));
        }
        Ok(())
    }
}

/// Time limits of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub connect: Duration,
    /// The longest silence while the answer arrives.
    pub silence: Duration,
    /// The whole exchange.
    pub total: Duration,
}

/// An agent for `address`. Statuses are not errors; this machine is reached without a proxy.
pub(super) fn agent(address: &Address, limits: Limits, redirects: u32) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(redirects)
        .max_redirects_will_error(false)
        .timeout_connect(Some(limits.connect))
        .timeout_per_read(Some(limits.silence))
        .timeout_global(Some(limits.total))
        .user_agent(concat!("memrl/", env!("CARGO_PKG_VERSION")));
    let config = if address.local {
        config.proxy(None)
    } else {
        config
    };
    config.build().into()
}

/// A failed exchange with `host` as an error of this crate.
pub(super) fn failed(host: &str, error: ureq::Error) -> EmbedError {
    let source = match error {
        ureq::Error::Io(source) => source,
        ureq::Error::Timeout(_) => std::io::Error::new(std::io::ErrorKind::TimedOut, error),
        ureq::Error::HostNotFound => std::io::Error::new(std::io::ErrorKind::NotFound, error),
        ureq::Error::ConnectionFailed => {
            std::io::Error::new(std::io::ErrorKind::ConnectionRefused, error)
        }
        other => std::io::Error::other(other),
    };
    EmbedError::Io {
        context: format!("cannot talk to {host}"),
        source,
    }
}

/// A server's refusal, its message shortened and free of the key.
pub(super) fn refused(host: &str, status: u16, body: &[u8], key: Option<&ApiKey>) -> EmbedError {
    let text = String::from_utf8_lossy(body);
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = json
        .as_ref()
        .and_then(|v| {
            let error = v.get("error").unwrap_or(v);
            error.get("message").unwrap_or(error).as_str()
        })
        .unwrap_or(&text);
    let message = match key {
        Some(key) => message.replace(&key.0, "…"),
        None => message.to_owned(),
    };
    EmbedError::Refused {
        host: host.to_owned(),
        status,
        message: message
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MAX_MESSAGE)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_be_printed() {
        let key = ApiKey::new(" sk-secret\n").unwrap();
        assert!(!format!("{key:?}").contains("secret"));
        assert_eq!(key.header(), "Bearer sk-secret");
        let error = ApiKey::new("sk-secret\r\nX-Evil: 1").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn a_servers_echo_of_the_key_is_cut_out() {
        let key = ApiKey::new("sk-secret").unwrap();
        let body = br#"{"error": {"message": "wrong key: sk-secret\u0007"}}"#;
        let error = refused("host", 401, body, Some(&key)).to_string();
        assert_eq!(error, "host refused with status 401: wrong key: … ");
    }

    #[test]
    fn addresses_that_hide_something_are_refused() {
        for text in [
            "ftp://host",
            "host/v1",
            "https://me:secret@host",
            "https://host/?key=secret",
            "https://host/#secret",
            "http://",
            "",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let address = Address::parse("https://Host:8443/v1/").unwrap();
        assert_eq!(address.url, "https://Host:8443/v1");
        assert_eq!((&*address.host, &*address.path), ("Host:8443", "/v1"));
    }

    #[test]
    fn a_key_stays_on_this_machine_or_under_https() {
        let key = ApiKey::new("k").unwrap();
        let check = |url| Address::parse(url).unwrap().check_key(Some(&key));
        assert!(check("http://example.org/v1").is_err());
        assert!(check("http://127.0.0.1.example.org").is_err());
        for url in [
            "https://example.org",
            "http://localhost:1",
            "http://127.0.0.9",
            "http://[::1]:8",
        ] {
            assert!(check(url).is_ok(), "{url}");
        }
        let open = Address::parse("http://example.org").unwrap();
        assert!(open.check_key(None).is_ok());
    }
}
