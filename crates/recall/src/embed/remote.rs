//! Embeddings from an endpoint that speaks the `OpenAI` protocol: `POST {base}/embeddings`.
//!
//! Every answer is checked (count, order, dimension, finite numbers) before a vector leaves.
//! Does not retry: the caller knows whether [`EmbedError::is_temporary`] is worth waiting for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::Agent;

use super::http::{self, Address, ApiKey, Limits};
use super::{EmbedError, Embedder, normalise};

/// What a text is cut to before it is sent, in characters: below the 8,191 tokens that the usual
/// models read, even at one token per character.
const MAX_CHARS: usize = 8_000;
/// Largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 256 << 20;

/// Where and how to ask.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// Base address, for example `https://api.openai.com/v1`; a bare host gets `/v1`.
    pub url: String,
    /// The model's name at that endpoint.
    pub model: String,
    /// Sent as a bearer token, if there is one.
    pub key: Option<ApiKey>,
    /// Dimension of the vectors. Without it, one word is embedded to find out.
    pub dim: Option<usize>,
    /// Texts per request; 64 by default.
    pub batch: usize,
    /// Limit on connecting; 5 s by default.
    pub connect_timeout: Duration,
    /// Limit on one whole request; 30 s by default.
    pub timeout: Duration,
}

impl RemoteConfig {
    /// The defaults for `model` at `url`, without a key.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            model: model.into(),
            key: None,
            dim: None,
            batch: 64,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
        }
    }
}

/// An embedder behind an OpenAI-compatible endpoint. What it embeds leaves this machine, unless
/// the endpoint runs on it.
#[derive(Debug)]
pub struct RemoteEmbedder {
    id: String,
    model: String,
    url: String,
    host: String,
    key: Option<ApiKey>,
    dim: usize,
    batch: usize,
    agent: Agent,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [&'a str],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl RemoteEmbedder {
    /// Checks the configuration; asks the endpoint once when the dimension is not given.
    pub fn connect(config: RemoteConfig) -> Result<Self, EmbedError> {
        let address = Address::parse(&config.url)?;
        address.check_key(config.key.as_ref())?;
        if config.model.is_empty() {
            return Err(EmbedError::Format(
                "an endpoint needs a model's name".into(),
            ));
        }
        let limits = Limits {
            connect: config.connect_timeout,
            silence: config.timeout,
            total: config.timeout,
        };
        let base = if address.path.is_empty() { "/v1" } else { "" };
        let mut embedder = Self {
            id: format!("openai:{}@{}{}", config.model, address.host, address.path),
            url: format!("{}{base}/embeddings", address.url),
            // No redirects: the key and the texts go to the configured address only.
            agent: http::agent(&address, limits, 0),
            host: address.host,
            model: config.model,
            key: config.key,
            dim: config.dim.unwrap_or(0),
            batch: config.batch.max(1),
        };
        if embedder.dim == 0 {
            let probe = embedder.ask(&["dimension"])?;
            embedder.dim = probe.first().map_or(0, Vec::len);
        }
        Ok(embedder)
    }

    fn broken(&self, what: &str) -> EmbedError {
        EmbedError::Format(format!("{} answered {what}", self.host))
    }

    /// One request: a unit vector per text, in order.
    fn ask(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let body = serde_json::to_vec(&Request {
            model: &self.model,
            input: texts,
            encoding_format: "float",
        })
        .map_err(|e| EmbedError::Format(e.to_string()))?;
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", key.header());
        }
        let failed = |error| http::failed(&self.host, error);
        let mut response = request.send(&body[..]).map_err(failed)?;
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_vec()
            .map_err(failed)?;
        if status != 200 {
            return Err(http::refused(&self.host, status, &body, self.key.as_ref()));
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|e| self.broken(&format!("something that is not embeddings: {e}")))?;
        self.in_order(answer, texts.len())
    }

    fn in_order(&self, answer: Answer, count: usize) -> Result<Vec<Vec<f32>>, EmbedError> {
        if answer.data.len() != count {
            let got = answer.data.len();
            return Err(self.broken(&format!("{got} vectors for {count} texts")));
        }
        let mut out = vec![Vec::new(); count];
        for (place, item) in answer.data.into_iter().enumerate() {
            let slot = out
                .get_mut(item.index.unwrap_or(place))
                .filter(|slot| slot.is_empty())
                .ok_or_else(|| self.broken("vectors with wrong or repeated numbers"))?;
            let dim = item.embedding.len();
            if dim == 0 || (self.dim != 0 && dim != self.dim) {
                let want = self.dim;
                return Err(self.broken(&format!("a vector of {dim} dimensions, not {want}")));
            }
            if !item.embedding.iter().all(|x| x.is_finite()) {
                return Err(self.broken("a vector that is not finite"));
            }
            *slot = item.embedding;
            normalise(slot);
        }
        Ok(out)
    }
}

/// The text as it is sent: at most [`MAX_CHARS`] characters.
fn cut(text: &str) -> &str {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

impl Embedder for RemoteEmbedder {
    fn id(&self) -> &str {
        &self.id
    }

    fn dim(&self) -> usize {
        self.dim
    }

    /// Blank texts are not sent (endpoints refuse them); their vectors are zeros.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut out = vec![vec![0.0; self.dim]; texts.len()];
        let spoken: Vec<usize> = (0..texts.len())
            .filter(|&i| !texts[i].trim().is_empty())
            .collect();
        for places in spoken.chunks(self.batch) {
            let batch: Vec<&str> = places.iter().map(|&i| cut(texts[i])).collect();
            for (&place, vector) in places.iter().zip(self.ask(&batch)?) {
                out[place] = vector;
            }
        }
        Ok(out)
    }
}
