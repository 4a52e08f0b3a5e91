//! One-time download of a BERT model's folder from a hub.
//!
//! A file is `{endpoint}/{repo}/resolve/{revision}/{file}`. Each arrives under a temporary name
//! and is renamed when it is whole, so that a broken download leaves nothing that looks like a
//! model; what is already there is not asked for again, and a complete folder needs no network.
//! The weights and the vocabulary of all-MiniLM-L6-v2 are checked against their known digests.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::Agent;

use super::EmbedError;
use super::http::{self, Address, ApiKey, Limits};

/// Where models come from unless configured otherwise.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// The model that the digests below are of.
pub const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// Largest file that is accepted, in bytes; BERT-family weights are far smaller.
const MAX_FILE: u64 = 4 << 30;

/// Published size and SHA-256 of files of [`MINILM`].
const KNOWN: [(&str, u64, &str); 2] = [
    (
        "model.safetensors",
        90_868_376,
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    (
        "vocab.txt",
        231_508,
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    ),
];

/// Small files first: a wrong name shows before the weights are fetched. The second value says
/// whether a model can do without the file.
const FILES: [(&str, bool); 7] = [
    ("config.json", false),
    ("tokenizer_config.json", true),
    ("sentence_bert_config.json", true),
    ("1_Pooling/config.json", true),
    ("vocab.txt", true),
    ("tokenizer.json", true),
    ("model.safetensors", false),
];

/// Which model to fetch.
#[derive(Clone, Debug)]
pub struct HubModel {
    /// Base address of the hub.
    pub endpoint: String,
    /// `owner/name`.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Sent as a bearer token to the endpoint, not to where it redirects.
    pub key: Option<ApiKey>,
    /// Limit on connecting and on silence in between; 20 s by default.
    pub silence: Duration,
    /// Limit on one file; one hour by default.
    pub timeout: Duration,
}

impl HubModel {
    /// The `main` revision of `repo` at the default endpoint.
    pub fn new(repo: impl Into<String>) -> Self {
        Self {
            endpoint: DEFAULT_ENDPOINT.into(),
            repo: repo.into(),
            revision: "main".into(),
            key: None,
            silence: Duration::from_secs(20),
            timeout: Duration::from_hours(1),
        }
    }

    /// The folder inside `cache` that [`download`] fills.
    pub fn folder(&self, cache: &Path) -> Result<PathBuf, EmbedError> {
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match self.repo.split_once('/') {
            Some((owner, name)) if plain(owner) && plain(name) && plain(&self.revision) => {
                Ok(cache.join(format!("{owner}--{name}")).join(&self.revision))
            }
            _ => Err(EmbedError::Format(format!(
                "\"{}\" at \"{}\" is no model; owner/name and a branch, tag or commit are",
                self.repo, self.revision
            ))),
        }
    }
}

/// How far a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file being fetched.
    pub file: &'static str,
    /// Bytes of it that have arrived.
    pub done: u64,
    /// Its size in bytes, where the server says it.
    pub total: Option<u64>,
}

/// Fetches what is missing of `model` into its folder inside `cache` and returns the folder,
/// which [`super::BertEmbedder::load`] reads. `progress` is called as bytes arrive.
pub fn download(
    model: &HubModel,
    cache: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, EmbedError> {
    let folder = model.folder(cache)?;
    if complete(&folder) {
        return Ok(folder);
    }
    let address = Address::parse(&model.endpoint)?;
    address.check_key(model.key.as_ref())?;
    let limits = Limits {
        connect: model.silence,
        silence: model.silence,
        total: model.timeout,
    };
    let agent = http::agent(&address, limits, 8);
    for (file, optional) in FILES {
        // The vocabulary is in either of two files.
        let optional = match file {
            "tokenizer.json" if folder.join("vocab.txt").exists() => continue,
            "tokenizer.json" => false,
            _ => optional,
        };
        let target = folder.join(file);
        if target.exists() {
            continue;
        }
        let fetch = Fetch {
            model,
            agent: &agent,
            host: &address.host,
            url: format!(
                "{}/{}/resolve/{}/{file}",
                address.url, model.repo, model.revision
            ),
            file,
        };
        match fetch.run(&target, progress) {
            Err(EmbedError::Refused { status: 404, .. }) if optional => {}
            other => other?,
        }
    }
    Ok(folder)
}

/// Whether a model can be loaded from `folder`. The weights come last, so that with them every
/// optional file that the hub has is there as well.
fn complete(folder: &Path) -> bool {
    let has = |file: &str| folder.join(file).exists();
    has("model.safetensors") && has("config.json") && (has("vocab.txt") || has("tokenizer.json"))
}

/// One file.
struct Fetch<'a> {
    model: &'a HubModel,
    agent: &'a Agent,
    host: &'a str,
    url: String,
    file: &'static str,
}

/// A file that goes away unless it is kept.
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // Nothing more can be done; the name says what the file is.
            drop(std::fs::remove_file(path));
        }
    }
}

fn disk(path: &Path) -> impl Fn(std::io::Error) -> EmbedError {
    let context = format!("cannot write {}", path.display());
    move |source| EmbedError::Io {
        context: context.clone(),
        source,
    }
}

impl Fetch<'_> {
    fn broken(&self, what: &str) -> EmbedError {
        EmbedError::Format(format!("{} from {}: {what}", self.file, self.host))
    }

    fn run(&self, target: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), EmbedError> {
        let mut request = self.agent.get(&self.url);
        if let Some(key) = &self.model.key {
            request = request.header("authorization", key.header());
        }
        let failed = |error| http::failed(self.host, error);
        let mut response = request.call().map_err(failed)?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.body_mut().with_config().limit(64 << 10);
            let body = body.read_to_vec().unwrap_or_default();
            let key = self.model.key.as_ref();
            return Err(http::refused(self.host, status, &body, key));
        }
        let total = response.body().content_length();
        let folder = target.parent().unwrap_or(target);
        std::fs::create_dir_all(folder).map_err(disk(folder))?;
        let mut name = target.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(name);
        let mut file = File::create(&part).map_err(disk(&part))?;
        let mut guard = Temporary(Some(part.clone()));
        let mut reader = response.body_mut().with_config().limit(MAX_FILE).reader();
        let mut buffer = vec![0; 64 << 10];
        let mut digest = Sha256::new();
        let mut done = 0;
        loop {
            let count = reader.read(&mut buffer).map_err(|source| EmbedError::Io {
                context: format!(
                    "{} broke off after {done} bytes of {}",
                    self.host, self.file
                ),
                source,
            })?;
            if count == 0 {
                break;
            }
            file.write_all(&buffer[..count]).map_err(disk(&part))?;
            digest.update(&buffer[..count]);
            done += count as u64;
            progress(Progress {
                file: self.file,
                done,
                total,
            });
        }
        if total.is_some_and(|total| total != done) || done == 0 {
            return Err(self.broken(&format!("only {done} bytes arrived")));
        }
        self.check(done, &digest.finalize())?;
        file.sync_all().map_err(disk(&part))?;
        drop(file);
        std::fs::rename(&part, target).map_err(disk(target))?;
        guard.0 = None;
        Ok(())
    }

    /// Size and digest where they are known.
    fn check(&self, size: u64, digest: &[u8]) -> Result<(), EmbedError> {
        let known = KNOWN.iter().find(|(file, ..)| *file == self.file);
        let Some((_, want_size, want)) = known.filter(|_| self.model.repo == MINILM) else {
            return Ok(());
        };
        let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('?');
        let hex: String = digest
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect();
        if size != *want_size || hex != *want {
            return Err(self.broken(&format!(
                "{size} bytes with SHA-256 {hex}, not the published {want_size} with {want}"
            )));
        }
        Ok(())
    }
}
