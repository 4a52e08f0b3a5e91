//! Embedders named by a line of configuration.
//!
//! | line | embedder |
//! |---|---|
//! | `static` | the built-in table |
//! | `bert:FOLDER`, `minilm:FOLDER` | a BERT-family model in a local folder |
//! | `openai:MODEL@URL` | an OpenAI-compatible endpoint |
//!
//! The address may end with `#dim=N&key=NAME`: the dimension (saves a request at start) and the
//! environment variable that holds the key (`MEMRL_EMBED_API_KEY` otherwise; a key meant for
//! somebody else is never picked up). A line never holds a key itself.

use std::path::PathBuf;
use std::str::FromStr;

use super::{EmbedError, Embedder, StaticEmbedder};

/// The environment variable that is read for a key unless the line names another.
pub const DEFAULT_KEY_ENV: &str = "MEMRL_EMBED_API_KEY";

/// Which embedder to use. Written and read as one line; see the module's table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbedderSpec {
    /// The built-in table.
    Static,
    /// A BERT-family model in a local folder.
    Bert {
        /// The folder.
        folder: PathBuf,
    },
    /// An OpenAI-compatible endpoint.
    OpenAi {
        /// The model's name at the endpoint.
        model: String,
        /// Base address, usually ending with `/v1`.
        url: String,
        /// Dimension, if known.
        dim: Option<usize>,
        /// Environment variable with the key; [`DEFAULT_KEY_ENV`] if not given.
        key_env: Option<String>,
    },
}

impl FromStr for EmbedderSpec {
    type Err = EmbedError;

    fn from_str(line: &str) -> Result<Self, EmbedError> {
        let line = line.trim();
        let refuse = |what: &str| {
            Err(EmbedError::Format(format!(
                "no embedder is named like this: {what}; use static, bert:FOLDER, \
                 minilm:FOLDER or openai:MODEL@URL"
            )))
        };
        match line.split_once(':') {
            None if line == "static" => Ok(Self::Static),
            Some(("bert" | "minilm", folder)) if !folder.is_empty() => Ok(Self::Bert {
                folder: folder.into(),
            }),
            Some(("bert" | "minilm", _)) => refuse("the folder is missing"),
            Some(("openai", rest)) => {
                let at = rest.find("@http://").or_else(|| rest.find("@https://"));
                match at {
                    Some(at) if at > 0 => open_ai(&rest[..at], &rest[at + 1..]),
                    _ => refuse("MODEL@URL is expected, with http:// or https://"),
                }
            }
            // The line is not repeated: it may hold a key that was put in the wrong place.
            _ => refuse("unknown kind"),
        }
    }
}

fn open_ai(model: &str, address: &str) -> Result<EmbedderSpec, EmbedError> {
    let (url, options) = address.split_once('#').unwrap_or((address, ""));
    let (mut dim, mut key_env) = (None, None);
    for option in options.split('&').filter(|o| !o.is_empty()) {
        match option.split_once('=') {
            Some(("dim", number)) => {
                let number = number.parse().ok().filter(|n| (1..=1 << 16).contains(n));
                dim = Some(number.ok_or_else(|| {
                    EmbedError::Format("dim= takes a number from 1 to 65536".into())
                })?);
            }
            Some(("key", name))
                if !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                key_env = Some(name.to_owned());
            }
            _ => {
                return Err(EmbedError::Format(
                    "behind # only dim=NUMBER and key=NAME_OF_ENVIRONMENT_VARIABLE may stand"
                        .into(),
                ));
            }
        }
    }
    Ok(EmbedderSpec::OpenAi {
        model: model.to_owned(),
        url: url.to_owned(),
        dim,
        key_env,
    })
}

impl std::fmt::Display for EmbedderSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Static => f.write_str("static"),
            Self::Bert { folder } => write!(f, "bert:{}", folder.display()),
            Self::OpenAi {
                model,
                url,
                dim,
                key_env,
            } => {
                write!(f, "openai:{model}@{url}")?;
                let dim = dim.map(|n| format!("dim={n}"));
                let key = key_env.as_ref().map(|name| format!("key={name}"));
                let options: Vec<String> = dim.into_iter().chain(key).collect();
                if options.is_empty() {
                    return Ok(());
                }
                write!(f, "#{}", options.join("&"))
            }
        }
    }
}

/// Makes the embedder that `spec` names. Reads the model's folder for `bert:`, asks the endpoint
/// once for `openai:` without a dimension, and reads the key from the environment. An error says
/// so when this build lacks the feature.
pub fn from_spec(spec: &EmbedderSpec) -> Result<Box<dyn Embedder>, EmbedError> {
    match spec {
        EmbedderSpec::Static => Ok(Box::new(StaticEmbedder::builtin())),
        #[cfg(feature = "bert")]
        EmbedderSpec::Bert { folder } => Ok(Box::new(super::BertEmbedder::load(folder)?)),
        #[cfg(feature = "remote")]
        EmbedderSpec::OpenAi {
            model,
            url,
            dim,
            key_env,
        } => {
            let name = key_env.as_deref().unwrap_or(DEFAULT_KEY_ENV);
            let key = super::ApiKey::from_env(name)?;
            if key.is_none() && key_env.is_some() {
                return Err(EmbedError::Format(format!(
                    "the environment variable {name} holds no key"
                )));
            }
            let mut config = super::RemoteConfig::new(url, model);
            (config.key, config.dim) = (key, *dim);
            Ok(Box::new(super::RemoteEmbedder::connect(config)?))
        }
        #[cfg(not(all(feature = "bert", feature = "remote")))]
        other => Err(EmbedError::Format(format!(
            "{other} needs a feature that this build was made without"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_written_back() {
        for line in [
            "static",
            "bert:/models/bge-small",
            "openai:nomic-embed-text@http://localhost:11434/v1",
            "openai:m@x@https://host/v1#dim=1536&key=OPENAI_API_KEY",
        ] {
            let spec: EmbedderSpec = line.parse().unwrap();
            assert_eq!(spec.to_string(), line);
        }
        let spec: EmbedderSpec = "minilm:models/a:b".parse().unwrap();
        let folder = PathBuf::from("models/a:b");
        assert_eq!(spec, EmbedderSpec::Bert { folder });
    }

    #[test]
    fn other_lines_are_refused_without_repeating_them() {
        for line in [
            "",
            "Static!",
            "static:x",
            "bert:",
            "openai:sk-secret",
            "openai:@https://host",
            "openai:m@host",
            "openai:m@https://host#dim=0",
            "openai:m@https://host#key=sk-secret",
            "openai:m@https://host#sk_secret",
        ] {
            let error = line.parse::<EmbedderSpec>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_default_needs_nothing() {
        let embedder = from_spec(&EmbedderSpec::Static).unwrap();
        assert_eq!(embedder.id(), "static-minilm-256-v1");
    }
}
