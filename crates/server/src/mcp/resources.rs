//! Resources: cells, episodes and decisions as JSON, by address.

use memrl::{CellType, Code, EpisodeQuery, Memory};
use serde_json::{Value, json};

use super::call::{self, Failure};
use super::revision::Revision;
use super::{Home, Place};

/// The media type of all of them.
pub(crate) const MEDIA: &str = "application/json";

/// How many episodes the list names.
const LATEST: u32 = 10;

/// What an address names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A cell of any type.
    Cell(String),
    /// A cell that is an episode.
    Episode(String),
    /// A logged decision.
    Decision(String),
}

impl Address {
    /// Reads `memrl://cell/ID`, `memrl://episode/ID`, `memrl://decision/ID`.
    pub(crate) fn of(uri: &str) -> Option<Self> {
        let (kind, id) = uri.strip_prefix("memrl://")?.split_once('/')?;
        if id.is_empty()
            || id.len() > 64
            || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        {
            return None;
        }
        match kind {
            "cell" => Some(Self::Cell(id.to_owned())),
            "episode" => Some(Self::Episode(id.to_owned())),
            "decision" => Some(Self::Decision(id.to_owned())),
            _ => None,
        }
    }
}

/// The templates of addresses.
pub(crate) fn templates(revision: Revision) -> Value {
    let row = |kind: &str, title: &str, about: &str| {
        let mut row = json!({
            "uriTemplate": format!("memrl://{kind}/{{id}}"),
            "name": kind,
            "description": about,
            "mimeType": MEDIA,
        });
        if revision.has_structure() {
            row["title"] = json!(title);
        }
        row
    };
    json!({"resourceTemplates": [
        row("cell", "Memory", "One memory of any type, with its value. Ids may be shortened."),
        row("episode", "Episode", "One recorded task: what was done, errors, outcome, value."),
        row("decision", "Decision", "What a retrieve could have shown, what it did, why, and what came of it."),
    ]})
}

/// The latest episodes of the place.
pub(crate) fn list(memory: &Memory, place: &Place) -> Result<Value, Failure> {
    let project = match &place.home {
        Home::Directory => Some(memory.project(None, &place.cwd)?),
        Home::Named(name) => Some(memory.project(Some(name), &place.cwd)?),
        Home::Everywhere => None,
    };
    let page = memory.episodes(&EpisodeQuery {
        project,
        limit: Some(LATEST),
        ..EpisodeQuery::default()
    })?;
    let rows = page.items.iter().filter(|r| call::may_see(memory, &r.cell));
    let resources: Vec<Value> = rows
        .map(|row| {
            json!({
                "uri": format!("memrl://episode/{}", row.cell.cell_id),
                "name": format!("{} {}", row.project, row.cell.cell_id.short()),
                "description": call::first_line(&row.cell.content, 120),
                "mimeType": MEDIA,
            })
        })
        .collect();
    Ok(json!({"resources": resources}))
}

/// What is at an address.
pub(crate) fn read(memory: &Memory, address: &Address) -> Result<Value, Failure> {
    match address {
        Address::Cell(id) => cell(memory, id, false),
        Address::Episode(id) => cell(memory, id, true),
        Address::Decision(id) => decision(memory, id),
    }
}

fn cell(memory: &Memory, id: &str, episode: bool) -> Result<Value, Failure> {
    let cell = call::seen(memory, id)?;
    if episode && cell.kind != CellType::Episode {
        return Err(Failure::Engine(memrl::Error::Invalid {
            field: "id".to_owned(),
            message: format!("{id} is a {}, not an episode", cell.kind),
            code: Code::CellNotFound,
        }));
    }
    let value = memory.value(&cell.cell_id.to_string())?;
    let mut body = serde_json::to_value(&cell).unwrap_or_default();
    body["value"] = serde_json::to_value(value).unwrap_or_default();
    Ok(body)
}

/// The story of a decision, without the texts of cells that this caller may not see.
fn decision(memory: &Memory, id: &str) -> Result<Value, Failure> {
    let mut why = memory.why(id)?;
    let mut hidden_shown = false;
    for item in why.items.iter_mut().filter(|i| i.content.is_some()) {
        let cell = memory.get(&item.item.cell_id.to_string())?;
        if !call::may_see(memory, &cell) {
            item.content = None;
            hidden_shown |= item.item.selected;
        }
    }
    if hidden_shown {
        why.decision.context = None;
    }
    Ok(serde_json::to_value(&why).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_addresses_name_something() {
        assert_eq!(
            Address::of("memrl://cell/1a2b3c4d"),
            Some(Address::Cell("1a2b3c4d".into()))
        );
        for uri in [
            "",
            "memrl://",
            "memrl://cell",
            "memrl://cell/",
            "memrl://cell/a/b",
            "memrl://cell/../x",
            "memrl://cell/\0",
            "memrl://secret/1",
            "file:///etc/passwd",
            "memrl://cell/ä",
        ] {
            assert_eq!(Address::of(uri), None, "{uri}");
        }
    }
}
