//! `memrl why`: the story of one decision, in the order in which one asks about it.

use memrl::{Why, WhyItem};

use crate::args::{self, Global};
use crate::cmd::feedback::terms;
use crate::fail::Result;
use crate::out::Out;
use crate::{session, text};

/// How much of a story is told.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// Shown candidates.
    pub shown: usize,
    /// Candidates that were left out.
    pub left_out: usize,
    /// Whether features are named.
    pub features: bool,
}

/// What was shown, and the best of what was left out.
const USUAL: Length = Length {
    shown: usize::MAX,
    left_out: 5,
    features: false,
};
/// Everything.
const ALL: Length = Length {
    shown: usize::MAX,
    left_out: usize::MAX,
    features: true,
};
/// Features named per candidate with `--all`.
const FEATURES: usize = 6;

/// Tells it.
pub fn run(global: &Global, args: &args::Why, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let why = memory.why(&args.decision)?;
    if out.is_json() {
        out.json(&why)?;
        return Ok(0);
    }
    print(&why, if args.all { ALL } else { USUAL }, out)?;
    Ok(0)
}

/// Prints a story.
pub fn print(why: &Why, length: Length, out: &mut Out) -> Result<()> {
    question(why, out)?;
    probability(why, out)?;
    let (shown, others): (Vec<&WhyItem>, Vec<&WhyItem>) =
        why.items.iter().partition(|i| i.item.selected);
    let title = format!("Shown: {} of {} candidates", shown.len(), why.items.len());
    heading(out, &(title + &cut(shown.len(), length.shown)))?;
    for (i, item) in shown.iter().take(length.shown).enumerate() {
        candidate(item, Some(i + 1), length.features, out)?;
    }
    if !others.is_empty() {
        let title = format!("Left out: {}", others.len());
        heading(out, &(title + &cut(others.len(), length.left_out)))?;
        for item in others.iter().take(length.left_out) {
            candidate(item, None, length.features, out)?;
        }
    }
    outcome(why, out)
}

/// Says how many are not told of.
fn cut(all: usize, told: usize) -> String {
    match all.saturating_sub(told) {
        0 => String::new(),
        rest => format!(" (the best {told}; --all tells the other {rest})"),
    }
}

fn heading(out: &mut Out, line: &str) -> Result<()> {
    let line = out.style.bold(line);
    out.line("")?;
    out.line(&line)
}

fn field(out: &mut Out, name: &str, value: &str) -> Result<()> {
    let name = out.style.dim(&format!("{name:<12}"));
    out.line(&format!("{name}{value}"))
}

fn question(why: &Why, out: &mut Out) -> Result<()> {
    let d = &why.decision;
    field(out, "decision", &d.decision_id.to_string())?;
    field(out, "made", &d.created_at.to_string())?;
    let query = if why.erased {
        "[erased by a purge]".to_owned()
    } else {
        text::one_line(&d.query)
    };
    field(out, "query", &query)?;
    if !d.task_type.is_empty() {
        field(out, "task", &text::one_line(&d.task_type))?;
    }
    let scope = if d.state.get("all_scopes") == Some(&true.into()) {
        "every scope".to_owned()
    } else {
        text::scope(&d.scope)
    };
    field(out, "scope", &scope)?;
    let (used, budget) = (
        text::grouped(d.tokens_used.into()),
        text::grouped(d.budget_tokens),
    );
    let contents_only = d.state.get("budget_counts") == Some(&"content".into());
    let tokens = if contents_only {
        format!("{used} of {budget}, contents only")
    } else {
        format!("{used} of {budget}")
    };
    field(out, "tokens", &tokens)?;
    if d.trajectory_id != d.decision_id.to_string() {
        let step = u64::from(d.step) + 1;
        field(
            out,
            "trajectory",
            &format!(
                "{}, decision {step} of it",
                text::one_line(&d.trajectory_id)
            ),
        )?;
    }
    if let Some(previous) = why.previous {
        field(out, "previous", &previous.to_string())?;
    }
    if let Some(next) = why.next {
        field(out, "next", &next.to_string())?;
    }
    Ok(())
}

fn probability(why: &Why, out: &mut Out) -> Result<()> {
    let d = &why.decision;
    field(out, "policy", &d.policy)?;
    if d.arms.len() > 1 {
        let arms = d.arms.iter().map(|a| {
            let mark = if a.name == d.arm { " (this one)" } else { "" };
            format!(
                "{} {} of {}{mark}",
                a.name,
                text::percent(a.share),
                a.policy
            )
        });
        field(out, "arms", &arms.collect::<Vec<_>>().join(", "))?;
    }
    field(
        out,
        "drawn by",
        &match d.explore_mode {
            memrl::ExploreMode::Greedy => {
                "the policy's own order; nothing was randomised".to_owned()
            }
            memrl::ExploreMode::Holdout => format!(
                "the policy's own order; each soft memory of it withheld with probability {}",
                text::number(d.propensity.epsilon)
            ),
            memrl::ExploreMode::PlackettLuce => {
                "sampling from the policy (Plackett–Luce)".to_owned()
            }
            memrl::ExploreMode::None => "the control arm: no memory at all".to_owned(),
        },
    )?;
    field(
        out,
        "probability",
        &format!("{} of exactly this slate", text::number(why.propensity)),
    )
}

fn candidate(item: &WhyItem, place: Option<usize>, features: bool, out: &mut Out) -> Result<()> {
    let i = &item.item;
    let place = place.map_or_else(|| "   -".to_owned(), |p| format!("{p:>3}."));
    let id = out.style.hint(&format!("m:{}", i.cell_id.short()));
    let mut facts = vec![
        format!("score {}", text::number(i.score)),
        text::count(i.tokens.into(), "token"),
    ];
    if let Some(p) = i.p_include.or(i.p_step) {
        facts.push(format!("p {}", text::number(p)));
    }
    if i.selected {
        facts.insert(0, i.mode.to_string());
    }
    if i.critical {
        facts.push("critical".to_owned());
    }
    if i.held_out {
        facts.push("held out at random".to_owned());
    }
    out.line(&format!(" {place} {id}  {}", facts.join(", ")))?;
    out.line(&format!("      because: {}", text::one_line(&i.reason)))?;
    let content = item.content.as_deref().map_or_else(
        || out.style.dim("[forgotten or purged since]"),
        text::one_line,
    );
    out.line(&format!("      {content}"))?;
    if item.changed && item.content.is_some() {
        out.line("      (changed since)")?;
    }
    if let Some(mask) = item.masked_now.filter(|_| i.selected) {
        out.line(&format!(
            "      (would not be shown today: {})",
            mask.as_str()
        ))?;
    }
    if features && !item.named_features.is_empty() {
        let features = item
            .named_features
            .iter()
            .take(FEATURES)
            .map(|(name, value)| format!("{name} {}", text::number(f64::from(*value))));
        let line = format!("      {}", features.collect::<Vec<_>>().join(", "));
        let line = out.style.dim(&line);
        out.line(&line)?;
    }
    Ok(())
}

fn outcome(why: &Why, out: &mut Out) -> Result<()> {
    let Some(merged) = &why.outcome else {
        heading(out, "No outcome yet")?;
        let hint = format!("memrl feedback {} --success true", why.decision.decision_id);
        out.note(&format!("Report one: {}", out.talk.hint(&hint)));
        return Ok(());
    };
    heading(
        out,
        &format!("Outcome ({})", text::count(merged.reports as u64, "report")),
    )?;
    let o = &merged.outcome;
    let mut signals: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            signals.push((name.to_owned(), value));
        }
    };
    let flag = |b: Option<bool>| b.map(|b| if b { "yes" } else { "no" }.to_owned());
    add("success", o.success.map(text::number));
    add("unsafe", flag(o.unsafe_action));
    add("stale", flag(o.stale_memory_error));
    add("tokens", o.tokens_used.map(|n| n.to_string()));
    add("latency", o.latency_ms.map(|n| format!("{n} ms")));
    add(
        "correction",
        o.user_correction.as_deref().map(text::one_line),
    );
    for (name, value) in &o.metrics {
        add(&text::one_line(name), Some(text::number(*value)));
    }
    for v in &o.verdicts {
        let stale = if v.stale { ", out of date" } else { "" };
        add(
            "verdict",
            Some(format!(
                "m:{} useful {}{stale}",
                v.cell_id.short(),
                text::number(v.useful)
            )),
        );
    }
    if !o.cited.is_empty() {
        let ids: Vec<String> = o.cited.iter().map(|c| format!("m:{}", c.short())).collect();
        add("cited", Some(ids.join(", ")));
    }
    for (name, value) in signals {
        field(out, &format!("  {name:<9} "), &value)?;
    }
    for c in &merged.conflicts {
        let against = format!(
            "{} against {}",
            text::number(c.reported),
            text::number(c.kept)
        );
        field(out, "  conflict", &format!("{} {against}", c.field))?;
    }
    heading(out, "Rewards")?;
    for reward in &why.rewards {
        let value = out.style.bold(&text::number(reward.value));
        out.line(&format!(
            "  {:<14} {value}{}",
            reward.spec,
            terms(&reward.terms)
        ))?;
    }
    if why.rewards.is_empty() {
        out.line("  none yet: the specs in use need --success")?;
    }
    Ok(())
}
