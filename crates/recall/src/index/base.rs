//! The base segment: a file that is mapped, checked at its edges and read in place.
//!
//! Layout: one header, then sections at multiples of 64 bytes, all little-endian. Opening reads the
//! header only, so it costs the same at a thousand and at a million documents.

use std::{fs::File, io, ops::Range, path::Path};

use bytemuck::{Pod, Zeroable};
use twox_hash::XxHash3_64;

use super::{
    Attrs, IndexError, MAX_DIM,
    view::{Bits, Place, Places, Terms, View},
};

pub(super) const MAGIC: [u8; 8] = *b"memrlidx";
/// Changes whenever the layout, the analyser or the hashes do.
pub(super) const FORMAT: u32 = 1;
const ENDIAN: u32 = 0x0102_0304;
pub(super) const SECTIONS: usize = 14;
/// Offset of the first section: the header, rounded up.
pub(super) const HEADER_SPACE: u64 = 1024;
pub(super) const ALIGN: u64 = 64;

/// A part of the file.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Section {
    pub offset: u64,
    pub length: u64,
    /// XXH3 of the bytes; compared by `verify` only.
    pub checksum: u64,
}

/// The order of the sections in the file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Seqs,
    Attrs,
    Lengths,
    Words,
    Statics,
    Scales,
    Codes,
    Places,
    PlaceOf,
    Recency,
    Hashes,
    Starts,
    Docs,
    Counts,
}

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Header {
    pub magic: [u8; 8],
    pub format: u32,
    pub endian: u32,
    /// XXH3 of the header with this field 0.
    pub checksum: u64,
    pub dim: u32,
    pub model_len: u32,
    pub salt: u64,
    pub upto: i64,
    pub docs: u64,
    pub vectors: u64,
    pub total_length: u64,
    pub file_length: u64,
    pub sections: [Section; SECTIONS],
    pub model: [u8; 256],
}

impl Header {
    pub fn new(model: &str, dim: usize, salt: u64, upto: i64) -> Self {
        let mut header = Self {
            magic: MAGIC,
            format: FORMAT,
            endian: ENDIAN,
            dim: dim as u32,
            model_len: model.len() as u32,
            salt,
            upto,
            ..Self::zeroed()
        };
        header.model[..model.len()].copy_from_slice(model.as_bytes());
        header
    }

    pub fn sealed(mut self) -> Self {
        self.checksum = 0;
        self.checksum = XxHash3_64::oneshot(bytemuck::bytes_of(&self));
        self
    }
}

/// A mapped and checked file.
#[derive(Debug)]
pub(super) struct Base {
    map: memmap2::Mmap,
    pub header: Header,
    ranges: [Range<usize>; SECTIONS],
}

impl Base {
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let io = |source| IndexError::Io {
            path: path.to_owned(),
            source,
        };
        let corrupt = |reason| IndexError::Corrupt {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(io(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a file",
            )));
        }
        // SAFETY: the mapping is read-only, and index files are replaced by renaming and never
        // written in place, so the bytes do not change below the references into them.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        let bytes = map
            .get(..size_of::<Header>())
            .ok_or_else(|| corrupt("shorter than its header"))?;
        let header: Header = bytemuck::pod_read_unaligned(bytes);
        if header.magic != MAGIC || header.endian != ENDIAN {
            return Err(corrupt("not an index of this kind of machine"));
        }
        if header.format != FORMAT {
            return Err(IndexError::Format {
                path: path.to_owned(),
                found: header.format,
                expected: FORMAT,
            });
        }
        if header.sealed().checksum != header.checksum {
            return Err(corrupt("header does not match its checksum"));
        }
        if header.file_length != map.len() as u64 {
            return Err(corrupt("file has another length than its header says"));
        }
        let ranges = ranges(&header, map.len()).ok_or_else(|| corrupt("sections do not fit"))?;
        let base = Self {
            map,
            header,
            ranges,
        };
        base.check().map_err(corrupt)?;
        Ok(base)
    }

    fn check(&self) -> Result<(), &'static str> {
        let docs = self.header.docs as usize;
        let dim = self.header.dim as usize;
        let postings = self.column::<u32>(Part::Docs).len();
        let starts = self.column::<u64>(Part::Starts);
        let fits = docs < 1 << 31
            && dim <= MAX_DIM
            && self.column::<i64>(Part::Seqs).len() == docs
            && self.column::<Attrs>(Part::Attrs).len() == docs
            && self.column::<u32>(Part::Lengths).len() == docs
            && self.column::<u32>(Part::Words).len() == docs
            && self.column::<f64>(Part::Statics).len() == docs
            && self.column::<f32>(Part::Scales).len() == docs
            && self.column::<i8>(Part::Codes).len() == docs * dim
            && self.column::<Place>(Part::Places).len() <= docs
            && self.column::<u32>(Part::PlaceOf).len() == docs
            && self.column::<u32>(Part::Recency).len() == docs
            && starts.len() == self.column::<u64>(Part::Hashes).len() + 1
            && starts.last() == Some(&(postings as u64))
            && self.column::<u8>(Part::Counts).len() == postings;
        if !fits {
            return Err("columns have different lengths");
        }
        self.model().map(|_| ()).ok_or("model name is not text")
    }

    pub fn model(&self) -> Option<&str> {
        let name = self.header.model.get(..self.header.model_len as usize)?;
        std::str::from_utf8(name).ok()
    }

    pub fn len(&self) -> usize {
        self.header.docs as usize
    }

    /// The records of a section; empty when its length is no multiple of the record's.
    fn column<T: Pod>(&self, part: Part) -> &[T] {
        let bytes = self.map.get(self.ranges[part as usize].clone());
        bytes
            .and_then(|b| bytemuck::try_cast_slice(b).ok())
            .unwrap_or_default()
    }

    pub fn view<'a>(&'a self, dead: &'a Bits) -> View<'a> {
        View {
            seqs: self.column(Part::Seqs),
            attrs: self.column(Part::Attrs),
            lengths: self.column(Part::Lengths),
            words: self.column(Part::Words),
            statics: self.column(Part::Statics),
            scales: self.column(Part::Scales),
            codes: self.column(Part::Codes),
            dim: self.header.dim as usize,
            terms: Terms::Sorted {
                hashes: self.column(Part::Hashes),
                starts: self.column(Part::Starts),
                docs: self.column(Part::Docs),
                counts: self.column(Part::Counts),
            },
            places: Places::Sorted {
                places: self.column(Part::Places),
                place_of: self.column(Part::PlaceOf),
            },
            recency: self.column(Part::Recency),
            dead,
        }
    }

    /// Reads everything once; whether all checksums match.
    pub fn verify(&self) -> bool {
        let matches = |(range, section): (&Range<usize>, &Section)| {
            let bytes = self.map.get(range.clone());
            bytes.is_some_and(|b| XxHash3_64::oneshot(b) == section.checksum)
        };
        self.ranges.iter().zip(&self.header.sections).all(matches)
    }
}

fn ranges(header: &Header, file: usize) -> Option<[Range<usize>; SECTIONS]> {
    let mut out = [const { 0..0 }; SECTIONS];
    for (range, section) in out.iter_mut().zip(&header.sections) {
        let start = usize::try_from(section.offset).ok()?;
        let end = start.checked_add(usize::try_from(section.length).ok()?)?;
        if section.offset % ALIGN != 0 || section.offset < HEADER_SPACE || end > file {
            return None;
        }
        *range = start..end;
    }
    Some(out)
}
