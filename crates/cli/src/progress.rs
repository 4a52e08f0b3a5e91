//! Progress of what takes long: shown on a terminal only, and only once it has taken a while.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Nothing is shown of what is done sooner.
const PATIENCE: Duration = Duration::from_millis(500);

/// Of a known total.
const BAR: &str = "{bar:20} {human_pos}/{human_len} {eta} {wide_msg}";
/// Of an unknown one.
const SPINNER: &str = "{spinner} {msg} {human_pos} {elapsed}";
/// Of a known total of bytes.
#[cfg(feature = "remote")]
const BYTES_BAR: &str = "{bar:20} {bytes}/{total_bytes} {eta} {wide_msg}";
/// Of an unknown one.
#[cfg(feature = "remote")]
const BYTES_SPINNER: &str = "{spinner} {msg} {bytes} {elapsed}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// See the module documentation.
pub struct Progress {
    bar: ProgressBar,
    /// The template once a total is known.
    known: &'static str,
    started: Instant,
    shown: bool,
    on: bool,
}

impl Progress {
    /// A display that counts up to `total`, or just up.
    pub fn new(on: bool, verb: &str, total: Option<u64>) -> Self {
        let template = if total.is_some() { BAR } else { SPINNER };
        Self::with(on, verb, total, template, BAR)
    }

    /// A display that counts bytes.
    #[cfg(feature = "remote")]
    pub fn of_bytes(on: bool, verb: &str) -> Self {
        Self::with(on, verb, None, BYTES_SPINNER, BYTES_BAR)
    }

    fn with(on: bool, verb: &str, total: Option<u64>, template: &str, known: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        bar.set_style(style(template));
        bar.set_message(verb.to_owned());
        Self {
            bar,
            known,
            started: Instant::now(),
            shown: false,
            on,
        }
    }

    /// Whether anybody can see it.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Tells how far it is.
    pub fn at(&mut self, position: u64) {
        if self.on && !self.shown && self.started.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.shown = true;
        }
        self.bar.set_position(position);
    }

    /// As [`Self::at`], of a total (0: unknown) that is known only now, with what is being done.
    pub fn of(&mut self, position: u64, total: u64, what: &str) {
        if total > 0 && self.bar.length() != Some(total) {
            self.bar.set_length(total);
            self.bar.set_style(style(self.known));
        }
        self.bar.set_message(what.to_owned());
        self.at(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
