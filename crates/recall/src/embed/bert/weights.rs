//! The numbers of a BERT model, read from `model.safetensors`. Knows shapes, not arithmetic.

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::config::Config;
use crate::embed::EmbedError;

/// `y = x·Wᵀ + b`.
pub(super) struct Linear {
    /// Outputs × inputs, row-major.
    pub weight: Vec<f32>,
    /// One per output.
    pub bias: Vec<f32>,
}

/// Scale and shift of a layer normalisation.
pub(super) struct Norm {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// One encoder layer. H = hidden size, I = intermediate size.
pub(super) struct Layer {
    /// Query, key and value stacked: H → 3H.
    pub qkv: Linear,
    /// H → H.
    pub attention_out: Linear,
    pub attention_norm: Norm,
    /// H → I.
    pub up: Linear,
    /// I → H.
    pub down: Linear,
    pub out_norm: Norm,
}

/// All weights of the encoder.
pub(super) struct Weights {
    /// Vocabulary × H.
    pub tokens: Vec<f32>,
    /// Positions × H, with the vector of segment 0 already added.
    pub positions: Vec<f32>,
    pub norm: Norm,
    pub layers: Vec<Layer>,
}

/// IEEE half precision to single.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    let size = match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    };
    sign * size
}

struct Source<'a> {
    file: SafeTensors<'a>,
    prefix: &'static str,
}

impl Source<'_> {
    /// The tensor `name`, which must have the shape `shape` and finite numbers.
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EmbedError> {
        let refuse =
            |what: String| EmbedError::Format(format!("model.safetensors: {name}: {what}"));
        let view = self
            .file
            .tensor(&format!("{}{name}", self.prefix))
            .map_err(|e| refuse(e.to_string()))?;
        if view.shape() != shape {
            return Err(refuse(format!("shape {:?}, not {shape:?}", view.shape())));
        }
        let data = view.data();
        let pairs = || {
            data.chunks_exact(2)
                .map(|b| u16::from_le_bytes([b[0], b[1]]))
        };
        let numbers: Vec<f32> = match view.dtype() {
            Dtype::F32 => data
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            Dtype::F16 => pairs().map(half).collect(),
            Dtype::BF16 => pairs()
                .map(|bits| f32::from_bits(u32::from(bits) << 16))
                .collect(),
            other => return Err(refuse(format!("numbers of type {other:?}"))),
        };
        if numbers.len() != shape.iter().product::<usize>() {
            return Err(refuse("another size than its shape".into()));
        }
        if !numbers.iter().all(|x| x.is_finite()) {
            return Err(refuse("a number that is not finite".into()));
        }
        Ok(numbers)
    }

    fn linear(&self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, EmbedError> {
        Ok(Linear {
            weight: self.get(&format!("{name}.weight"), &[outputs, inputs])?,
            bias: self.get(&format!("{name}.bias"), &[outputs])?,
        })
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, EmbedError> {
        Ok(Norm {
            scale: self.get(&format!("{name}.weight"), &[width])?,
            shift: self.get(&format!("{name}.bias"), &[width])?,
        })
    }

    fn layer(&self, index: usize, config: &Config) -> Result<Layer, EmbedError> {
        let (h, i) = (config.hidden_size, config.intermediate_size);
        let at = |rest: &str| format!("encoder.layer.{index}.{rest}");
        let mut qkv = self.linear(&at("attention.self.query"), h, h)?;
        for part in ["attention.self.key", "attention.self.value"] {
            let next = self.linear(&at(part), h, h)?;
            qkv.weight.extend_from_slice(&next.weight);
            qkv.bias.extend_from_slice(&next.bias);
        }
        Ok(Layer {
            qkv,
            attention_out: self.linear(&at("attention.output.dense"), h, h)?,
            attention_norm: self.norm(&at("attention.output.LayerNorm"), h)?,
            up: self.linear(&at("intermediate.dense"), i, h)?,
            down: self.linear(&at("output.dense"), h, i)?,
            out_norm: self.norm(&at("output.LayerNorm"), h)?,
        })
    }
}

impl Weights {
    /// Reads the weights of a model of the sizes in `config`. Tensor names may bear the prefix
    /// `bert.`; numbers may be single, half or brain-float precision.
    pub fn read(bytes: &[u8], config: &Config) -> Result<Self, EmbedError> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|e| EmbedError::Format(format!("model.safetensors: {e}")))?;
        let bare = "embeddings.word_embeddings.weight";
        let prefix = if file.tensor(bare).is_ok() {
            ""
        } else {
            "bert."
        };
        let source = Source { file, prefix };
        let h = config.hidden_size;
        let mut positions = source.get(
            "embeddings.position_embeddings.weight",
            &[config.max_position_embeddings, h],
        )?;
        let segments = "embeddings.token_type_embeddings.weight";
        let rows = source
            .file
            .tensor(&format!("{prefix}{segments}"))
            .map_or(1, |view| view.shape().first().copied().unwrap_or(0));
        let segments = source.get(segments, &[rows, h])?;
        for row in positions.chunks_exact_mut(h) {
            for (value, s) in row.iter_mut().zip(&segments) {
                *value += s;
            }
        }
        Ok(Self {
            tokens: source.get(bare, &[config.vocab_size, h])?,
            positions,
            norm: source.norm("embeddings.LayerNorm", h)?,
            layers: (0..config.num_hidden_layers)
                .map(|index| source.layer(index, config))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A number that changes when the model does: FNV-1a over the head of the file and the first
/// KiB of every tensor (a fine-tuned model differs in every tensor; hashing all of it would cost
/// more than loading).
pub(super) fn fingerprint(bytes: &[u8], mut hash: u64) -> Result<u64, EmbedError> {
    let mut eat = |part: &[u8]| {
        for &byte in part {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| EmbedError::Format(format!("model.safetensors: {e}")))?;
    let mut names = file.names();
    names.sort_unstable();
    for name in names {
        let view = file
            .tensor(name)
            .map_err(|e| EmbedError::Format(format!("model.safetensors: {name}: {e}")))?;
        eat(name.as_bytes());
        for size in view.shape() {
            eat(&(*size as u64).to_le_bytes());
        }
        eat(&view.data()[..view.data().len().min(1024)]);
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn half_precision_reads_as_ieee_says() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2_f32.powi(-24)),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value));
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }
}
