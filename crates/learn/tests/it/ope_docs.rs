//! The page on evaluation says what the code does.

use memrl_learn::gate::{StopReason, TrialConfig, Verdict as Gate, WhyRefused};
use memrl_learn::ope::{Denominator, EvaluateConfig, Method, Refusal, Verdict, Weighting};

const PAGE: &str = include_str!("../../../../docs/evaluation.md");

/// The names in the first column of the table with this header.
fn first_column(header: &str) -> Vec<&'static str> {
    let rows = PAGE
        .lines()
        .skip_while(|l| !l.starts_with(header))
        .skip(2)
        .take_while(|l| l.starts_with("| `"));
    rows.filter_map(|l| l.split('`').nth(1)).collect()
}

#[test]
fn every_estimator_denominator_and_interval_is_documented() {
    let lambda = 1.0;
    let names = [
        Weighting::Ips { clip: None },
        Weighting::Ips { clip: Some(1.0) },
        Weighting::Snips,
        Weighting::Dm,
        Weighting::Dr,
        Weighting::SwitchDr { lambda },
        Weighting::DrOs { lambda },
    ]
    .map(Weighting::name);
    assert_eq!(first_column("| name | term of"), names);
    let mut denominators = first_column("| denominator |");
    denominators.sort_unstable();
    let mut all = Denominator::ALL.map(Denominator::name);
    all.sort_unstable();
    assert_eq!(denominators, all);
    assert_eq!(
        first_column("| name | holds"),
        Method::ALL.map(Method::name)
    );
}

#[test]
fn every_verdict_and_every_refusal_is_documented() {
    assert_eq!(first_column("| code | means"), Refusal::CODES);
    assert_eq!(
        first_column("| verdict | means"),
        Verdict::ALL.map(Verdict::name)
    );
    let text = |v: serde_json::Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    let gate: Vec<String> = [
        Gate::Promote,
        Gate::Stop {
            why: StopReason::Unsafe,
        },
        Gate::Continue { about: None },
        Gate::Refused {
            why: WhyRefused::MostlyMissing,
        },
    ]
    .into_iter()
    .map(|v| text(serde_json::to_value(v).unwrap(), "verdict"))
    .collect();
    assert_eq!(first_column("| verdict | when"), gate);
    let whys = [
        serde_json::to_value(StopReason::Unsafe),
        serde_json::to_value(StopReason::Worse),
        serde_json::to_value(StopReason::Stale),
        serde_json::to_value(WhyRefused::ReportingDiffers),
        serde_json::to_value(WhyRefused::MostlyMissing),
    ];
    for why in whys {
        let why = why.unwrap();
        assert!(
            PAGE.contains(&format!("`{}`: ", why.as_str().unwrap())),
            "{why}"
        );
    }
}

#[test]
fn the_documented_limits_are_the_defaults() {
    let config = EvaluateConfig::default();
    let trial = TrialConfig::default();
    assert!(PAGE.contains(&format!("λ is {}.", config.clip)) && config.clip == config.lambda);
    assert!(PAGE.contains(&format!(
        "fewer than {} with an outcome",
        config.min_trajectories
    )));
    assert!(PAGE.contains(&format!("n_eff below {}", config.min_n_eff)));
    assert!(PAGE.contains(&format!("less than {:.0} %", 100.0 * config.min_coverage)));
    assert!(PAGE.contains(&format!(
        "more than {:.0} points",
        100.0 * config.reporting_margin
    )));
    assert!(config.max_missing == 0.5 && trial.max_missing == 0.5);
    let margins = format!(
        "unsafe outcomes within {:.0} points and stale ones within {:.0} points",
        100.0 * trial.unsafe_margin,
        100.0 * trial.stale_margin
    );
    assert!(PAGE.contains(&margins), "{margins}");
}
