//! Checkpoints as bytes: exact to the last bit, which numbers written as decimal text need not be.

use std::collections::BTreeMap;

use super::Checkpoint;

/// First bytes of a checkpoint; the last one is the format.
const MAGIC: &[u8; 8] = b"memrlck\x01";

/// Bytes that are not a whole checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a checkpoint of this version, or it is damaged: train again from the start")]
pub struct NotACheckpoint;

impl Checkpoint {
    /// The checkpoint as bytes: magic, texts, vectors, numbers, and a BLAKE3 hash of all of it. All lengths are
    /// 64-bit, everything is little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let text = |out: &mut Vec<u8>, t: &str| {
            out.extend((t.len() as u64).to_le_bytes());
            out.extend(t.as_bytes());
        };
        text(&mut out, &self.algo);
        text(&mut out, &self.fingerprint);
        out.extend(self.epoch.to_le_bytes());
        out.extend((self.vectors.len() as u64).to_le_bytes());
        for (name, vector) in &self.vectors {
            text(&mut out, name);
            out.extend((vector.len() as u64).to_le_bytes());
            out.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
        }
        out.extend((self.numbers.len() as u64).to_le_bytes());
        for (name, number) in &self.numbers {
            text(&mut out, name);
            out.extend(number.to_le_bytes());
        }
        let hash = blake3::hash(&out);
        out.extend(hash.as_bytes());
        out
    }

    /// Reads [`Self::to_bytes`]. A file that was cut off by a crash is an error, never a wrong state.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotACheckpoint> {
        let (body, hash) = bytes.split_last_chunk::<32>().ok_or(NotACheckpoint)?;
        if blake3::hash(body).as_bytes() != hash {
            return Err(NotACheckpoint);
        }
        let mut rest = body.strip_prefix(MAGIC).ok_or(NotACheckpoint)?;
        let checkpoint = read(&mut rest).ok_or(NotACheckpoint)?;
        if rest.is_empty() {
            Ok(checkpoint)
        } else {
            Err(NotACheckpoint)
        }
    }
}

/// The fields, one after the other.
fn read(rest: &mut &[u8]) -> Option<Checkpoint> {
    let algo = text(rest)?;
    let fingerprint = text(rest)?;
    let epoch = u32::from_le_bytes(take(rest)?);
    let mut vectors = BTreeMap::new();
    for _ in 0..length(rest)? {
        let name = text(rest)?;
        let n = length(rest)?.checked_mul(4)?;
        let bytes = slice(rest, n)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        vectors.insert(
            name,
            numbers.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        );
    }
    let mut numbers = BTreeMap::new();
    for _ in 0..length(rest)? {
        let name = text(rest)?;
        numbers.insert(name, f64::from_le_bytes(take(rest)?));
    }
    Some(Checkpoint {
        algo,
        fingerprint,
        epoch,
        vectors,
        numbers,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk::<N>()?;
    *rest = others;
    Some(*first)
}

fn slice<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (first, others) = rest.split_at_checked(n)?;
    *rest = others;
    Some(first)
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(take(rest)?)).ok()
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let n = length(rest)?;
    String::from_utf8(slice(rest, n)?.to_vec()).ok()
}
