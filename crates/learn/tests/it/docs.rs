//! The documentation says what the code does.

use memrl_learn::{
    features::{schema, schema_hash},
    policy,
    reward::BUILT_IN,
};

const POLICIES: &str = include_str!("../../../../docs/policies.md");
const REWARDS: &str = include_str!("../../../../docs/rewards.md");

#[test]
fn the_documented_schema_is_the_schema() {
    let documented: Vec<_> = POLICIES
        .lines()
        .skip_while(|l| !l.starts_with("| feature |"))
        .skip(2)
        .take_while(|l| l.starts_with('|'))
        .collect();
    let rows: Vec<_> = schema()
        .iter()
        .map(|f| format!("| `{}` | {} | {} .. {} |", f.name, f.meaning, f.low, f.high))
        .collect();
    assert_eq!(documented, rows, "paste:\n{}\n", rows.join("\n"));
    assert!(POLICIES.contains(&schema_hash()));
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
