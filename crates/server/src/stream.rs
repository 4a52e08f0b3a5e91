//! Bodies that are written while they are sent.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::reply::Producer;

/// Bytes per piece.
const PIECE: usize = 64 * 1024;
/// Pieces under way: what a slow reader can make us hold.
const PIECES: usize = 8;

type Piece = Result<Bytes, std::io::Error>;

/// Starts the producer on a worker thread and waits for its first piece (or its end). A failure
/// before that is the caller's; a later one breaks the body off, so that nobody takes a part for
/// the whole. A reader that takes nothing for `patience` ends it: it would hold a snapshot open.
pub(crate) async fn start(produce: Producer, patience: Duration) -> Result<Body, Failure> {
    let (send, mut receive) = mpsc::channel::<Piece>(PIECES);
    let handle = tokio::runtime::Handle::current();
    let worker = tokio::task::spawn_blocking(move || {
        let mut out = Pieces {
            send,
            handle,
            patience,
            buffer: Vec::with_capacity(PIECE),
            sent: false,
        };
        let end = produce(&mut out).and_then(|()| {
            out.flush().map_err(|e| memrl::Error::Io {
                path: "output".into(),
                source: e,
            })
        });
        if let Err(error) = end {
            if !out.sent {
                return Err(Failure::from(error));
            }
            let _ = out.put(Err(std::io::Error::other(error.to_string())));
        }
        Ok(())
    });
    match receive.recv().await {
        Some(first) => Ok(Body::new(Receiving {
            first: Some(first),
            rest: receive,
        })),
        None => match worker.await {
            Ok(Ok(())) => Ok(Body::empty()),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::new(
                memrl::Code::Internal,
                "the request met a fault of memrl's",
            )),
        },
    }
}

/// The writing end.
struct Pieces {
    send: mpsc::Sender<Piece>,
    handle: tokio::runtime::Handle,
    patience: Duration,
    buffer: Vec<u8>,
    sent: bool,
}

impl Pieces {
    fn put(&mut self, piece: Piece) -> std::io::Result<()> {
        self.sent = true;
        let gone = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        match self.send.try_send(piece) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(gone()),
            Err(mpsc::error::TrySendError::Full(piece)) => self
                .handle
                .block_on(self.send.send_timeout(piece, self.patience))
                .map_err(|_| gone()),
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.put(Ok(piece.into()))
    }
}

/// The sending end.
struct Receiving {
    first: Option<Piece>,
    rest: mpsc::Receiver<Piece>,
}

impl http_body::Body for Receiving {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let piece = match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.rest.poll_recv(cx),
        };
        piece.map(|p| p.map(|r| r.map(Frame::data)))
    }
}
