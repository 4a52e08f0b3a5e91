//! The documentation says what the code does.

use memrl_learn::{
    features::{RECALL_V1, RECALL_V2, schema_of, table as features_of},
    policy,
    reward::BUILT_IN,
};

const POLICIES: &str = include_str!("../../../../docs/policies.md");
const LEARNING: &str = include_str!("../../../../docs/learning.md");
const REWARDS: &str = include_str!("../../../../docs/rewards.md");

#[test]
fn the_documented_schemas_are_the_schemas() {
    for name in [RECALL_V1, RECALL_V2] {
        let documented: Vec<_> = POLICIES
            .split_once(&format!("### `{name}`"))
            .map_or("", |(_, rest)| rest)
            .lines()
            .skip_while(|l| !l.starts_with("| feature |"))
            .skip(2)
            .take_while(|l| l.starts_with('|'))
            .collect();
        // The newer schema begins with the older one, which is listed once.
        let from = if name == RECALL_V2 {
            features_of(RECALL_V1).unwrap().len()
        } else {
            0
        };
        let rows: Vec<_> = features_of(name).unwrap()[from..]
            .iter()
            .map(|f| format!("| `{}` | {} | {} .. {} |", f.name, f.meaning, f.low, f.high))
            .collect();
        assert_eq!(documented, rows, "paste:\n{}\n", rows.join("\n"));
        assert!(POLICIES.contains(&schema_of(name).unwrap().hash), "{name}");
    }
}

#[test]
fn every_policy_and_every_spec_is_documented() {
    for p in policy::built_in() {
        assert!(POLICIES.contains(&format!("`{}`", p.id())), "{}", p.id());
    }
    for p in memrl_learn::retain::built_in() {
        assert!(POLICIES.contains(&format!("`{}`", p.id())), "{}", p.id());
    }
    for name in BUILT_IN {
        assert!(REWARDS.contains(&format!("`{name}`")), "{name}");
    }
}

/// The example in the documentation of rewards parses and is as bounded as it says.
#[test]
fn the_documented_reward_spec_can_be_read() {
    let example = REWARDS
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let spec = memrl_learn::RewardSpec::parse(example).unwrap();
    assert_eq!(spec.name(), "support_v1");
    assert_eq!(spec.bounds(), Some((0.0, 1.0)));
}

/// The names in backticks in a part of the page about learning.
fn names(from: &str, to: &str) -> Vec<&'static str> {
    let part = LEARNING.split_once(from).unwrap().1;
    let part = part.split_once(to).unwrap().0;
    part.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_guarantee_about_values_has_the_test_that_is_named() {
    let tests = [
        include_str!("propagate.rs"),
        include_str!("trace.rs"),
        include_str!("value.rs"),
        // What only the store and the engine can promise.
        include_str!("../../../store/src/conformance/log.rs"),
        include_str!("../../../memrl/tests/it/episodes/values.rs"),
    ];
    let named = names("## What is guaranteed", "## Differences");
    assert!(named.len() > 20);
    for name in named.iter().filter(|n| !n.contains("::")) {
        let test = format!("fn {name}(");
        assert!(tests.iter().any(|t| t.contains(&test)), "{name}");
    }
}

#[test]
fn the_documented_defaults_of_values_are_the_defaults() {
    use memrl_learn::{TraceConfig, ValuePrior, graph, propagate, value};
    let prior = ValuePrior::default();
    let trace = TraceConfig::default();
    assert_eq!(value::prior_mass(0.1), prior.mass);
    assert_eq!(trace.gamma, graph::DISCOUNT);
    assert_eq!((propagate::STRENGTH, trace.max_distance), (1.0, 8));
    for (name, default) in [
        ("decay_rate", prior.decay_rate),
        ("discount_factor", graph::DISCOUNT),
        ("learning_rate", 1.0 / (prior.mass + 1.0)),
        ("propagation_threshold", f64::from(graph::THRESHOLD)),
        ("neighbours", graph::NEIGHBOURS as f64),
        ("trace_decay", trace.lambda),
    ] {
        let row = format!("| `values.{name}` | {default} |");
        assert!(LEARNING.contains(&row), "{row}");
    }
}

/// The values that the page compares, by its own formulas.
#[test]
fn the_values_in_the_comparison_are_right() {
    use memrl_learn::{Graph, PropagationProblem, ValuePrior, propagate};
    use memrl_types::CellType;
    let value = |n, s| ValuePrior::default().estimate(CellType::Fact, s, n).mean;
    let values = [(0.0, 0.0), (0.0, 0.0), (1.0, 1.0), (3.0, 3.0), (1.0, 0.0)]
        .map(|(n, s)| ((value(n, s) * 1000.0).round() / 1000.0).to_string());
    assert!(LEARNING.contains(&values.join(" · ")), "{values:?}");
    let solved = propagate(&PropagationProblem {
        n: &[2.0, 0.0],
        s: &[2.0, 0.0],
        mu: &[0.5; 2],
        graph: &Graph::from_edges(2, [(0, 1, 0.8)], 0.9),
        n0: 9.0,
        tau: 1.0,
    });
    let row = format!("rises from 0.5 to {:.3}", solved.values[1]);
    assert!(LEARNING.contains(&row), "{row}");
}

/// The table of features under a heading of the page about policies.
fn table(heading: &str) -> Vec<&'static str> {
    let part = POLICIES.split_once(heading).map_or("", |(_, rest)| rest);
    part.lines()
        .skip_while(|l| !l.starts_with("| feature |"))
        .skip(2)
        .take_while(|l| l.starts_with('|'))
        .collect()
}

fn documented<T>(name: &str, features: &[memrl_learn::points::Feature<T>]) {
    let rows: Vec<_> = features
        .iter()
        .map(|f| format!("| `{}` | {} | {} .. {} |", f.name, f.meaning, f.low, f.high))
        .collect();
    let heading = format!("### Features: schema `{name}`");
    let hash = memrl_learn::points::schema(name, features).hash;
    let found = table(&heading);
    assert_eq!(found, rows, "{heading}\npaste:\n{}\n", rows.join("\n"));
    assert!(POLICIES.contains(&hash), "{name}: {hash}");
}

#[test]
fn the_documented_schemas_of_the_other_points_are_the_schemas() {
    use memrl_learn::points;
    documented(points::STORE_V1, points::store());
    documented(points::COMPACT_V1, points::compact());
    documented(points::RETAIN_V1, points::retain());
}
