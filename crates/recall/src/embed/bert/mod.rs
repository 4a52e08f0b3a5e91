//! BERT-family sentence encoders (`MiniLM`, `bge-small`, …) from a local folder.
//!
//! A hand-written forward pass on [`matrixmultiply`], because a tensor framework costs more than
//! it gives here: see `docs/embedders.md` for the comparison. Texts of a batch are laid behind
//! one another without padding, so that every linear layer is one product; a text's vector does
//! not depend on its neighbours in the batch. Reads files of a folder once, when loaded; knows no
//! network (`embed::hub` fetches the folder).

mod config;
mod math;
mod weights;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use twox_hash::XxHash3_64;

use self::config::{Config, Folder, Pooling};
use self::math::{Rows, add_bias, bias_gelu, layer_norm, mul, mul_transposed, softmax};
use self::weights::{Layer, Linear, Weights};
use super::{EmbedError, Embedder, WordPiece, normalise};

/// Pieces per batch: enough to spread the cost of reading the weights, little enough to stay in
/// the processor's cache.
const BATCH_TOKENS: usize = 512;

/// A BERT-family encoder: mean or `[CLS]` pooling, vectors of unit length.
pub struct BertEmbedder {
    id: String,
    config: Config,
    pooling: Pooling,
    tokenizer: WordPiece,
    max_tokens: usize,
    special: Special,
    weights: Weights,
    threads: usize,
}

/// Numbers of the pieces that frame a text.
#[derive(Clone, Copy)]
struct Special {
    cls: u32,
    sep: u32,
    unknown: u32,
}

impl std::fmt::Debug for BertEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BertEmbedder")
            .field("id", &self.id)
            .field("config", &self.config)
            .field("pooling", &self.pooling)
            .finish_non_exhaustive()
    }
}

impl BertEmbedder {
    /// Loads a model from a folder in the layout of `sentence-transformers`: `config.json`,
    /// `model.safetensors`, `vocab.txt` or `tokenizer.json`, and where present
    /// `1_Pooling/config.json` (mean pooling otherwise) and `sentence_bert_config.json`.
    pub fn load(folder: &Path) -> Result<Self, EmbedError> {
        let Folder {
            config,
            pooling,
            vocab,
            max_tokens,
        } = Folder::read(folder)?;
        let find = |piece: &str| {
            vocab
                .id(piece)
                .ok_or_else(|| EmbedError::Format(format!("the vocabulary lacks {piece}")))
        };
        let special = Special {
            cls: find("[CLS]")?,
            sep: find("[SEP]")?,
            unknown: find("[UNK]")?,
        };
        let bytes = config::read(&folder.join("model.safetensors"))?;
        // Whatever changes the vectors goes into the id, so that vectors never mix.
        let settings = format!(
            "heads {} eps {:e} cls {} length {max_tokens}",
            config.num_attention_heads,
            config.layer_norm_eps,
            pooling == Pooling::Cls
        );
        let (pieces, offsets, ..) = vocab.parts();
        let hash = [settings.as_bytes(), pieces, offsets, &bytes]
            .into_iter()
            .fold(0, XxHash3_64::oneshot_with_seed);
        let id = format!(
            "bert-{}x{}-{hash:016x}",
            config.num_hidden_layers, config.hidden_size
        );
        Ok(Self {
            weights: Weights::read(&bytes, &config)?,
            tokenizer: WordPiece::new(vocab),
            id,
            config,
            pooling,
            max_tokens,
            special,
            threads: 1,
        })
    }

    /// Lets batches run on up to `threads` threads (at least 1, which is the default). The
    /// vectors do not depend on it.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// The tokenizer, for tools that need the vocabulary.
    pub fn tokenizer(&self) -> &WordPiece {
        &self.tokenizer
    }

    /// The pieces of a text between `[CLS]` and `[SEP]`, cut to the model's length.
    pub fn pieces(&self, text: &str) -> Vec<u32> {
        let mut out = vec![self.special.cls];
        let room = self.max_tokens - 2;
        self.tokenizer
            .encode(text, room, Some(self.special.unknown), &mut out);
        out.push(self.special.sep);
        out
    }

    /// The last layer's vectors of already framed texts: one row of [`Embedder::dim`] numbers per
    /// piece, texts behind one another. Used to distil token tables.
    pub fn hidden(&self, texts: &[Vec<u32>]) -> Result<Vec<f32>, EmbedError> {
        let h = self.config.hidden_size;
        let total: usize = texts.iter().map(Vec::len).sum();
        let mut x = Vec::with_capacity(total * h);
        for text in texts {
            if text.len() > self.config.max_position_embeddings {
                return Err(EmbedError::Format(format!(
                    "{} pieces, but the model reads {}",
                    text.len(),
                    self.config.max_position_embeddings
                )));
            }
            for (&id, position) in text.iter().zip(self.weights.positions.chunks_exact(h)) {
                let start = id as usize * h;
                let row = self.weights.tokens.get(start..start + h).ok_or_else(|| {
                    EmbedError::Format(format!("no word piece has the number {id}"))
                })?;
                x.extend(row.iter().zip(position).map(|(a, b)| a + b));
            }
        }
        let eps = self.config.layer_norm_eps;
        let norm = &self.weights.norm;
        layer_norm(&mut x, &norm.scale, &norm.shift, eps);
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let mut room = Room::new(total, &self.config, &lengths);
        for layer in &self.weights.layers {
            layer.forward(&mut x, &lengths, &self.config, &mut room);
        }
        Ok(x)
    }

    /// One unit vector per framed text.
    fn pool(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let h = self.config.hidden_size;
        let x = self.hidden(texts)?;
        let mut rows = x.chunks_exact(h);
        let mut out = Vec::with_capacity(texts.len());
        for text in texts {
            let mut vector = vec![0.0; h];
            for (place, row) in rows.by_ref().take(text.len()).enumerate() {
                if place == 0 || self.pooling == Pooling::Mean {
                    for (v, r) in vector.iter_mut().zip(row) {
                        *v += r;
                    }
                }
            }
            normalise(&mut vector);
            out.push(vector);
        }
        Ok(out)
    }
}

/// Buffers that every layer reuses.
struct Room {
    qkv: Vec<f32>,
    context: Vec<f32>,
    scores: Vec<f32>,
    wide: Vec<f32>,
    narrow: Vec<f32>,
}

impl Room {
    fn new(total: usize, config: &Config, lengths: &[usize]) -> Self {
        let h = config.hidden_size;
        let longest = lengths.iter().copied().max().unwrap_or(0);
        Self {
            qkv: vec![0.0; total * 3 * h],
            context: vec![0.0; total * h],
            scores: vec![0.0; longest * longest],
            wide: vec![0.0; total * config.intermediate_size],
            narrow: vec![0.0; total * h],
        }
    }
}

/// `y = x·W` for every row of `x`; the bias is added where the result is used.
fn product(x: &[f32], linear: &Linear, y: &mut [f32]) {
    let outputs = linear.bias.len();
    let inputs = linear.weight.len() / outputs;
    let rows = Rows {
        data: x,
        stride: inputs,
    };
    let weight = Rows {
        data: &linear.weight,
        stride: outputs,
    };
    let shape = (x.len() / inputs, inputs, outputs);
    mul(shape, &rows, &weight, y, outputs);
}

fn add(x: &mut [f32], y: &[f32]) {
    for (a, b) in x.iter_mut().zip(y) {
        *a += b;
    }
}

impl Layer {
    /// One encoder layer, in place (Vaswani et al. 2017, fig. 1 left; normalisation after the
    /// residual, as in BERT).
    fn forward(&self, x: &mut [f32], lengths: &[usize], config: &Config, room: &mut Room) {
        product(x, &self.qkv, &mut room.qkv);
        add_bias(&mut room.qkv, &self.qkv.bias);
        attend(lengths, config, room);
        product(&room.context, &self.attention_out, &mut room.narrow);
        add_bias(&mut room.narrow, &self.attention_out.bias);
        add(x, &room.narrow);
        let norm = &self.attention_norm;
        layer_norm(x, &norm.scale, &norm.shift, config.layer_norm_eps);

        product(x, &self.up, &mut room.wide);
        bias_gelu(&mut room.wide, &self.up.bias);
        product(&room.wide, &self.down, &mut room.narrow);
        add_bias(&mut room.narrow, &self.down.bias);
        add(x, &room.narrow);
        let norm = &self.out_norm;
        layer_norm(x, &norm.scale, &norm.shift, config.layer_norm_eps);
    }
}

/// Scaled dot-product attention inside each text (Vaswani et al. 2017, eq. 1): `room.qkv` to
/// `room.context`.
fn attend(lengths: &[usize], config: &Config, room: &mut Room) {
    let h = config.hidden_size;
    let width = h / config.num_attention_heads;
    let scale = 1.0 / (width as f32).sqrt();
    let mut start = 0;
    for &n in lengths {
        for head in 0..config.num_attention_heads {
            let part = |which: usize| Rows {
                data: &room.qkv[start * 3 * h + which * h + head * width..],
                stride: 3 * h,
            };
            let scores = &mut room.scores[..n * n];
            mul_transposed((n, width, n), &part(0), &part(1), scores, n);
            softmax(scores, n, scale);
            let probabilities = Rows {
                data: scores,
                stride: n,
            };
            let context = &mut room.context[start * h + head * width..];
            mul((n, n, width), &probabilities, &part(2), context, h);
        }
        start += n;
    }
}

impl Embedder for BertEmbedder {
    fn id(&self) -> &str {
        &self.id
    }

    fn dim(&self) -> usize {
        self.config.hidden_size
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let pieces: Vec<Vec<u32>> = texts.iter().map(|text| self.pieces(text)).collect();
        let mut batches = Vec::new();
        let (mut from, mut tokens) = (0, 0);
        for (i, text) in pieces.iter().enumerate() {
            if tokens > 0 && tokens + text.len() > BATCH_TOKENS {
                batches.push(from..i);
                (from, tokens) = (i, 0);
            }
            tokens += text.len();
        }
        if from < pieces.len() {
            batches.push(from..pieces.len());
        }
        let threads = self.threads.min(batches.len());
        if threads <= 1 {
            let mut out = Vec::with_capacity(texts.len());
            for batch in batches {
                out.extend(self.pool(&pieces[batch])?);
            }
            return Ok(out);
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push((batch.start, self.pool(&pieces[batch.clone()])?));
            }
            Ok(done)
        };
        let mut done = Vec::with_capacity(batches.len());
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            for worker in workers {
                match worker.join() {
                    Ok(part) => done.extend(part?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok::<(), EmbedError>(())
        })?;
        done.sort_unstable_by_key(|(start, _)| *start);
        Ok(done.into_iter().flat_map(|(_, vectors)| vectors).collect())
    }
}
