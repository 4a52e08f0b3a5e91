//! A memory of its own per test, and the binary to run on it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The binary under test.
pub const MEMRL: &str = env!("CARGO_BIN_EXE_memrl");

/// A data directory that goes away with it.
pub struct Home {
    dir: tempfile::TempDir,
}

/// What a run of the binary did.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            err: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    /// Both outputs and the exit code, as a snapshot shows them.
    pub fn whole(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "signal".to_owned(), |c| c.to_string());
        format!(
            "exit: {code}\n--- stdout\n{}--- stderr\n{}",
            self.out, self.err
        )
    }

    /// The error object on standard error.
    pub fn error(&self) -> serde_json::Value {
        let line = self.err.lines().last().unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|e| panic!("{e}: {}", self.whole()))["error"]
            .clone()
    }

    /// The result on standard output.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.whole()))
    }
}

impl Home {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// The data directory; does not exist at first.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("memory")
    }

    /// A place for files of the test's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file with this content.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, content).expect("a file is written");
        path
    }

    /// The binary on this memory, with an environment of its own.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(MEMRL);
        command
            .args(args)
            .env_clear()
            .env("MEMRL_DATA_DIR", self.path())
            .env("HOME", self.dir.path())
            // What is random is tested where it is made; here the same words come every time.
            .env("MEMRL_EPSILON", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args).output().expect("memrl runs"))
    }

    /// Runs it where relative paths end up in the test's own directory.
    pub fn run_here(&self, args: &[&str]) -> Run {
        let mut command = self.command(args);
        command.current_dir(self.dir.path());
        Run::of(command.output().expect("memrl runs"))
    }

    /// Runs it with this standard input.
    pub fn fed(&self, args: &[&str], input: impl AsRef<[u8]>) -> Run {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .spawn()
            .expect("memrl runs");
        let mut stdin = child.stdin.take().expect("a standard input");
        let input = input.as_ref().to_vec();
        let feeding = std::thread::spawn(move || {
            // It may stop reading early, and that is its right.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().expect("memrl ends");
        feeding.join().expect("the input is fed");
        Run::of(output)
    }

    /// Runs it and expects success; its standard output without the line break at the end.
    pub fn ok(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "memrl {args:?}\n{}", run.whole());
        run.out.trim_end().to_owned()
    }

    /// Runs it with `--json` and expects a JSON document.
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let run = self.run(&args);
        assert_eq!(run.code, Some(0), "memrl {args:?}\n{}", run.whole());
        run.json()
    }

    /// Three memories that tests talk about; their ids.
    pub fn with_three(&self) -> [String; 3] {
        [
            self.ok(&[
                "add",
                "--type",
                "preference",
                "--scope",
                "user=ann",
                "Ann drinks her coffee black.",
            ]),
            self.ok(&[
                "add",
                "--scope",
                "user=ann",
                "--speaker",
                "Ann",
                "I moved to Lisbon in 2024.",
            ]),
            self.ok(&[
                "add",
                "--type",
                "constraint",
                "--criticality",
                "0.9",
                "--scope",
                "user=bob",
                "Never push to main without a review.",
            ]),
        ]
    }
}

/// A server that is killed with its test.
pub struct Server {
    pub child: Child,
    pub url: String,
}

impl Server {
    pub fn start(home: &Home) -> Self {
        use std::io::BufRead;
        let mut child = home
            .command(&["serve", "--port", "0"])
            .stderr(Stdio::null())
            .spawn()
            .expect("memrl runs");
        let stdout = child.stdout.take().expect("a standard output");
        let mut url = String::new();
        std::io::BufReader::new(stdout)
            .read_line(&mut url)
            .expect("the address is announced");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
        Self { child, url }
    }

    /// Posts JSON; status and body.
    pub fn post(&self, path: &str, body: &serde_json::Value) -> std::io::Result<(u16, String)> {
        request(&self.url, "POST", path, Some(&body.to_string()))
    }

    pub fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        request(&self.url, "GET", path, None)
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(done.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own.
fn request(
    url: &str,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> std::io::Result<(u16, String)> {
    use std::io::Read;
    let host = url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host)?;
    let body = body.unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.get(9..12).and_then(|s| s.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status: {answer:?}")))?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, b)| b.to_owned())
        .unwrap_or_default();
    Ok((status, body))
}

/// A JSON Lines file of this many memories.
pub fn many(n: usize) -> String {
    (0..n).fold(String::new(), |mut lines, i| {
        lines.push_str("{\"content\": \"memory number ");
        lines.push_str(&i.to_string());
        lines.push_str(" of a long list, with some more words in it\"}\n");
        lines
    })
}

/// Every file below a directory.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Compares with a snapshot in which what differs from run to run is named instead.
#[macro_export]
macro_rules! words {
    ($home:expr, $text:expr) => {{
        let mut settings = insta::Settings::clone_current();
        let dir = regex_of(&$home.file("").display().to_string());
        settings.add_filter(&format!("{dir}[/]?"), "[TMP]/");
        for (pattern, name) in $crate::support::FILTERS {
            settings.add_filter(pattern, *name);
        }
        settings.bind(|| insta::assert_snapshot!($text));
    }};
}

/// What differs from run to run, and what snapshots show instead.
pub const FILTERS: &[(&str, &str)] = &[
    (
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[ID]",
    ),
    (r"m:[0-9a-f]{8}", "m:[ID]"),
    (r"\d{4}-\d\d-\d\dT\d\d[:-]\d\d[:-]\d\d(\.\d+)?Z", "[TIME]"),
    (r"\d+\.\d ms", "[MS]"),
    // How well something fits is tested where it is computed.
    (r"score [0-9.e-]+", "score [N]"),
    (r"(?m)^ +log_budget .*$", "      [FEATURES]"),
    (r"\d+(\.\d)? k?M?B\b", "[SIZE]"),
    (r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:[PORT]"),
];

/// A text as a pattern that matches only it.
pub fn regex_of(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.trim_end_matches('/').chars() {
        if !c.is_alphanumeric() {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
