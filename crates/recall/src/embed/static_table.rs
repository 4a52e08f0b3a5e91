//! The built-in embedder: a table of word-piece vectors inside the binary.
//!
//! A sentence is the weighted sum of its pieces' vectors, scaled to unit length. The vectors are
//! distilled from a sentence encoder (one forward pass per piece, projected to fewer dimensions),
//! the weights are those of smooth inverse frequency (Arora et al. 2017, eq. 3), folded into the
//! rows; `docs/embedders.md` has the recipe. Needs no file, no network, no start-up work:
//! vocabulary and table are used where they lie. Knows nothing of the model that it came from.
//!
//! # File format
//!
//! Little-endian, without padding: magic `MEMRLST1`; u32 each: pieces V, dimensions D, bytes of
//! text T, slots S of the hash table, longest piece in bytes, bytes of the id; the id (UTF-8);
//! offsets of the pieces in the text, u32 × (V + 1); hash table, u32 × S; scales, f32 × V; text,
//! T bytes; rows, i8 × V × D. Component j of piece i is `scale[i] · row[i][j]`.

use super::{EmbedError, Embedder, Vocab, WordPiece, normalise};

const MAGIC: &[u8; 8] = b"MEMRLST1";

/// Pieces read from one text; what follows no longer changes the direction of the sum much.
const MAX_PIECES: usize = 8192;

static BUILTIN: &[u8] = include_bytes!("../../assets/static-v1.bin");

/// Sentence vectors from a table of word-piece vectors.
#[derive(Clone, Debug)]
pub struct StaticEmbedder {
    id: &'static str,
    dim: usize,
    tokenizer: WordPiece,
    /// Little-endian f32 per piece.
    scales: &'static [u8],
    /// One byte per component, two's complement.
    rows: &'static [u8],
}

/// Cuts a file into its parts, each with its size checked.
struct Reader(&'static [u8]);

impl Reader {
    fn take(&mut self, count: usize, size: usize) -> Result<&'static [u8], EmbedError> {
        let broken = || EmbedError::Format("the table of static vectors is cut short".into());
        let bytes = count.checked_mul(size).ok_or_else(broken)?;
        let (part, rest) = self.0.split_at_checked(bytes).ok_or_else(broken)?;
        self.0 = rest;
        Ok(part)
    }

    fn number(&mut self) -> Result<usize, EmbedError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4, 1)?);
        Ok(u32::from_le_bytes(bytes) as usize)
    }
}

impl StaticEmbedder {
    /// The table inside the binary: 256 dimensions, distilled from all-MiniLM-L6-v2.
    ///
    /// # Panics
    /// When the binary was built around a broken asset, which a test excludes.
    pub fn builtin() -> Self {
        Self::from_static(BUILTIN).expect("the built-in table is whole")
    }

    /// A table in the file format of this module.
    pub fn from_static(bytes: &'static [u8]) -> Result<Self, EmbedError> {
        let mut reader = Reader(bytes);
        if reader.take(8, 1)? != MAGIC {
            return Err(EmbedError::Format("not a table of static vectors".into()));
        }
        let pieces = reader.number()?;
        let dim = reader.number()?;
        let text_bytes = reader.number()?;
        let slots = reader.number()?;
        let longest = reader.number()?;
        let id_bytes = reader.number()?;
        let id = std::str::from_utf8(reader.take(id_bytes, 1)?)
            .map_err(|e| EmbedError::Format(format!("the table's id: {e}")))?;
        let offsets = reader.take(pieces + 1, 4)?;
        let slots = reader.take(slots, 4)?;
        let scales = reader.take(pieces, 4)?;
        let text = reader.take(text_bytes, 1)?;
        let rows = reader.take(pieces * dim, 1)?;
        if dim == 0 || !reader.0.is_empty() {
            return Err(EmbedError::Format("a table of a broken size".into()));
        }
        Ok(Self {
            id,
            dim,
            tokenizer: WordPiece::new(Vocab::from_parts(text, offsets, slots, longest)?),
            scales,
            rows,
        })
    }

    /// The tokenizer over the table's vocabulary.
    pub fn tokenizer(&self) -> &WordPiece {
        &self.tokenizer
    }

    /// A file in the format of this module from vectors (`vocab.len()` × `dim`, row-major), each
    /// row quantised to 8 bits with a scale of its own. A row of zeros stays zero.
    ///
    /// # Panics
    /// When `vectors` is not `vocab.len()` × `dim` or a size does not fit 32 bits.
    pub fn to_file(id: &str, vocab: &Vocab, vectors: &[f32], dim: usize) -> Vec<u8> {
        assert_eq!(vectors.len(), vocab.len() * dim, "one row per piece");
        let (text, offsets, slots, longest) = vocab.parts();
        let mut file = MAGIC.to_vec();
        for size in [
            vocab.len(),
            dim,
            text.len(),
            slots.len() / 4,
            longest,
            id.len(),
        ] {
            let size = u32::try_from(size).expect("sizes fit 32 bits");
            file.extend_from_slice(&size.to_le_bytes());
        }
        file.extend_from_slice(id.as_bytes());
        file.extend_from_slice(offsets);
        file.extend_from_slice(slots);
        let scale_of = |row: &[f32]| row.iter().fold(0.0_f32, |max, x| max.max(x.abs())) / 127.0;
        for row in vectors.chunks_exact(dim) {
            file.extend_from_slice(&scale_of(row).to_le_bytes());
        }
        file.extend_from_slice(text);
        for row in vectors.chunks_exact(dim) {
            let scale = scale_of(row).max(f32::MIN_POSITIVE);
            file.extend(row.iter().map(|x| (x / scale).round() as i8 as u8));
        }
        file
    }

    /// Adds the vector of piece `id` to `sum`.
    #[inline]
    fn add(&self, id: u32, sum: &mut [f32]) {
        let at = id as usize;
        let (Some(scale), Some(row)) = (
            self.scales.get(at * 4..at * 4 + 4),
            self.rows.get(at * self.dim..(at + 1) * self.dim),
        ) else {
            return;
        };
        let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
        for (s, &byte) in sum.iter_mut().zip(row) {
            *s += scale * f32::from(byte as i8);
        }
    }

    /// The vector of one text into `out` ([`Embedder::dim`] numbers); `pieces` is scratch space.
    fn embed_into(&self, text: &str, pieces: &mut Vec<u32>, out: &mut [f32]) {
        pieces.clear();
        self.tokenizer.encode(text, MAX_PIECES, None, pieces);
        for &id in pieces.iter() {
            self.add(id, out);
        }
        normalise(out);
    }
}

impl Embedder for StaticEmbedder {
    fn id(&self) -> &str {
        self.id
    }

    fn dim(&self) -> usize {
        self.dim
    }

    /// Never fails.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut pieces = Vec::with_capacity(64);
        let vector = |text: &&str| {
            let mut out = vec![0.0; self.dim];
            self.embed_into(text, &mut pieces, &mut out);
            out
        };
        Ok(texts.iter().map(vector).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> StaticEmbedder {
        let vocab = Vocab::from_lines("red\ngreen\nblue\n##ish").unwrap();
        let vectors = [3.0, 0.0, 0.0, 4.0, -1.0, 0.5, 0.0, 0.0];
        let file = StaticEmbedder::to_file("toy", &vocab, &vectors, 2);
        StaticEmbedder::from_static(Box::leak(file.into_boxed_slice())).unwrap()
    }

    #[test]
    fn a_text_is_the_unit_sum_of_its_pieces() {
        let vectors = table().embed(&["Red green!", "blue"]).unwrap();
        assert!((vectors[0][0] - 0.6).abs() < 1e-6 && (vectors[0][1] - 0.8).abs() < 1e-6);
        // −1 is stored exactly, 0.5 as 64/127 of it.
        let length = (1.0 + (64.0_f32 / 127.0).powi(2)).sqrt();
        assert!((vectors[1][0] + 1.0 / length).abs() < 1e-6);
    }

    #[test]
    fn a_text_without_known_words_is_all_zeros() {
        for text in ["", " \t\n", "yellow", "\u{200d}"] {
            assert_eq!(table().embed(&[text]).unwrap(), [vec![0.0, 0.0]]);
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let vocab = Vocab::from_lines("a\nb").unwrap();
        let file = StaticEmbedder::to_file("toy", &vocab, &[1.0; 6], 3).leak();
        assert!(StaticEmbedder::from_static(file).is_ok());
        for end in 0..file.len() {
            assert!(StaticEmbedder::from_static(&file[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn the_built_in_table_is_whole() {
        let embedder = StaticEmbedder::builtin();
        assert_eq!(embedder.id(), "static-minilm-256-v1");
        assert_eq!(
            (embedder.dim(), embedder.tokenizer().vocab().len()),
            (256, 30_522)
        );
        // Every piece finds itself through the stored hash table.
        let vocab = embedder.tokenizer().vocab();
        for id in 0..30_522 {
            assert_eq!(vocab.id(vocab.piece(id).unwrap()), Some(id));
        }
        assert!(embedder.scales.chunks_exact(4).all(|b| {
            let scale = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            scale.is_finite() && scale >= 0.0
        }));
    }
}
