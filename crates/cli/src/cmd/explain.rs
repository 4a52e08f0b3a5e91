//! The fields of things in words.

use memrl::{Cell, Mask};

use crate::text;

/// The fields of a memory that say something, by name.
pub fn cell(cell: &Cell, masked: Option<Mask>) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("id", cell.cell_id.to_string()),
        ("type", format!("{} ({})", cell.kind, cell.tier)),
        ("scope", text::scope(&cell.scope)),
        ("status", status(cell, masked)),
        ("confidence", text::number(cell.confidence)),
        ("sensitivity", cell.sensitivity.to_string()),
        ("origin", cell.origin.to_string()),
    ];
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            fields.push((name, text::one_line(&value)));
        }
    };
    add("speaker", cell.speaker.clone());
    add("occurred", cell.occurred_at.map(|t| t.to_string()));
    add(
        "source",
        cell.source
            .as_ref()
            .map(|s| format!("{}, position {}", s.source, s.position)),
    );
    add("refs", Some(cell.source_refs.join(", ")));
    add("valid from", cell.valid_from.map(|t| t.to_string()));
    add("valid until", cell.valid_until.map(|t| t.to_string()));
    add("supersedes", Some(cell.supersedes.join(", ")));
    add("against it", Some(cell.contradicted_by.join(", ")));
    add(
        "features",
        cell.policy_features.map(|f| {
            format!(
                "criticality {}, compressibility {}, staleness {}, future utility {}",
                text::number(f.criticality),
                text::number(f.compressibility),
                text::number(f.staleness),
                text::number(f.future_utility_estimate)
            )
        }),
    );
    let links = cell
        .links
        .iter()
        .map(|l| l.target.clone())
        .collect::<Vec<_>>();
    add("made from", Some(links.join(", ")));
    add("payload", cell.payload.as_ref().map(ToString::to_string));
    add("tokens", Some(cell.tokens.to_string()));
    add("created", Some(cell.created_at.to_string()));
    add(
        "updated",
        (cell.updated_at != cell.created_at).then(|| cell.updated_at.to_string()),
    );
    fields
}

fn status(cell: &Cell, masked: Option<Mask>) -> String {
    let status = cell.status.to_string();
    match masked {
        Some(mask) if mask.as_str() != status => {
            format!(
                "{status}, version {}; never shown: {}",
                cell.version,
                mask.as_str()
            )
        }
        Some(_) => format!("{status}, version {}; never shown", cell.version),
        None => format!("{status}, version {}", cell.version),
    }
}
