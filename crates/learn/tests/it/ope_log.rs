//! From logged decisions to probabilities of trajectories.

use memrl_learn::data::{Logged, LoggedItem, Signals};
use memrl_learn::explore::{ArmName, PlackettLuce, arms};
use memrl_learn::ope::log::draws::Slates;
use memrl_learn::ope::{
    Draw, Evidence, LogError, Replay, ReplayConfig, Scores, Unit, Weighting, estimate,
};
use memrl_learn::policy::{NoMemory, Similarity};
use memrl_learn::{
    Candidate, Choice, Context, ExploreConfig, Policies, Ranking, RecallPolicy, decide,
};
use memrl_types::DecisionId;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{all_slates, chi_square, close, constraint, fact, problem};

/// What the log keeps of a choice.
pub fn logged(
    ctx: &Context,
    candidates: &[Candidate],
    choice: &Choice,
    config: &ExploreConfig,
    (trajectory, step): (u32, u32),
) -> Logged {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&trajectory.to_le_bytes());
    id[4..8].copy_from_slice(&step.to_le_bytes());
    let items = choice
        .items
        .iter()
        .zip(candidates)
        .map(|(item, c)| LoggedItem {
            cell: c.cell_id,
            score: item.score,
            cost: c.cost,
            masked: c.mask.is_some(),
            critical: item.critical,
            held_out: item.held_out,
            p_include: item.p_include,
            label: None,
        });
    Logged {
        id: DecisionId::from_random(id),
        trajectory,
        step,
        at: memrl_types::Timestamp(i64::from(step)),
        policy: 0,
        arm: choice.arm.clone(),
        mode: choice.explore_mode,
        propensity: choice.propensity.clone(),
        temperature: config.temperature,
        context: ctx.clone(),
        items: items.collect(),
        features: Vec::new(),
        slate: choice.slate.iter().map(|i| *i as u32).collect(),
        signals: Signals::default(),
        reward: None,
    }
}

/// The policy whose logits are the logged scores, with STOP at 0: `similarity`.
fn similarity(decision: &Logged, scores: &mut Scores) {
    scores.logits.extend(decision.items.iter().map(|i| i.score));
    scores.stop = Some(0.0);
}

/// Another one: it likes cheap cells, and cells at the end of the list.
fn other(decision: &Logged, scores: &mut Scores) {
    let items = decision.items.iter().enumerate();
    scores
        .logits
        .extend(items.map(|(i, item)| 0.1 * i as f64 - 0.05 * f64::from(item.cost)));
    scores.stop = Some(-0.3);
}

/// A log of `similarity` with these arms: trajectories of `steps` decisions over the same few cells. The reward of a
/// trajectory is the mean share of its shown cells that are even.
fn log(n: u32, steps: u32, config: &ExploreConfig) -> Vec<Logged> {
    let mut out = Vec::new();
    for t in 0..n {
        let name = format!("t{t}");
        let mut made: Vec<Logged> = (0..steps)
            .map(|step| {
                let (ctx, candidates) = scene(step);
                let policies = Policies {
                    incumbent: &Similarity,
                    canary: Some(&NoMemory),
                    control: None,
                };
                let seed = u64::from(t) << 8 | u64::from(step);
                let choice = decide(&ctx, &candidates, policies, config, &name, seed).unwrap();
                logged(&ctx, &candidates, &choice, config, (t, step))
            })
            .collect();
        let reward = reward(&made);
        for d in &mut made {
            d.reward = Some(reward);
        }
        out.extend(made);
    }
    out
}

/// Five cells, one of them critical, in a budget for three, at each step in another order of scores.
fn scene(step: u32) -> (Context, Vec<Candidate>) {
    let scores = [[0.5, 0.4, 0.45, 0.3], [0.3, 0.5, 0.35, 0.45]][step as usize % 2];
    let mut candidates: Vec<_> = scores
        .into_iter()
        .zip(0..)
        .map(|(s, n)| fact(n, s, 2 + n as u32 % 2))
        .collect();
    candidates.push(constraint(9, 0.9, 3));
    (Context::with_budget(8), candidates)
}

fn reward(decisions: &[Logged]) -> f64 {
    let even = |d: &Logged| {
        let soft = || d.slate.iter().filter(|i| !d.items[**i as usize].critical);
        let even = soft().filter(|i| **i % 2 == 0).count();
        even as f64 / 2.0 - 0.1 * soft().count() as f64
    };
    decisions.iter().map(even).sum::<f64>() / decisions.len() as f64
}

fn replayed(log: &[Logged], draw: Draw, target: impl Fn(&Logged, &mut Scores)) -> Evidence {
    let mut replay = Replay::new(&target, ReplayConfig::new(draw)).unwrap();
    for d in log {
        replay.push(d).unwrap();
    }
    replay.finish()
}

fn mixed() -> ExploreConfig {
    ExploreConfig {
        epsilon: 0.2,
        sampled_share: 0.5,
        temperature: 0.3,
        canary_share: 0.15,
        none_share: 0.15,
        salt: 3,
        ..ExploreConfig::default()
    }
}

#[test]
fn slates_have_the_probability_that_the_explorer_gives_them() {
    let mut compared = 0;
    for seed in 0..60 {
        let (ctx, mut candidates) = problem(seed, 5);
        for c in &mut candidates {
            c.status = memrl_types::CellStatus::Active;
        }
        let ranking = Ranking::new(&candidates, Similarity.order(&ctx, &candidates));
        let stop = Similarity.stop_logit(&ctx);
        let drawn = PlackettLuce::new(&ctx, &candidates, &ranking, stop, 0.25);
        let config = ExploreConfig::off();
        let policies = Policies {
            incumbent: &Similarity,
            canary: None,
            control: None,
        };
        let choice = decide(&ctx, &candidates, policies, &config, "t", 0).unwrap();
        let mut decision = logged(&ctx, &candidates, &choice, &config, (0, 0));
        let mut scores = Scores {
            logits: candidates.iter().map(|c| c.score).collect(),
            stop: Some(stop),
            refused: Vec::new(),
        };
        // The drawn slates place the same critical cells as the greedy one.
        decision.slate = drawn.placed().iter().map(|i| *i as u32).collect();
        let mut slates = Slates::default();
        slates.read(&decision, &scores, 0.25);
        let mut total = 0.0;
        for soft in all_slates(5) {
            let slate: Vec<_> = drawn.placed().iter().chain(&soft).copied().collect();
            let log_p = drawn.log_probability(&slate);
            let ours = slates.log_drawn(soft.iter().copied());
            total += ours.exp();
            assert!(
                (log_p == f64::NEG_INFINITY && ours == log_p) || close(ours, log_p, 1e-9),
                "{seed} {slate:?}: {ours} {log_p}"
            );
            compared += u32::from(ours > f64::NEG_INFINITY);
        }
        assert!(close(total, 1.0, 1e-9), "{seed}: {total}");
        // Without STOP the slates still add up to 1.
        scores.stop = None;
        slates.read(&decision, &scores, 0.25);
        let all = all_slates(5);
        let total: f64 = all
            .iter()
            .map(|s| slates.log_drawn(s.iter().copied()).exp())
            .sum();
        assert!(close(total, 1.0, 1e-9), "{seed}: {total}");
    }
    assert!(compared > 1_000);
}

#[test]
fn racing_clocks_draw_slates_as_often_as_they_are_probable() {
    let (_, candidates) = scene(0);
    let decision = &log(1, 1, &ExploreConfig::off())[0];
    let scores = Scores {
        logits: candidates.iter().map(|c| c.score).collect(),
        stop: Some(0.2),
        refused: Vec::new(),
    };
    let mut slates = Slates::default();
    slates.read(decision, &scores, 0.2);
    let soft = all_slates(4);
    let p: Vec<f64> = soft
        .iter()
        .map(|s| slates.log_drawn(s.iter().copied()).exp())
        .collect();
    let mut counts = vec![0.0; soft.len()];
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut slate = Vec::new();
    for _ in 0..50_000 {
        slates.draw(&mut rng, &mut slate);
        assert_eq!(slate[0], 4, "the critical cell comes first");
        let at = soft.iter().position(|s| s == &slate[1..]).unwrap();
        counts[at] += 1.0;
    }
    let (statistic, limit) = chi_square(&counts, &p);
    assert!(statistic < limit, "{statistic} {limit}");
}

/// The strongest test there is: a policy that does exactly what the log did has weight 1, whatever happened.
#[test]
fn the_policy_of_the_log_has_weight_one_on_every_trajectory() {
    let config = ExploreConfig {
        canary_share: 0.0,
        none_share: 0.0,
        ..mixed()
    };
    let draw = Draw {
        sampled_share: config.sampled_share,
        temperature: config.temperature,
        epsilon: config.epsilon,
    };
    let (mut exact, mut bounded) = (0, 0);
    for steps in [1, 2, 4] {
        for Unit {
            round, exact: is, ..
        } in replayed(&log(400, steps, &config), draw, similarity).units
        {
            let w = round.weight();
            if is {
                assert!(close(w, 1.0, 1e-9), "{steps}: {w}");
                exact += 1;
            } else {
                assert!(w <= 1.0 + 1e-9, "{steps}: {w}");
                bounded += 1;
            }
        }
    }
    assert!(exact > 900, "{exact} exact, {bounded} not");
}

/// The probabilities of trajectories are right when any other policy is worth what it earns: over many trajectories, the
/// weighted rewards of the log have the mean that the policy has when it acts itself.
#[test]
fn the_log_says_what_another_policy_earns() {
    for (steps, draw) in [
        (1, Draw::sampled(0.5)),
        (2, Draw::sampled(0.5)),
        (2, Draw::greedy(0.2)),
    ] {
        let evidence = replayed(
            &log(10_000, steps, &mixed()),
            draw,
            |d: &Logged, s: &mut Scores| {
                if draw.sampled_share > 0.0 {
                    other(d, s);
                } else {
                    similarity(d, s);
                }
            },
        );
        assert_eq!(evidence.zero_propensity, 0);
        let rounds: Vec<_> = evidence.units.into_iter().map(|u| u.round).collect();
        let made = estimate(&rounds, Weighting::Ips { clip: None }.into()).unwrap();
        let truth = truth(steps, draw);
        let se = (made
            .linear()
            .iter()
            .map(|x| (x - made.value).powi(2))
            .sum::<f64>()
            / (made.n as f64).powi(2))
        .sqrt();
        let z = (made.value - truth) / se;
        assert!(
            z.abs() < 3.5,
            "{steps} {draw:?}: {} {truth} {se}",
            made.value
        );
        // The weights of something that the log could have done add up to 1.
        let mean = rounds
            .iter()
            .map(memrl_learn::ope::Round::weight)
            .sum::<f64>()
            / rounds.len() as f64;
        assert!((mean - 1.0).abs() < 0.1, "{mean}");
    }
}

/// What the policy of the test above earns when it acts.
fn truth(steps: u32, draw: Draw) -> f64 {
    let config = ExploreConfig::off();
    let template = log(1, steps, &config);
    let mut rng = ChaCha8Rng::seed_from_u64(99);
    let mut slates = Slates::default();
    let (mut sum, mut slate, runs) = (0.0, Vec::new(), 30_000);
    for _ in 0..runs {
        let mut made = template.clone();
        for d in &mut made {
            let mut scores = Scores::default();
            if draw.sampled_share > 0.0 {
                other(d, &mut scores);
                slates.read(d, &scores, draw.temperature);
                slates.draw(&mut rng, &mut slate);
            } else {
                // Stickiness does not change the mean of a sum over decisions.
                similarity(d, &mut scores);
                slates.read(d, &scores, draw.temperature);
                slates.withhold(draw.epsilon, &mut rng, &mut slate);
            }
            d.slate = slate.iter().map(|i| *i as u32).collect();
        }
        sum += reward(&made);
    }
    sum / f64::from(runs)
}

#[test]
fn the_baseline_arm_is_told_apart_from_the_mixture() {
    let evidence = replayed(&log(8_000, 2, &mixed()), Draw::sampled(0.5), other);
    let share = ArmName::Incumbent.share(&mixed());
    assert!(
        evidence
            .units
            .iter()
            .all(|u| close(u.baseline_share, share, 1e-12))
    );
    // Σ over the log of μ_incumbent / μ is 1 per trajectory, and its rewards are those of the arm itself.
    let n = evidence.units.len() as f64;
    let w = |u: &Unit| (u.baseline - u.round.logging).exp();
    let mean = evidence.units.iter().map(w).sum::<f64>() / n;
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
    let weighted = evidence
        .units
        .iter()
        .map(|u| w(u) * u.round.reward)
        .sum::<f64>()
        / n;
    let own: Vec<_> = evidence
        .units
        .iter()
        .filter(|u| u.arm == "incumbent")
        .collect();
    let own = own.iter().map(|u| u.round.reward).sum::<f64>() / own.len() as f64;
    assert!((weighted - own).abs() < 0.02, "{weighted} {own}");
    // No weight is above one over the share: that is known beforehand.
    assert!(evidence.units.iter().all(|u| w(u) <= 1.0 / share + 1e-9));
}

#[test]
fn what_a_model_expects_of_the_policy_is_what_the_policy_would_be_given() {
    let log = log(300, 2, &mixed());
    let model = |d: &Logged, slate: &[usize]| {
        let soft = slate.iter().filter(|i| !d.items[**i].critical);
        soft.map(|i| 0.2 + *i as f64).sum::<f64>()
    };
    let expected = |slates: usize, draw: Draw| {
        let config = ReplayConfig {
            slates,
            ..ReplayConfig::new(draw)
        };
        let mut replay = Replay::new(&similarity, config).unwrap().with_model(&model);
        for d in &log {
            replay.push(d).unwrap();
        }
        let units = replay.finish().units;
        let q = units.iter().map(|u| u.round.q).sum::<f64>() / units.len() as f64;
        let v = units.iter().map(|u| u.round.v).sum::<f64>() / units.len() as f64;
        (q, v)
    };
    // Greedy without hold-outs: exact. At step 0 cells 0, 2 (and 4, critical), at step 1 cells 1 and 3 or what fits.
    let greedy = expected(1, Draw::greedy(0.0)).1;
    let off = super::ope_log::log(1, 2, &ExploreConfig::off());
    let of = |d: &Logged| model(d, &d.shown());
    assert!(close(greedy, off.iter().map(of).sum::<f64>() / 2.0, 1e-12));
    // Withholding takes away its share of a sum.
    let withheld = expected(50, Draw::greedy(0.3)).1;
    assert!(
        (withheld / greedy - 0.7).abs() < 0.02,
        "{withheld} {greedy}"
    );
    // The mean over slates does not depend on how many are drawn.
    let (few, many) = (
        expected(1, Draw::sampled(0.4)).1,
        expected(60, Draw::sampled(0.4)).1,
    );
    assert!((few - many).abs() < 0.15, "{few} {many}");
    // What was done is judged as it was done.
    let q = log.iter().map(of).sum::<f64>() / log.len() as f64;
    assert!(close(expected(1, Draw::greedy(0.0)).0, q, 1e-9));
}

#[test]
fn a_replay_depends_neither_on_the_order_of_trajectories_nor_on_closing_them() {
    let log = log(50, 3, &mixed());
    let model = |_: &Logged, slate: &[usize]| slate.len() as f64;
    let run = |order: &[Logged], close: bool| {
        let config = ReplayConfig::new(Draw::sampled(0.5));
        let mut replay = Replay::new(&other, config).unwrap().with_model(&model);
        for d in order {
            replay.push(d).unwrap();
            if close && d.step == 2 {
                replay.close(d.trajectory);
            }
        }
        let mut units = replay.finish().units;
        units.sort_by_key(|u| u.trajectory);
        units
    };
    let straight = run(&log, false);
    assert_eq!(straight, run(&log, true));
    // All first decisions, then all second ones, as sessions run beside each other.
    let mut woven = log.clone();
    woven.sort_by_key(|d| (d.step, d.trajectory));
    assert_eq!(straight, run(&woven, true));
}

#[test]
fn what_cannot_be_read_is_counted_or_refused() {
    let good = log(20, 2, &mixed());
    // A propensity of zero: what was done cannot have been done.
    let mut zero = good.clone();
    for d in zero.iter_mut().filter(|d| d.trajectory == 3) {
        d.propensity.log_joint = f64::NEG_INFINITY;
        for c in &mut d.propensity.components {
            c.log_probability = None;
        }
    }
    let evidence = replayed(&zero, Draw::sampled(0.5), other);
    assert_eq!((evidence.zero_propensity, evidence.units.len()), (1, 19));
    // Shares that change while a trajectory goes on.
    let mut changed = good.clone();
    changed[1].propensity.components[0].weight += 0.1;
    let evidence = replayed(&changed, Draw::sampled(0.5), other);
    assert_eq!((evidence.changed_mixture, evidence.units.len()), (1, 19));
    // An arm that is not in the mixture: what the mixture says still holds.
    let mut foreign = good.clone();
    for d in foreign.iter_mut().filter(|d| d.trajectory == 3) {
        d.arm = "elsewhere".to_owned();
    }
    let units = replayed(&foreign, Draw::sampled(0.5), other).units;
    assert!(units.len() == 20 && units[3].round.loggers.is_empty());
    // A log without components: the joint probability is all there is.
    let mut plain = good[..2].to_vec();
    for d in &mut plain {
        d.propensity.components.clear();
        d.propensity.log_joint = 0.25_f64.ln();
    }
    let evidence = replayed(&plain, Draw::sampled(0.5), other);
    assert!(close(
        evidence.units[0].round.logging,
        0.0625_f64.ln(),
        1e-12
    ));

    let mut replay = Replay::new(&other, ReplayConfig::new(Draw::sampled(0.5))).unwrap();
    let mut bad = good[0].clone();
    bad.slate.push(99);
    assert!(matches!(
        replay.push(&bad),
        Err(LogError::BadDecision { .. })
    ));
    let none = |_: &Logged, _: &mut Scores| {};
    let mut replay = Replay::new(&none, ReplayConfig::new(Draw::sampled(0.5))).unwrap();
    assert!(matches!(
        replay.push(&good[0]),
        Err(LogError::BadScores { given: 0, .. })
    ));
    for draw in [
        Draw::sampled(0.0),
        Draw::sampled(f64::NAN),
        Draw::greedy(0.7),
    ] {
        assert!(Replay::new(&other, ReplayConfig::new(draw)).is_err());
    }
}

/// A cell on trial has a coin of its own, and it too has one for the whole trajectory.
#[test]
fn a_cell_on_trial_counts_once_with_its_own_probability() {
    use memrl_learn::explore::Trial;
    for epsilon in [0.0, 0.1] {
        let cell = scene(0).1[0].cell_id;
        let config = ExploreConfig {
            epsilon,
            trial: Some(Trial { cell, p: 0.4 }),
            salt: 5,
            ..ExploreConfig::off()
        };
        let log = log(300, 4, &config);
        let mut seen = [0, 0];
        for unit in replayed(&log, Draw::greedy(0.2), similarity).units {
            let mut coins = std::collections::BTreeMap::new();
            for d in log.iter().filter(|d| d.trajectory == unit.trajectory) {
                for (i, item) in d.items.iter().enumerate().filter(|(_, i)| !i.critical) {
                    let shown = d.slate.contains(&(i as u32));
                    if shown || item.held_out {
                        let p = if item.cell == cell { 0.4 } else { epsilon };
                        coins.insert(item.cell, if shown { 1.0 - p } else { p });
                        seen[usize::from(shown)] += u32::from(item.cell == cell);
                    }
                }
            }
            let p: f64 = coins.values().product();
            assert!(
                close(unit.round.logging, p.ln(), 1e-9),
                "{epsilon} {coins:?}"
            );
            assert!(unit.exact);
        }
        assert!(seen[0] > 50 && seen[1] > 50, "{seen:?}");
    }
}

/// A cell that is withheld at three decisions of a trajectory had one coin, not three.
#[test]
fn a_cell_counts_once_in_a_trajectory() {
    let config = ExploreConfig {
        epsilon: 0.3,
        sampled_share: 0.0,
        ..mixed()
    };
    let log = log(200, 4, &config);
    let share = ArmName::Incumbent.share(&config);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let at = rng.random_range(0..50);
    for unit in replayed(&log, Draw::greedy(0.3), similarity).units {
        let name = format!("t{}", unit.trajectory);
        if arms::assign(&config, &name) != ArmName::Incumbent {
            continue;
        }
        // Which cells were wanted, over all four decisions, and which of them were shown.
        let mine = || log.iter().filter(|d| d.trajectory == unit.trajectory);
        let mut wanted = std::collections::BTreeMap::new();
        for d in mine() {
            for (i, item) in d.items.iter().enumerate().filter(|(_, i)| !i.critical) {
                let shown = d.slate.contains(&(i as u32));
                if shown || item.held_out {
                    wanted.insert(item.cell, shown);
                }
            }
        }
        let p: f64 = wanted
            .values()
            .map(|s| if *s { 0.7 } else { 0.3 })
            .product();
        // The other arms show critical cells only, so they matter only where all soft ones were withheld.
        if mine().all(|d| d.slate.len() > 1) {
            assert!(close(unit.round.logging, (share * p).ln(), 1e-9), "{at}");
        }
        assert!(close(unit.round.target, p.ln(), 1e-9));
    }
}
