//! `memrl stats`.

use serde_json::{Value, json};

use crate::args::{self, Global};
use crate::cmd::episodes;
use crate::fail::Result;
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// Counts everything.
pub fn run(global: &Global, args: &args::Stats, out: &mut Out) -> Result<u8> {
    if args.kind.is_some() || args.project.is_some() {
        return episodes::stats(global, args, out);
    }
    let memory = session::open(global, &[], out)?;
    let s = memory.stats()?;
    let known = s.cells_by_type.iter().any(|(name, _)| name == "episode");
    let episodes = known.then(|| memory.episode_stats(None)).transpose()?;
    if out.is_json() {
        let mut all = json!(s);
        if let (Value::Object(map), Some(episodes)) = (&mut all, &episodes) {
            map.insert("episodes".into(), json!(episodes));
        }
        out.json(&all)?;
        return Ok(0);
    }
    let mut field = |name: &str, value: String| {
        let name = out.style.dim(&format!("{name:<12}"));
        out.line(&format!("{name}{value}"))
    };
    field("memory", s.data_dir.clone())?;
    field("embedder", s.embedder.clone())?;
    field(
        "size",
        format!(
            "{} database, {} index",
            text::bytes(s.database_bytes),
            text::bytes(s.index_bytes)
        ),
    )?;
    field("cells", listed(&s.cells_by_status))?;
    field("types", listed(&s.cells_by_type))?;
    if let Some(stats) = episodes {
        field("episodes", episodes::in_short(&stats))?;
    }
    field(
        "decisions",
        format!(
            "{}, {} with an outcome, {}",
            text::grouped(s.decisions),
            text::grouped(s.completed),
            text::count(s.decision_items, "candidate")
        ),
    )?;
    field("outcomes", text::count(s.outcomes, "report"))?;
    field("events", text::grouped(s.events))?;
    if s.by_policy.is_empty() {
        return Ok(0);
    }
    let mut table = Table::new(&[
        ("POLICY", Fit::Left),
        ("DECISIONS", Fit::Right),
        ("WITH SUCCESS", Fit::Right),
        ("MEAN SUCCESS", Fit::Right),
    ]);
    for p in &s.by_policy {
        table.row([
            p.policy.clone(),
            text::grouped(p.decisions),
            text::grouped(p.with_success),
            p.mean_success.map_or_else(|| "-".to_owned(), text::number),
        ]);
    }
    out.line("")?;
    out.table(&table)?;
    Ok(0)
}

fn listed(counts: &[(String, u64)]) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let parts = counts
        .iter()
        .map(|(name, n)| format!("{} {name}", text::grouped(*n)));
    parts.collect::<Vec<_>>().join(", ")
}
