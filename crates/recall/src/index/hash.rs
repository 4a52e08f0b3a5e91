//! Terms as 64-bit numbers, so that no index holds readable text.

use std::hash::{BuildHasherDefault, Hasher};

use twox_hash::XxHash3_64;

/// Keyed hashes of terms; one per index. The fields never meet.
#[derive(Debug, Clone, Copy)]
pub(super) struct TermHash {
    salt: u64,
}

impl TermHash {
    pub fn new(salt: u64) -> Self {
        Self { salt }
    }

    /// A stem of the text.
    pub fn stem(self, stem: &str) -> u64 {
        self.of(1, stem.as_bytes())
    }

    /// A word as memcell-rl sees it.
    pub fn word(self, word: &str) -> u64 {
        self.of(2, word.as_bytes())
    }

    /// A pair of a scope.
    pub fn pair(self, key: &str, value: &str) -> u64 {
        // Key and value are hashed one into the other, so that no separator can be forged.
        self.of(self.of(3, key.as_bytes()), value.as_bytes())
    }

    /// The presence of a key in a scope.
    pub fn key(self, key: &str) -> u64 {
        self.of(4, key.as_bytes())
    }

    fn of(self, field: u64, bytes: &[u8]) -> u64 {
        let seed = self.salt ^ field.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        XxHash3_64::oneshot_with_seed(seed, bytes)
    }
}

/// Hasher for keys that are hashes already.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(b);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = self.0.rotate_left(32) ^ n;
    }

    fn write_u32(&mut self, n: u32) {
        // Small numbers are spread over all bits, of which the table uses the highest and lowest.
        self.write_u64(u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }

    fn write_i64(&mut self, n: i64) {
        self.write_u64((n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
}

/// A map whose keys are hashes or small numbers.
pub(super) type IdMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Identity>>;
