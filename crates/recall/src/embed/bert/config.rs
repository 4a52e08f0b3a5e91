//! What a BERT model's folder says about it: sizes, pooling, vocabulary.
//!
//! Reads the files of the `sentence-transformers` layout: `config.json`, `vocab.txt` (or the
//! vocabulary inside `tokenizer.json`), and where present `1_Pooling/config.json`,
//! `sentence_bert_config.json` and `tokenizer_config.json`. Knows nothing of weights.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::embed::{EmbedError, Vocab};

/// Sizes of the network (`config.json`).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Config {
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Attention heads; they share the width evenly.
    pub num_attention_heads: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Rows of the position table: the longest input, special pieces included.
    pub max_position_embeddings: usize,
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Added to the variance in layer normalisation.
    #[serde(default = "default_eps")]
    pub layer_norm_eps: f32,
    /// Only `gelu` (the exact one) is supported.
    #[serde(default = "default_act")]
    pub hidden_act: String,
    /// Only `bert` is supported.
    #[serde(default)]
    pub model_type: Option<String>,
    /// Only `absolute` is supported.
    #[serde(default)]
    pub position_embedding_type: Option<String>,
}

fn default_eps() -> f32 {
    1e-12
}

fn default_act() -> String {
    "gelu".into()
}

/// How the tokens' vectors become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// The vector of `[CLS]`.
    Cls,
}

/// Everything but the weights.
pub(super) struct Folder {
    pub config: Config,
    pub pooling: Pooling,
    pub vocab: Vocab,
    /// Longest input in pieces, special ones included.
    pub max_tokens: usize,
}

/// A whole file, its path in the error.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, EmbedError> {
    std::fs::read(path).map_err(|source| EmbedError::Io {
        context: format!("cannot read {}", path.display()),
        source,
    })
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, EmbedError> {
    serde_json::from_slice(bytes)
        .map_err(|e| EmbedError::Format(format!("{}: {e}", path.display())))
}

/// The file as JSON, or nothing when there is no such file.
fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EmbedError> {
    match read(path) {
        Ok(bytes) => parse(path, &bytes).map(Some),
        Err(EmbedError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct PoolingFile {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

#[derive(Deserialize)]
struct LengthFile {
    max_seq_length: Option<usize>,
}

#[derive(Deserialize)]
struct CaseFile {
    do_lower_case: Option<bool>,
}

#[derive(Deserialize)]
struct TokenizerFile {
    model: TokenizerModel,
}

#[derive(Deserialize)]
struct TokenizerModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: std::collections::HashMap<String, usize>,
}

impl Config {
    fn check(&self) -> Result<(), EmbedError> {
        let refuse = |what: String| Err(EmbedError::Format(format!("config.json: {what}")));
        if let Some(kind) = self.model_type.as_deref().filter(|k| *k != "bert") {
            return refuse(format!(
                "model_type \"{kind}\" is not supported, only \"bert\""
            ));
        }
        if self.hidden_act != "gelu" {
            return refuse(format!(
                "hidden_act \"{}\" is not supported",
                self.hidden_act
            ));
        }
        if let Some(kind) = self
            .position_embedding_type
            .as_deref()
            .filter(|k| *k != "absolute")
        {
            return refuse(format!(
                "position_embedding_type \"{kind}\" is not supported"
            ));
        }
        let sizes = [
            self.hidden_size,
            self.intermediate_size,
            self.num_attention_heads,
            self.num_hidden_layers,
            self.max_position_embeddings,
            self.vocab_size,
        ];
        // The bound keeps products of two sizes far from overflow.
        if sizes.iter().any(|&s| s == 0 || s > 1 << 24) {
            return refuse("a size is zero or absurdly large".into());
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return refuse("hidden_size is not a multiple of num_attention_heads".into());
        }
        if self.max_position_embeddings < 3 {
            return refuse("no room for a word between the special pieces".into());
        }
        Ok(())
    }
}

fn vocabulary(folder: &Path) -> Result<Vocab, EmbedError> {
    let lines = folder.join("vocab.txt");
    if lines.exists() {
        let bytes = read(&lines)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|e| EmbedError::Format(format!("{}: {e}", lines.display())))?;
        return Vocab::from_lines(text);
    }
    let path = folder.join("tokenizer.json");
    let file: TokenizerFile = parse(&path, &read(&path)?)?;
    let refuse = |what: &str| EmbedError::Format(format!("{}: {what}", path.display()));
    if file.model.kind.as_deref().is_some_and(|k| k != "WordPiece") {
        return Err(refuse("its model is not WordPiece"));
    }
    let mut pieces = vec![None; file.model.vocab.len()];
    for (piece, id) in &file.model.vocab {
        *pieces
            .get_mut(*id)
            .ok_or_else(|| refuse("its numbers have holes"))? = Some(piece.as_str());
    }
    let pieces: Option<Vec<&str>> = pieces.into_iter().collect();
    Vocab::from_pieces(pieces.ok_or_else(|| refuse("its numbers have holes"))?)
}

impl Folder {
    /// Reads everything but the weights.
    pub fn read(folder: &Path) -> Result<Self, EmbedError> {
        let path = folder.join("config.json");
        let config: Config = parse(&path, &read(&path)?)?;
        config.check()?;
        let cased = optional::<CaseFile>(&folder.join("tokenizer_config.json"))?
            .is_some_and(|file| file.do_lower_case == Some(false));
        if cased {
            return Err(EmbedError::Format(
                "tokenizer_config.json: cased models are not supported".into(),
            ));
        }
        let pooling = match optional::<PoolingFile>(&folder.join("1_Pooling/config.json"))? {
            None => Pooling::Mean,
            Some(file) => match (file.pooling_mode_mean_tokens, file.pooling_mode_cls_token) {
                (true, false) => Pooling::Mean,
                (false, true) => Pooling::Cls,
                _ => {
                    return Err(EmbedError::Format(
                        "1_Pooling/config.json: neither mean nor CLS pooling alone".into(),
                    ));
                }
            },
        };
        let vocab = vocabulary(folder)?;
        if vocab.len() > config.vocab_size {
            return Err(EmbedError::Format(format!(
                "{} word pieces, but a token table of {} rows",
                vocab.len(),
                config.vocab_size
            )));
        }
        let wanted = optional::<LengthFile>(&folder.join("sentence_bert_config.json"))?
            .and_then(|file| file.max_seq_length)
            .unwrap_or(usize::MAX);
        let max_tokens = wanted.clamp(3, config.max_position_embeddings);
        Ok(Self {
            config,
            pooling,
            vocab,
            max_tokens,
        })
    }
}
