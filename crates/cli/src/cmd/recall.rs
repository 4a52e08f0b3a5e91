//! `memrl recall`.

use std::collections::HashMap;

use memrl::{Recall, RecallRequest, Scope};

use crate::args::{self, Global};
use crate::cmd::add::text_or_stdin;
use crate::fail::Result;
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// Recalls: the block on standard output, the decision on standard error.
pub fn run(global: &Global, args: args::Recall, out: &mut Out) -> Result<u8> {
    let query = text_or_stdin(args.query)?;
    let memory = session::open(global, &[], out)?;
    let scope = session::scope(&args.scope);
    let widen = args
        .widen
        .iter()
        .map(|w| Scope::from_pairs(&w.split(',').collect::<Vec<_>>()))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(memrl::Error::from)?;
    let mut have = Vec::with_capacity(args.have.len());
    for id in &args.have {
        have.push(memory.get(id)?.cell_id);
    }
    let request = RecallRequest {
        all_scopes: scope.is_empty(),
        widen,
        task_type: args.task_type,
        budget_tokens: args.budget,
        limit: args.limit,
        types: args.kind,
        policy: args.policy,
        trajectory: args.trajectory,
        already_in_context: have,
        skip_shown: args.skip_shown,
        // Owners see everything at their own command line, unless they ask for less.
        clearance: Some(args.clearance.unwrap_or(memrl::Clearance::ALL)),
        explore: !args.no_explore,
        ..RecallRequest::new(query, scope)
    };
    let recall = memory.recall(&request)?;
    for warning in &recall.warnings {
        out.warn(warning);
    }
    if recall.constraints_exceed_budget {
        let left: Vec<String> = recall
            .left_out
            .iter()
            .map(|id| format!("m:{}", id.short()))
            .collect();
        out.warn(&format!(
            "the critical constraints alone exceed the budget of {} tokens; left out: {}",
            recall.budget_tokens,
            left.join(", ")
        ));
    }
    if out.is_json() {
        out.json(&recall)?;
        return Ok(0);
    }
    out.text(&recall.context)?;
    out.flush()?;
    summary(&recall, out);
    if args.show_all {
        left_out(&memory, &recall, out)?;
    }
    Ok(0)
}

fn summary(recall: &Recall, out: &mut Out) {
    if recall.selected.is_empty() {
        out.note("Nothing to recall.");
    }
    let id = out.talk.hint(&recall.decision_id.to_string());
    let arm = if recall.arm == "incumbent" {
        String::new()
    } else {
        format!(" (arm {})", recall.arm)
    };
    out.note(&format!(
        "decision {id}\n{}{arm}, {} of {} tokens, {:.1} ms",
        recall.policy,
        text::grouped(recall.tokens_used.into()),
        text::grouped(recall.budget_tokens),
        recall.latency_us as f64 / 1000.0
    ));
}

/// What was left out, best first. Talk, not a result: the block stays alone on standard output.
fn left_out(memory: &memrl::Memory, recall: &Recall, out: &mut Out) -> Result<()> {
    if recall.suppressed.is_empty() {
        out.note("\nNothing was left out.");
        return Ok(());
    }
    let why = memory.why(&recall.decision_id.to_string())?;
    let contents: HashMap<_, _> = why
        .items
        .iter()
        .map(|i| (i.item.cell_id, i.content.as_deref()))
        .collect();
    let mut table = Table::new(&[
        ("LEFT OUT", Fit::Left),
        ("REASON", Fit::Cut(16)),
        ("CONTENT", Fit::Cut(24)),
    ]);
    for s in &recall.suppressed {
        let content = contents
            .get(&s.cell_id)
            .copied()
            .flatten()
            .unwrap_or("[deleted]");
        table.row([
            format!("m:{}", s.cell_id.short()),
            s.reason.clone(),
            text::one_line(content),
        ]);
    }
    let width = out.is_terminal().then(text::terminal_width);
    let rendered = table.render(width, out.talk);
    out.note(&format!("\n{}", rendered.trim_end()));
    Ok(())
}
