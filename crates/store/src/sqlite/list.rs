//! Listing cells.

use memrl_types::Timestamp;
use rusqlite::types::Value as Bound;
use rusqlite::{Connection, params_from_iter};

use super::cells::{self, COLUMNS, SOURCE};
use super::names::{Names, pair_value};
use crate::Result;
use crate::rows::{CellFilter, CellRow, Cursor, Order, Page};

/// A `WHERE` clause under construction, with its parameters.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    terms: Vec<String>,
    /// The parameters, in the order of their question marks.
    pub(super) bound: Vec<Bound>,
}

impl Conditions {
    /// Adds a condition with its parameters.
    pub(super) fn add<V: Into<Bound>>(
        &mut self,
        term: impl Into<String>,
        bound: impl IntoIterator<Item = V>,
    ) {
        self.terms.push(term.into());
        self.bound.extend(bound.into_iter().map(Into::into));
    }

    /// Adds a condition that a small code is one of these; none means any.
    pub(super) fn one_of(&mut self, column: &str, codes: impl Iterator<Item = u8>) {
        let codes: Vec<_> = codes.map(i64::from).collect();
        if !codes.is_empty() {
            let marks = vec!["?"; codes.len()].join(", ");
            self.add(format!("{column} IN ({marks})"), codes);
        }
    }

    /// Adds a time range: from inclusive, before exclusive.
    pub(super) fn during(
        &mut self,
        column: &str,
        from: Option<Timestamp>,
        before: Option<Timestamp>,
    ) {
        if let Some(from) = from {
            self.add(format!("{column} >= ?"), [from.0]);
        }
        if let Some(before) = before {
            self.add(format!("{column} < ?"), [before.0]);
        }
    }

    /// Adds where a listing by row number goes on; returns how it is sorted.
    pub(super) fn page(
        &mut self,
        column: &str,
        order: Order,
        after: Option<Cursor>,
    ) -> &'static str {
        let (than, sorted) = match order {
            Order::Newest => ("<", "DESC"),
            Order::Oldest => (">", "ASC"),
        };
        if let Some(Cursor(after)) = after {
            self.add(format!("{column} {than} ?"), [after]);
        }
        sorted
    }

    /// The clause.
    pub(super) fn sql(&self) -> String {
        if self.terms.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.terms.join(" AND "))
        }
    }
}

/// What a filter asks of a cell `c`; all but the text, which SQLite cannot compare.
pub(super) fn conditions(filter: &CellFilter) -> Conditions {
    let mut conditions = Conditions::default();
    for (key, value) in filter.scope.iter().flat_map(|s| &s.0) {
        let (term, bound) = scope_has("c.scope", key, value, filter.null_matches_absent);
        conditions.add(term, bound);
    }
    conditions.one_of("c.kind", filter.types.iter().map(|t| t.code()));
    conditions.one_of("c.status", filter.statuses.iter().map(|s| s.code()));
    if let Some(ceiling) = filter.max_sensitivity {
        conditions.add("c.sensitivity <= ?", [i64::from(ceiling.code())]);
    }
    if let Some(source) = &filter.source {
        conditions.add("c.source = ?", [source.clone()]);
    }
    conditions.during("c.created_at", filter.created_from, filter.created_before);
    conditions
}

/// See [`crate::Store::list`].
pub(super) fn list(
    conn: &Connection,
    names: &Names,
    filter: &CellFilter,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<CellRow>> {
    let mut conditions = conditions(filter);
    let sorted = conditions.page("c.seq", filter.order, after);
    let wanted = filter.text.as_ref().map(|t| t.to_lowercase());
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM {SOURCE} {} ORDER BY c.seq {sorted}",
        conditions.sql()
    ))?;
    let mut found = statement.query(params_from_iter(conditions.bound))?;
    let mut rows: Vec<CellRow> = Vec::new();
    while let Some(row) = found.next()? {
        if let Some(wanted) = &wanted {
            // SQLite's own comparison knows the letter case of ASCII only.
            let content: String = row.get(25)?;
            if !content.to_lowercase().contains(wanted) {
                continue;
            }
        }
        if rows.len() == limit {
            let next = rows.last().map(|r| Cursor(r.seq));
            return Ok(Page { rows, next });
        }
        rows.push(cells::read(conn, names, row)?);
    }
    Ok(Page { rows, next: None })
}

/// The condition that the scope in this column has a pair, with its parameters.
pub(super) fn scope_has(
    column: &str,
    key: &str,
    value: &serde_json::Value,
    null_matches_absent: bool,
) -> (String, Vec<String>) {
    let having = format!("{column} IN (SELECT scope FROM scope_pairs WHERE key = ? AND value = ?)");
    let mut bound = vec![key.to_owned(), pair_value(value)];
    if value.is_null() && null_matches_absent {
        bound.push(key.to_owned());
        let absent = format!("{column} NOT IN (SELECT scope FROM scope_pairs WHERE key = ?)");
        return (format!("({having} OR {absent})"), bound);
    }
    (having, bound)
}
