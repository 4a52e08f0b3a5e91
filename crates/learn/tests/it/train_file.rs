//! Policy files: what comes back is what was written, and foreign bytes are refused by what is wrong with them.

use memrl_learn::net::Net;
use memrl_learn::policy::file::{FORMAT_VERSION, TrainedOn};
use memrl_learn::policy::{LearnedError, PolicyFile, PolicyFileError};
use memrl_learn::train::credit;
use memrl_types::Timestamp;
use proptest::prelude::*;

use crate::train_data::{Made, log, quiet};
use crate::train_learned::recall_v1;

fn file() -> PolicyFile {
    let (data, _) = log(Made::of(60, 1));
    let config = credit::config();
    let trained = quiet(|h| credit::train(&data, &config, h)).unwrap();
    let (reward, parent) = (
        Some("success@1".to_owned()),
        Some("similarity@1".to_owned()),
    );
    let on = TrainedOn::of(&data);
    let at = Timestamp(1_700_000_000_000_000);
    PolicyFile::of("mine", 2, &trained, on, &config, reward, parent, at)
}

#[test]
fn a_policy_comes_back_as_it_was_written() {
    let mut plain = file();
    let mut rich = plain.clone();
    let width = rich.card.schema.width();
    rich.net = Net::new(width, 5, 7);
    rich.stop = Some(-0.25);
    rich.extra.insert("posterior".to_owned(), vec![1.0, 2.5]);
    plain.card.parent = None;
    for written in [plain, rich] {
        let bytes = written.to_bytes().unwrap();
        assert_eq!(
            bytes,
            written.to_bytes().unwrap(),
            "the same policy gives the same bytes"
        );
        let mut read = PolicyFile::from_bytes(&bytes).unwrap();
        // Decimal text may move the last bit of a metric.
        for (name, x) in &written.card.metrics {
            assert!((read.card.metrics[name] - x).abs() <= 1e-12 * x.abs());
        }
        read.card.metrics.clone_from(&written.card.metrics);
        read.card.importance.clone_from(&written.card.importance);
        read.card.config = written.card.config.clone();
        assert_eq!(read, written);
    }
}

#[test]
fn the_card_tells_which_trajectories_were_trained_on() {
    let read = PolicyFile::from_bytes(&file().to_bytes().unwrap()).unwrap();
    let on = &read.card.data;
    assert_eq!((on.decisions, on.trajectories), (60, 30));
    assert_eq!(on.from, Some(Timestamp(0)));
    assert_eq!(on.to, Some(Timestamp(59_000_000)));
    assert!(on.has("t0") && on.has("t29") && !on.has("t30") && !on.has(""));
    assert_eq!(on.overlap(["t28", "t29", "t30", "t31"]), 2);
    let (more, _) = log(Made::of(62, 1));
    assert_ne!(TrainedOn::of(&more).fingerprint, on.fingerprint);
}

#[test]
fn a_policy_of_another_schema_can_be_read_and_shown_but_not_used() {
    let read = PolicyFile::from_bytes(&file().to_bytes().unwrap()).unwrap();
    assert!(matches!(
        read.policy(),
        Err(LearnedError::OtherSchema { .. })
    ));
    let mut ours = read;
    ours.card.schema = recall_v1();
    let width = ours.card.schema.width();
    ours.net = Net::linear(width);
    ours.standard = memrl_learn::net::Standard::identity(width);
    assert!(ours.policy().is_ok());
}

#[test]
fn every_truncation_is_called_one() {
    let bytes = file().to_bytes().unwrap();
    for cut in (0..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
        let error = PolicyFile::from_bytes(&bytes[..cut]).unwrap_err();
        assert!(
            matches!(error, PolicyFileError::Truncated { .. }),
            "{cut}: {error}"
        );
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(PolicyFile::from_bytes(&longer).is_err());
}

/// The file with a text in its header replaced by one of the same length.
fn patched(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("no {from} in the file"));
    let mut bytes = bytes.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[test]
fn a_newer_format_asks_for_an_update() {
    let bytes = file().to_bytes().unwrap();
    let newer = patched(&bytes, "format_version\\\":1", "format_version\\\":9");
    let error = PolicyFile::from_bytes(&newer).unwrap_err();
    let known = FORMAT_VERSION;
    assert_eq!(error, PolicyFileError::Newer { found: 9, known });
    assert!(error.to_string().contains("please update memrl"));
}

#[test]
fn changes_after_writing_are_found() {
    let bytes = file().to_bytes().unwrap();
    let renamed = patched(
        &bytes,
        "\\\"name\\\":\\\"mine\\\"",
        "\\\"name\\\":\\\"mime\\\"",
    );
    assert_eq!(
        PolicyFile::from_bytes(&renamed),
        Err(PolicyFileError::Checksum)
    );
    let mut weights = bytes.clone();
    *weights.last_mut().unwrap() ^= 1;
    assert_eq!(
        PolicyFile::from_bytes(&weights),
        Err(PolicyFileError::Checksum)
    );
    let read = PolicyFile::from_bytes(&bytes).unwrap();
    for at in (0..bytes.len()).step_by(13) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x15;
        if let Ok(file) = PolicyFile::from_bytes(&changed) {
            assert_eq!(
                file, read,
                "byte {at} changed the policy and nobody noticed"
            );
        }
    }
}

#[test]
fn what_is_no_policy_is_not_taken_for_one() {
    let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut other = (header.len() as u64).to_le_bytes().to_vec();
    other.extend_from_slice(header);
    other.extend_from_slice(&[0; 4]);
    for bytes in [
        other.as_slice(),
        b"GGUF and something long enough to be a file",
    ] {
        let error = PolicyFile::from_bytes(bytes).unwrap_err();
        assert!(
            matches!(error, PolicyFileError::NotAPolicy { .. }),
            "{error}"
        );
    }
}

#[test]
fn weights_that_are_no_numbers_are_not_written() {
    let mut bad = file();
    bad.net.params[2] = f32::INFINITY;
    let error = bad.to_bytes().unwrap_err();
    assert!(
        matches!(error, PolicyFileError::NonFinite { .. }),
        "{error}"
    );
    let mut bad = file();
    bad.card.metrics.insert("auc".to_owned(), f64::NAN);
    assert!(matches!(
        bad.to_bytes(),
        Err(PolicyFileError::NonFinite { .. })
    ));
    let mut bad = file();
    bad.standard.mean.pop();
    assert!(matches!(bad.to_bytes(), Err(PolicyFileError::Shape { .. })));
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(PolicyFile::from_bytes(&bytes).is_err());
        prop_assert!(memrl_learn::train::Checkpoint::from_bytes(&bytes).is_err());
    }

    #[test]
    fn foreign_headers_never_panic(text in "\\PC{0,200}", tail in prop::collection::vec(any::<u8>(), 0..40)) {
        let header = format!("{{\"__metadata__\":{{\"memrl\":{}}},\"linear.bias\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}}}", serde_json::to_string(&text).unwrap());
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&tail);
        prop_assert!(PolicyFile::from_bytes(&bytes).is_err());
    }
}
