//! A minimal HTTP/1.1 client for load runs: one kept-alive connection, JSON in and out.
//!
//! It speaks to loopback addresses only and refuses all others, so that a mistyped address
//! cannot turn a load run into an attack on somebody's server.
//!
//! A constant latency of about 44 ms on Linux is the server's: it sends head and body in two
//! packets without `TCP_NODELAY`, and the second waits for a delayed acknowledgement.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::Value;

/// The largest body that is read, in bytes.
const MAX_BODY: u64 = 256 << 20;
/// The longest line of a head, in bytes.
const MAX_LINE: u64 = 64 << 10;

/// Why a request failed before there was a response to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address cannot be read or resolved.
    #[error("{0:?} is not an address like http://127.0.0.1:7077")]
    Address(String),
    /// The address is not on this machine.
    #[error("{0} is not a loopback address; load runs only talk to this machine")]
    NotLoopback(String),
    /// The connection failed, was closed, or timed out.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    /// The server's bytes are not an HTTP/1.1 response.
    #[error("not an HTTP response: {0}")]
    Protocol(String),
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A server on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    address: SocketAddr,
    host: String,
    /// Sent as `Authorization: Bearer …`.
    token: Option<String>,
}

impl Target {
    /// Reads `http://127.0.0.1:7077`, `localhost:7077` or `[::1]:7077`; refused unless every
    /// address that the name stands for is a loopback address.
    pub fn parse(url: &str) -> Result<Self, HttpError> {
        let host = url
            .strip_prefix("http://")
            .unwrap_or(url)
            .trim_end_matches('/');
        if host.contains(['/', '@', ' ', '\r', '\n']) {
            return Err(HttpError::Address(url.to_owned()));
        }
        let all: Vec<SocketAddr> = host
            .to_socket_addrs()
            .map_err(|_| HttpError::Address(url.to_owned()))?
            .collect();
        if let Some(other) = all.iter().find(|a| !a.ip().is_loopback()) {
            return Err(HttpError::NotLoopback(other.to_string()));
        }
        // A server that was told 127.0.0.1 does not hear on ::1, so IPv4 comes first.
        let address = all.iter().find(|a| a.is_ipv4()).or(all.first());
        Ok(Self {
            address: *address.ok_or_else(|| HttpError::Address(url.to_owned()))?,
            host: host.to_owned(),
            token: None,
        })
    }

    /// The same server with a bearer token. Line breaks in it are refused.
    pub fn with_token(mut self, token: &str) -> Result<Self, HttpError> {
        if token.contains(['\r', '\n']) {
            return Err(HttpError::Address("a token with line breaks".to_owned()));
        }
        self.token = Some(token.to_owned());
        Ok(self)
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the status is 200 to 299.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, HttpError> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// One client: a connection that is kept and, when the server closed it, opened anew.
#[derive(Debug)]
pub struct Client {
    target: Target,
    timeout: Duration,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client of this server; each read and write may take `timeout`.
    pub const fn new(target: Target, timeout: Duration) -> Self {
        Self {
            target,
            timeout,
            connection: None,
        }
    }

    /// `GET path`.
    pub fn get(&mut self, path: &str) -> Result<Response, HttpError> {
        self.send("GET", path, None)
    }

    /// `POST path` with a JSON body.
    pub fn post(&mut self, path: &str, body: &Value) -> Result<Response, HttpError> {
        self.send("POST", path, Some(body))
    }

    /// Sends one request and reads its response. A failed request is not repeated, because it
    /// may have been carried out; the next one opens a new connection.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, HttpError> {
        let mut connection = match self.connection.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        connection
            .get_mut()
            .write_all(&self.request(method, path, body)?)?;
        let (response, keep) = read_response(&mut connection)?;
        if keep {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>, HttpError> {
        let stream = TcpStream::connect_timeout(&self.target.address, self.timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        Ok(BufReader::new(stream))
    }

    /// Head and body in one buffer, so that they leave in one packet.
    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Vec<u8>, HttpError> {
        if path.contains(['\r', '\n', ' ']) {
            return Err(HttpError::Address(path.to_owned()));
        }
        let mut out = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.target.host);
        if let Some(token) = &self.target.token {
            let _ = write!(out, "Authorization: Bearer {token}\r\n");
        }
        let body = body.map(serde_json::to_vec).transpose()?;
        if let Some(body) = &body {
            let _ = write!(
                out,
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        out += "\r\n";
        let mut bytes = out.into_bytes();
        bytes.extend(body.unwrap_or_default());
        Ok(bytes)
    }
}

/// Reads one response; the flag says whether the connection can be used again.
fn read_response(stream: &mut impl BufRead) -> Result<(Response, bool), HttpError> {
    let first = line(stream)?;
    let mut words = first.split(' ');
    let version = words.next().unwrap_or_default();
    let status = words
        .next()
        .and_then(|s| s.parse().ok())
        .filter(|_| version.starts_with("HTTP/1."))
        .ok_or_else(|| HttpError::Protocol(first.clone()))?;
    let (mut length, mut chunked, mut keep) = (None, false, version == "HTTP/1.1");
    loop {
        let header = line(stream)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| HttpError::Protocol(header.clone()))?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let n: u64 = value
                    .parse()
                    .map_err(|_| HttpError::Protocol(header.clone()))?;
                length = Some(n);
            }
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => keep = !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if status == 204 || status == 304 {
        // These have no body, whatever the headers say.
    } else if chunked {
        read_chunks(stream, &mut body)?;
    } else if let Some(length) = length {
        read_exactly(stream, length, &mut body)?;
    } else {
        keep = false;
        stream.take(MAX_BODY).read_to_end(&mut body)?;
    }
    Ok((Response { status, body }, keep))
}

fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<(), HttpError> {
    loop {
        let head = line(stream)?;
        let digits = head.split(';').next().unwrap_or_default().trim();
        let size =
            u64::from_str_radix(digits, 16).map_err(|_| HttpError::Protocol(head.clone()))?;
        if size == 0 {
            while !line(stream)?.is_empty() {}
            return Ok(());
        }
        read_exactly(stream, size, body)?;
        line(stream)?;
    }
}

fn read_exactly(stream: &mut impl BufRead, n: u64, body: &mut Vec<u8>) -> Result<(), HttpError> {
    if n.saturating_add(body.len() as u64) > MAX_BODY {
        return Err(HttpError::Protocol(format!(
            "a body of more than {MAX_BODY} bytes"
        )));
    }
    if (&mut *stream).take(n).read_to_end(body)? as u64 == n {
        Ok(())
    } else {
        Err(HttpError::Protocol("the body ended early".to_owned()))
    }
}

/// One line of a head, without its end.
fn line(stream: &mut impl BufRead) -> Result<String, HttpError> {
    let mut bytes = Vec::new();
    stream.take(MAX_LINE).read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        let what = if bytes.is_empty() {
            "the server closed the connection"
        } else {
            "a cut or endless line"
        };
        return Err(HttpError::Protocol(what.to_owned()));
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| HttpError::Protocol("a line that is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Result<(Response, bool), HttpError> {
        read_response(&mut bytes.as_bytes())
    }

    #[test]
    fn only_loopback_is_talked_to() {
        for good in [
            "http://127.0.0.1:7077",
            "127.0.0.1:1/",
            "[::1]:80",
            "http://127.9.9.9:5",
        ] {
            assert!(Target::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://192.0.2.1:80",
            "10.0.0.1:80",
            "0.0.0.0:80",
            "[2001:db8::1]:80",
        ] {
            assert!(
                matches!(Target::parse(bad), Err(HttpError::NotLoopback(_))),
                "{bad}"
            );
        }
        for bad in [
            "",
            "http://",
            "127.0.0.1",
            "http://127.0.0.1:80/x",
            "a@127.0.0.1:80",
        ] {
            assert!(
                matches!(Target::parse(bad), Err(HttpError::Address(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn bodies_of_known_length_and_in_chunks_are_read() {
        let (plain, keep) = read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}rest").unwrap();
        assert_eq!(
            (plain.status, plain.body.as_slice(), keep),
            (200, b"{}".as_slice(), true)
        );
        let chunked = "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        let (chunked, keep) = read(chunked).unwrap();
        assert_eq!(
            (chunked.status, chunked.body.as_slice(), keep),
            (404, b"abc0123456789".as_slice(), false)
        );
        let (until_end, keep) = read("HTTP/1.0 200 OK\r\n\r\nabc").unwrap();
        assert_eq!(
            (until_end.body.as_slice(), keep),
            (b"abc".as_slice(), false)
        );
    }

    #[test]
    fn broken_responses_are_errors() {
        for bytes in [
            "",
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(
                matches!(read(bytes), Err(HttpError::Protocol(_))),
                "{bytes:?}"
            );
        }
    }
}
