//! What is learned from and what is kept apart, by whole trajectories.
//!
//! Decisions of one trajectory share its outcome, its query and often its candidates. Were they split among both sides,
//! the judge would have seen the answers. So the coin is hashed from the *name* of the trajectory: it falls the same
//! way in every log that has the trajectory, whatever else is in it.

/// A number in [0, 1) for a trajectory, uniform over seeds and names: the first 8 bytes (little endian) of BLAKE3 of
/// `memrl/split/v1 ‖ 0x00 ‖ seed (u64, little endian) ‖ name`, its upper 53 bits times 2⁻⁵³.
pub fn coin(seed: u64, trajectory: &str) -> f64 {
    let mut hash = blake3::Hasher::new();
    hash.update(b"memrl/split/v1\0");
    hash.update(&seed.to_le_bytes());
    hash.update(trajectory.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize().as_bytes()[..8]);
    (u64::from_le_bytes(first) >> 11) as f64 * 0.5f64.powi(53)
}

/// Whether a trajectory is kept apart, where the share `validation` in [0, 1] is.
pub fn kept_apart(seed: u64, trajectory: &str, validation: f64) -> bool {
    coin(seed, trajectory) < validation
}

/// The fold of a trajectory among `folds` of about equal size, from 0.
pub fn fold(seed: u64, trajectory: &str, folds: usize) -> usize {
    ((coin(seed, trajectory) * folds as f64) as usize).min(folds.saturating_sub(1))
}
