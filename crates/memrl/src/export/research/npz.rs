//! `NumPy`'s `.npz`: a ZIP of stored `.npy` arrays, written column by column.
//!
//! The number of rows stands in the header of each array, and is known only at the end. So each
//! column is collected in an anonymous temporary file, and the archive is put together from them:
//! memory does not grow with the log. Sizes are always in ZIP64 form, so no length is too large.
//! Formats: `NumPy` NEP 1 (`.npy` version 1.0), PKWARE APPNOTE 6.3.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crc32fast::Hasher;

/// What the elements of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 32-bit float, little endian.
    F32,
    /// 64-bit float, little endian.
    F64,
    /// 64-bit integer, little endian.
    I64,
    /// Boolean.
    Bool,
    /// ASCII text of exactly 36 bytes (a UUID).
    Id,
}

impl Kind {
    const fn descr(self) -> &'static str {
        match self {
            Self::F32 => "<f4",
            Self::F64 => "<f8",
            Self::I64 => "<i8",
            Self::Bool => "|b1",
            Self::Id => "|S36",
        }
    }
}

/// One array on its way.
struct Column {
    name: &'static str,
    kind: Kind,
    /// Elements per row; `None` for an array of one dimension.
    width: Option<usize>,
    data: BufWriter<File>,
    bytes: u64,
    crc: Hasher,
    rows: u64,
}

/// The arrays of one file.
pub(super) struct Npz {
    columns: Vec<Column>,
}

impl Npz {
    /// Arrays by name; `width` makes an array of two dimensions. Temporary files go to `dir`.
    pub(super) fn create(
        dir: &Path,
        columns: &[(&'static str, Kind, Option<usize>)],
    ) -> io::Result<Self> {
        let columns = columns
            .iter()
            .map(|&(name, kind, width)| {
                Ok(Column {
                    name,
                    kind,
                    width,
                    data: BufWriter::new(tempfile::tempfile_in(dir)?),
                    bytes: 0,
                    crc: Hasher::new(),
                    rows: 0,
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { columns })
    }

    fn put(&mut self, name: &str, bytes: &[u8], rows: u64) -> io::Result<()> {
        let column = self
            .columns
            .iter_mut()
            .find(|c| c.name == name)
            .ok_or_else(|| io::Error::other(format!("no column {name}")))?;
        column.crc.update(bytes);
        column.bytes += bytes.len() as u64;
        column.rows += rows;
        column.data.write_all(bytes)
    }

    /// Appends a row of floats (of 32 bits).
    pub(super) fn row(&mut self, name: &str, values: &[f32]) -> io::Result<()> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.put(name, &bytes, 1)
    }

    /// Appends a float (of 64 bits).
    pub(super) fn float(&mut self, name: &str, value: f64) -> io::Result<()> {
        self.put(name, &value.to_le_bytes(), 1)
    }

    /// Appends an integer.
    pub(super) fn int(&mut self, name: &str, value: i64) -> io::Result<()> {
        self.put(name, &value.to_le_bytes(), 1)
    }

    /// Appends a boolean.
    pub(super) fn flag(&mut self, name: &str, value: bool) -> io::Result<()> {
        self.put(name, &[u8::from(value)], 1)
    }

    /// Appends an id.
    pub(super) fn id(&mut self, name: &str, value: &str) -> io::Result<()> {
        let mut bytes = [0; 36];
        let n = value.len().min(36);
        bytes[..n].copy_from_slice(&value.as_bytes()[..n]);
        self.put(name, &bytes, 1)
    }

    /// Writes the archive.
    pub(super) fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut offset = 0_u64;
        let mut directory = Vec::new();
        for column in &mut self.columns {
            let header = column.header();
            let mut crc = Hasher::new();
            crc.update(&header);
            crc.combine(&column.crc);
            let entry = Entry {
                name: format!("{}.npy", column.name),
                crc: crc.finalize(),
                size: header.len() as u64 + column.bytes,
                offset,
            };
            let local = entry.local();
            out.write_all(&local)?;
            out.write_all(&header)?;
            column.data.flush()?;
            let file = column.data.get_mut();
            file.seek(SeekFrom::Start(0))?;
            let copied = io::copy(&mut file.take(column.bytes), out)?;
            if copied != column.bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            offset += local.len() as u64 + entry.size;
            directory.extend(entry.central());
        }
        out.write_all(&directory)?;
        out.write_all(&end(
            self.columns.len() as u64,
            directory.len() as u64,
            offset,
        ))
    }
}

impl Column {
    /// The header of the array: a Python dictionary, padded to a multiple of 64 bytes.
    fn header(&self) -> Vec<u8> {
        let shape = match self.width {
            Some(width) => format!("({}, {width})", self.rows),
            None => format!("({},)", self.rows),
        };
        let mut text = format!(
            "{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}",
            self.kind.descr()
        );
        // Magic 6, version 2, length 2, and the line break at the end.
        let padding = (64 - (10 + text.len() + 1) % 64) % 64;
        text.extend(std::iter::repeat_n(' ', padding));
        text.push('\n');
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend((text.len() as u16).to_le_bytes());
        header.extend(text.into_bytes());
        header
    }
}

/// One file of the archive, stored as it is.
struct Entry {
    name: String,
    crc: u32,
    size: u64,
    offset: u64,
}

/// "See the ZIP64 field".
const ELSEWHERE: u32 = u32::MAX;
/// Version 4.5: ZIP64.
const VERSION: u16 = 45;
/// 1980-01-01: exports of the same log are the same bytes.
const DATE: u16 = 0x21;

impl Entry {
    /// From the version to the lengths of name and extra field: the same in both headers.
    fn common(&self, extra: u16) -> Vec<u8> {
        let mut b = Vec::new();
        b.extend(VERSION.to_le_bytes());
        b.extend([0; 6]); // flags, method "stored", time
        b.extend(DATE.to_le_bytes());
        b.extend(self.crc.to_le_bytes());
        b.extend(ELSEWHERE.to_le_bytes()); // compressed size
        b.extend(ELSEWHERE.to_le_bytes()); // size
        b.extend((self.name.len() as u16).to_le_bytes());
        b.extend(extra.to_le_bytes());
        b
    }

    fn local(&self) -> Vec<u8> {
        let mut b = b"PK\x03\x04".to_vec();
        b.extend(self.common(20));
        b.extend(self.name.as_bytes());
        b.extend(zip64(&[self.size, self.size]));
        b
    }

    fn central(&self) -> Vec<u8> {
        let mut b = b"PK\x01\x02".to_vec();
        b.extend(VERSION.to_le_bytes());
        b.extend(self.common(28));
        b.extend([0; 10]); // comment, disk, attributes
        b.extend(ELSEWHERE.to_le_bytes()); // offset
        b.extend(self.name.as_bytes());
        b.extend(zip64(&[self.size, self.size, self.offset]));
        b
    }
}

/// The extra field of ZIP64.
fn zip64(values: &[u64]) -> Vec<u8> {
    let mut b = 1_u16.to_le_bytes().to_vec();
    b.extend(((values.len() * 8) as u16).to_le_bytes());
    b.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    b
}

/// What ends the archive: the ZIP64 record, its locator, and the old record that refers to them.
fn end(entries: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut b = b"PK\x06\x06".to_vec();
    b.extend(44_u64.to_le_bytes());
    b.extend(VERSION.to_le_bytes());
    b.extend(VERSION.to_le_bytes());
    b.extend([0; 8]); // disks
    for value in [entries, entries, size, offset] {
        b.extend(value.to_le_bytes());
    }
    b.extend(b"PK\x06\x07");
    b.extend([0; 4]);
    b.extend((offset + size).to_le_bytes());
    b.extend(1_u32.to_le_bytes());
    b.extend(b"PK\x05\x06");
    b.extend([0; 4]);
    b.extend([0xff; 12]);
    b.extend([0; 2]);
    b
}
