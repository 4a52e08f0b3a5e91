//! Addresses and keys of a model's endpoint.
//!
//! A key never reaches a log, an error message or another host: its type cannot be printed, and it
//! is not sent in the clear beyond this machine. (The embedder has the same rules; sharing them
//! would make this crate depend on a search engine.)

use ureq::http::Uri;

use super::ExtractError;

/// A secret for an endpoint. Has no `Display` and no `Serialize`, and prints as dots.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Wraps a key. White space around it is dropped; nothing may be left that could break out
    /// of a header.
    pub fn new(key: &str) -> Result<Self, ExtractError> {
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ExtractError::BadKey);
        }
        Ok(Self(key.to_owned()))
    }

    /// The key as a header carries it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// The text without the key.
    pub(super) fn cut_from(&self, text: &str) -> String {
        text.replace(&self.0, "…")
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
    /// Scheme, host, port and path.
    pub url: String,
    /// Host and port, as they stand in the address.
    pub host: String,
    /// Empty or beginning with a slash.
    pub path: String,
    /// Whether the host is this machine.
    pub local: bool,
}

impl Address {
    /// Takes `https` addresses, and `http` ones of this machine, without user name, query or
    /// fragment: sessions are not sent in the clear.
    pub fn parse(text: &str) -> Result<Self, ExtractError> {
        // The text itself may hold a password; it is not repeated in the error.
        let refuse = |what: &'static str| Err(ExtractError::BadAddress(what));
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
        if !local && uri.scheme_str() != Some("https") {
            return refuse("is not this machine's and has no https");
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_be_printed() {
        let key = ApiKey::new(" k-secret\n").unwrap();
        assert!(!format!("{key:?}").contains("secret"));
        assert_eq!(key.expose(), "k-secret");
        let error = ApiKey::new("k-secret\r\nX-Evil: 1").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn addresses_that_hide_something_or_talk_in_the_clear_are_refused() {
        for text in [
            "ftp://host",
            "host/v1",
            "https://me:secret@host",
            "https://host/?key=secret",
            "https://host/#secret",
            "http://",
            "http://example.org/v1",
            "http://127.0.0.1.example.org",
            "",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        for text in [
            "https://example.org",
            "http://localhost:1/v1/",
            "http://127.0.0.9",
            "http://[::1]:8",
        ] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
    }
}
