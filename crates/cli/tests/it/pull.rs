//! `memrl pull`, against a hub on this machine that has a tiny BERT under any name.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::support::{Home, Run, files};

/// What the hub does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// It has no model of any name.
    Unknown,
    /// It lacks this file of the model.
    Lacks(&'static str),
    /// It hangs up halfway through the weights.
    Short,
    /// Its weights are none.
    Garbled,
}

impl Fault {
    fn lacks(self, file: &str) -> bool {
        matches!(self, Self::Lacks(missing) if missing == file)
    }
}

/// A hub; ends with the test's process.
struct Hub {
    url: String,
    /// The paths that it was asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let path = path_of(&mut stream);
                let reply = answer(&path, fault);
                log.lock().expect("no panic").push(path);
                // The client may have hung up.
                let _ = stream.write_all(&reply);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// The path of a request without a body.
fn path_of(stream: &mut TcpStream) -> String {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => head.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    let head = String::from_utf8(head).expect("a request is text");
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn answer(path: &str, fault: Fault) -> Vec<u8> {
    let file = path.split("/resolve/main/").nth(1).unwrap_or_default();
    let found = std::fs::read(tiny().join(file));
    let (status, body, length) = match found {
        Ok(_) if fault == Fault::Unknown || fault.lacks(file) => {
            ("404 Not Found", b"Entry not found".to_vec(), None)
        }
        Ok(body) if fault == Fault::Short && file == "model.safetensors" => {
            ("200 OK", body[..body.len() / 2].to_vec(), Some(body.len()))
        }
        Ok(body) if fault == Fault::Garbled && file == "model.safetensors" => {
            ("200 OK", vec![0xff; body.len()], None)
        }
        Ok(body) => ("200 OK", body, None),
        Err(_) => ("404 Not Found", b"Entry not found".to_vec(), None),
    };
    let length = length.unwrap_or(body.len());
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), &body].concat()
}

/// The small random model whose values are tested elsewhere.
fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../recall/tests/data/tiny-bert")
}

/// An address that nobody answers at.
fn nowhere() -> String {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", free.local_addr().expect("an address"))
}

fn failed(run: &Run, exit: i32, code: &str, says: &str) {
    assert_eq!(run.code, Some(exit), "{}", run.whole());
    let error = run.error();
    assert_eq!(error["code"], code, "{}", run.whole());
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains(says), "{}", run.whole());
    assert!(!error["hint"].as_str().unwrap_or_default().is_empty());
    assert!(run.out.is_empty(), "{}", run.whole());
}

/// A pull of `repo` from `endpoint`.
fn pull(home: &Home, repo: &str, endpoint: &str) -> Run {
    home.run(&["pull", repo, "--endpoint", endpoint, "--json"])
}

#[test]
fn a_pulled_model_is_used_and_needs_no_network_any_more() {
    let home = Home::new();
    let before = home.ok(&["add", "the cat sat on the mat"]);
    assert_eq!(home.ok(&["config", "get", "embedder"]), "static");

    let hub = Hub::start(Fault::None);
    let run = home.run(&["pull", "somebody/tiny-bert", "--endpoint", &hub.url]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    let folder = home.path().join("models/somebody--tiny-bert/main");
    assert_eq!(run.out.trim_end(), folder.display().to_string());
    assert!(run.err.contains("memrl doctor --repair"), "{}", run.whole());
    let line = format!("bert:{}", folder.display());
    assert_eq!(home.ok(&["config", "get", "embedder"]), line);
    let asked = hub.asked();
    assert_eq!(asked[0], "/somebody/tiny-bert/resolve/main/config.json");
    let weights = std::fs::read(folder.join("model.safetensors")).expect("the weights are there");
    let published = std::fs::read(tiny().join("model.safetensors")).expect("the model is there");
    assert!(weights == published, "they came as they are");

    // From here on there is no hub.
    home.ok(&["doctor", "--repair"]);
    let after = home.ok(&["add", "a dog sat"]);
    let stats = home.json(&["stats"]);
    let embedder = stats["embedder"].as_str().unwrap_or_default();
    assert!(embedder.starts_with("bert-"), "{stats}");
    let doctor = home.ok(&["doctor"]);
    assert!(
        doctor.contains("2 by bert-"),
        "both memories have a vector of the model: {doctor}"
    );
    let shown = home.json(&["recall", "the cat"]);
    assert!(shown.to_string().contains(&before), "{shown}");
    let shown = home.json(&["recall", "dog"]);
    assert!(shown.to_string().contains(&after), "{shown}");
    let again = pull(&home, "somebody/tiny-bert", &nowhere());
    assert_eq!(again.code, Some(0), "{}", again.whole());
    assert_eq!(again.json()["fetched"], false);
    assert_eq!(again.json()["embedder"], line);
    assert_eq!(hub.asked(), asked, "nobody else asked");
}

#[test]
fn no_use_only_downloads_and_the_environment_names_the_hub() {
    let home = Home::new();
    let hub = Hub::start(Fault::None);
    let output = home
        .command(&["pull", "a/b", "--no-use", "--json"])
        .env("HF_ENDPOINT", format!("{}/", hub.url))
        .output()
        .expect("memrl runs");
    assert!(output.status.success(), "{output:?}");
    assert!(!hub.asked().is_empty());
    let folder = home.path().join("models/a--b/main");
    assert!(folder.join("model.safetensors").is_file());
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["folder"], folder.display().to_string());
    assert_eq!(answer["fetched"], true);
    assert!(answer["embedder"].is_null());
    assert_eq!(home.ok(&["config", "get", "embedder"]), "static");
    assert!(!home.path().join("config.toml").exists());
}

#[test]
fn the_folder_is_the_same_from_everywhere() {
    let home = Home::new();
    let hub = Hub::start(Fault::None);
    let args = [
        "pull",
        "a/b",
        "--endpoint",
        &hub.url,
        "--data-dir",
        "memory",
    ];
    let run = home.run_here(&args);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    let line = home.ok(&["config", "get", "embedder"]);
    let folder = line.strip_prefix("bert:").expect("a folder");
    assert!(Path::new(folder).is_absolute(), "{line}");
    assert!(Path::new(folder).join("vocab.txt").is_file(), "{line}");
}

#[cfg(unix)]
#[test]
fn a_pull_before_anything_else_makes_a_directory_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let hub = Hub::start(Fault::None);
    assert_eq!(pull(&home, "a/b", &hub.url).code, Some(0));
    let mode = std::fs::metadata(home.path()).expect("it is there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_variable_that_wins_over_the_file_is_named() {
    let home = Home::new();
    let hub = Hub::start(Fault::None);
    let output = home
        .command(&["pull", "a/b", "--endpoint", &hub.url])
        .env("MEMRL_EMBEDDER", "static")
        .output()
        .expect("memrl runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("MEMRL_EMBEDDER is set"), "{said}");
}

#[test]
fn what_goes_wrong_is_said_and_changes_no_setting() {
    let home = Home::new();
    home.ok(&["init"]);
    for (fault, repo, says) in [
        (
            Fault::Unknown,
            "a/unknown",
            "no public model a/unknown at main",
        ),
        (
            Fault::Lacks("model.safetensors"),
            "a/weightless",
            "lacks a file",
        ),
        (Fault::Lacks("vocab.txt"), "a/wordless", "lacks a file"),
        (Fault::Short, "a/short", "broke off"),
        (Fault::Garbled, "a/garbled", "cannot be used"),
        // The tiny model under the name of one whose digests are known.
        (
            Fault::None,
            "sentence-transformers/all-MiniLM-L6-v2",
            "not the published",
        ),
    ] {
        let hub = Hub::start(fault);
        failed(&pull(&home, repo, &hub.url), 7, "embedder_failed", says);
        assert!(!hub.asked().is_empty(), "{repo}");
        assert_eq!(home.ok(&["config", "get", "embedder"]), "static", "{repo}");
    }
    failed(
        &pull(&home, "a/b", &nowhere()),
        7,
        "embedder_failed",
        "cannot talk to",
    );
    // Without a name it is MiniLM that is asked for.
    let hub = Hub::start(Fault::Unknown);
    let run = home.run(&["pull", "--endpoint", &hub.url, "--json"]);
    failed(&run, 7, "embedder_failed", "all-MiniLM-L6-v2");
    for (repo, endpoint) in [
        ("nobody", "http://127.0.0.1:1"),
        ("../x", "http://127.0.0.1:1"),
        ("a/b", "127.0.0.1:1"),
    ] {
        failed(&pull(&home, repo, endpoint), 2, "invalid_input", "");
    }
    let parts = files(&home.path());
    assert!(
        parts
            .iter()
            .all(|p| p.extension().is_none_or(|e| e != "part")),
        "nothing half is left: {parts:?}"
    );
}

#[test]
fn a_disk_that_takes_no_model_is_not_blamed_on_the_network() {
    let home = Home::new();
    home.ok(&["init"]);
    std::fs::write(home.path().join("models"), "a file").expect("a file is written");
    let hub = Hub::start(Fault::None);
    failed(&pull(&home, "a/b", &hub.url), 6, "io", "cannot write");
}

#[test]
fn a_pull_that_broke_off_goes_on_where_it_stopped() {
    let home = Home::new();
    let broken = Hub::start(Fault::Short);
    assert_eq!(pull(&home, "a/b", &broken.url).code, Some(7));
    let hub = Hub::start(Fault::None);
    let run = pull(&home, "a/b", &hub.url);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    let asked = hub.asked();
    assert!(asked.iter().all(|p| !p.ends_with("vocab.txt")), "{asked:?}");
    assert!(asked.iter().any(|p| p.ends_with("model.safetensors")));
}
