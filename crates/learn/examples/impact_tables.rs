//! The tables of `docs/impact.md`: what impact finds, misses and gets wrong in worlds whose effects are known.
//!
//! `cargo run --release -p memrl-learn --example impact_tables [table ...]`; without names all of them:
//! `power coverage discovery pooling groups trial`. Everything is seeded, so the numbers are the same every time.

#[path = "../tests/it/impact_world.rs"]
#[allow(dead_code, reason = "each table uses a part of it")]
mod impact_world;

use impact_world::World;
use memrl_learn::impact::evalue::e_bh;
use memrl_learn::impact::trial::{TrialConfig, TrialReport, TrialTest, TrialVerdict};
use memrl_learn::impact::{
    By, CellImpact, Estimate, ImpactConfig, Metric, Power, Verdict, groups, impact, units_needed,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let tables: [(&str, fn()); 6] = [
        ("power", power),
        ("coverage", coverage),
        ("discovery", discovery),
        ("pooling", pooling),
        ("groups", group_table),
        ("trial", trial),
    ];
    for (name, make) in tables {
        if asked.is_empty() || asked.iter().any(|a| a == name) {
            make();
            println!();
        }
    }
}

/// Index of a cell of the world.
fn index(cell: &CellImpact) -> usize {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&cell.cell.bytes()[8..]);
    u64::from_be_bytes(bytes) as usize
}

fn covers(e: &Estimate, truth: f64) -> f64 {
    f64::from(u8::from(e.low <= truth && truth <= e.high))
}

/// A share with its 95 % interval (Wilson 1927), in per cent.
fn share(hits: f64, of: f64) -> String {
    let z2 = 1.96_f64.powi(2);
    let p = hits / of;
    let centre = (p + z2 / (2.0 * of)) / (1.0 + z2 / of);
    let reach = 1.96 / (1.0 + z2 / of) * (p * (1.0 - p) / of + z2 / (4.0 * of * of)).sqrt();
    format!(
        "{:.1} ({:.1}–{:.1})",
        100.0 * p,
        100.0 * (centre - reach),
        100.0 * (centre + reach)
    )
}

/// Nearly normal: the sum of twelve uniform numbers minus 6.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// Procedures help by 0.05 on average, facts not at all; both vary by `spread`.
fn mixed(cells: usize, slate: usize, epsilon: f64, spread: f64) -> World {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut world = World::idle(cells, slate, epsilon);
    for (i, effect) in world.effects.iter_mut().enumerate() {
        *effect = if i % 2 == 0 { 0.0 } else { 0.05 } + spread * normal(&mut rng);
    }
    world
}

/// Decisions for 80 % power, and the power that a simulation finds there.
fn power() {
    const LOGS: u64 = 200;
    println!(
        "| withheld | effect | decisions needed | found there, % | with covariates (R² .36) | found there, % |"
    );
    println!("|---|---|---|---|---|---|");
    for (epsilon, effect) in [
        (0.02, 0.2),
        (0.1, 0.2),
        (0.3, 0.2),
        (0.5, 0.2),
        (0.1, 0.1),
        (0.3, 0.1),
        (0.5, 0.1),
    ] {
        print!("| {:.0} % | {effect} |", 100.0 * epsilon);
        for skill in [0.0, 0.3] {
            let variance = 0.25 - effect * effect / 4.0 - skill * skill;
            let units = units_needed(&Power::usual(effect), (variance, variance), epsilon);
            let decisions = (units * 20.0).round();
            let mut world = World::idle(20, 1, epsilon);
            world.effects[3] = effect;
            world.skill = skill;
            let mut found = 0.0;
            for seed in 0..LOGS {
                let exposures = world.live(decisions as u32, seed);
                let report = impact(&exposures, &world.traits(), &ImpactConfig::default());
                let report = report.expect("the world has outcomes");
                let cell = report.cells.iter().find(|c| index(c) == 3);
                let own = cell.and_then(|c| c.own);
                found += f64::from(u8::from(own.is_some_and(|e| e.low > 0.0)));
            }
            print!(" {decisions:.0} | {} |", share(found, LOGS as f64));
        }
        println!();
    }
}

/// Coverage of 95 % intervals.
fn coverage() {
    const LOGS: u64 = 200;
    println!(
        "| withheld | decisions | units withheld per cell | own, % | pooled, % | cells without an own effect, % |"
    );
    println!("|---|---|---|---|---|---|");
    for epsilon in [0.02, 0.1, 0.3] {
        for decisions in [500_u32, 2_000, 8_000] {
            let world = mixed(100, 8, epsilon, 0.05);
            let (mut own, mut of_own, mut pooled, mut of) = (0.0, 0.0, 0.0, 0.0);
            for seed in 0..LOGS {
                let exposures = world.live(decisions, seed);
                let report = impact(&exposures, &world.traits(), &ImpactConfig::default());
                for cell in &report.expect("the world has outcomes").cells {
                    let truth = world.effects[index(cell)];
                    if let Some(e) = &cell.own {
                        own += covers(e, truth);
                        of_own += 1.0;
                    }
                    pooled += covers(&cell.pooled, truth);
                    of += 1.0;
                }
            }
            println!(
                "| {:.0} % | {decisions} | {:.1} | {:.1} | {:.1} | {:.1} |",
                100.0 * epsilon,
                f64::from(decisions) * 0.08 * epsilon,
                100.0 * own / of_own,
                100.0 * pooled / of,
                100.0 * (1.0 - of_own / of)
            );
        }
    }
}

/// False discoveries and true ones: e-BH, Benjamini–Hochberg on p-values of the own effects, and no correction.
fn discovery() {
    const LOGS: u64 = 200;
    println!(
        "| true effects | withheld | decisions | e-BH: false, % | found, % | any 95 % interval off 0: false, % | found, % | with shuffled outcomes: logs with a finding, e-BH, % | intervals, % |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (effect, epsilon, decisions) in [
        (0.2, 0.1, 5_000_u32),
        (0.2, 0.1, 20_000),
        (0.4, 0.1, 5_000),
        (0.4, 0.1, 20_000),
        (0.4, 0.3, 5_000),
    ] {
        let mut world = World::idle(100, 4, epsilon);
        for i in 0..10 {
            world.effects[i] = if i % 2 == 0 { effect } else { -effect };
        }
        // Mean over logs of the false share of the findings (0 without any): the false discovery rate.
        let (mut rate, mut found) = ([0.0; 2], [0.0; 2]);
        let mut shuffled = [0.0; 2];
        for seed in 0..LOGS {
            let mut exposures = world.live(decisions, seed);
            for pass in 0..2 {
                if pass == 1 {
                    shuffle(&mut exposures, decisions, seed);
                }
                let report = impact(&exposures, &world.traits(), &ImpactConfig::default());
                let report = report.expect("the world has outcomes");
                for (method, count) in shuffled.iter_mut().enumerate() {
                    let (mut right, mut wrong) = (0.0, 0.0);
                    for cell in &report.cells {
                        let up = match (method, cell.verdict, &cell.own) {
                            (0, Verdict::Helps, _) => true,
                            (0, Verdict::Harms, _) => false,
                            (1, _, Some(e)) if e.low > 0.0 => true,
                            (1, _, Some(e)) if e.high < 0.0 => false,
                            _ => continue,
                        };
                        let truth = world.effects[index(cell)];
                        if pass == 0 && truth * if up { 1.0 } else { -1.0 } > 0.0 {
                            right += 1.0;
                        } else {
                            wrong += 1.0;
                        }
                    }
                    if pass == 0 {
                        rate[method] += wrong / f64::max(right + wrong, 1.0) / LOGS as f64;
                        found[method] += right / 10.0 / LOGS as f64;
                    } else {
                        *count += f64::from(u8::from(wrong > 0.0)) / LOGS as f64;
                    }
                }
            }
        }
        println!(
            "| 5 × +{effect}, 5 × −{effect} of 100 | {:.0} % | {decisions} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            100.0 * epsilon,
            100.0 * rate[0],
            100.0 * found[0],
            100.0 * rate[1],
            100.0 * found[1],
            100.0 * shuffled[0],
            100.0 * shuffled[1]
        );
    }
    // The bar of a single test among many.
    let alone = (1..=100_000).find(|e| e_bh(&[f64::from(*e)], 0.05)[0]);
    println!(
        "\nA single hypothesis is rejected from an e-value of {} on.",
        alone.unwrap_or(0)
    );
}

/// Gives each trajectory the outcome of another one.
fn shuffle(exposures: &mut memrl_learn::impact::Exposures, trajectories: u32, seed: u64) {
    let mut outcomes = vec![None; trajectories as usize];
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
}

/// What pooling does to the error of 400 cells.
fn pooling() {
    const LOGS: u64 = 200;
    println!(
        "| cells differ by (sd) | withheld | decisions | own: RMSE | pooled: RMSE | ratio | all cells alike: RMSE | estimated sd |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (spread, epsilon, decisions) in [
        (0.08, 0.1, 2_000_u32),
        (0.03, 0.1, 2_000),
        (0.08, 0.02, 2_000),
        (0.08, 0.1, 10_000),
        (0.15, 0.1, 10_000),
    ] {
        let world = mixed(400, 8, epsilon, spread);
        let mean = world.effects.iter().sum::<f64>() / 400.0;
        let alike = world
            .effects
            .iter()
            .map(|e| (e - mean).powi(2))
            .sum::<f64>()
            / 400.0;
        let (mut own, mut of_own, mut pooled, mut of) = (0.0, 0.0, 0.0, 0.0);
        let mut estimated = 0.0;
        for seed in 0..LOGS {
            let exposures = world.live(decisions, seed);
            let report = impact(&exposures, &world.traits(), &ImpactConfig::default());
            let report = report.expect("the world has outcomes");
            estimated += report.pooling.as_ref().map_or(0.0, |p| p.spread) / LOGS as f64;
            for cell in &report.cells {
                let truth = world.effects[index(cell)];
                if let Some(e) = &cell.own {
                    own += (e.effect - truth).powi(2);
                    of_own += 1.0;
                }
                pooled += (cell.pooled.effect - truth).powi(2);
                of += 1.0;
            }
        }
        let (own, pooled) = (f64::sqrt(own / of_own), f64::sqrt(pooled / of));
        println!(
            "| {spread} | {:.0} % | {decisions} | {own:.3} | {pooled:.3} | {:.1} | {:.3} | {estimated:.3} |",
            100.0 * epsilon,
            own / pooled,
            alike.sqrt()
        );
    }
}

/// Coverage and width of groups.
fn group_table() {
    const LOGS: u64 = 400;
    println!("| withheld | trajectories | coverage of 95 % intervals, % | mean standard error |");
    println!("|---|---|---|---|");
    for (epsilon, trajectories) in [(0.02, 500_u32), (0.02, 2_000), (0.1, 500), (0.1, 2_000)] {
        let mut world = mixed(60, 8, epsilon, 0.0);
        for (i, effect) in world.effects.iter_mut().enumerate() {
            *effect = if i % 2 == 0 { 0.0 } else { 0.05 };
        }
        // Small enough that no chance of success leaves [0.02, 0.98], so that the effects are what they say.
        world.skill = 0.2;
        let (mut covered, mut of, mut se) = (0.0, 0.0, 0.0);
        for seed in 0..LOGS {
            let exposures = world.live(trajectories, seed);
            let made = groups(
                &exposures,
                &world.traits(),
                By::Type,
                &ImpactConfig::default(),
            );
            for group in made.expect("the world has outcomes") {
                let truth = if group.name == "procedure" { 0.05 } else { 0.0 };
                if let Some(e) = &group.effect {
                    covered += covers(e, truth);
                    se += e.se;
                    of += 1.0;
                }
            }
        }
        println!(
            "| {:.0} % | {trajectories} | {} | {:.3} |",
            100.0 * epsilon,
            share(covered, of),
            se / of
        );
    }
}

/// How focused trials end, looked at after every trajectory.
fn trial() {
    const TRIALS: u64 = 200;
    println!(
        "| effect | withheld | helps, % | harms, % | too small, % | undecided, % | median units | decisions at 5 % presence | interval ever wrong, % |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (effect, p) in [
        (0.0, 0.3),
        (0.0, 0.5),
        (0.1, 0.5),
        (0.2, 0.3),
        (0.2, 0.5),
        (0.4, 0.3),
        (0.4, 0.5),
        (-0.2, 0.5),
    ] {
        let ends: Vec<(TrialReport, bool)> =
            (0..TRIALS).map(|seed| one_trial(effect, p, seed)).collect();
        let of = |verdict| {
            let n = ends.iter().filter(|(r, _)| r.verdict == verdict).count();
            100.0 * n as f64 / TRIALS as f64
        };
        let mut units: Vec<u64> = ends.iter().map(|(r, _)| r.shown + r.withheld).collect();
        units.sort_unstable();
        let median = units[units.len() / 2];
        let wrong = ends.iter().filter(|(_, wrong)| *wrong).count() as f64;
        println!(
            "| {effect} | {:.0} % | {:.1} | {:.1} | {:.1} | {:.1} | {median} | {} | {} |",
            100.0 * p,
            of(TrialVerdict::Helps),
            of(TrialVerdict::Harms),
            of(TrialVerdict::TooSmall),
            of(TrialVerdict::Undecided),
            median * 20,
            share(wrong, TRIALS as f64)
        );
    }
}

/// One trial to its end, and whether its interval was ever wrong.
fn one_trial(effect: f64, p: f64, seed: u64) -> (TrialReport, bool) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let test = TrialTest::new(Metric::Success, TrialConfig::default());
    let mut test = test.expect("the default is valid");
    let mut wrong = false;
    loop {
        let report = test.report();
        wrong |= report.low > effect || effect > report.high;
        if report.verdict != TrialVerdict::Running {
            return (report, wrong);
        }
        let shown = !rng.random_bool(p);
        let chance = 0.5 + if shown { effect / 2.0 } else { -effect / 2.0 };
        let y = f64::from(u8::from(rng.random_bool(chance)));
        test.push(shown, 1.0 - p, y).expect("numbers are in range");
    }
}
