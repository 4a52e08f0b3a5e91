//! Hashed coins: the same in every process, on every machine, for ever.

use memrl_types::CellId;

/// A number in [0, 1), uniform over salts and trajectories, on a grid of 2⁻⁵³.
///
/// BLAKE3 of `domain ‖ 0x00 ‖ salt (u64, little endian) ‖ length of the trajectory in bytes (u64,
/// little endian) ‖ trajectory (UTF-8) ‖ cell id (16 bytes; nothing for coins of a trajectory)`;
/// the first 8 bytes as a little-endian integer, shifted right by 11, times 2⁻⁵³.
pub(super) fn toss(domain: &str, salt: u64, trajectory: &str, cell: Option<CellId>) -> f64 {
    let mut hash = blake3::Hasher::new();
    hash.update(domain.as_bytes());
    hash.update(&[0]);
    hash.update(&salt.to_le_bytes());
    hash.update(&(trajectory.len() as u64).to_le_bytes());
    hash.update(trajectory.as_bytes());
    if let Some(cell) = cell {
        hash.update(cell.bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize().as_bytes()[..8]);
    unit(u64::from_le_bytes(first))
}

/// The upper 53 bits of a uniform integer as a number in [0, 1).
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (0.5_f64).powi(53)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values computed with the `blake3` package of Python and the layout in the documentation of
    /// [`toss`]; see `docs/policies.md` for the few lines.
    #[test]
    fn coins_are_the_same_in_every_process_and_language() {
        let cell: CellId = "00112233-4455-4677-8899-aabbccddeeff".parse().unwrap();
        for (domain, salt, trajectory, cell, golden) in [
            (
                "memrl/holdout/v1",
                0,
                "t",
                Some(cell),
                0.829_273_127_097_062_1,
            ),
            (
                "memrl/holdout/v1",
                42,
                "session-é",
                Some(cell),
                0.680_094_269_943_263,
            ),
            (
                "memrl/trial/v1",
                0,
                "t",
                Some(cell),
                0.378_924_690_613_736_57,
            ),
            ("memrl/arm/v1", 0, "t", None, 0.830_076_515_163_215_6),
            ("memrl/arm/v1", u64::MAX, "", None, 0.723_819_489_341_767_2),
            (
                "memrl/sampled/v1",
                7,
                "session-é",
                None,
                0.296_771_579_509_15,
            ),
        ] {
            let tossed = toss(domain, salt, trajectory, cell);
            assert!(
                (tossed - golden).abs() < 1e-15,
                "{domain} {salt} {trajectory}: {tossed}"
            );
        }
    }

    #[test]
    fn the_unit_interval_is_half_open() {
        assert!(unit(0) == 0.0 && unit(u64::MAX) < 1.0 && unit(u64::MAX) > 1.0 - 1e-15);
    }
}
