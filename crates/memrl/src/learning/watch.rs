//! Reading a long log while somebody watches, who may say that it is enough.
//!
//! Knows nothing of what is read.

use std::ops::ControlFlow;

use crate::{Code, Error, Result};

/// Told the decisions read so far; what it answers goes on or breaks off. Called once per decision: it must be quick.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

/// Nobody watches: it is read to its end.
pub(crate) fn to_the_end(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Counts what is read, and remembers whether it was broken off.
pub(crate) struct Watch<'a> {
    progress: Progress<'a>,
    read: u64,
    stopped: bool,
}

impl<'a> Watch<'a> {
    /// Before the first decision.
    pub(crate) fn new(progress: Progress<'a>) -> Self {
        Self {
            progress,
            read: 0,
            stopped: false,
        }
    }

    /// One more decision is about to be looked at; a break must end the reading.
    pub(crate) fn next(&mut self) -> ControlFlow<()> {
        self.read += 1;
        let go_on = (self.progress)(self.read);
        self.stopped |= go_on.is_break();
        go_on
    }

    /// Refuses what is only a part of the log because somebody broke off.
    pub(crate) fn whole(&self, what: &'static str) -> Result<()> {
        if self.stopped {
            return Err(Error::invalid(Code::Stopped, what, "stopped"));
        }
        Ok(())
    }
}
