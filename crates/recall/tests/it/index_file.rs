//! The file: a whole one is read back, anything else is refused.

use std::{fs, path::Path};

use memrl_recall::index::{Index, IndexError};

use crate::index_support::*;

fn sample() -> Index {
    let docs: Vec<Owned> = (0..30)
        .map(|i| {
            Owned::new(i, "a turn about camping and pottery")
                .scoped(&[("user", "ann")])
                .placed(5, i as u32)
                .with_vector(&[1.0, i as f32])
        })
        .collect();
    let mut index = index_of(&docs);
    index.set_upto(77);
    index
}

fn written(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("index.bin");
    sample().write_snapshot(&path).unwrap();
    path
}

/// Uses everything that reads the file; answers may be wrong, but nothing may panic.
fn use_all(index: &mut Index) {
    let _ = ask(index, "camping pottery", Some(&padded(&[1.0, 2.0])));
    let _ = ask(index, "", None);
    let levels = vec![owned_pairs(&[("user", "ann")])];
    let _ = ask_as(index, "camp", None, &levels, &admit_all);
    let query = memrl_recall::index::MemcellQuery {
        text: "camping",
        scope: &levels[0],
        judge: &admit_all,
        k: 3,
    };
    let _ = index.memcell(&query);
    for seq in -1..40 {
        let _ = (index.attrs(seq), index.vector(seq));
    }
    index.upsert(&Owned::new(3, "changed").doc()).unwrap();
    index.remove(4);
    let _ = ask(index, "camping changed", Some(&padded(&[1.0, 2.0])));
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&written(folder.path())).unwrap();
    assert_eq!(
        (index.model(), index.dim(), index.salt(), index.upto()),
        ("model", DIM, 42, 77)
    );
    assert_eq!((index.len(), index.delta_len()), (30, 0));
    index.verify().unwrap();
}

#[test]
fn an_index_without_documents_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.bin");
    empty().write_snapshot(&path).unwrap();
    let mut index = Index::open(&path).unwrap();
    assert!(index.is_empty() && ask(&index, "anything", None).is_empty());
    index.upsert(&Owned::new(1, "anything").doc()).unwrap();
    assert_eq!(seqs(&ask(&index, "anything", None)), [1]);
}

#[test]
fn a_cut_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let whole = fs::read(&path).unwrap();
    for i in 0..50 {
        fs::write(&path, &whole[..whole.len() * i / 50]).unwrap();
        assert!(Index::open(&path).is_err(), "cut at {i}/50");
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert!(Index::open(&path).is_err(), "one byte too many");
}

#[test]
fn any_flipped_byte_of_the_header_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let whole = fs::read(&path).unwrap();
    // The header proper ends before the padding that fills it up to the first section.
    for at in 0..640 {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        fs::write(&path, &bytes).unwrap();
        assert!(Index::open(&path).is_err(), "byte {at}");
    }
}

#[test]
fn a_flipped_byte_of_the_body_never_panics_and_is_found_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let whole = fs::read(&path).unwrap();
    let (mut opened, mut noticed) = (0, 0);
    for at in (1024..whole.len()).step_by(23) {
        for flip in [0x01, 0x80, 0xFF] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            // Written elsewhere and renamed, as the index itself does: a mapped file never changes.
            let other = folder.path().join("other.bin");
            fs::write(&other, &bytes).unwrap();
            fs::rename(&other, &path).unwrap();
            if let Ok(mut index) = Index::open(&path) {
                opened += 1;
                noticed += usize::from(index.verify().is_err());
                use_all(&mut index);
                // Syncing is slow; writing reads the same columns each time.
                if opened % 40 == 0 {
                    let _ = index.write_snapshot(&folder.path().join("copy.bin"));
                }
            }
        }
    }
    // Only flips in the padding between sections change nothing.
    assert!(
        opened > 100 && noticed * 10 > opened * 9,
        "{noticed} of {opened}"
    );
}

#[test]
fn other_files_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    assert!(matches!(Index::open(&path), Err(IndexError::Io { .. })));
    assert!(matches!(
        Index::open(folder.path()),
        Err(IndexError::Io { .. })
    ));
    fs::write(&path, []).unwrap();
    assert!(Index::open(&path).is_err());
    fs::write(&path, vec![b'S'; 9000]).unwrap();
    assert!(matches!(
        Index::open(&path),
        Err(IndexError::Corrupt { .. })
    ));
}

#[test]
fn a_new_snapshot_replaces_the_old_one_below_its_readers() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let old = Index::open(&path).unwrap();
    let mut newer = Index::open(&path).unwrap();
    newer.upsert(&Owned::new(99, "submarine").doc()).unwrap();
    newer.write_snapshot(&path).unwrap();
    assert_eq!(
        seqs(&ask(&Index::open(&path).unwrap(), "submarine", None)),
        [99]
    );
    assert!(ask(&old, "submarine", None).is_empty());
    old.verify().unwrap();
    assert!(!folder.path().join("index.bin.tmp").exists());
}

#[test]
fn a_failed_write_leaves_the_old_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/index.bin");
    assert!(matches!(
        sample().write_snapshot(&missing),
        Err(IndexError::Io { .. })
    ));
}

#[test]
fn the_file_holds_no_readable_word_and_no_stem() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(written(folder.path())).unwrap();
    for word in ["camping", "camp", "pottery", "potteri", "ann", "user"] {
        let found = bytes
            .windows(word.len())
            .any(|w| w.eq_ignore_ascii_case(word.as_bytes()));
        assert!(!found, "{word}");
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = fs::metadata(written(folder.path()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0);
}
