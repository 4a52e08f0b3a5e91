//! Windows of a run, and intervals over seeds. A seed is one observation: tasks of one seed share
//! a world, so they are not independent.

use crate::metrics::{Interval, mean};

/// 97.5 % points of Student's t distribution for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// The mean of each of `windows` equal parts; the last takes what is left over.
pub fn windows(values: &[f64], windows: usize) -> Vec<f64> {
    let width = (values.len() / windows.max(1)).max(1);
    (0..windows)
        .map(|w| {
            let start = (w * width).min(values.len());
            let end = if w + 1 == windows {
                values.len()
            } else {
                (start + width).min(values.len())
            };
            mean(&values[start..end]).unwrap_or(f64::NAN)
        })
        .collect()
}

/// The 95 % interval of the mean after Student (1908), one value per seed; `None` with fewer than
/// two values.
pub fn student(values: &[f64]) -> Option<Interval> {
    let n = values.len();
    let centre = mean(values).filter(|_| n >= 2)?;
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt();
    let t = T.get(n - 2).copied().unwrap_or(T[T.len() - 1]);
    Some(Interval {
        low: centre - t * error,
        high: centre + t * error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_interval_of_his_own_data() {
        // Student (1908), Cushny and Peebles' ten differences in hours of sleep: mean 1.58, standard
        // error 0.38896; R's t.test gives [0.70011, 2.45989].
        let sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4];
        let i = student(&sleep).unwrap();
        assert!((i.low - 0.700_11).abs() < 2e-4, "{i:?}");
        assert!((i.high - 2.459_89).abs() < 2e-4, "{i:?}");
        assert_eq!(student(&[1.0]), None);
    }

    #[test]
    fn windows_are_equal_parts() {
        let values: Vec<f64> = (0..11).map(f64::from).collect();
        assert_eq!(windows(&values, 5), [0.5, 2.5, 4.5, 6.5, 9.0]);
        assert_eq!(windows(&values[..2], 2), [0.0, 1.0]);
    }
}
