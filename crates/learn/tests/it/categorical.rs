//! Policies that choose one of a few actions, and what they see.

use memrl_learn::{
    ValueEstimate,
    net::{Net, Standard},
    points::{
        self, CompactInput, RETAIN, RetainInput, Role, STORE, StoreState, StoreTarget,
        compact_menu, retain_menu, store_menu,
    },
    policy::categorical::{
        Categorical, CategoricalError, Chooser, Explore, Menu, Rule, check, decide, distribution,
        inputs, rows,
    },
    retain::{Record, built_in},
};
use memrl_types::{CellStatus, CellType, Origin, RetentionAction, Sensitivity};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{cell_id, chi_square};

fn record() -> Record {
    Record {
        cell_id: cell_id(0),
        kind: CellType::Fact,
        status: CellStatus::Active,
        sensitivity: Sensitivity::Low,
        criticality: 0.0,
        staleness: 0.0,
        age_days: 60.0,
        validity_over: false,
        access_count: Some(3),
    }
}

fn state() -> StoreState {
    StoreState {
        kind: CellType::Fact,
        origin: Origin::User,
        sensitivity: Sensitivity::Low,
        confidence: 0.9,
        criticality: 0.0,
        tokens: 12,
        names: 1,
        numbers: 0,
        has_time: false,
        question: false,
        position: 0.5,
        novelty: 0.8,
        nearest: 0.4,
        covered: 0.3,
        memory_cells: 100,
        memory_tokens: 2000,
        core_full: 0.5,
        stored_share: 0.2,
        idle_days: 1.0,
    }
}

fn target() -> StoreTarget {
    StoreTarget {
        cosine: 0.9,
        overlap: 0.5,
        same_kind: true,
        same_subject: true,
        conflict: false,
        critical: false,
        age_days: 3.0,
        tokens: 10,
        value: ValueEstimate::default(),
    }
}

fn message() -> CompactInput {
    CompactInput {
        role: Role::Tool,
        pinned: false,
        tokens: 300,
        summary_tokens: 40,
        later: 5,
        messages: 12,
        window_tokens: 4000,
        window_limit: 8000,
        summary: false,
        question: false,
        error: true,
        code_share: 0.4,
        names: 2,
        numbers: 9,
        referenced: 0.3,
        to_goal: 0.2,
        repeated: 0.1,
        stored: 0.0,
    }
}

/// A learned policy of random weights at the point `store`.
fn learned(seed: u64) -> Categorical {
    let schema = points::schema(points::STORE_V1, points::store());
    let width = schema.width();
    let mut net = Net::new(inputs(STORE.len(), width), 4, seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for p in &mut net.params {
        *p += rng.random_range(-0.2..0.2);
    }
    let actions = STORE.map(|a| a.to_string()).to_vec();
    Categorical::new(
        "store_net",
        1,
        actions,
        schema,
        Standard::identity(width),
        net,
    )
    .unwrap()
}

proptest! {
    /// Whatever the scores: probabilities sum to 1, what is not legal has none, and ε/|L| is the least of what is legal.
    #[test]
    fn propensities_are_a_distribution_over_the_legal_options(
        options in prop::collection::vec((prop::num::f64::ANY, any::<bool>()), 1..12),
        epsilon in 0.0..=1.0,
        temperature in prop::option::of(0.001..1000.0),
    ) {
        let (scores, legal): (Vec<_>, Vec<_>) = options.into_iter().unzip();
        let explore = Explore { epsilon, temperature };
        match distribution(&scores, &legal, &explore) {
            Ok((p, greedy)) => {
                prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                let n = legal.iter().filter(|l| **l).count() as f64;
                for (p, legal) in p.iter().zip(&legal) {
                    let fits = if *legal { *p >= epsilon / n * (1.0 - 1e-12) } else { *p == 0.0 };
                    prop_assert!(fits, "{p}");
                }
                prop_assert!(legal[greedy] && p.iter().all(|q| *q <= p[greedy] + 1e-12));
            }
            Err(e) => {
                prop_assert_eq!(e, CategoricalError::NothingLegal { options: legal.len() });
                prop_assert!(!legal.contains(&true));
            }
        }
    }
}

#[test]
fn the_logged_propensity_is_the_frequency() {
    let policy = learned(3);
    let menu = store_menu(&state(), &[target()]);
    let explore = Explore {
        epsilon: 0.2,
        temperature: Some(0.7),
    };
    let mut counts = vec![0.0; menu.len()];
    let mut p = Vec::new();
    for seed in 0..20_000 {
        let act = decide(&policy, &menu, &explore, seed).unwrap();
        counts[act.option] += 1.0;
        assert_eq!(act.propensity, act.probabilities[act.option]);
        assert_eq!(act.kind, menu.kinds[act.option]);
        p = act.probabilities;
    }
    let (statistic, limit) = chi_square(&counts, &p);
    assert!(statistic < limit, "{statistic} of {limit}");
}

#[test]
fn without_exploration_the_best_legal_option_is_certain() {
    let policy = learned(5);
    let mut menu = store_menu(&state(), &[target()]);
    let scores = policy.scores(&menu).unwrap();
    let best = |legal: &[bool]| {
        (0..legal.len())
            .filter(|&a| legal[a])
            .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
            .unwrap()
    };
    let act = decide(&policy, &menu, &Explore::default(), 1).unwrap();
    assert_eq!((act.option, act.propensity), (best(&menu.legal), 1.0));
    // Forbidden, it is never done again, however it is explored.
    menu.legal[act.option] = false;
    let explore = Explore {
        epsilon: 1.0,
        temperature: None,
    };
    for seed in 0..200 {
        let other = decide(&policy, &menu, &explore, seed).unwrap();
        assert_ne!(other.option, act.option);
        assert_eq!(other.greedy, best(&menu.legal));
        assert!((other.propensity - 1.0 / 6.0).abs() < 1e-12);
    }
}

#[test]
fn retention_rules_speak_the_same_interface() {
    let records = [
        record(),
        Record {
            staleness: 0.9,
            ..record()
        },
        Record {
            access_count: Some(9),
            ..record()
        },
        Record {
            access_count: Some(0),
            age_days: 400.0,
            ..record()
        },
        Record {
            kind: CellType::Constraint,
            criticality: 0.9,
            staleness: 1.0,
            ..record()
        },
    ];
    let mut seen = Vec::new();
    for policy in built_in() {
        for r in &records {
            let rule = Rule::new(policy.as_ref(), r);
            let act = rule.decide(&Explore::default(), 7).unwrap();
            assert_eq!(rule.label(), policy.label());
            assert_eq!(RETAIN[act.kind], policy.decide(r).action);
            assert_eq!(act.propensity, 1.0);
            seen.push(RETAIN[act.kind]);
        }
    }
    for action in [
        RetentionAction::Keep,
        RetentionAction::Decay,
        RetentionAction::Promote,
    ] {
        assert!(seen.contains(&action), "{action}");
    }
}

#[test]
fn what_is_critical_is_never_explored_away() {
    let explore = Explore {
        epsilon: 1.0,
        temperature: Some(1.0),
    };
    let critical = Record {
        kind: CellType::Constraint,
        criticality: 0.9,
        staleness: 1.0,
        ..record()
    };
    let ttl = memrl_learn::retain::by_name("ttl").unwrap();
    for seed in 0..50 {
        let act = Rule::new(ttl.as_ref(), &critical)
            .decide(&explore, seed)
            .unwrap();
        assert_eq!(
            (RETAIN[act.kind], act.propensity),
            (RetentionAction::Keep, 1.0)
        );
    }
    for criticality in [0.7, 1.0, f64::NAN] {
        let menu = store_menu(
            &StoreState {
                criticality,
                ..state()
            },
            &[],
        );
        assert!(
            !menu.legal[0],
            "{criticality}: a critical fact is not skipped"
        );
    }
    let guarded = StoreTarget {
        critical: true,
        ..target()
    };
    let menu = store_menu(&state(), &[target(), guarded]);
    assert_eq!(menu.legal[4..], [true, true, true, false, false, false]);
    let pinned = CompactInput {
        pinned: true,
        ..message()
    };
    assert_eq!(compact_menu(&pinned).legal, [true, false, false, false]);
    assert_eq!(compact_menu(&message()).legal, [true; 4]);
}

#[test]
fn features_are_finite_and_in_range_whatever_the_input() {
    let wild = |x: f64| StoreState {
        confidence: x,
        criticality: x,
        position: x,
        novelty: x,
        nearest: x,
        covered: x,
        core_full: x,
        stored_share: x,
        idle_days: x,
        memory_cells: u64::MAX,
        tokens: u32::MAX,
        ..state()
    };
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1.0] {
        let menu = store_menu(
            &wild(x),
            &[StoreTarget {
                cosine: x,
                overlap: x,
                age_days: x,
                ..target()
            }],
        );
        assert_eq!(check(&menu, STORE.len(), points::store().len()), Ok(()));
        for row in menu.features.chunks_exact(points::store().len()) {
            for (f, v) in points::store().iter().zip(row) {
                assert!((f.low..=f.high).contains(v), "{} {x}: {v}", f.name);
            }
        }
        let mut input = RetainInput::of(Record {
            age_days: x,
            staleness: x,
            criticality: x,
            ..record()
        });
        input.nearest = x;
        let menu = retain_menu(&input);
        assert!(menu.features.iter().all(|v| v.is_finite()));
    }
}

#[test]
fn each_kind_of_action_has_weights_of_its_own() {
    let menu = store_menu(&state(), &[target()]);
    let width = points::store().len();
    let rows = rows(&menu, STORE.len(), &Standard::identity(width));
    let n = inputs(STORE.len(), width);
    for (a, row) in rows.chunks_exact(n).enumerate() {
        let at = menu.kinds[a] * (width + 1);
        assert_eq!(row[at], 1.0);
        assert_eq!(
            row[at + 1..=at + width],
            menu.features[a * width..(a + 1) * width]
        );
        let outside = row
            .iter()
            .enumerate()
            .filter(|(i, _)| !(at..=at + width).contains(i));
        assert!(outside.into_iter().all(|(_, x)| *x == 0.0));
    }
}

#[test]
fn what_does_not_fit_is_refused_with_a_reason() {
    let policy = learned(1);
    let mut menu = store_menu(&state(), &[]);
    menu.features.pop();
    let refused = decide(&policy, &menu, &Explore::default(), 1).unwrap_err();
    assert!(refused.to_string().contains("35 per option"), "{refused}");
    let mut menu = store_menu(&state(), &[]);
    menu.features[2] = f32::NAN;
    let refused = decide(&policy, &menu, &Explore::default(), 1).unwrap_err();
    assert!(refused.to_string().contains("not a number"), "{refused}");
    let menu = Menu::default();
    let refused = decide(&policy, &menu, &Explore::default(), 1).unwrap_err();
    assert_eq!(refused, CategoricalError::NothingLegal { options: 0 });
    let menu = store_menu(&state(), &[]);
    for explore in [
        Explore {
            epsilon: f64::NAN,
            temperature: None,
        },
        Explore {
            epsilon: 0.1,
            temperature: Some(0.0),
        },
    ] {
        let refused = decide(&policy, &menu, &explore, 1).unwrap_err();
        assert!(matches!(refused, CategoricalError::OutOfRange { .. }));
    }
    let schema = points::schema(points::RETAIN_V1, points::retain());
    let standard = Standard::identity(schema.width());
    let wrong = Categorical::new(
        "x",
        1,
        vec!["keep".into()],
        schema,
        standard,
        Net::linear(7),
    );
    assert!(wrong.unwrap_err().to_string().contains("7 inputs"));
}
