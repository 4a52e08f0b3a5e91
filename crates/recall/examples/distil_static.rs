//! Makes the table of the built-in embedder from a `MiniLM` folder.
//!
//! ```text
//! cargo run --release -p memrl-recall --example distil_static -- MODEL_FOLDER OUT_FILE
//! ```
//!
//! Each word piece t of the vocabulary is embedded as `[CLS] t [SEP]`, taking the last layer's
//! vector of t; the vectors are projected on their first 256 principal components, half whitened
//! (a component of variance λ is divided by λ^¼) and weighted by smooth inverse frequency,
//! a / (a + p), with p from Zipf's law. `docs/embedders.md` says what each step is worth. Every
//! step is deterministic: on one machine the same folder gives the same bytes.

use std::path::Path;
use std::process::ExitCode;

use memrl_recall::embed::{BertEmbedder, Embedder, StaticEmbedder, Vocab};

/// Dimensions of the table.
const DIM: usize = 256;
/// The constant of smooth inverse frequency (Arora et al. 2017 find 1e-3 to 1e-4 best).
const SIF: f64 = 1e-4;
/// Power of a component's variance that it is divided by: 0 leaves the components as they are, ½
/// gives all the same variance (Su et al. 2021), which lifts noise as well.
const WHITENING: f64 = 0.25;
/// Name of the result; a table with other numbers needs another name.
const ID: &str = "static-minilm-256-v1";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out] = args.as_slice() else {
        eprintln!("usage: distil_static MODEL_FOLDER OUT_FILE");
        return ExitCode::from(2);
    };
    match distil(Path::new(folder)) {
        Ok(file) => match std::fs::write(out, &file) {
            Ok(()) => {
                eprintln!("{out}: {} bytes", file.len());
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{out}: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The whole recipe: model folder to table file.
fn distil(folder: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let model = BertEmbedder::load(folder)?;
    let width = model.dim();
    if width < DIM {
        return Err(format!("the model has {width} dimensions, {DIM} are needed").into());
    }
    let tokens = token_vectors(&model)?;
    let vocab = model.tokenizer().vocab();
    let weights = sif_weights(vocab);
    let used: Vec<usize> = (0..vocab.len()).filter(|&id| weights[id] > 0.0).collect();
    let mean = mean(&tokens, width, &used);
    let axes = principal_axes(&tokens, width, &used, &mean);
    let mut table = vec![0.0_f32; vocab.len() * DIM];
    for &id in &used {
        let row = &tokens[id * width..(id + 1) * width];
        let centred: Vec<f64> = row
            .iter()
            .zip(&mean)
            .map(|(x, m)| f64::from(*x) - m)
            .collect();
        for (value, axis) in table[id * DIM..(id + 1) * DIM].iter_mut().zip(&axes) {
            let along: f64 = centred.iter().zip(axis).map(|(x, a)| x * a).sum();
            *value = (weights[id] * along) as f32;
        }
    }
    Ok(StaticEmbedder::to_file(ID, vocab, &table, DIM))
}

/// The vector of each piece in the frame of an otherwise empty text: pieces × width.
fn token_vectors(model: &BertEmbedder) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let vocab = model.tokenizer().vocab();
    let id = |piece: &str| {
        vocab
            .id(piece)
            .ok_or("the vocabulary lacks a special piece")
    };
    let (cls, sep) = (id("[CLS]")?, id("[SEP]")?);
    let width = model.dim();
    let mut out = Vec::with_capacity(vocab.len() * width);
    let all: Vec<u32> = (0..vocab.len() as u32).collect();
    for part in all.chunks(256) {
        let texts: Vec<Vec<u32>> = part.iter().map(|&t| vec![cls, t, sep]).collect();
        let hidden = model.hidden(&texts)?;
        for text in hidden.chunks_exact(3 * width) {
            out.extend_from_slice(&text[width..2 * width]);
        }
    }
    Ok(out)
}

/// a / (a + p) for each piece, 0 for the special ones, which no text contains.
///
/// p follows Zipf's law over the rank. BERT lists its words by falling frequency, but behind an
/// alphabet in the order of code points; of that, ASCII characters (punctuation, "a", "i",
/// digits) are taken to be more frequent than any word and all others to be rarer.
fn sif_weights(vocab: &Vocab) -> Vec<f64> {
    let class = |id: usize| {
        let piece = vocab.piece(id as u32).unwrap_or("");
        let inner = piece.strip_prefix("##").unwrap_or(piece);
        if piece.len() > 2 && piece.starts_with('[') && piece.ends_with(']') {
            None
        } else if inner.chars().count() != 1 {
            Some(1)
        } else if inner.is_ascii() {
            // A continuing letter ("##s") stands in its place among the words.
            Some(u8::from(inner.len() != piece.len()))
        } else {
            Some(2)
        }
    };
    let mut ranked: Vec<(u8, usize)> = (0..vocab.len())
        .filter_map(|id| class(id).map(|class| (class, id)))
        .collect();
    ranked.sort_unstable();
    let harmonic: f64 = (1..=ranked.len()).map(|rank| 1.0 / rank as f64).sum();
    let mut weights = vec![0.0; vocab.len()];
    for (place, &(_, id)) in ranked.iter().enumerate() {
        let p = 1.0 / ((place + 1) as f64 * harmonic);
        weights[id] = SIF / (SIF + p);
    }
    weights
}

fn mean(tokens: &[f32], width: usize, used: &[usize]) -> Vec<f64> {
    let mut mean = vec![0.0_f64; width];
    for &id in used {
        for (m, x) in mean.iter_mut().zip(&tokens[id * width..]) {
            *m += f64::from(*x);
        }
    }
    mean.into_iter().map(|m| m / used.len() as f64).collect()
}

/// The [`DIM`] directions of largest variance, largest first, each with its largest component
/// positive and of length λ^−[`WHITENING`] for variance λ (relative to the mean variance).
fn principal_axes(tokens: &[f32], width: usize, used: &[usize], mean: &[f64]) -> Vec<Vec<f64>> {
    let mut covariance = vec![vec![0.0_f64; width]; width];
    let mut centred = vec![0.0; width];
    for &id in used {
        for ((c, x), m) in centred.iter_mut().zip(&tokens[id * width..]).zip(mean) {
            *c = f64::from(*x) - m;
        }
        for (i, row) in covariance.iter_mut().enumerate() {
            let factor = centred[i];
            for (value, c) in row[..=i].iter_mut().zip(&centred) {
                *value += factor * c;
            }
        }
    }
    for i in 1..width {
        let (above, below) = covariance.split_at_mut(i);
        for (row, value) in above.iter_mut().zip(&below[0]) {
            row[i] = *value;
        }
    }
    let vectors = jacobi(&mut covariance);
    let average = (0..width).map(|i| covariance[i][i]).sum::<f64>() / width as f64;
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| covariance[b][b].total_cmp(&covariance[a][a]));
    order
        .into_iter()
        .take(DIM)
        .map(|i| {
            let axis = &vectors[i];
            let peak = axis.iter().fold(
                0.0_f64,
                |peak, x| if x.abs() > peak.abs() { *x } else { peak },
            );
            let length = (covariance[i][i] / average).max(1e-12).powf(-WHITENING);
            axis.iter().map(|x| x * peak.signum() * length).collect()
        })
        .collect()
}

/// Diagonalises a symmetric matrix in place by cyclic Jacobi rotations (Golub & Van Loan, §8.5);
/// returns the eigenvectors, one per row.
fn jacobi(a: &mut [Vec<f64>]) -> Vec<Vec<f64>> {
    let n = a.len();
    let mut v: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    let size: f64 = a.iter().flatten().map(|x| x * x).sum();
    for _ in 0..60 {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i][j] * a[i][j])
            .sum();
        if off <= 1e-26 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                rotate(a, p, q, c, s);
                for row in a.iter_mut() {
                    let (x, y) = (row[p], row[q]);
                    row[p] = c * x - s * y;
                    row[q] = s * x + c * y;
                }
                rotate(&mut v, p, q, c, s);
            }
        }
    }
    v
}

/// Replaces rows p and q by their rotation.
fn rotate(rows: &mut [Vec<f64>], p: usize, q: usize, c: f64, s: f64) {
    let (head, tail) = rows.split_at_mut(q);
    for (x, y) in head[p].iter_mut().zip(tail[0].iter_mut()) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}
