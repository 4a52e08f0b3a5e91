//! The numbers of a BERT model, read from `model.safetensors`. Knows shapes, not arithmetic.

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::config::Config;
use crate::embed::EmbedError;

/// `y = x·W + b`.
pub(super) struct Linear {
    /// Inputs × outputs, row-major: the transpose of what the file holds, because a product reads
    /// it in this order, and with few rows of x reading the weights is most of the work.
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

/// Writes rows of `inputs` numbers as columns into `out`, whose rows are `stride` apart; in
/// blocks, so that both sides stay in the cache.
fn transpose(rows: &[f32], inputs: usize, out: &mut [f32], stride: usize) {
    const BLOCK: usize = 16;
    for (block, part) in rows.chunks(BLOCK * inputs).enumerate() {
        for start in (0..inputs).step_by(BLOCK) {
            for (row, data) in part.chunks_exact(inputs).enumerate() {
                let end = inputs.min(start + BLOCK);
                for (column, value) in (start..end).zip(&data[start..end]) {
                    out[column * stride + block * BLOCK + row] = *value;
                }
            }
        }
    }
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
        self.stacked(&[name], outputs, inputs)
    }

    /// Linear maps of the same input as one, their outputs behind one another.
    fn stacked(&self, names: &[&str], outputs: usize, inputs: usize) -> Result<Linear, EmbedError> {
        let stride = outputs * names.len();
        let mut weight = vec![0.0; inputs * stride];
        let mut bias = Vec::with_capacity(stride);
        for (part, name) in names.iter().enumerate() {
            let rows = self.get(&format!("{name}.weight"), &[outputs, inputs])?;
            transpose(&rows, inputs, &mut weight[part * outputs..], stride);
            bias.extend(self.get(&format!("{name}.bias"), &[outputs])?);
        }
        Ok(Linear { weight, bias })
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
        let parts = ["query", "key", "value"].map(|part| at(&format!("attention.self.{part}")));
        Ok(Layer {
            qkv: self.stacked(&parts.each_ref().map(String::as_str), h, h)?,
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
