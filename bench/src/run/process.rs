//! The `memrl` binary as another process: commands to completion, and a server.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Result, RunError};
use crate::http_client::{Client, Target};

/// How long a server may take to answer: with an index to be made of a million cells, a while.
const START: Duration = Duration::new(300, 0);

/// Runs `binary --data-dir DIR ARGS…` to its end: what it printed, and wall-clock milliseconds.
pub(super) fn run<S: AsRef<OsStr>>(binary: &Path, dir: &Path, args: &[S]) -> Result<(String, f64)> {
    let start = Instant::now();
    let output = Command::new(binary)
        .arg("--data-dir")
        .arg(dir)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| RunError::at(binary, e))?;
    let millis = start.elapsed().as_secs_f64() * 1000.0;
    if output.status.success() {
        return Ok((String::from_utf8_lossy(&output.stdout).into_owned(), millis));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let command: Vec<String> = args
        .iter()
        .map(|a| a.as_ref().to_string_lossy().into_owned())
        .collect();
    Err(RunError::Program {
        program: format!("memrl {}", command.join(" ")),
        message: said.trim().chars().take(500).collect(),
    })
}

/// A server on a free port of this machine; stopped when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) target: Target,
}

impl Server {
    /// Starts `binary serve` on this data directory and waits until it answers.
    pub(super) fn start(binary: &Path, dir: &Path) -> Result<Self> {
        // The port is free now; that somebody takes it before the server does is told by the
        // server's exit.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .map_err(|e| RunError::io("a free port", e))?
            .port();
        let child = Command::new(binary)
            .arg("--data-dir")
            .arg(dir)
            .args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| RunError::at(binary, e))?;
        let mut server = Self {
            child,
            target: Target::parse(&format!("127.0.0.1:{port}"))?,
        };
        server.wait()?;
        Ok(server)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            let mut client = Client::new(self.target.clone(), Duration::from_secs(5));
            if client.get("/health").is_ok_and(|r| r.is_success()) {
                return Ok(());
            }
            let message = match self.child.try_wait() {
                Ok(Some(status)) => format!("ended at once with {status}"),
                _ if start.elapsed() > START => "does not answer".to_owned(),
                _ => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            return Err(RunError::Program {
                program: "memrl serve".to_owned(),
                message,
            });
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whatever it had acknowledged is in its file; a benchmark needs no farewell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
