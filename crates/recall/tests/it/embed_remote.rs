//! The endpoint's embedder and the download, against a server on this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memrl_recall::embed::hub::{self, HubModel, MINILM, download};
use memrl_recall::embed::{
    ApiKey, EmbedError, Embedder, EmbedderSpec, RemoteConfig, RemoteEmbedder, from_spec,
};
use serde_json::{Value, json};

/// A request as the server saw it.
#[derive(Clone)]
struct Seen {
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn inputs(&self) -> Vec<String> {
        let json = self.json();
        let inputs = json["input"].as_array().unwrap();
        inputs
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect()
    }
}

/// A server that answers each request with the bytes that `answer` gives, then hangs up; an empty
/// answer means silence until the client gives up.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    fn start(answer: impl Fn(&Seen) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some(request) = receive(&mut stream) else {
                    continue;
                };
                log.lock().unwrap().push(request.clone());
                let reply = answer(&request);
                if reply.is_empty() {
                    // Returns when the client closes its end.
                    let mut rest = Vec::new();
                    drop(stream.read_to_end(&mut rest));
                } else {
                    drop(stream.write_all(&reply));
                }
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn receive(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length: usize = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse().unwrap());
        if bytes.len() >= end + 4 + length {
            let body = bytes[end + 4..end + 4 + length].to_vec();
            return Some(Seen { head, body });
        }
    }
}

fn reply(status: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn ok(body: &Value) -> Vec<u8> {
    reply("200 OK", body.to_string().as_bytes())
}

/// The honest answer: a text of n bytes is the vector (n, 1), given in reverse order.
fn lengths(seen: &Seen) -> Vec<u8> {
    let items: Vec<Value> = seen
        .inputs()
        .iter()
        .enumerate()
        .map(|(i, text)| json!({"index": i, "embedding": [text.len(), 1.0]}))
        .rev()
        .collect();
    ok(&json!({"object": "list", "data": items, "model": "m"}))
}

fn config(server: &Server) -> RemoteConfig {
    let mut config = RemoteConfig::new(&server.url, "m");
    config.dim = Some(2);
    config.timeout = Duration::from_secs(20);
    config
}

fn embed_one(answer: impl Fn(&Seen) -> Vec<u8> + Send + 'static) -> EmbedError {
    let server = Server::start(answer);
    let mut config = config(&server);
    config.key = Some(ApiKey::new("sk-secret").unwrap());
    let embedder = RemoteEmbedder::connect(config).unwrap();
    embedder.embed(&["x", "y"]).unwrap_err()
}

#[test]
fn texts_are_sent_in_batches_and_come_back_in_order_as_unit_vectors() {
    let server = Server::start(lengths);
    let mut config = config(&server);
    config.batch = 2;
    config.key = Some(ApiKey::new("sk-secret").unwrap());
    let embedder = RemoteEmbedder::connect(config).unwrap();
    assert!(server.seen().is_empty(), "a given dimension is not asked");
    let texts = ["a", "bb", " ", "ccc", "", "dddd", "eeeee"];
    let vectors = embedder.embed(&texts).unwrap();
    for (text, vector) in texts.iter().zip(&vectors) {
        if text.trim().is_empty() {
            assert_eq!(*vector, [0.0, 0.0]);
            continue;
        }
        let ratio = vector[0] / vector[1];
        assert!((ratio - text.len() as f32).abs() < 1e-5, "{text}");
        let square: f32 = vector.iter().map(|x| x * x).sum();
        assert!((square - 1.0).abs() < 1e-6);
    }
    let seen = server.seen();
    let sent: Vec<_> = seen.iter().map(Seen::inputs).collect();
    assert_eq!(sent, [vec!["a", "bb"], vec!["ccc", "dddd"], vec!["eeeee"]]);
    assert_eq!(seen[0].path(), "/v1/embeddings");
    assert_eq!(seen[0].json()["model"], "m");
    assert!(seen[0].head.contains("Bearer sk-secret"));
}

#[test]
fn an_unknown_dimension_is_asked_once() {
    let server = Server::start(lengths);
    let line = format!("openai:m@{}/api/v2", server.url);
    let spec: EmbedderSpec = line.parse().unwrap();
    let embedder = from_spec(&spec).unwrap();
    assert_eq!(embedder.dim(), 2);
    embedder.embed(&["a"]).unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].path(), "/api/v2/embeddings");
    assert!(!seen[1].head.to_lowercase().contains("authorization"));
}

#[test]
fn a_named_key_that_is_not_set_is_an_error() {
    let line = "openai:m@http://localhost:1/v1#dim=2&key=MEMRL_TEST_NO_SUCH_KEY";
    let error = from_spec(&line.parse().unwrap()).err().unwrap();
    assert!(error.to_string().contains("MEMRL_TEST_NO_SUCH_KEY"));
}

#[test]
fn long_texts_are_cut_between_characters() {
    let server = Server::start(lengths);
    let embedder = RemoteEmbedder::connect(config(&server)).unwrap();
    embedder.embed(&[&"é".repeat(100_000)]).unwrap();
    assert_eq!(server.seen()[0].inputs()[0], "é".repeat(8000));
}

#[test]
fn wrong_answers_are_errors_and_never_vectors() {
    let says = |answer: Value, part: &str| {
        let error = embed_one(move |_| ok(&answer));
        assert!(matches!(error, EmbedError::Format(_)), "{error:?}");
        assert!(!error.is_temporary());
        assert!(error.to_string().contains(part), "{error}");
    };
    let item = |i: usize, v: Value| json!({"index": i, "embedding": v});
    let two = |a, b| json!({"data": [a, b]});
    let good = item(0, json!([1, 2]));
    says(json!({"data": [good.clone()]}), "1 vectors for 2 texts");
    says(two(good.clone(), good.clone()), "repeated");
    says(two(good.clone(), item(7, json!([1, 2]))), "wrong");
    says(two(good.clone(), item(1, json!([1, 2, 3]))), "3 dimensions");
    says(two(good.clone(), item(1, json!([]))), "0 dimensions");
    // Too large for a component: which of two layers says so depends on the JSON reader.
    says(two(good.clone(), item(1, json!([1e300, 2]))), "");
    says(two(good, item(1, json!(["a", 2]))), "not embeddings");
    says(json!({"vectors": []}), "not embeddings");
}

#[test]
fn refusals_say_what_the_server_said_without_the_key() {
    let body = json!({"error": {"message": "bad key sk-secret"}}).to_string();
    let error = embed_one(move |_| reply("401 Unauthorized", body.as_bytes()));
    let EmbedError::Refused {
        status, message, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!((*status, message.as_str()), (401, "bad key …"));
    assert!(!error.is_temporary());
    assert!(!format!("{error:?}").contains("sk-secret"));
    assert!(embed_one(|_| reply("429 Too Many Requests", b"slow")).is_temporary());
    assert!(embed_one(|_| reply("503 Service Unavailable", &[0xff; 5000])).is_temporary());
}

#[test]
fn a_redirect_is_refused_and_not_followed() {
    let other = Server::start(lengths);
    let url = other.url.clone();
    let error = embed_one(move |_| {
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {url}/v1/embeddings\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
    });
    assert!(matches!(error, EmbedError::Refused { status: 307, .. }));
    assert!(other.seen().is_empty());
}

#[test]
fn silence_ends_with_a_temporary_error() {
    let server = Server::start(|_| Vec::new());
    let mut config = config(&server);
    config.timeout = Duration::from_millis(100);
    let embedder = RemoteEmbedder::connect(config).unwrap();
    let error = embedder.embed(&["x"]).unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
    assert!(matches!(error, EmbedError::Io { .. }));
}

#[test]
fn a_short_body_is_a_temporary_error() {
    let error = embed_one(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"data\":".to_vec());
    assert!(error.is_temporary(), "{error:?}");
}

#[test]
fn an_endpoint_that_is_not_there_is_a_temporary_error() {
    // A port that was free a moment ago and that nobody listens on.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let error = RemoteEmbedder::connect(RemoteConfig::new(url, "m")).unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
}

/// A hub that has the tiny model of the tests under any name.
fn stub(missing: &'static [&'static str]) -> Server {
    Server::start(move |seen| {
        let file = seen.path().split("/resolve/main/").nth(1).unwrap();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/tiny-bert")
            .join(file);
        match std::fs::read(path) {
            Ok(body) if !missing.contains(&file) => reply("200 OK", &body),
            _ => reply("404 Not Found", b"Entry not found"),
        }
    })
}

fn model(server: &Server, repo: &str) -> HubModel {
    let mut model = HubModel::new(repo);
    model.endpoint.clone_from(&server.url);
    model.silence = Duration::from_secs(20);
    model
}

fn files(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_download_gives_a_model_that_loads_and_happens_once() {
    let server = stub(&[]);
    let cache = tempfile::tempdir().unwrap();
    let mut last = std::collections::BTreeMap::new();
    let mut report = |p: hub::Progress| {
        last.insert(p.file, (p.done, p.total));
    };
    let model = model(&server, "somebody/tiny-bert");
    let folder = download(&model, cache.path(), &mut report).unwrap();
    let wanted = ["config.json", "model.safetensors", "vocab.txt"];
    assert_eq!(files(&folder), wanted);
    assert_eq!(last.len(), 3);
    assert!(last.values().all(|(done, total)| *total == Some(*done)));
    #[cfg(feature = "bert")]
    {
        let embedder = memrl_recall::embed::BertEmbedder::load(&folder).unwrap();
        assert_eq!(embedder.embed(&["the cat"]).unwrap()[0].len(), 16);
    }

    let before = server.seen();
    let first = "/somebody/tiny-bert/resolve/main/config.json";
    assert_eq!(before[0].path(), first);
    download(&model, cache.path(), &mut |_| panic!("nothing is left")).unwrap();
    assert_eq!(server.seen().len(), before.len());
}

#[test]
fn a_model_without_weights_is_an_error() {
    let server = stub(&["model.safetensors"]);
    let cache = tempfile::tempdir().unwrap();
    let error = download(&model(&server, "a/b"), cache.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, EmbedError::Refused { status: 404, .. }));
}

#[test]
fn a_model_without_vocabulary_is_an_error() {
    let server = stub(&["vocab.txt"]);
    let cache = tempfile::tempdir().unwrap();
    let error = download(&model(&server, "a/b"), cache.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(error, EmbedError::Refused { status: 404, .. }));
}

#[test]
fn a_broken_download_leaves_no_file_and_the_next_one_heals_it() {
    let cache = tempfile::tempdir().unwrap();
    let short = Server::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{}".to_vec());
    let broken = model(&short, "a/b");
    assert!(download(&broken, cache.path(), &mut |_| ()).is_err());
    let folder = broken.folder(cache.path()).unwrap();
    assert!(files(&folder).is_empty(), "{:?}", files(&folder));
    let silent = Server::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_vec());
    assert!(download(&model(&silent, "a/b"), cache.path(), &mut |_| ()).is_err());
    assert!(files(&folder).is_empty());
    download(&model(&stub(&[]), "a/b"), cache.path(), &mut |_| ()).unwrap();
    assert_eq!(files(&folder).len(), 3);
}

#[test]
fn a_minilm_that_is_not_the_published_one_is_refused() {
    let server = stub(&[]);
    let cache = tempfile::tempdir().unwrap();
    let model = model(&server, MINILM);
    let error = download(&model, cache.path(), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("not the published"), "{error}");
    let folder = model.folder(cache.path()).unwrap();
    assert_eq!(files(&folder), ["config.json"]);
}

#[test]
fn names_that_would_leave_the_cache_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    for (repo, revision) in [
        ("../x", "main"),
        ("a/..", "main"),
        ("a/b/c", "main"),
        ("a", "main"),
        ("a/b", "../../x"),
        ("a/b?x", "main"),
        ("a/b", ""),
    ] {
        let mut model = HubModel::new(repo);
        model.endpoint = "http://127.0.0.1:9".into();
        model.revision = revision.into();
        let error = download(&model, cache.path(), &mut |_| ()).unwrap_err();
        assert!(matches!(error, EmbedError::Format(_)), "{repo} {revision}");
    }
}
