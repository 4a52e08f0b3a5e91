//! What impact promises, in worlds whose effects are known.

use memrl_learn::impact::evalue::{Bet, Gambler, Means, e_bh};
use memrl_learn::impact::{
    By, Estimate, Exposures, ImpactConfig, ImpactError, Power, TraitsOf, Verdict, groups, impact,
    units_needed,
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::impact_world::World;

fn config() -> ImpactConfig {
    ImpactConfig::default()
}

fn covers(e: &Estimate, truth: f64) -> bool {
    e.low <= truth && truth <= e.high
}

/// Share of the cells of 60 logs whose intervals contain the truth: own, pooled.
fn coverage(world: &World, trajectories: u32, logs: u64) -> (f64, f64) {
    let (mut own, mut own_of, mut pooled, mut of) = (0.0, 0.0, 0.0, 0.0);
    for seed in 0..logs {
        let report = impact(&world.live(trajectories, seed), &world.traits(), &config()).unwrap();
        for cell in &report.cells {
            let index = u64::from_be_bytes(cell.cell.bytes()[8..].try_into().unwrap());
            let truth = world.effects[index as usize];
            if let Some(e) = &cell.own {
                own_of += 1.0;
                own += f64::from(u8::from(covers(e, truth)));
            }
            of += 1.0;
            pooled += f64::from(u8::from(covers(&cell.pooled, truth)));
        }
    }
    (own / own_of, pooled / of)
}

/// A world with effects like those of `docs/impact.md`: procedures help, facts hardly.
fn mixed(cells: usize, epsilon: f64) -> World {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut world = World::idle(cells, 8, epsilon);
    for (i, effect) in world.effects.iter_mut().enumerate() {
        let mean = if i % 2 == 0 { 0.0 } else { 0.05 };
        // The sum of twelve uniform numbers minus 6 is nearly normal.
        let z: f64 = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        *effect = mean + 0.05 * z;
    }
    world
}

#[test]
fn intervals_cover_the_true_effect() {
    for epsilon in [0.02, 0.1, 0.3] {
        let (own, pooled) = coverage(&mixed(100, epsilon), 1_500, 40);
        println!("ε {epsilon}: own {own}, pooled {pooled}");
        assert!(own > 0.94, "ε {epsilon}: own {own}");
        assert!(pooled > 0.94, "ε {epsilon}: pooled {pooled}");
    }
}

#[test]
fn pooling_cuts_the_error_of_many_cells() {
    let world = mixed(400, 0.1);
    let (mut own, mut n, mut pooled, mut of) = (0.0, 0.0, 0.0, 0.0);
    for seed in 0..5 {
        let report = impact(&world.live(2_000, seed), &world.traits(), &config()).unwrap();
        for cell in &report.cells {
            let index = u64::from_be_bytes(cell.cell.bytes()[8..].try_into().unwrap());
            let truth = world.effects[index as usize];
            if let Some(e) = &cell.own {
                own += (e.effect - truth).powi(2);
                n += 1.0;
            }
            pooled += (cell.pooled.effect - truth).powi(2);
            of += 1.0;
        }
    }
    let (own, pooled) = (f64::sqrt(own / n), f64::sqrt(pooled / of));
    assert!(pooled * 3.0 < own, "{own} {pooled}");
}

#[test]
fn an_effect_is_found_as_often_as_the_power_says() {
    // One cell in twenty per trajectory, so a cell is in 5 % of the decisions.
    let mut world = World::idle(20, 1, 0.3);
    world.effects[3] = 0.2;
    let needed = units_needed(&Power::usual(0.2), (0.24, 0.24), 0.3) * 20.0;
    assert!((4_300.0..4_800.0).contains(&needed), "{needed}");
    let mut found = 0;
    for seed in 0..120 {
        let report = impact(&world.live(needed as u32, seed), &world.traits(), &config()).unwrap();
        let own = report
            .cells
            .iter()
            .find(|c| c.cell == World::cell(3))
            .unwrap()
            .own
            .unwrap();
        found += i32::from(own.low > 0.0);
    }
    // 80 % within 3 standard deviations of 120 trials.
    assert!((83..=109).contains(&found), "{found} of 120");
}

#[test]
fn covariates_narrow_the_interval_and_do_not_move_it() {
    let mut plain = World::idle(20, 1, 0.3);
    plain.effects[3] = 0.2;
    plain.skill = 0.3;
    let (mut with, mut without, mut width_with, mut width_without) = (0.0, 0.0, 0.0, 0.0);
    for seed in 0..40 {
        let exposures = plain.live(3_000, seed);
        let mut blind = exposures.clone();
        for unit in &mut blind.units {
            unit.covariates = [0.0; 5];
        }
        let of = |e: &Exposures| {
            let report = impact(e, &plain.traits(), &config()).unwrap();
            report
                .cells
                .iter()
                .find(|c| c.cell == World::cell(3))
                .unwrap()
                .own
                .unwrap()
        };
        let (a, b) = (of(&exposures), of(&blind));
        with += a.effect / 40.0;
        without += b.effect / 40.0;
        width_with += a.se / 40.0;
        width_without += b.se / 40.0;
    }
    assert!(
        (with - 0.2).abs() < 0.05 && (without - 0.2).abs() < 0.06,
        "{with} {without}"
    );
    // R² is 0.3² / 0.25 = 0.36: the standard error falls to 0.8.
    let ratio: f64 = width_with / width_without;
    assert!((0.75..0.86).contains(&ratio), "{ratio}");
}

#[test]
fn with_shuffled_outcomes_nothing_helps_or_harms() {
    let mut world = mixed(60, 0.1);
    for effect in &mut world.effects {
        *effect *= 4.0;
    }
    let mut sure = 0;
    for seed in 0..10 {
        let mut exposures = world.live(3_000, seed);
        // A trajectory gets the outcome of another one.
        let mut outcomes: Vec<Option<f64>> = vec![None; 3_000];
        for unit in &exposures.units {
            outcomes[unit.trajectory as usize] = unit.y;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for i in (1..outcomes.len()).rev() {
            outcomes.swap(i, rng.random_range(0..=i));
        }
        for unit in &mut exposures.units {
            unit.y = outcomes[unit.trajectory as usize];
        }
        let report = impact(&exposures, &world.traits(), &config()).unwrap();
        let found = report
            .cells
            .iter()
            .filter(|c| c.verdict != Verdict::Unknown)
            .count();
        sure += usize::from(found > 0);
        let pooling = report.pooling.unwrap();
        assert!(pooling.spread < 0.05, "{pooling:?}");
        assert!(pooling.mean.effect.abs() < 0.05, "{pooling:?}");
    }
    assert!(
        sure <= 1,
        "{sure} of 10 logs without any effect have a finding"
    );
}

#[test]
fn what_surely_helps_or_harms_does() {
    // A tenth of the cells help a lot, a tenth harm, and the others do nothing.
    let mut world = World::idle(50, 4, 0.3);
    for i in 0..5 {
        world.effects[i] = 0.35;
        world.effects[49 - i] = -0.35;
    }
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..10 {
        let report = impact(&world.live(4_000, seed), &world.traits(), &config()).unwrap();
        for cell in &report.cells {
            let index = u64::from_be_bytes(cell.cell.bytes()[8..].try_into().unwrap()) as usize;
            let truth = match world.effects[index] {
                x if x > 0.0 => Verdict::Helps,
                x if x < 0.0 => Verdict::Harms,
                _ => Verdict::Unknown,
            };
            if cell.verdict != Verdict::Unknown {
                right += u32::from(cell.verdict == truth);
                wrong += u32::from(cell.verdict != truth);
            }
        }
    }
    assert!(right > 50, "only {right} of 100 effects were found");
    assert!(
        wrong * 20 <= right + wrong,
        "{wrong} of {} findings are false",
        right + wrong
    );
}

#[test]
fn groups_are_clustered_by_trajectory() {
    // All cells of a trajectory share its outcome: counting units would make the interval too short.
    let mut world = mixed(40, 0.1);
    for (i, effect) in world.effects.iter_mut().enumerate() {
        *effect = if i % 2 == 0 { 0.0 } else { 0.05 };
    }
    world.skill = 0.2;
    let (mut covered, mut of) = (0, 0);
    for seed in 0..60 {
        let made = groups(&world.live(600, seed), &world.traits(), By::Type, &config()).unwrap();
        assert_eq!(made.len(), 2);
        for group in &made {
            let truth = if group.name == "procedure" { 0.05 } else { 0.0 };
            covered += i32::from(covers(&group.effect.unwrap(), truth));
            of += 1;
        }
    }
    assert!(
        f64::from(covered) / f64::from(of) > 0.90,
        "{covered} of {of}"
    );
    let all = groups(&world.live(600, 0), &world.traits(), By::All, &config()).unwrap();
    assert_eq!(
        (all.len(), all[0].name.as_str(), all[0].cells),
        (1, "all", 40)
    );
    let none = groups(&world.live(600, 0), &TraitsOf::new(), By::Scope, &config()).unwrap();
    assert_eq!(none[0].name, "unknown");
}

#[test]
fn a_cell_that_was_never_withheld_is_unknown_and_has_a_wide_interval() {
    let world = mixed(30, 0.1);
    let mut exposures = world.live(400, 3);
    exposures
        .units
        .retain(|u| u.cell != World::cell(5) || u.shown);
    let report = impact(&exposures, &world.traits(), &config()).unwrap();
    let cell = report
        .cells
        .iter()
        .find(|c| c.cell == World::cell(5))
        .unwrap();
    assert_eq!(
        (cell.own, cell.withheld, cell.verdict),
        (None, 0, Verdict::Unknown)
    );
    assert!(cell.pooled.se > 0.0 && cell.pooled.low < cell.pooled.high);
    assert!(cell.more_decisions.unwrap() > 400);
}

#[test]
fn logs_that_say_nothing_are_refused_with_what_to_do() {
    let world = World::idle(5, 2, 0.1);
    let mut exposures = world.live(50, 1);
    let traits = TraitsOf::new();
    for unit in &mut exposures.units {
        unit.y = None;
    }
    let refused = impact(&exposures, &traits, &config()).unwrap_err();
    assert!(
        matches!(refused, ImpactError::NoOutcomes { units: 100, .. }),
        "{refused}"
    );
    exposures.units[3].y = Some(f64::NAN);
    let refused = impact(&exposures, &traits, &config()).unwrap_err();
    assert!(
        matches!(refused, ImpactError::BadNumber { .. }),
        "{refused}"
    );
    exposures.units[3].p_shown = 0.0;
    assert!(impact(&exposures, &traits, &config()).is_err());
    exposures.units.clear();
    let refused = impact(&exposures, &traits, &config()).unwrap_err();
    assert!(refused.to_string().contains("explore.epsilon"), "{refused}");
    let wrong = ImpactConfig {
        confidence: 1.0,
        ..config()
    };
    let refused = impact(&world.live(50, 1), &traits, &wrong).unwrap_err();
    assert!(
        matches!(refused, ImpactError::BadConfig { .. }),
        "{refused}"
    );
}

#[test]
fn missing_outcomes_that_depend_on_the_cell_are_reported() {
    let world = World::idle(10, 2, 0.3);
    let mut exposures = world.live(2_000, 1);
    assert!(
        impact(&exposures, &world.traits(), &config())
            .unwrap()
            .reporting
            .p
            == 1.0
    );
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut random = exposures.clone();
    for unit in &mut random.units {
        unit.y = unit.y.filter(|_| rng.random_bool(0.7));
    }
    let fair = impact(&random, &world.traits(), &config())
        .unwrap()
        .reporting;
    assert!(fair.p > 0.01 && (fair.shown - 0.7).abs() < 0.05, "{fair:?}");
    for unit in &mut exposures.units {
        unit.y = unit.y.filter(|_| unit.shown || rng.random_bool(0.7));
    }
    let told = impact(&exposures, &world.traits(), &config())
        .unwrap()
        .reporting;
    assert!(told.p < 1e-6 && told.shown == 1.0, "{told:?}");
}

/// Wealth against a true hypothesis: its mean over many games is at most 1, and it exceeds 20 in at most 5 % of them.
#[test]
fn a_gambler_against_the_truth_does_not_get_rich() {
    let (mut mean, mut ever) = (0.0, 0.0);
    let games = 3_000;
    for seed in 0..games {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut gambler = Gambler::default();
        let mut means = Means::new(0.5);
        let mut top = 0.0_f64;
        for _ in 0..150 {
            let p_shown = if rng.random_bool(0.5) { 0.98 } else { 0.6 };
            let shown = rng.random_bool(p_shown);
            // No effect on average, though the outcome is far from one half and not binary when shown.
            let y = if shown {
                rng.random_range(0.1..0.5)
            } else {
                0.6 * f64::from(u8::from(rng.random_bool(0.5)))
            };
            let bet = Bet {
                y,
                mu: means.centre(p_shown),
                shown,
                p_shown,
            };
            gambler.bet(1.0, 0.0, &bet);
            means.add(shown, y);
            top = top.max(gambler.e());
        }
        mean += gambler.e() / games as f64;
        ever += f64::from(u8::from(top >= 20.0)) / games as f64;
    }
    assert!(mean < 1.1, "{mean}");
    assert!(ever <= 0.05, "{ever}");
}

proptest! {
    #[test]
    fn no_bet_loses_everything(
        y in 0.0..=1.0_f64, mu in 0.0..=1.0_f64, p in 0.001..0.999_f64, shown in any::<bool>(),
        delta in -1.0..=1.0_f64, up in any::<bool>(),
    ) {
        let mut gambler = Gambler::default();
        let bet = Bet { y, mu, shown, p_shown: p };
        for _ in 0..3 {
            gambler.bet(if up { 1.0 } else { -1.0 }, delta, &bet);
        }
        prop_assert!(gambler.ln_e().is_finite() && gambler.e() > 0.0);
    }

    /// e-BH rejects no fewer at a laxer level, and always the largest.
    #[test]
    fn e_bh_rejects_the_largest(
        e in proptest::collection::vec(0.0..1000.0_f64, 1..40), level in 0.01..0.5_f64,
    ) {
        let strict = e_bh(&e, level);
        let lax = e_bh(&e, (level * 1.5).min(0.9));
        let k = strict.iter().filter(|r| **r).count();
        for i in 0..e.len() {
            prop_assert!(!strict[i] || lax[i]);
            if strict[i] {
                prop_assert!(k as f64 * e[i] >= e.len() as f64 / level);
                prop_assert!((0..e.len()).all(|j| e[j] <= e[i] || strict[j]));
            }
        }
    }
}

/// Worked by hand: at level 0.5 with four hypotheses the bar is 8 / k.
#[test]
fn e_bh_is_that_of_the_paper() {
    assert_eq!(
        e_bh(&[8.0, 1.0, 1.0, 1.0], 0.5),
        [true, false, false, false]
    );
    assert_eq!(e_bh(&[4.0, 4.0, 1.0, 1.0], 0.5), [true, true, false, false]);
    assert_eq!(e_bh(&[7.9, 3.9, 1.0, 1.0], 0.5), [false; 4]);
    assert_eq!(e_bh(&[2.0, 2.0, 2.0, 2.0], 0.5), [true; 4]);
    assert_eq!(e_bh(&[], 0.5), [false; 0]);
}
