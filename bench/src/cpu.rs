//! Processor time of another process, from Linux's `/proc`. Elsewhere there is none.

/// Milliseconds of user and system time that the process (all of its threads) has used so far;
/// `None` when it does not exist or the system is not Linux. The kernel counts in ticks of
/// usually 10 ms, so only differences over many requests mean something.
pub fn process_millis(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(ticks(&stat)? as f64 * 1000.0 / ticks_per_second() as f64)
}

/// Fields 14 and 15 of `proc_pid_stat(5)`. The name in field 2 may hold blanks and parentheses,
/// so fields are counted from its last parenthesis.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// The unit of [`ticks`]: entry `AT_CLKTCK` of the auxiliary vector, or 100, which it is on
/// every Linux of today.
fn ticks_per_second() -> u64 {
    const AT_CLKTCK: u64 = 17;
    const WORD: usize = size_of::<usize>();
    let vector = std::fs::read("/proc/self/auxv").unwrap_or_default();
    let words: Vec<u64> = vector
        .chunks_exact(WORD)
        .map(|chunk| {
            let mut wide = [0; 8];
            if cfg!(target_endian = "little") {
                wide[..WORD].copy_from_slice(chunk);
                u64::from_le_bytes(wide)
            } else {
                wide[8 - WORD..].copy_from_slice(chunk);
                u64::from_be_bytes(wide)
            }
        })
        .collect();
    words
        .chunks_exact(2)
        .find(|pair| pair[0] == AT_CLKTCK && pair[1] > 0)
        .map_or(100, |pair| pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 99 1 2";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("42 (short) S 1"), None);
        assert_eq!(ticks(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn our_own_time_grows_and_a_missing_process_has_none() {
        let before = process_millis(std::process::id()).unwrap();
        let start = std::time::Instant::now();
        let mut x = 1u64;
        while process_millis(std::process::id()).unwrap() <= before {
            x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005));
            assert!(start.elapsed().as_secs() < 60, "no tick in a minute");
        }
        assert_eq!(process_millis(u32::MAX), None);
    }
}
