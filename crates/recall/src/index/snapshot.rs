//! Writes all live records of the views as one new base file.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    hash::Hasher,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use bytemuck::{Pod, Zeroable};
use twox_hash::XxHash3_64;

use super::{
    base::{ALIGN, HEADER_SPACE, Header, Part, SECTIONS, Section},
    view::{Place, Postings, Terms, View, source_key},
};

/// Writes beside `path`, syncs, renames. A lock file keeps two writers of one path apart, so that
/// the temporary file has one name and an interrupted write leaves at most one behind.
pub(super) fn write(path: &Path, header: &Header, views: &[View<'_>]) -> io::Result<()> {
    let lock = private().truncate(false).open(beside(path, ".lock"))?;
    lock.lock()?;
    let temporary = beside(path, ".tmp");
    let written = write_file(&temporary, header, views)
        .and_then(|()| std::fs::rename(&temporary, path))
        .and_then(|()| sync_folder(path));
    if written.is_err() {
        // The first error is the one to report; a file that stays is overwritten next time.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(suffix);
    path.with_file_name(name)
}

/// Makes the renaming itself survive a power loss, where folders can be synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn write_file(path: &Path, header: &Header, views: &[View<'_>]) -> io::Result<()> {
    let mut header = *header;
    let rows = Rows::new(views);
    let mut out = Output::create(path)?;
    out.part(Part::Seqs, |w| rows.each(views, |v, d| w.put(&v.seqs[d])))?;
    out.part(Part::Attrs, |w| rows.each(views, |v, d| w.put(&v.attrs[d])))?;
    out.part(Part::Lengths, |w| {
        rows.each(views, |v, d| w.put(&v.lengths[d]))
    })?;
    out.part(Part::Words, |w| rows.each(views, |v, d| w.put(&v.words[d])))?;
    out.part(Part::Statics, |w| {
        rows.each(views, |v, d| w.put(&v.statics[d]))
    })?;
    out.part(Part::Scales, |w| {
        rows.each(views, |v, d| w.put(&v.scales[d]))
    })?;
    out.part(Part::Codes, |w| {
        rows.each(views, |v, d| {
            w.bytes(bytemuck::cast_slice(&v.codes[d * v.dim..(d + 1) * v.dim]))
        })
    })?;
    let places = rows.places(views);
    let mut place_of = vec![u32::MAX; rows.order.len()];
    for (i, place) in places.iter().enumerate() {
        place_of[place.doc as usize] = i as u32;
    }
    out.part(Part::Places, |w| w.bytes(bytemuck::cast_slice(&places)))?;
    out.part(Part::PlaceOf, |w| w.bytes(bytemuck::cast_slice(&place_of)))?;
    out.part(Part::Recency, |w| {
        w.bytes(bytemuck::cast_slice(&rows.recency(views)))
    })?;
    let (mut hashes, mut starts, mut counts) = (Vec::new(), vec![0u64], Vec::new());
    out.part(Part::Docs, |w| {
        rows.each_term(views, |hash, list| {
            hashes.push(hash);
            counts.extend_from_slice(list.counts);
            starts.push(counts.len() as u64);
            w.bytes(bytemuck::cast_slice(list.docs))
        })
    })?;
    out.part(Part::Hashes, |w| w.bytes(bytemuck::cast_slice(&hashes)))?;
    out.part(Part::Starts, |w| w.bytes(bytemuck::cast_slice(&starts)))?;
    out.part(Part::Counts, |w| w.bytes(&counts))?;
    header.docs = rows.order.len() as u64;
    rows.each(views, |v, d| {
        header.total_length += u64::from(v.lengths[d]);
        header.vectors += u64::from(v.scales[d] > 0.0);
        Ok(())
    })?;
    out.finish(&header)
}

/// The live records of the views in the order of `seq`: the new numbering.
struct Rows {
    /// View and record.
    order: Vec<(u8, u32)>,
    /// For each view, the new number of each record; `u32::MAX`: dead.
    new: Vec<Vec<u32>>,
}

impl Rows {
    fn new(views: &[View<'_>]) -> Self {
        let mut order = Vec::new();
        for (i, view) in views.iter().enumerate() {
            let live = (0..view.len() as u32).filter(|&d| view.is_live(d));
            order.extend(live.map(|d| (i as u8, d)));
        }
        order.sort_by_key(|&(v, d)| views[usize::from(v)].seqs[d as usize]);
        let mut new: Vec<_> = views.iter().map(|v| vec![u32::MAX; v.len()]).collect();
        for (number, &(v, d)) in order.iter().enumerate() {
            new[usize::from(v)][d as usize] = number as u32;
        }
        Self { order, new }
    }

    fn each<'a>(
        &self,
        views: &[View<'a>],
        mut f: impl FnMut(&View<'a>, usize) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut order = self.order.iter();
        order.try_for_each(|&(v, d)| f(&views[usize::from(v)], d as usize))
    }

    fn places(&self, views: &[View<'_>]) -> Vec<Place> {
        let mut out = Vec::new();
        for (number, &(v, d)) in self.order.iter().enumerate() {
            let attrs = &views[usize::from(v)].attrs[d as usize];
            if let Some(source) = source_key(attrs) {
                out.push(Place {
                    source,
                    position: attrs.position,
                    doc: number as u32,
                });
            }
        }
        out.sort_unstable();
        out
    }

    fn recency(&self, views: &[View<'_>]) -> Vec<u32> {
        let created = |&(v, d): &(u8, u32)| views[usize::from(v)].attrs[d as usize].created_at;
        let times: Vec<i64> = self.order.iter().map(created).collect();
        let mut out: Vec<u32> = (0..times.len() as u32).collect();
        out.sort_by_key(|&d| std::cmp::Reverse(times[d as usize]));
        out
    }

    /// Calls `f` with each term that a live record holds, in the order of the hashes.
    fn each_term(
        &self,
        views: &[View<'_>],
        mut f: impl FnMut(u64, Postings<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut hashes: Vec<u64> = Vec::new();
        for view in views {
            match view.terms {
                Terms::Sorted { hashes: sorted, .. } => hashes.extend_from_slice(sorted),
                Terms::Map(map) => hashes.extend(map.keys()),
            }
        }
        hashes.sort_unstable();
        hashes.dedup();
        let mut pairs: Vec<(u32, u8)> = Vec::new();
        let (mut docs, mut counts) = (Vec::new(), Vec::new());
        for hash in hashes {
            pairs.clear();
            for (view, new) in views.iter().zip(&self.new) {
                let list = view.postings(hash);
                for (&doc, &count) in list.docs.iter().zip(list.counts) {
                    let number = new.get(doc as usize).copied().unwrap_or(u32::MAX);
                    if number != u32::MAX {
                        pairs.push((number, count));
                    }
                }
            }
            if pairs.is_empty() {
                continue;
            }
            pairs.sort_unstable();
            docs.clear();
            counts.clear();
            docs.extend(pairs.iter().map(|&(d, _)| d));
            counts.extend(pairs.iter().map(|&(_, c)| c));
            f(
                hash,
                Postings {
                    docs: &docs,
                    counts: &counts,
                },
            )?;
        }
        Ok(())
    }
}

/// The file while it is written.
struct Output {
    file: BufWriter<File>,
    position: u64,
    sections: [Section; SECTIONS],
    checksum: XxHash3_64,
}

impl Output {
    fn create(path: &Path) -> io::Result<Self> {
        let file = private().truncate(true).open(path)?;
        let mut out = Self {
            file: BufWriter::with_capacity(1 << 20, file),
            position: 0,
            sections: [Section::zeroed(); SECTIONS],
            checksum: XxHash3_64::default(),
        };
        out.bytes(&[0; HEADER_SPACE as usize])?;
        Ok(out)
    }

    fn part(
        &mut self,
        part: Part,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let gap = self.position.next_multiple_of(ALIGN) - self.position;
        self.bytes(&[0; ALIGN as usize][..gap as usize])?;
        let offset = self.position;
        self.checksum = XxHash3_64::default();
        content(self)?;
        self.sections[part as usize] = Section {
            offset,
            length: self.position - offset,
            checksum: self.checksum.finish(),
        };
        Ok(())
    }

    fn put<T: Pod>(&mut self, record: &T) -> io::Result<()> {
        self.bytes(bytemuck::bytes_of(record))
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksum.write(bytes);
        self.position += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn finish(self, header: &Header) -> io::Result<()> {
        let mut header = *header;
        header.sections = self.sections;
        header.file_length = self.position;
        let mut file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(bytemuck::bytes_of(&header.sealed()))?;
        file.sync_all()
    }
}
