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
