//! Asking a model: Anthropic's Messages or any endpoint that speaks `OpenAI`'s chat completions.
//!
//! One question, at most one repetition when the server asks for patience, everything within one
//! time limit. The clock here measures that limit and nothing else; waiting is the caller's.

use std::time::{Duration, Instant};

use memrl_types::Episode;
use serde_json::{Value, json};
use ureq::Agent;

use super::endpoint::{Address, ApiKey};
use super::{Extracted, SYSTEM, parse, prompt_of};
use crate::redact::redact;

/// Largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;
/// Longest part of a server's message that an error shows, in characters.
const MAX_MESSAGE: usize = 300;
/// Longest answer that is asked for, in tokens.
const MAX_TOKENS: u32 = 1_500;
/// Longest wait before the one repetition.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// The wait when the server names none.
const WAIT: Duration = Duration::from_secs(1);
/// The version of Anthropic's protocol.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Who is asked, and in which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// Anthropic's Messages: `POST {base}/v1/messages`.
    Anthropic,
    /// `OpenAI`'s chat completions, as many servers speak them: `POST {base}/chat/completions`.
    OpenAi,
}

impl Provider {
    /// The one with this name: `anthropic` or `openai`, in any letter case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "anthropic" => Some(Self::Anthropic),
            "openai" => Some(Self::OpenAi),
            _ => None,
        }
    }

    /// The environment variable that its keys are in.
    pub const fn key_name(self) -> &'static str {
        match self {
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::OpenAi => "OPENAI_API_KEY",
        }
    }

    const fn base(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenAi => "https://api.openai.com/v1",
        }
    }

    const fn model(self) -> &'static str {
        match self {
            Self::Anthropic => "claude-haiku-4-5",
            Self::OpenAi => "gpt-4o-mini",
        }
    }
}

/// Why there is no answer. No message holds a key, nor a secret that a server repeats.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// Neither a key nor an address is known.
    #[error(
        "no model to ask: set ANTHROPIC_API_KEY, OPENAI_API_KEY, or MEMRL_EXTRACT_URL of an OpenAI-compatible server"
    )]
    NotConfigured,
    /// The provider has no default key.
    #[error("{0} is not set, and neither is MEMRL_EXTRACT_KEY")]
    NoKey(&'static str),
    /// A provider that nobody knows.
    #[error("there is no provider {0:?}; known are anthropic and openai")]
    UnknownProvider(String),
    /// An address that cannot be used.
    #[error("the address of the model {0}")]
    BadAddress(&'static str),
    /// A key that cannot be one.
    #[error("a key is empty or has characters that no key has")]
    BadKey,
    /// The time limit was reached.
    #[error("{host} did not answer in time")]
    TimedOut {
        /// Host and port.
        host: String,
    },
    /// The exchange failed.
    #[error("cannot talk to {host}: {source}")]
    Network {
        /// Host and port.
        host: String,
        /// What failed.
        source: std::io::Error,
    },
    /// The server said no.
    #[error("{host} refused with status {status}: {message}")]
    Refused {
        /// Host and port.
        host: String,
        /// HTTP status.
        status: u16,
        /// What it said, shortened and redacted.
        message: String,
    },
    /// The answer is larger than 1 MiB.
    #[error("the answer of {host} is too large")]
    TooLarge {
        /// Host and port.
        host: String,
    },
    /// The answer is not what was asked for.
    #[error("{host} answered {what}")]
    NotAnAnswer {
        /// Host and port.
        host: String,
        /// What it is instead.
        what: &'static str,
    },
}

/// Whom to ask and how.
#[derive(Debug, Clone)]
pub struct ExtractConfig {
    /// The protocol.
    pub provider: Provider,
    /// Base address, for example `https://api.openai.com/v1`.
    pub url: String,
    /// The model's name there.
    pub model: String,
    /// Sent with each request, if there is one.
    pub key: Option<ApiKey>,
    /// Limit on everything: both attempts and the wait between them. 30 s by default.
    pub timeout: Duration,
}

impl ExtractConfig {
    /// The provider's own address and a small model, without a key.
    pub fn new(provider: Provider) -> Self {
        Self {
            provider,
            url: provider.base().to_owned(),
            model: provider.model().to_owned(),
            key: None,
            timeout: Duration::from_secs(30),
        }
    }

    /// What the variables say: `MEMRL_EXTRACT_PROVIDER`, `…_URL`, `…_MODEL`, `…_KEY`, and the
    /// providers' own keys. The arguments win. Without a named provider, the one whose key is
    /// set; with an address alone, an OpenAI-compatible server.
    pub fn from_vars(
        provider: Option<&str>,
        model: Option<&str>,
        var: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ExtractError> {
        let set = |name: &str| var(name).filter(|value| !value.trim().is_empty());
        let url = set("MEMRL_EXTRACT_URL");
        let named = provider
            .map(str::to_owned)
            .or_else(|| set("MEMRL_EXTRACT_PROVIDER"));
        let provider = match named {
            Some(name) => Provider::from_name(&name).ok_or(ExtractError::UnknownProvider(name))?,
            None if set(Provider::Anthropic.key_name()).is_some() => Provider::Anthropic,
            None if url.is_some() || set(Provider::OpenAi.key_name()).is_some() => Provider::OpenAi,
            None => return Err(ExtractError::NotConfigured),
        };
        let key = set("MEMRL_EXTRACT_KEY").or_else(|| set(provider.key_name()));
        if key.is_none() && url.is_none() {
            return Err(ExtractError::NoKey(provider.key_name()));
        }
        let mut config = Self::new(provider);
        config.key = key.as_deref().map(ApiKey::new).transpose()?;
        if let Some(url) = url {
            config.url = url;
        }
        if let Some(model) = model
            .map(str::to_owned)
            .or_else(|| set("MEMRL_EXTRACT_MODEL"))
        {
            config.model = model;
        }
        Ok(config)
    }
}

/// Asks a model what a session was about. What it sends leaves this machine, unless the endpoint
/// runs on it.
#[derive(Debug)]
pub struct Extractor {
    provider: Provider,
    url: String,
    host: String,
    model: String,
    key: Option<ApiKey>,
    timeout: Duration,
    agent: Agent,
}

impl Extractor {
    /// Checks the configuration; asks nobody.
    pub fn new(config: ExtractConfig) -> Result<Self, ExtractError> {
        let address = Address::parse(&config.url)?;
        let path = match config.provider {
            Provider::Anthropic if address.path.ends_with("/v1") => "/messages",
            Provider::Anthropic => "/v1/messages",
            Provider::OpenAi if address.path.is_empty() => "/v1/chat/completions",
            Provider::OpenAi => "/chat/completions",
        };
        // No redirects: the key and the session go to the configured address only.
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(config.timeout.min(Duration::from_secs(5))))
            .user_agent(concat!("memrl/", env!("CARGO_PKG_VERSION")));
        let agent = if address.local {
            agent.proxy(None)
        } else {
            agent
        };
        Ok(Self {
            provider: config.provider,
            url: format!("{}{path}", address.url),
            host: address.host,
            model: config.model,
            key: config.key,
            timeout: config.timeout,
            agent: agent.build().into(),
        })
    }

    /// From the environment of the process; see [`ExtractConfig::from_vars`].
    pub fn from_env(provider: Option<&str>, model: Option<&str>) -> Result<Self, ExtractError> {
        Self::new(ExtractConfig::from_vars(provider, model, &|name| {
            std::env::var(name).ok()
        })?)
    }

    /// Host and port that sessions are sent to.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What the model says about an episode, given a digest of its session. Both are bounded and
    /// redacted here, before they are sent. `sleep` waits: at most once, at most five seconds.
    pub fn extract(
        &self,
        episode: &Episode,
        digest: &str,
        sleep: &mut dyn FnMut(Duration),
    ) -> Result<Extracted, ExtractError> {
        let began = Instant::now();
        let body = self.body(&prompt_of(episode, digest)).to_string();
        let mut answer = self.ask(&body, self.timeout)?;
        if let Some(wait) = answer.patience() {
            let left = self.timeout.saturating_sub(began.elapsed());
            if wait < left {
                sleep(wait);
                let left = self.timeout.saturating_sub(began.elapsed());
                answer = self.ask(&body, left.max(Duration::from_millis(1)))?;
            }
        }
        if answer.status != 200 {
            return Err(self.refused(answer.status, &answer.body));
        }
        let Ok(json) = serde_json::from_slice::<Value>(&answer.body) else {
            return Err(self.strange("something that is not JSON"));
        };
        if json.get("error").is_some_and(|e| !e.is_null()) {
            return Err(self.refused(answer.status, &answer.body));
        }
        let texts = match self.provider {
            Provider::Anthropic => texts(json.get("content")),
            Provider::OpenAi => texts(json.pointer("/choices/0/message/content")),
        };
        if texts.is_empty() {
            return Err(self.strange("without a text"));
        }
        parse(&texts.concat())
            .or_else(|| texts.iter().find_map(|text| parse(text)))
            .ok_or_else(|| self.strange("with a text that is not the JSON that was asked for"))
    }

    fn body(&self, prompt: &str) -> Value {
        match self.provider {
            Provider::Anthropic => json!({
                "model": self.model,
                "max_tokens": MAX_TOKENS,
                "system": SYSTEM,
                "messages": [{"role": "user", "content": prompt}],
            }),
            // Neither a limit on tokens nor a temperature: servers disagree on both.
            Provider::OpenAi => json!({
                "model": self.model,
                "messages": [
                    {"role": "system", "content": SYSTEM},
                    {"role": "user", "content": prompt},
                ],
                "stream": false,
            }),
        }
    }

    /// One request within `limit`.
    fn ask(&self, body: &str, limit: Duration) -> Result<Answer, ExtractError> {
        let mut request = self
            .agent
            .post(&self.url)
            .config()
            .timeout_global(Some(limit))
            .build()
            .header("content-type", "application/json")
            .header("accept", "application/json");
        if self.provider == Provider::Anthropic {
            request = request.header("anthropic-version", ANTHROPIC_VERSION);
        }
        if let Some(key) = &self.key {
            request = match self.provider {
                Provider::Anthropic => request.header("x-api-key", key.expose()),
                Provider::OpenAi => {
                    request.header("authorization", format!("Bearer {}", key.expose()))
                }
            };
        }
        let failed = |error| self.failed(error);
        let mut response = request.send(body).map_err(failed)?;
        let after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.trim().parse::<f64>().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_vec()
            .map_err(failed)?;
        Ok(Answer {
            status,
            after,
            body,
        })
    }

    fn failed(&self, error: ureq::Error) -> ExtractError {
        let host = self.host.clone();
        let source = match error {
            ureq::Error::Timeout(_) => return ExtractError::TimedOut { host },
            ureq::Error::BodyExceedsLimit(_) => return ExtractError::TooLarge { host },
            ureq::Error::Io(source) if source.kind() == std::io::ErrorKind::TimedOut => {
                return ExtractError::TimedOut { host };
            }
            ureq::Error::Io(source) => source,
            other => std::io::Error::other(other),
        };
        ExtractError::Network { host, source }
    }

    /// A server's refusal, its message shortened and free of secrets.
    fn refused(&self, status: u16, body: &[u8]) -> ExtractError {
        let text = String::from_utf8_lossy(body);
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let message = json
            .as_ref()
            .and_then(|v| {
                let error = v.get("error").unwrap_or(v);
                error.get("message").unwrap_or(error).as_str()
            })
            .unwrap_or(&text);
        let message = match &self.key {
            Some(key) => key.cut_from(message),
            None => message.to_owned(),
        };
        ExtractError::Refused {
            host: self.host.clone(),
            status,
            message: redact(&message)
                .0
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(MAX_MESSAGE)
                .collect(),
        }
    }

    fn strange(&self, what: &'static str) -> ExtractError {
        ExtractError::NotAnAnswer {
            host: self.host.clone(),
            what,
        }
    }
}

/// What a server answered.
struct Answer {
    status: u16,
    after: Option<Duration>,
    body: Vec<u8>,
}

impl Answer {
    /// How long to wait before asking again; `None` when asking again would not help.
    fn patience(&self) -> Option<Duration> {
        let busy = self.status == 429 || (500..600).contains(&self.status);
        busy.then(|| self.after.unwrap_or(WAIT).min(MAX_WAIT))
    }
}

/// The texts of an answer's content: a string, or blocks of which some have a `text`.
fn texts(content: Option<&Value>) -> Vec<&str> {
    match content {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(blocks)) => blocks
            .iter()
            .filter_map(|block| block.get("text").and_then(Value::as_str))
            .collect(),
        _ => Vec::new(),
    }
}
