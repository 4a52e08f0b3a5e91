//! Word pieces and their numbers, in a layout that can be used straight from bytes.
//!
//! A vocabulary is three byte arrays: the pieces' text, the offsets of each piece in it, and an
//! open-addressing hash table. All three can lie in a file or in the binary itself, so that a
//! command that embeds one sentence does not first build a map of 30,000 entries. Knows nothing
//! of sentences ([`super::wordpiece`]) or of vectors.

use std::borrow::Cow;

use super::EmbedError;

/// Bits of a slot that hold the number of a piece; the other bits hold a part of its hash.
const ID_BITS: u32 = 20;
/// A slot that no piece occupies; also the reason why a vocabulary is smaller than 2²⁰ − 1.
const EMPTY: u32 = u32::MAX;
/// Longest piece in bytes that is looked for. Longer ones can be listed, but never match.
const MAX_PIECE_BYTES: usize = 400;

/// FNV-1a, 64 bit: the hash of a prefix is a step on the way to the hash of the word, so that all
/// prefixes of a word cost one pass.
#[derive(Clone, Copy)]
pub(crate) struct PieceHash(u64);

impl PieceHash {
    /// Hash of the empty piece.
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Hash of this piece with `bytes` behind it.
    #[inline]
    pub(crate) const fn then(mut self, bytes: &[u8]) -> Self {
        let mut i = 0;
        while i < bytes.len() {
            self.0 = (self.0 ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
            i += 1;
        }
        self
    }

    /// Where probing starts, and the tag that a matching slot must bear.
    #[inline]
    const fn place(self) -> (usize, u32) {
        let mixed = self.0 ^ (self.0 >> 29);
        (
            mixed as usize,
            ((mixed >> 44) as u32) & ((1 << (32 - ID_BITS)) - 1),
        )
    }
}

/// An immutable list of word pieces with a lookup from piece to number.
///
/// Pieces that continue a word start with `##`, as in BERT's `vocab.txt`.
#[derive(Clone)]
pub struct Vocab {
    text: Cow<'static, [u8]>,
    /// Little-endian u32 × (pieces + 1).
    offsets: Cow<'static, [u8]>,
    /// Little-endian u32 × a power of two.
    slots: Cow<'static, [u8]>,
    longest: usize,
}

impl std::fmt::Debug for Vocab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocab").field("len", &self.len()).finish()
    }
}

fn word_at(bytes: &[u8], index: usize) -> Option<u32> {
    let chunk = bytes.get(index * 4..index * 4 + 4)?;
    Some(u32::from_le_bytes(chunk.try_into().ok()?))
}

impl Vocab {
    /// Builds a vocabulary from pieces in the order of their numbers. Where a piece is listed
    /// twice the last number wins, as in the reference implementation.
    pub fn from_pieces<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Result<Self, EmbedError> {
        let mut text = Vec::new();
        let mut ends = vec![0_u32];
        for piece in pieces {
            text.extend_from_slice(piece.as_bytes());
            let end = u32::try_from(text.len())
                .map_err(|_| EmbedError::Format("vocabulary text above 4 GiB".into()))?;
            ends.push(end);
        }
        let count = ends.len() - 1;
        if count == 0 || count >= (1 << ID_BITS) - 1 {
            return Err(EmbedError::Format(format!(
                "a vocabulary of {count} pieces; 1 to {} are supported",
                (1 << ID_BITS) - 2
            )));
        }
        let size = (count * 2).next_power_of_two();
        let mut slots = vec![EMPTY; size];
        let mut longest = 0;
        for id in 0..count {
            let piece = &text[ends[id] as usize..ends[id + 1] as usize];
            longest = longest.max(piece.len());
            let (mut at, tag) = PieceHash::new().then(piece).place();
            loop {
                at &= size - 1;
                let held = slots[at];
                let same = held != EMPTY && {
                    let other = (held & ((1 << ID_BITS) - 1)) as usize;
                    &text[ends[other] as usize..ends[other + 1] as usize] == piece
                };
                if held == EMPTY || same {
                    slots[at] = (tag << ID_BITS) | id as u32;
                    break;
                }
                at += 1;
            }
        }
        let bytes =
            |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
        Ok(Self {
            text: Cow::Owned(text),
            offsets: Cow::Owned(bytes(&ends)),
            slots: Cow::Owned(bytes(&slots)),
            longest: longest.min(MAX_PIECE_BYTES),
        })
    }

    /// Reads a `vocab.txt`: one piece per line, the first line is number 0.
    pub fn from_lines(text: &str) -> Result<Self, EmbedError> {
        Self::from_pieces(text.lines())
    }

    /// Uses a vocabulary that lies in memory as [`Vocab::parts`] gave it. Sizes are checked here;
    /// a wrong offset or slot can only make lookups miss.
    pub(crate) fn from_parts(
        text: &'static [u8],
        offsets: &'static [u8],
        slots: &'static [u8],
        longest: usize,
    ) -> Result<Self, EmbedError> {
        let whole = |bytes: &[u8]| bytes.len().is_multiple_of(4);
        if !whole(offsets) || offsets.len() < 8 || !whole(slots) {
            return Err(EmbedError::Format("vocabulary of a broken size".into()));
        }
        if !(slots.len() / 4).is_power_of_two() || slots.len() <= offsets.len() {
            return Err(EmbedError::Format(
                "vocabulary table of a broken size".into(),
            ));
        }
        Ok(Self {
            text: Cow::Borrowed(text),
            offsets: Cow::Borrowed(offsets),
            slots: Cow::Borrowed(slots),
            longest: longest.min(MAX_PIECE_BYTES),
        })
    }

    /// Text, offsets, slots and the length of the longest piece, to be written to a file.
    pub(crate) fn parts(&self) -> (&[u8], &[u8], &[u8], usize) {
        (&self.text, &self.offsets, &self.slots, self.longest)
    }

    /// Number of pieces, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a vocabulary is never empty")]
    pub fn len(&self) -> usize {
        self.offsets.len() / 4 - 1
    }

    /// Length in bytes of the longest piece that can match.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// The piece with number `id`, as UTF-8 bytes.
    fn bytes_of(&self, id: usize) -> Option<&[u8]> {
        let start = word_at(&self.offsets, id)? as usize;
        let end = word_at(&self.offsets, id + 1)? as usize;
        self.text.get(start..end)
    }

    /// The piece with number `id`, if there is one.
    pub fn piece(&self, id: u32) -> Option<&str> {
        std::str::from_utf8(self.bytes_of(id as usize)?).ok()
    }

    /// The number of `piece`, if it is listed.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.find(
            PieceHash::new().then(piece.as_bytes()),
            b"",
            piece.as_bytes(),
        )
    }

    /// The number of the piece `prefix` + `rest`, whose hash is `hash`.
    #[inline]
    pub(crate) fn find(&self, hash: PieceHash, prefix: &[u8], rest: &[u8]) -> Option<u32> {
        let size = self.slots.len() / 4;
        let (mut at, tag) = hash.place();
        // A table is at most half full, so that an empty slot ends the search; the bound keeps a
        // damaged table from looping.
        for _ in 0..size {
            at &= size - 1;
            let slot = word_at(&self.slots, at)?;
            if slot == EMPTY {
                return None;
            }
            if slot >> ID_BITS == tag {
                let id = slot & ((1 << ID_BITS) - 1);
                let piece = self.bytes_of(id as usize)?;
                if piece.strip_prefix(prefix) == Some(rest) {
                    return Some(id);
                }
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_piece_is_found_and_nothing_else() {
        let pieces: Vec<String> = (0..5000).map(|i| format!("##p{i}é")).collect();
        let vocab = Vocab::from_pieces(pieces.iter().map(String::as_str)).unwrap();
        assert_eq!(vocab.len(), 5000);
        for (id, piece) in pieces.iter().enumerate() {
            assert_eq!(vocab.id(piece), Some(id as u32));
            assert_eq!(vocab.piece(id as u32), Some(piece.as_str()));
            assert_eq!(vocab.id(&piece[2..]), None);
        }
        assert_eq!(vocab.id(""), None);
        assert_eq!(vocab.piece(5000), None);
    }

    #[test]
    fn a_piece_listed_twice_has_its_last_number() {
        let vocab = Vocab::from_lines("a\nb\na\n").unwrap();
        assert_eq!(vocab.id("a"), Some(2));
    }

    #[test]
    fn an_empty_vocabulary_is_refused() {
        assert!(Vocab::from_pieces([]).is_err());
    }

    #[test]
    fn a_damaged_table_misses_and_does_not_panic() {
        let vocab = Vocab::from_lines("a\nb\nc").unwrap();
        let (text, _, slots, longest) = vocab.parts();
        let offsets = vec![0xfe_u8; 16];
        let leak = |bytes: &[u8]| -> &'static [u8] { Box::leak(bytes.to_vec().into_boxed_slice()) };
        let broken = Vocab::from_parts(leak(text), leak(&offsets), leak(slots), longest);
        // 8 slots of 4 bytes are more than 16 bytes of offsets: sizes fit, contents do not.
        let broken = broken.unwrap();
        assert_eq!(broken.id("a"), None);
        assert_eq!(broken.piece(0), None);
    }
}
