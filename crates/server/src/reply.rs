//! What a handler answers.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::failure::Failure;

/// Writes a body piece by piece, on a worker thread.
pub(crate) type Producer = Box<dyn FnOnce(&mut dyn Write) -> memrl::Result<()> + Send>;

/// A body.
pub(crate) enum Payload {
    /// All of it.
    Whole(Bytes),
    /// To be written while it is sent.
    Stream(Producer),
}

/// An answer.
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The media type.
    pub(crate) media: &'static str,
    /// Further headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Payload,
}

impl Reply {
    /// A value as JSON.
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::whole(status, "application/json", bytes),
            // Only a map with keys that are no texts could fail; none of ours has them.
            Err(e) => Failure::new(memrl::Code::Internal, e.to_string()).into_reply(),
        }
    }

    /// A finished body.
    pub(crate) fn whole(status: u16, media: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            media,
            headers: Vec::new(),
            body: Payload::Whole(body.into()),
        }
    }

    /// A body that is written while it is sent.
    pub(crate) fn stream(
        media: &'static str,
        produce: impl FnOnce(&mut dyn Write) -> memrl::Result<()> + Send + 'static,
    ) -> Self {
        Self {
            status: 200,
            media,
            headers: Vec::new(),
            body: Payload::Stream(Box::new(produce)),
        }
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// What every handler is: a plain function.
pub(crate) type Handler = fn(&Arc<crate::App>, &crate::request::Req) -> Result<Reply, Failure>;

/// `200 OK` with this value.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the last word of a handler, which may fail"
)]
pub(crate) fn ok(value: &impl Serialize) -> Result<Reply, Failure> {
    Ok(Reply::json(200, value))
}
