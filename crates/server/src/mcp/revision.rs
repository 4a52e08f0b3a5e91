//! The revisions of the Model Context Protocol that are spoken here, and what differs between them.

use serde_json::{Map, Value, json};

use super::wire::{INVALID_PARAMS, RESOURCE_NOT_FOUND, RpcError, UNSUPPORTED_VERSION};

/// Key of the revision in a request's `_meta` (2026-07-28).
pub(crate) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// Key of the client's capabilities there.
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// Key of the server's name in a result's `_meta`.
pub(crate) const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// A revision, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revision {
    /// Tools and resources.
    V2024_11_05,
    /// Annotations, batches, streamable HTTP.
    V2025_03_26,
    /// Structured results, titles; no batches.
    V2025_06_18,
    /// As before, for what is offered here.
    V2025_11_25,
    /// No session: each request says its revision; `server/discover` in place of `initialize`.
    V2026_07_28,
}

impl Revision {
    /// All, oldest first.
    pub(crate) const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];
    /// The newest that `initialize` can agree on.
    pub(crate) const NEWEST_INITIALIZED: Self = Self::V2025_11_25;
    /// What an HTTP request without a header speaks, as the revisions with that header say.
    pub(crate) const WITHOUT_HEADER: Self = Self::V2025_03_26;

    /// The name on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }

    /// What `initialize` agrees on: the asked one if it can be, else the newest.
    pub(crate) fn initialized(asked: &str) -> Self {
        Self::named(asked)
            .filter(|r| *r <= Self::NEWEST_INITIALIZED)
            .unwrap_or(Self::NEWEST_INITIALIZED)
    }

    /// Whether a message may be an array of messages.
    pub(crate) fn has_batches(self) -> bool {
        self <= Self::V2025_03_26
    }

    /// Whether tools have annotations.
    pub(crate) fn has_annotations(self) -> bool {
        self >= Self::V2025_03_26
    }

    /// Whether tools have titles and output schemas, and results are structured.
    pub(crate) fn has_structure(self) -> bool {
        self >= Self::V2025_06_18
    }

    /// Whether requests speak for themselves.
    pub(crate) fn is_stateless(self) -> bool {
        self >= Self::V2026_07_28
    }

    /// The code for a resource that does not exist.
    pub(crate) fn resource_not_found(self) -> i64 {
        if self.is_stateless() {
            INVALID_PARAMS
        } else {
            RESOURCE_NOT_FOUND
        }
    }
}

/// Every revision by name, newest first.
pub(crate) fn supported() -> Vec<&'static str> {
    Revision::ALL.iter().rev().map(|r| r.as_str()).collect()
}

/// The refusal of a revision.
pub(crate) fn unsupported(asked: &str) -> RpcError {
    RpcError::new(UNSUPPORTED_VERSION, "Unsupported protocol version")
        .with(json!({"supported": supported(), "requested": asked}))
}

/// The revision that a request names in its `_meta`; `None` when it names none.
pub(crate) fn of_meta(params: &Map<String, Value>) -> Result<Option<Revision>, RpcError> {
    let Some(meta) = params.get("_meta").and_then(Value::as_object) else {
        return Ok(None);
    };
    let Some(asked) = meta.get(VERSION_KEY) else {
        return Ok(None);
    };
    let invalid = |text: String| RpcError::new(INVALID_PARAMS, text);
    let Some(asked) = asked.as_str() else {
        return Err(invalid(format!("_meta.{VERSION_KEY}: must be a string")));
    };
    match Revision::named(asked).filter(|r| r.is_stateless()) {
        Some(_) if !meta.get(CAPABILITIES_KEY).is_some_and(Value::is_object) => Err(invalid(
            format!("_meta.{CAPABILITIES_KEY}: must be an object"),
        )),
        Some(revision) => Ok(Some(revision)),
        None => Err(unsupported(asked)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialize_agrees_on_what_both_speak() {
        for revision in Revision::ALL {
            let agreed = Revision::initialized(revision.as_str());
            assert_eq!(agreed, revision.min(Revision::NEWEST_INITIALIZED));
        }
        assert_eq!(Revision::initialized("1999-01-01"), Revision::V2025_11_25);
    }

    #[test]
    fn only_the_stateless_revision_may_stand_in_meta() {
        let meta = |version: Value, capabilities: Value| {
            let meta = json!({"_meta": {VERSION_KEY: version, CAPABILITIES_KEY: capabilities}});
            of_meta(meta.as_object().expect("an object")).map_err(|e| e.code)
        };
        assert_eq!(
            meta(json!("2026-07-28"), json!({})),
            Ok(Some(Revision::V2026_07_28))
        );
        assert_eq!(meta(json!("2026-07-28"), json!(1)), Err(INVALID_PARAMS));
        assert_eq!(
            meta(json!("2025-06-18"), json!({})),
            Err(UNSUPPORTED_VERSION)
        );
        assert_eq!(meta(json!(7), json!({})), Err(INVALID_PARAMS));
        assert_eq!(of_meta(&Map::new()), Ok(None));
    }
}
