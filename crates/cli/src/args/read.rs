//! Readers of single values.

use memrl::{CellType, Clearance, DecisionPoint, EpisodeStatus, Sensitivity, TaskType, Timestamp};

/// `key=value`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err("expected key=value, e.g. user=ann".to_owned()),
    }
}

/// `name=number`.
pub fn numbered(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text
        .rsplit_once('=')
        .filter(|(name, _)| !name.trim().is_empty())
        .ok_or("expected name=number, e.g. cost=0.4")?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| format!("{value:?} is not a number"))?;
    Ok((name.trim().to_owned(), value))
}

/// A time: RFC 3339 with any offset, a date, or epoch seconds.
pub fn time(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|e: memrl::time::NotATime| e.to_string())
}

/// A time, or `none` to remove it.
pub fn time_or_none(text: &str) -> Result<Changed, String> {
    if text == "none" {
        Ok(Changed(None))
    } else {
        time(text).map(|t| Changed(Some(t)))
    }
}

/// A new end of validity; `None` removes it.
#[derive(Debug, Clone, Copy)]
pub struct Changed(pub Option<Timestamp>);

/// A share of success: a number, or a word for 0 or 1.
pub fn success(text: &str) -> Result<f64, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" => Ok(1.0),
        "false" | "no" => Ok(0.0),
        other => other
            .parse()
            .map_err(|_| "expected a number in [0, 1], true or false".to_owned()),
    }
}

/// A whole number that is not negative.
pub fn whole(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}

/// A page size or a limit: any whole number; the engine knows the range.
pub fn page(text: &str) -> Result<u32, String> {
    whole(text).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

/// A cell type.
pub fn kind(text: &str) -> Result<CellType, String> {
    text.parse()
        .map_err(|e: memrl::names::UnknownName| e.to_string())
}

/// A decision point.
pub fn point(text: &str) -> Result<DecisionPoint, String> {
    text.parse()
        .map_err(|e: memrl::names::UnknownName| e.to_string())
}

/// A clearance.
pub fn clearance(text: &str) -> Result<Clearance, String> {
    text.parse::<Sensitivity>()
        .map(Clearance)
        .map_err(|e| e.to_string())
}

/// The verdict on an episode.
pub fn outcome(text: &str) -> Result<EpisodeStatus, String> {
    EpisodeStatus::from_name(text)
        .ok_or_else(|| format!("expected one of {}", names(EpisodeStatus::ALL)))
}

/// A kind of work.
pub fn task_type(text: &str) -> Result<TaskType, String> {
    TaskType::from_name(text).ok_or_else(|| format!("expected one of {}", names(TaskType::ALL)))
}

fn names(all: &[impl ToString]) -> String {
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// An error, and what helped.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// The message.
    pub message: String,
    /// What helped; `None` when nothing did.
    pub resolution: Option<String>,
}

/// `message=>resolution`, or a message alone.
pub fn trouble(text: &str) -> Result<Trouble, String> {
    let (message, resolution) = match text.split_once("=>") {
        Some((message, resolution)) => (message.trim(), Some(resolution.trim())),
        None => (text.trim(), None),
    };
    if message.is_empty() {
        return Err("expected MESSAGE=>RESOLUTION, or a message alone".to_owned());
    }
    Ok(Trouble {
        message: message.to_owned(),
        resolution: resolution.filter(|r| !r.is_empty()).map(str::to_owned),
    })
}
