//! Who may talk to the server: token, `Host`, `Origin`.
//!
//! A page in a browser can make a name of its own point to this machine (DNS rebinding), so a
//! request must name a host that is known to be ours, and come from no foreign page.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, Uri, Version, header};
use memrl::Code;

use crate::failure::Failure;

/// The rules of one server.
pub(crate) struct Guard {
    token: Option<String>,
    bound: String,
    /// Bound to all addresses: any literal address is one of ours, as no name is resolved there.
    any_address: bool,
    allowed: Vec<String>,
}

/// Whether an address is reachable from this machine only.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = bare(host);
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Lower case, without brackets and the final dot.
fn bare(host: &str) -> String {
    host.trim_matches(['[', ']'])
        .trim_end_matches('.')
        .to_ascii_lowercase()
}

/// `name:port` without the port.
fn name_of(authority: &str) -> String {
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.rfind(':').unwrap_or(authority.len()),
    };
    bare(&authority[..end])
}

impl Guard {
    pub(crate) fn new(host: &str, allowed: &[String], token: Option<String>) -> Self {
        Self {
            token,
            bound: bare(host),
            any_address: bare(host)
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.to_canonical().is_unspecified()),
            allowed: allowed.iter().map(|h| name_of(h)).collect(),
        }
    }

    /// Checks one request; `open` routes need no token.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        version: Version,
        open: bool,
    ) -> Result<(), Failure> {
        let host = headers
            .get(header::HOST)
            .map(|v| v.to_str().unwrap_or_default().to_owned())
            .or_else(|| uri.authority().map(|a| a.as_str().to_owned()));
        match host {
            Some(host) => self.known(&name_of(&host), "Host")?,
            // Browsers speak HTTP/1.1, which demands the header.
            None if version == Version::HTTP_10 => {}
            None => return Err(foreign("Host", "")),
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            match origin.split_once("://") {
                Some(("http" | "https", rest)) => self.known(&name_of(rest), "Origin")?,
                _ => return Err(foreign("Origin", origin)),
            }
        }
        match &self.token {
            Some(token) if !open => authorised(token, headers.get(header::AUTHORIZATION)),
            _ => Ok(()),
        }
    }

    fn known(&self, name: &str, header: &str) -> Result<(), Failure> {
        let known = is_loopback(name)
            || name == self.bound
            || (self.any_address && name.parse::<IpAddr>().is_ok())
            || self.allowed.iter().any(|a| a == name || a == "*");
        if known {
            Ok(())
        } else {
            Err(foreign(header, name))
        }
    }
}

fn foreign(header: &str, name: &str) -> Failure {
    let name: String = name.chars().take(100).collect();
    Failure::new(
        Code::ForbiddenHost,
        format!("{header} {name:?} is not one of this server's"),
    )
}

fn authorised(token: &str, header: Option<&HeaderValue>) -> Result<(), Failure> {
    let given = header.map(HeaderValue::as_bytes).and_then(|v| {
        let (scheme, rest) = v.split_at_checked(7)?;
        scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then_some(rest.trim_ascii())
    });
    match given {
        Some(given) if same(token.as_bytes(), given) => Ok(()),
        given => {
            let message = if given.is_some() {
                "the token is wrong"
            } else {
                "a token is required"
            };
            Err(Failure::new(Code::Unauthorized, message)
                .header("www-authenticate", "Bearer realm=\"memrl\""))
        }
    }
}

/// Compares in a time that does not depend on where the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let mut differ = u8::from(a.len() != b.len());
    for (i, x) in a.iter().enumerate() {
        differ |= x ^ b.get(i).copied().unwrap_or(!x);
    }
    std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, pairs: &[(&'static str, &str)]) -> Result<(), Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        guard
            .check(
                &headers,
                &Uri::from_static("/health"),
                Version::HTTP_11,
                false,
            )
            .map_err(|f| f.code())
    }

    #[test]
    fn a_rebound_name_is_refused() {
        let guard = Guard::new("127.0.0.1", &["box.lan".into()], None);
        for host in [
            "127.0.0.1:7077",
            "localhost:7077",
            "[::1]:7077",
            "LOCALHOST",
            "box.lan:80",
        ] {
            assert_eq!(check(&guard, &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:7077",
            "10.0.0.5:7077",
            "",
        ] {
            assert_eq!(
                check(&guard, &[("host", host)]),
                Err(Code::ForbiddenHost),
                "{host}"
            );
        }
        assert_eq!(check(&guard, &[]), Err(Code::ForbiddenHost));
    }

    #[test]
    fn a_foreign_page_is_refused() {
        let guard = Guard::new("127.0.0.1", &[], None);
        let with = |origin| check(&guard, &[("host", "localhost"), ("origin", origin)]);
        assert_eq!(with("http://localhost:3000"), Ok(()));
        for origin in [
            "https://evil.example",
            "null",
            "file://",
            "http://localhost.evil.example",
        ] {
            assert_eq!(with(origin), Err(Code::ForbiddenHost), "{origin}");
        }
    }

    #[test]
    fn a_literal_address_is_ours_only_when_bound_to_all() {
        let all = Guard::new("0.0.0.0", &[], None);
        assert_eq!(check(&all, &[("host", "192.168.1.5:7077")]), Ok(()));
        assert_eq!(
            check(&all, &[("host", "nas.lan:7077")]),
            Err(Code::ForbiddenHost)
        );
    }

    #[test]
    fn only_the_whole_token_opens() {
        let guard = Guard::new("0.0.0.0", &[], Some("abcdef".into()));
        let with = |auth| check(&guard, &[("host", "localhost"), ("authorization", auth)]);
        assert_eq!(with("Bearer abcdef"), Ok(()));
        assert_eq!(with("bearer abcdef"), Ok(()));
        for auth in [
            "Bearer abcde",
            "Bearer abcdefg",
            "Bearer ",
            "Basic abcdef",
            "abcdef",
        ] {
            assert_eq!(with(auth), Err(Code::Unauthorized), "{auth}");
        }
        assert_eq!(
            check(&guard, &[("host", "localhost")]),
            Err(Code::Unauthorized)
        );
    }

    #[test]
    fn loopback_is_what_only_this_machine_reaches() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
            "localhost",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "0.0.0.0",
            "::",
            "10.0.0.1",
            "example.org",
            "localhost.example.org",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
