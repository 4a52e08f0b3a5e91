//! Reads the archives of `NumPy`, with code of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The arrays of an archive: `descr`, shape and data by name. Reads what `NumPy`'s format prescribes, no more.
pub fn arrays(path: &PathBuf) -> BTreeMap<String, (String, Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let mut out = BTreeMap::new();
    let mut at = 0;
    let short = |i: usize| usize::from(u16::from_le_bytes([bytes[i], bytes[i + 1]]));
    let long = |i: usize| u64::from_le_bytes(bytes[i..i + 8].try_into().unwrap()) as usize;
    while bytes[at..at + 4] == *b"PK\x03\x04" {
        let (name, extra) = (short(at + 26), short(at + 28));
        let file = std::str::from_utf8(&bytes[at + 30..at + 30 + name]).unwrap();
        let field = at + 30 + name;
        assert_eq!((short(field), extra), (1, 20), "the field of ZIP64");
        let size = long(field + 4);
        let data = &bytes[field + extra..field + extra + size];
        let crc = u32::from_le_bytes(bytes[at + 14..at + 18].try_into().unwrap());
        assert_eq!(crc32fast(data), crc, "{file}");
        assert_eq!(data[..8], *b"\x93NUMPY\x01\x00");
        let header = 10 + usize::from(u16::from_le_bytes([data[8], data[9]]));
        assert_eq!(header % 64, 0);
        let text = std::str::from_utf8(&data[10..header]).unwrap();
        let quoted = |key: &str| text.split(key).nth(1).unwrap().to_owned();
        let descr = quoted("'descr': '").split('\'').next().unwrap().to_owned();
        let shape = quoted("'shape': (");
        let shape: Vec<usize> = shape
            .split(')')
            .next()
            .unwrap()
            .split(',')
            .filter_map(|n| n.trim().parse().ok())
            .collect();
        let name = file.strip_suffix(".npy").unwrap().to_owned();
        out.insert(name, (descr, shape, data[header..].to_vec()));
        at = field + extra + size;
    }
    assert_eq!(bytes[at..at + 4], *b"PK\x01\x02");
    out
}

/// CRC-32 bit by bit, so that the test does not ask the code under test.
fn crc32fast(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

pub fn floats(data: &[u8]) -> Vec<f64> {
    let read = |c: &[u8]| f64::from_le_bytes(c.try_into().unwrap());
    data.chunks(8).map(read).collect()
}

pub fn ints(data: &[u8]) -> Vec<i64> {
    let read = |c: &[u8]| i64::from_le_bytes(c.try_into().unwrap());
    data.chunks(8).map(read).collect()
}

pub fn ids(data: &[u8]) -> Vec<String> {
    let read = |c: &[u8]| String::from_utf8(c.to_vec()).unwrap();
    data.chunks(36).map(read).collect()
}
