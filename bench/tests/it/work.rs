//! What the simulated workloads promise.

use memrl::learn::features::{features, rows};
use memrl::learn::select::{Room, greedy};
use memrl::learn::{Candidate, Context, Ranking, policy};
use memrl_bench::work::best::best;
use memrl_bench::work::outcome::{Belief, STATES, State, certain, reward};
use memrl_bench::work::params::{Condition, MAX_NEEDS, all};
use memrl_bench::work::posterior::posteriors;
use memrl_bench::work::{Expected, QuestionOptions, Questions, Scene, Simulated, World, tables};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PAGE: &str = include_str!("../../../docs/workloads.md");

fn slate_of(name: &str, context: &Context, candidates: &[Candidate]) -> Vec<usize> {
    let policy = policy::by_name(name).unwrap();
    let ranking = Ranking::new(candidates, policy.order(context, candidates));
    greedy(context, candidates, &ranking).slate
}

fn with_budget(scene: &Scene, budget: u64) -> Scene {
    let mut scene = scene.clone();
    scene.context.budget_tokens = budget;
    scene
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    let step = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Everything of the first scenes, to five digits: what is seen, what comes of it, what is drawn.
fn first_scenes(world: &Simulated) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for scene in &world.scenes()[..4] {
        let _ = writeln!(text, "{} {}", scene.group, scene.trajectory);
        for (c, state) in scene.candidates.iter().zip(world.truth(scene)) {
            let (f, v) = (&c.features, &c.value);
            let _ = write!(
                text,
                "{} {state:?} {} {:?} {:?} {:?} {} {} {} {} {:?} {:?}",
                c.cell_id,
                c.kind,
                c.origin,
                c.scope_level,
                c.sensitivity,
                c.rank,
                c.tokens,
                c.access_count,
                c.speaker_match,
                c.bm25_rank,
                c.dense_rank
            );
            let signals = [
                c.bm25,
                c.dense,
                c.bm25_window,
                c.dense_window,
                c.source_score,
            ];
            let beliefs = [c.age_days, c.confidence, f.staleness, f.criticality];
            let values = [v.mean, v.mass, f.future_utility_estimate, f.compressibility];
            let scores = [Some(c.score), c.likeness];
            let all = signals.iter().chain(&scores).map(|x| x.unwrap_or(-1.0));
            for x in all.chain(beliefs).chain(values) {
                let _ = write!(text, " {x:.5}");
            }
            text.push('\n');
        }
        let slate = slate_of("similarity", &scene.context, &scene.candidates);
        let e = world.expected(scene, &slate);
        let o = world.outcome(scene, &slate, &mut rng);
        let _ = writeln!(
            text,
            "{slate:?} {:.5} {:.5} {:.5} {} {:?} {:?} {:?} {}",
            e.success,
            e.unsafe_action,
            e.stale,
            e.tokens,
            o.success,
            o.unsafe_action,
            o.stale_memory_error,
            o.cited.len()
        );
    }
    text
}

/// The simulator was frozen before any policy was trained or tuned on it. A change here makes every published number of it void.
#[test]
fn the_simulator_is_the_frozen_one() {
    let golden = [
        ("coding", 0x8b00_c633_46b3_2887),
        ("support", 0x214f_023a_8c8f_cae2),
        ("assistant", 0xd385_c663_762f_1007),
        ("research", 0x0972_56d5_df25_5650),
    ];
    let made: Vec<_> = all()
        .iter()
        .map(|p| (p.name, hash(&first_scenes(&Simulated::new(p, 1, 20)))))
        .collect();
    assert_eq!(made, golden);
}

#[test]
fn a_seed_makes_one_world_and_a_longer_one_begins_alike() {
    for p in all() {
        let (short, long) = (Simulated::new(p, 3, 15), Simulated::new(p, 3, 40));
        assert_eq!(short.scenes().len(), 15);
        for (a, b) in short.scenes().iter().zip(long.scenes()) {
            assert_eq!((&a.candidates, &a.gold), (&b.candidates, &b.gold));
        }
        let other = Simulated::new(p, 4, 15);
        assert_ne!(short.scenes()[0].candidates, other.scenes()[0].candidates);
    }
}

#[test]
fn probabilities_of_the_parameters_sum_to_one() {
    for p in all() {
        let sums_to_one = |w: &[f64]| (w.iter().sum::<f64>() - 1.0).abs() < 1e-9;
        assert!(p.idle_share() > 0.5 && p.needs.len() <= MAX_NEEDS);
        assert_eq!(p.outcome.success.len(), p.needs.len() + 1);
        assert!(sums_to_one(&p.tried));
        for s in &p.signs {
            for w in [
                &s.criticality[..],
                &s.utility,
                &s.kinds,
                &s.origin,
                &s.scope,
            ] {
                assert!(sums_to_one(w), "{}: {w:?}", p.name);
            }
        }
    }
}

#[test]
fn the_documented_parameters_are_those_of_the_code() {
    let tables = tables::parameters();
    assert!(PAGE.contains(&tables), "paste:\n{tables}\n");
}

/// The outcome formulas once more, written as on the page, from the states alone.
fn by_hand(world: &Simulated, scene: &Scene, slate: &[usize]) -> Expected {
    let (p, truth) = (world.params(), world.truth(scene));
    let o = &p.outcome;
    let covered = (0..p.needs.len())
        .filter(|g| slate.iter().any(|&i| truth[i] == State::Current(*g)))
        .count();
    let mut success = o.success[covered];
    let (mut safe, mut fresh, mut tokens) = (1.0 - o.unsafe_base, 1.0, 0.0);
    for (i, state) in truth.iter().enumerate() {
        let shown = slate.contains(&i);
        if shown {
            success *= o.keep[state.condition() as usize];
            tokens += f64::from(scene.candidates[i].cost);
        }
        match state.condition() {
            Condition::Rule if !shown => safe *= 1.0 - o.unsafe_missing,
            Condition::Harmful if shown => safe *= 1.0 - o.unsafe_harm,
            Condition::Outdated if shown => fresh *= 1.0 - o.stale,
            _ => {}
        }
    }
    if !slate.is_empty() {
        tokens += scene.context.overhead_tokens as f64;
    }
    Expected {
        success,
        unsafe_action: 1.0 - safe,
        stale: 1.0 - fresh,
        tokens,
    }
}

fn close(a: &Expected, b: &Expected, by: f64) -> bool {
    (a.success - b.success).abs() < by
        && (a.unsafe_action - b.unsafe_action).abs() < by
        && (a.stale - b.stale).abs() < by
        && (a.tokens - b.tokens).abs() < 1e-9
}

#[test]
fn outcomes_follow_the_published_formulas() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for p in all() {
        let world = Simulated::new(p, 5, 40);
        for scene in world.scenes() {
            let mut slate: Vec<usize> = (0..scene.candidates.len()).collect();
            slate.shuffle(&mut rng);
            slate.truncate(rng.random_range(0..12));
            let (e, hand) = (
                world.expected(scene, &slate),
                by_hand(&world, scene, &slate),
            );
            assert!(close(&e, &hand, 1e-12), "{}: {e:?} {hand:?}", p.name);
        }
    }
}

/// What one more memory does, by what it is.
#[test]
fn each_condition_moves_the_outcome_in_its_documented_direction() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for p in all() {
        let world = Simulated::new(p, 6, 40);
        for scene in world.scenes() {
            let mut order: Vec<usize> = (0..scene.candidates.len()).collect();
            order.shuffle(&mut rng);
            let (more, base) = (order[0], &order[1..rng.random_range(1..10)]);
            let with: Vec<_> = base.iter().copied().chain([more]).collect();
            let (a, b) = (world.expected(scene, base), world.expected(scene, &with));
            assert!(b.tokens > a.tokens);
            let same = |x: f64, y: f64| (x - y).abs() < 1e-12;
            let held = match world.truth(scene)[more].condition() {
                Condition::Current => {
                    b.success >= a.success
                        && same(a.stale, b.stale)
                        && same(a.unsafe_action, b.unsafe_action)
                }
                Condition::Outdated => b.success < a.success && b.stale > a.stale,
                Condition::Harmful => b.success < a.success && b.unsafe_action > a.unsafe_action,
                Condition::Rule => same(a.success, b.success) && b.unsafe_action < a.unsafe_action,
                Condition::Idle => b.success < a.success && same(a.unsafe_action, b.unsafe_action),
            };
            assert!(held, "{}: {a:?} {b:?}", p.name);
        }
    }
}

/// Of the candidates that are believed to be in a state with probability p, a share of p is.
#[test]
fn posteriors_are_calibrated() {
    for p in all() {
        let world = Simulated::new(p, 8, 1500);
        // Per state and bin: belief, variance, hits.
        let mut bins = [[(0.0, 0.0, 0.0); 5]; STATES];
        for scene in world.scenes() {
            let beliefs = posteriors(p, &scene.context, &scene.candidates);
            for (belief, state) in beliefs.iter().zip(world.truth(scene)) {
                assert!((belief.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                for (place, p) in belief.iter().enumerate() {
                    let bin = &mut bins[place][((p * 5.0) as usize).min(4)];
                    bin.0 += p;
                    bin.1 += p * (1.0 - p);
                    bin.2 += f64::from(u8::from(state.place() == place));
                }
            }
        }
        for (place, bins) in bins.iter().enumerate() {
            for (k, (sum, variance, hits)) in bins.iter().enumerate() {
                let off = (hits - sum).abs() / (variance + 1.0).sqrt();
                assert!(off < 4.5, "{} state {place} bin {k}: {sum} {hits}", p.name);
            }
        }
    }
}

fn draw(belief: &Belief, rng: &mut ChaCha8Rng) -> State {
    let mut u: f64 = rng.random();
    let hit = belief.iter().position(|p| {
        u -= p;
        u < 0.0
    });
    State::at(hit.unwrap_or(STATES - 1))
}

#[test]
fn expectations_under_beliefs_are_means_over_what_may_be_true() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for p in all() {
        let world = Simulated::new(p, 9, 1);
        let scene = &world.scenes()[0];
        let beliefs = posteriors(p, &scene.context, &scene.candidates);
        let slate: Vec<usize> = (0..8).collect();
        let of = |b: &[Belief]| {
            world
                .model()
                .expected(b, &scene.context, &scene.candidates, &slate)
        };
        let n = 4000;
        let mut mean = Expected::default();
        for _ in 0..n {
            let truth: Vec<_> = beliefs.iter().map(|b| certain(draw(b, &mut rng))).collect();
            let e = of(&truth);
            mean.success += e.success / f64::from(n);
            mean.unsafe_action += e.unsafe_action / f64::from(n);
            mean.stale += e.stale / f64::from(n);
            mean.tokens = e.tokens;
        }
        assert!(
            close(&of(&beliefs), &mean, 0.02),
            "{}: {:?} {mean:?}",
            p.name,
            of(&beliefs)
        );
    }
}

/// Every feasible set of the first ten candidates, against the bounded search.
#[test]
fn the_search_reaches_the_best_slate_of_small_pools() {
    for p in all() {
        let world = Simulated::new(p, 10, 25);
        let (mut reached, mut possible) = (0.0, 0.0);
        for scene in world.scenes() {
            let mut context = scene.context.clone();
            context.budget_tokens = 200;
            let pool: Vec<Candidate> = (scene.candidates.iter().filter(|c| !c.is_critical()))
                .take(10)
                .cloned()
                .collect();
            let beliefs = posteriors(p, &context, &pool);
            let value =
                |slate: &[usize]| reward(&world.model().expected(&beliefs, &context, &pool, slate));
            let nothing = value(&[]);
            let feasible = |slate: &Vec<usize>| {
                let mut room = Room::of(&context);
                slate.iter().all(|&i| room.take(pool[i].cost, false))
            };
            let top = (0..1usize << pool.len())
                .map(|set| {
                    (0..pool.len())
                        .filter(|i| set >> i & 1 == 1)
                        .collect::<Vec<_>>()
                })
                .filter(feasible)
                .map(|s| value(&s))
                .fold(nothing, f64::max);
            reached += value(&best(world.model(), &beliefs, &context, &pool)) - nothing;
            possible += top - nothing;
        }
        assert!(
            reached <= possible + 1e-9 && reached > 0.999 * possible,
            "{}: {reached} {possible}",
            p.name
        );
    }
}

#[test]
fn nobody_who_only_sees_beats_bayes_and_nobody_beats_the_oracle() {
    for p in all() {
        let world = Simulated::new(p, 11, 120);
        for budget in [256, 512, 1024] {
            let scenes: Vec<_> = world
                .scenes()
                .iter()
                .map(|s| with_budget(s, budget))
                .collect();
            let mean = |slate: &dyn Fn(&Scene) -> Vec<usize>| {
                let rewards = scenes.iter().map(|s| reward(&world.expected(s, &slate(s))));
                rewards.sum::<f64>() / scenes.len() as f64
            };
            let oracle = mean(&|s| world.oracle(s));
            let bayes = mean(&|s| world.bayes(&s.context, &s.candidates));
            assert!(oracle > bayes, "{} {budget}", p.name);
            for name in ["none", "baseline_v0", "similarity", "utility"] {
                let rule = mean(&|s| slate_of(name, &s.context, &s.candidates));
                assert!(bayes > rule, "{} {budget} {name}: {bayes} {rule}", p.name);
            }
        }
    }
}

#[test]
fn slates_keep_the_budget_and_the_hard_rules() {
    for p in all() {
        let world = Simulated::new(p, 12, 60);
        for scene in world.scenes() {
            let scene = with_budget(scene, 256);
            let bayes = world.bayes(&scene.context, &scene.candidates);
            for slate in [bayes, world.oracle(&scene)] {
                let e = world.expected(&scene, &slate);
                assert!(e.tokens <= 256.0);
                let shown = slate_of("none", &scene.context, &scene.candidates);
                assert_eq!(slate[..shown.len()], shown);
            }
        }
    }
}

/// Other labels, the same observables: the same features and the same slates.
#[test]
fn nothing_that_a_policy_sees_depends_on_the_labels() {
    for p in all() {
        let world = Simulated::new(p, 13, 30);
        for scene in world.scenes() {
            let mut blind = scene.clone();
            blind.gold.clear();
            blind.hidden = (scene.hidden + 1) % 30;
            blind.reachable = !scene.reachable;
            let seen = |s: &Scene| -> Vec<Vec<f32>> {
                s.candidates
                    .iter()
                    .map(|c| features(&s.context, c))
                    .collect()
            };
            assert_eq!(seen(scene), seen(&blind));
            assert_eq!(
                world.bayes(&scene.context, &scene.candidates),
                world.bayes(&blind.context, &blind.candidates)
            );
        }
    }
}

type Read = fn(&Candidate) -> f64;

/// What does not depend on the state tells nothing of it: ids, accesses, compressibility.
#[test]
fn what_should_say_nothing_says_nothing() {
    for p in all() {
        let world = Simulated::new(p, 14, 800);
        let reads: [(&str, Read); 3] = [
            ("id", |c| f64::from(c.cell_id.bytes()[0]) / 255.0),
            ("accesses", |c| (c.access_count as f64).ln_1p()),
            ("compressibility", |c| c.features.compressibility),
        ];
        for (name, read) in reads {
            let mut groups = [Vec::new(), Vec::new()];
            for scene in world.scenes() {
                for (c, state) in scene.candidates.iter().zip(world.truth(scene)) {
                    groups[usize::from(*state != State::Idle)].push(read(c));
                }
            }
            let [(a, va), (b, vb)] = groups.map(|g| {
                let n = g.len() as f64;
                let mean = g.iter().sum::<f64>() / n;
                (
                    mean,
                    g.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n / n,
                )
            });
            assert!(
                (a - b).abs() < 4.0 * (va + vb).sqrt(),
                "{} {name}: {a} {b}",
                p.name
            );
        }
    }
}

/// Ages are features: on the clock of the computer, runs of different days would train on different numbers.
#[test]
fn questions_are_asked_the_day_after_whenever_they_are_loaded() {
    let load = || Questions::load(None, &QuestionOptions::default(), &mut |_| {}).unwrap();
    let ages = |world: &Questions| -> Vec<f64> {
        let all = world.scenes().iter().flat_map(|s| &s.candidates);
        all.map(|c| c.age_days).collect()
    };
    let world = load();
    let youngest = ages(&world).into_iter().fold(f64::INFINITY, f64::min);
    assert!((1.0..2.0).contains(&youngest), "{youngest} days");
    let again = load();
    assert_eq!(ages(&world), ages(&again));
    let numbers = |s: &Scene| rows(&s.context, &s.candidates);
    for (a, b) in world.scenes().iter().zip(again.scenes()) {
        assert_eq!(numbers(a), numbers(b));
    }
}
