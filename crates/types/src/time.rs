//! Points in time: microseconds since the Unix epoch, UTC, always written with a `Z`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

/// A text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a time; expected a date (2026-11-20, its midnight in UTC) or RFC 3339, e.g. 2026-11-20T09:30:00Z or 2026-11-20T10:30:00+01:00"
)]
pub struct NotATime(pub String);

/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

impl Timestamp {
    /// The time this many (possibly fractional) seconds after the epoch; `None` when it is not
    /// finite or outside the years that can be written.
    pub fn from_epoch_seconds(seconds: f64) -> Option<Self> {
        let micros = seconds * 1e6;
        (micros.is_finite() && micros.abs() < 2.5e17).then(|| Self(micros.round() as i64))
    }

    /// Days from `earlier` to `self`; negative when `self` is the earlier one.
    pub fn days_since(self, earlier: Self) -> f64 {
        (self.0 as f64 - earlier.0 as f64) / MICROS_PER_DAY as f64
    }

    /// Year and month (1 to 12) in UTC; `None` outside the years that can be written.
    pub fn year_month(self) -> Option<(i16, i8)> {
        let time = jiff::Timestamp::from_microsecond(self.0).ok()?;
        let date = jiff::tz::Offset::UTC.to_datetime(time).date();
        Some((date.year(), date.month()))
    }

    /// This time moved by a number of days.
    #[must_use]
    pub fn plus_days(self, days: f64) -> Self {
        Self(self.0.saturating_add((days * MICROS_PER_DAY as f64) as i64))
    }
}

impl std::str::FromStr for Timestamp {
    type Err = NotATime;

    /// Reads RFC 3339 with any offset (converted to UTC), the same without an offset (taken as
    /// UTC), a bare date (its midnight), or epoch seconds.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        let text = text.trim();
        if let Ok(t) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(t.as_microsecond()));
        }
        if let Ok(seconds) = text.parse::<f64>() {
            return Self::from_epoch_seconds(seconds).ok_or_else(|| NotATime(text.to_owned()));
        }
        let civil = text.parse::<jiff::civil::DateTime>().or_else(|_| {
            text.parse::<jiff::civil::Date>()
                .map(|d| d.to_datetime(jiff::civil::Time::midnight()))
        });
        civil
            .and_then(|c| c.to_zoned(jiff::tz::TimeZone::UTC))
            .map(|z| Self(z.timestamp().as_microsecond()))
            .map_err(|_| NotATime(text.to_owned()))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            // All six digits or none: some readers know no others.
            Ok(t) if self.0 % 1_000_000 != 0 => f.pad(&format!("{t:.6}")),
            Ok(t) => f.pad(&t.to_string()),
            Err(_) => write!(f, "@{}us", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Text(String),
            Seconds(f64),
        }
        match Wire::deserialize(d)? {
            Wire::Text(t) => t.parse().map_err(serde::de::Error::custom),
            Wire::Seconds(s) => Self::from_epoch_seconds(s)
                .ok_or_else(|| serde::de::Error::custom(NotATime(s.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_converted_not_dropped() {
        let east: Timestamp = "2026-01-01T00:00:00+05:00".parse().unwrap();
        assert_eq!(east.to_string(), "2025-12-31T19:00:00Z");
        let naive: Timestamp = "2026-01-01T00:00:00".parse().unwrap();
        assert_eq!(naive.to_string(), "2026-01-01T00:00:00Z");
        let date: Timestamp = "2026-01-01".parse().unwrap();
        assert_eq!(date, naive);
        let epoch: Timestamp = "1767225600".parse().unwrap();
        assert_eq!(epoch, naive);
    }

    #[test]
    fn fractions_have_six_digits_or_none() {
        assert_eq!(
            Timestamp(1_500_000).to_string(),
            "1970-01-01T00:00:01.500000Z"
        );
        assert_eq!(Timestamp(1_000_000).to_string(), "1970-01-01T00:00:01Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "soon", "2026-13-01", "NaN", "inf", "1e300"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
