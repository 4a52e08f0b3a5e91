//! The parameters as Markdown: what `docs/workloads.md` prints, made from the constants.

use std::fmt::Write as _;

use super::params::{CRITICALITY, Condition, Params, Role, SIGNALS, TRIALS, UTILITY, all};

/// Every parameter of every workload.
pub fn parameters() -> String {
    let mut out = String::new();
    for p in all() {
        let _ = write!(out, "### {}\n\n{}", p.name, general(p));
        let _ = write!(out, "\n{}\n{}\n", roles(p), conditions(p));
    }
    out.trim_end().to_owned()
}

fn list(numbers: &[f64]) -> String {
    let texts: Vec<_> = numbers.iter().map(f64::to_string).collect();
    texts.join(" / ")
}

fn general(p: &Params) -> String {
    let o = &p.outcome;
    let (low, high) = p.candidates;
    let (first, last) = p.steps;
    let (mean, sd) = p.log_tokens;
    let rows = [
        ("candidates", format!("{low} to {high}, uniform")),
        (
            "decisions of a trajectory",
            format!("{first} to {last}, uniform"),
        ),
        ("ln tokens", format!("mean {mean}, sd {sd}")),
        ("lifetime", format!("{} days", p.lifetime_days)),
        ("sd of the signals' logits", list(&p.spread)),
        (
            "earlier trials",
            format!(
                "{} with probability {}",
                list(&TRIALS.map(f64::from)),
                list(&p.tried)
            ),
        ),
        ("success by covered needs", list(o.success)),
        ("unsafe, whatever is shown", o.unsafe_base.to_string()),
        ("unsafe, per rule not shown", o.unsafe_missing.to_string()),
        (
            "unsafe, per harmful memory shown",
            o.unsafe_harm.to_string(),
        ),
        ("misled, per outdated memory shown", o.stale.to_string()),
    ];
    let mut out = "| parameter | value |\n|---|---|\n".to_owned();
    for (name, value) in rows {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out
}

fn roles(p: &Params) -> String {
    let mut out = format!(
        "| role | share | mean logit of {} | found by words | speaker | mean ln age |\n|---|---:|---|---:|---:|---:|\n",
        SIGNALS.join(" / ")
    );
    let mut row = |name: String, r: &Role, share: f64| {
        let text = list(&r.text);
        let _ = writeln!(
            out,
            "| {name} | {share:.2} | {text} | {} | {} | {} |",
            r.words, r.speaker, r.log_age
        );
    };
    for (g, need) in p.needs.iter().enumerate() {
        row(format!("need {}", g + 1), need, need.share);
    }
    row("harmful".to_owned(), &p.harmful, p.harmful.share);
    row("rule".to_owned(), &p.rule, p.rule.share);
    row("idle".to_owned(), &p.idle, p.idle_share());
    out
}

fn conditions(p: &Params) -> String {
    let names = Condition::ALL.map(Condition::name).join(" | ");
    let mut out = format!("| by condition | {names} |\n|---|{}\n", "---|".repeat(5));
    let mut row = |name: String, value: &dyn Fn(usize) -> String| {
        let values: Vec<_> = (0..5).map(value).collect();
        let _ = writeln!(out, "| {name} | {} |", values.join(" | "));
    };
    let kinds = p.kinds.map(|k| k.to_string()).join(" / ");
    row("success is multiplied with".into(), &|i| {
        p.outcome.keep[i].to_string()
    });
    row("mean logit of staleness".into(), &|i| {
        p.signs[i].staleness.to_string()
    });
    row("mean logit of confidence".into(), &|i| {
        p.signs[i].confidence.to_string()
    });
    row("success of an earlier trial".into(), &|i| {
        p.signs[i].past.to_string()
    });
    row(format!("criticality {}", list(&CRITICALITY)), &|i| {
        list(&p.signs[i].criticality)
    });
    row(format!("future utility {}", list(&UTILITY)), &|i| {
        list(&p.signs[i].utility)
    });
    row(kinds, &|i| list(&p.signs[i].kinds));
    row("origin user / agent / tool / import".into(), &|i| {
        list(&p.signs[i].origin)
    });
    row("scope asked / wider / global".into(), &|i| {
        list(&p.signs[i].scope)
    });
    out
}
