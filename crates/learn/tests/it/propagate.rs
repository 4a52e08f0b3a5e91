//! Values over the graph of similar cells.

use memrl_learn::graph::{DISCOUNT, Graph, THRESHOLD};
use memrl_learn::policy::Utility;
use memrl_learn::propagate::{STRENGTH, TOLERANCE, largest_discount};
use memrl_learn::value::{DECAY_RATE, PRIOR_MASS, decay};
use memrl_learn::{Accumulator, Candidate, Propagated, PropagationProblem, ValuePrior, propagate};
use memrl_types::{CellType, Timestamp};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{close, fact};

/// Cells with evidence and who is like whom, before anything is made of it.
#[derive(Debug, Clone)]
struct World {
    /// Mass and its good part.
    evidence: Vec<(f64, f64)>,
    mu: Vec<f64>,
    edges: Vec<(u32, u32, f32)>,
}

impl World {
    fn graph(&self) -> Graph {
        Graph::from_edges(self.evidence.len(), self.edges.iter().copied(), DISCOUNT)
    }

    fn solve(&self) -> Propagated {
        let n: Vec<f64> = self.evidence.iter().map(|e| e.0).collect();
        let s: Vec<f64> = self.evidence.iter().map(|e| e.1).collect();
        propagate(&PropagationProblem {
            n: &n,
            s: &s,
            mu: &self.mu,
            graph: &self.graph(),
            n0: PRIOR_MASS,
            tau: STRENGTH,
        })
    }

    /// The same with one prior mean for all.
    fn of_one_kind(mut self, mu: f64) -> Self {
        self.mu.fill(mu);
        self
    }

    /// The same without a failure.
    fn flawless(mut self) -> Self {
        for e in &mut self.evidence {
            e.1 = e.0;
        }
        self
    }

    /// What the policy `utility` makes of the value of a cell.
    fn score(&self, solved: &Propagated, cell: usize) -> f64 {
        let prior = ValuePrior {
            means: [self.mu[cell]; 11],
            ..ValuePrior::default()
        };
        let (n, s) = self.evidence[cell];
        let mut c: Candidate = fact(1, 0.5, 1);
        c.value = prior.estimate_with(CellType::Fact, Some(solved.priors[cell]), s, n);
        Utility::default().value_term(&c)
    }
}

fn evidence() -> impl Strategy<Value = (f64, f64)> {
    prop_oneof![
        2 => Just((0.0, 0.0)),
        1 => (0.0..20.0_f64).prop_map(|n| (n, n)),
        2 => (0.0..20.0_f64, 0.0..=1.0_f64).prop_map(|(n, y)| (n, n * y)),
    ]
}

fn world(most: usize) -> impl Strategy<Value = World> {
    (1..=most).prop_flat_map(|cells| {
        let cell = 0..cells as u32;
        (
            prop::collection::vec(evidence(), cells),
            prop::collection::vec(0.0..=1.0_f64, cells),
            prop::collection::vec((cell.clone(), cell, THRESHOLD..=1.0_f32), 0..cells * 4),
        )
            .prop_map(|(evidence, mu, edges)| World {
                evidence,
                mu,
                edges,
            })
    })
}

/// The solution by Gaussian elimination with pivots, from the definition.
fn by_elimination(world: &World) -> Vec<f64> {
    let cells = world.evidence.len();
    let graph = world.graph();
    let mut a = vec![vec![0.0; cells + 1]; cells];
    for (i, row) in a.iter_mut().enumerate() {
        for (j, w) in graph.neighbours(i) {
            row[i] += STRENGTH * w;
            row[j] -= STRENGTH * w;
        }
        row[i] += world.evidence[i].0 + PRIOR_MASS;
        row[cells] = world.evidence[i].1 + PRIOR_MASS * world.mu[i];
    }
    for k in 0..cells {
        let pivot = (k..cells)
            .max_by(|&x, &y| a[x][k].abs().total_cmp(&a[y][k].abs()))
            .unwrap();
        a.swap(k, pivot);
        let from = a[k].clone();
        for row in a.iter_mut().skip(k + 1) {
            let factor = row[k] / from[k];
            for (x, y) in row.iter_mut().zip(&from).skip(k) {
                *x -= factor * y;
            }
        }
    }
    let mut x = vec![0.0; cells];
    for i in (0..cells).rev() {
        let known: f64 = (i + 1..cells).map(|j| a[i][j] * x[j]).sum();
        x[i] = (a[i][cells] - known) / a[i][i];
    }
    x
}

fn all_close(a: &[f64], b: &[f64], tolerance: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(*a, *b, tolerance))
}

fn never_lower(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a >= &(b - 1e-9))
}

proptest! {
    #[test]
    fn there_is_one_solution_and_it_is_found(world in world(14)) {
        let solved = world.solve();
        prop_assert!(all_close(&solved.values, &by_elimination(&world), 1e-9));
        prop_assert!(solved.residual <= 2.0 * TOLERANCE && solved.iterations < 60);
    }

    #[test]
    fn values_lie_between_evidence_and_priors(world in world(40)) {
        let seen = world.evidence.iter().filter(|e| e.0 > 0.0).map(|e| e.1 / e.0);
        let known: Vec<f64> = seen.chain(world.mu.iter().copied()).collect();
        let low = known.iter().copied().fold(1.0, f64::min);
        let high = known.iter().copied().fold(0.0, f64::max);
        for value in world.solve().values {
            prop_assert!((0.0..=1.0).contains(&value));
            prop_assert!(value >= low - 1e-9 && value <= high + 1e-9, "{low} {value} {high}");
        }
    }

    /// What is kept of a propagation gives its values back, and they move on from there.
    #[test]
    fn the_value_of_a_cell_is_the_solution_and_never_jumps(
        world in world(20), days in 0..2000_i64,
    ) {
        let solved = world.solve();
        let then = Timestamp(12_345);
        for (i, own) in solved.priors.iter().enumerate() {
            let prior = ValuePrior { means: [world.mu[i]; 11], ..ValuePrior::default() };
            let (mass, good) = world.evidence[i];
            let sums = Accumulator { good, mass, reference: then };
            let at = |days: f64| {
                prior.value_with(CellType::Fact, Some(*own), &sums, then.plus_days(days))
            };
            let now = at(0.0);
            prop_assert!(close(now.mean, solved.values[i], 1e-9));
            prop_assert!((now.mass - mass).abs() < 1e-12 && close(now.prior, world.mu[i], 1e-12));
            prop_assert!(own.mass >= PRIOR_MASS && own.mass <= PRIOR_MASS + DISCOUNT + 1e-9);
            let (later, next) = (at(days as f64), at(days as f64 + 1.0));
            prop_assert!((later.mean - next.mean).abs() <= 0.01);
            prop_assert!((later.mean - own.mean).abs() <= (now.mean - own.mean).abs() + 1e-12);
            prop_assert!((0.0..=0.5).contains(&later.sd));
        }
    }

    #[test]
    fn propagating_twice_is_propagating_once(world in world(30)) {
        prop_assert_eq!(world.solve(), world.solve());
        // The values of the first are no evidence for the second: with the values as they are
        // read from the kept priors, every row of the system still holds.
        let (solved, graph) = (world.solve(), world.graph());
        for (i, own) in solved.priors.iter().enumerate() {
            let pull: f64 = graph.neighbours(i).map(|(j, w)| w * solved.values[j]).sum();
            let mean = (PRIOR_MASS * world.mu[i] + STRENGTH * pull) / own.mass;
            prop_assert!(close(mean, own.mean, 1e-9));
        }
    }

    #[test]
    fn more_success_lowers_no_value_and_more_failure_raises_none(
        world in world(25), at in any::<prop::sample::Index>(), mass in 0.01..5.0_f64,
        y in 0.0..=1.0_f64,
    ) {
        let cell = at.index(world.evidence.len());
        let before = world.solve().values;
        let with = |n: f64, s: f64| {
            let mut more = world.clone();
            more.evidence[cell].0 += n;
            more.evidence[cell].1 += s;
            more.solve().values
        };
        prop_assert!(never_lower(&with(mass, mass), &before));
        prop_assert!(never_lower(&before, &with(mass, 0.0)));
        prop_assert!(never_lower(&with(mass, mass), &with(mass, mass * y)));
    }

    #[test]
    fn the_order_of_the_cells_does_not_matter(
        world in world(20), seed in any::<u64>(),
    ) {
        let cells = world.evidence.len();
        let mut place: Vec<usize> = (0..cells).collect();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for i in (1..cells).rev() {
            place.swap(i, random.random_range(0..=i));
        }
        let mut moved = world.clone();
        for (from, &to) in place.iter().enumerate() {
            moved.evidence[to] = world.evidence[from];
            moved.mu[to] = world.mu[from];
        }
        for e in &mut moved.edges {
            *e = (place[e.0 as usize] as u32, place[e.1 as usize] as u32, e.2);
        }
        let (here, there) = (world.solve().values, moved.solve().values);
        for (from, &to) in place.iter().enumerate() {
            prop_assert!(close(here[from], there[to], 1e-9));
        }
    }

    #[test]
    fn old_evidence_leaves_the_prior(world in world(20), mu in 0.0..=1.0_f64) {
        let world = world.of_one_kind(mu);
        let aged = |days: f64| {
            let mut aged = world.clone();
            for e in &mut aged.evidence {
                let left = decay(DECAY_RATE, days);
                *e = (e.0 * left, e.1 * left);
            }
            aged.solve().values
        };
        let worst = |values: &[f64]| values.iter().map(|v| (v - mu).abs()).fold(0.0, f64::max);
        prop_assert!(worst(&aged(2000.0)) < 1e-6);
        prop_assert!(worst(&aged(30.0)) <= worst(&aged(0.0)) + 1e-9);
        let fresh = world.clone().flawless().solve().values;
        let mut old = world.clone().flawless();
        old.evidence.iter_mut().for_each(|e| *e = (e.0 / 2.0, e.1 / 2.0));
        prop_assert!(never_lower(&fresh, &old.solve().values));
    }

    /// Whoever has neither evidence nor a neighbour with evidence has the value of its type.
    #[test]
    fn nothing_known_changes_nothing(world in world(20), mu in 0.0..=1.0_f64) {
        let mut unknown = world.of_one_kind(mu);
        unknown.evidence.fill((0.0, 0.0));
        prop_assert!(unknown.solve().values.iter().all(|v| close(*v, mu, 1e-9)));
    }
}

/// Worlds of one kind of cell with one cell (the last but one) that has only successes and one
/// (the last) that was never tried.
fn contest(most: usize) -> impl Strategy<Value = (World, usize, usize)> {
    (world(most), 0.0..=1.0_f64, 0.001..30.0_f64).prop_map(|(world, mu, wins)| {
        let mut world = world.of_one_kind(mu);
        let cells = world.evidence.len();
        world.evidence.extend([(wins, wins), (0.0, 0.0)]);
        world.mu.extend([mu, mu]);
        (world, cells, cells + 1)
    })
}

proptest! {
    #[test]
    fn with_the_same_neighbours_an_untried_cell_never_outranks_one_with_only_successes(
        (world, proven, untried) in contest(12), sims in prop::collection::vec(0.0..=1.0_f32, 12),
        alike in prop::option::of(0.5..=1.0_f32),
    ) {
        let mut world = world;
        for (other, sim) in sims.iter().enumerate().take(proven).filter(|(_, s)| **s >= 0.5) {
            world.edges.push((other as u32, proven as u32, *sim));
            world.edges.push((other as u32, untried as u32, *sim));
        }
        // They may be like each other, too.
        world.edges.extend(alike.map(|sim| (proven as u32, untried as u32, sim)));
        let solved = world.solve();
        prop_assert!(solved.values[proven] >= solved.values[untried] - 1e-9);
        prop_assert!(world.score(&solved, proven) >= world.score(&solved, untried) - 1e-9);
    }

    #[test]
    fn without_neighbours_an_untried_cell_never_outranks_one_with_only_successes(
        (world, proven, untried) in contest(6),
    ) {
        let solved = world.solve();
        prop_assert!(world.score(&solved, untried).abs() < 1e-9);
        prop_assert!(world.score(&solved, proven) >= 0.0);
    }

    /// The maximum principle: what lifts an untried cell stands above it.
    #[test]
    fn an_untried_cell_never_outranks_all_that_lift_it(world in world(25), mu in 0.0..=1.0_f64) {
        let world = world.of_one_kind(mu);
        let (solved, graph) = (world.solve(), world.graph());
        for i in 0..graph.len() {
            if world.evidence[i].0 > 0.0 {
                continue;
            }
            let best = graph.neighbours(i).map(|(j, _)| solved.values[j]).fold(mu, f64::max);
            prop_assert!(solved.values[i] <= best + 1e-9);
        }
        // So where all evidence comes from one cell with only successes, none is above that one.
        let mut alone = world.clone();
        alone.evidence.fill((0.0, 0.0));
        alone.evidence[0] = (1.0, 1.0);
        let solved = alone.solve();
        for i in 0..solved.values.len() {
            prop_assert!(alone.score(&solved, i) <= alone.score(&solved, 0) + 1e-9);
        }
    }

    #[test]
    fn one_whole_success_beats_any_lift(world in world(25), mu in 0.0..=1.0_f64) {
        let world = world.of_one_kind(mu);
        let (solved, graph) = (world.solve(), world.graph());
        for (proven, (n, s)) in world.evidence.iter().enumerate() {
            let unspoilt = graph.neighbours(proven).all(|(j, _)| solved.values[j] >= mu);
            if *n < 1.0 || s < n || !unspoilt {
                continue;
            }
            for (untried, _) in world.evidence.iter().enumerate().filter(|(_, e)| e.0 <= 0.0) {
                let (high, low) = (world.score(&solved, proven), world.score(&solved, untried));
                prop_assert!(high >= low - 1e-9, "{high} {low}");
            }
        }
    }

    #[test]
    fn all_neighbours_weigh_less_than_one_observation(
        world in world(30), discount in 0.0..=1.0_f64,
    ) {
        let graph = Graph::from_edges(world.evidence.len(), world.edges.iter().copied(), discount);
        for i in 0..graph.len() {
            prop_assert!(graph.degree(i) <= discount + 1e-12);
            for (j, w) in graph.neighbours(i) {
                prop_assert!(w > 0.0 && i != j);
                prop_assert!(graph.neighbours(j).any(|(back, v)| back == i && v == w));
            }
            prop_assert!(graph.neighbours(i).map(|(j, _)| j).is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn neighbours_are_mutual_near_and_few(
        sims in prop::collection::vec(0.0..=1.0_f32, 21 * 10), k in 0_usize..6,
    ) {
        // A similarity for each pair of 21 cells; some fall short of the threshold.
        let sim = |a: usize, b: usize| sims[a.max(b) * (a.max(b) - 1) / 2 + a.min(b)];
        let lists: Vec<Vec<(u32, f32)>> = (0..21)
            .map(|a| (0..21).filter(|&b| b != a).map(|b| (b as u32, sim(a, b))).collect())
            .collect();
        let graph = Graph::mutual_knn(&lists, k, THRESHOLD, DISCOUNT);
        let rank = |a: usize, b: usize| {
            (0..21).filter(|&c| c != a && (sim(a, c), b) > (sim(a, b), c)).count()
        };
        for a in 0..21 {
            let near: Vec<usize> = (0..21)
                .filter(|&b| b != a && sim(a, b) >= THRESHOLD && rank(a, b) < k && rank(b, a) < k)
                .collect();
            let found: Vec<usize> = graph.neighbours(a).map(|(b, _)| b).collect();
            prop_assert_eq!(found, near);
        }
    }
}

#[test]
fn the_weight_of_an_edge_is_the_discounted_similarity_until_it_gets_crowded() {
    let graph = Graph::from_edges(3, [(0, 1, 0.5)], 0.9);
    assert!(close(graph.degree(0), 0.45, 1e-12) && graph.degree(2) == 0.0);
    // A star of ten: the middle has degree 8, so each edge weighs 0.9 · 0.8 / 8.
    let star = Graph::from_edges(11, (1..11).map(|i| (0, i, 0.8)), 0.9);
    assert_eq!(star.edges(), 10);
    assert!(close(star.degree(0), 0.9, 1e-7) && close(star.degree(1), 0.09, 1e-8));
}

#[test]
fn what_is_no_edge_is_ignored() {
    let edges = [
        (0, 0, 1.0),
        (0, 9, 1.0),
        (0, 1, f32::NAN),
        (1, 2, -0.5),
        (1, 0, 0.0),
        (2, 0, 3.0),
        (0, 2, 0.5),
    ];
    let graph = Graph::from_edges(3, edges, 0.9);
    assert_eq!(graph.edges(), 1);
    assert!(close(graph.degree(2), 0.9, 1e-12), "similarities end at 1");
    assert_eq!(graph.neighbours(77).count(), 0);
    let lists = vec![vec![(1, 0.9), (1, 0.9), (7, 1.0), (0, 1.0)], vec![(0, 0.7)]];
    let graph = Graph::mutual_knn(&lists, 10, 0.5, 1.0);
    assert!(close(graph.degree(0), 0.8, 1e-6), "the mean of both sides");
    assert!(Graph::empty(0).is_empty() && Graph::default().is_empty());
    assert_eq!(Graph::empty(4).len(), 4);
}

/// Two cells: by hand, (10 + w) a − w b = 5.5, (9 + w) b − w a = 4.5 with w = 0.9.
#[test]
fn a_success_lifts_a_neighbour_a_little() {
    let world = World {
        evidence: vec![(1.0, 1.0), (0.0, 0.0)],
        mu: vec![0.5; 2],
        edges: vec![(0, 1, 1.0)],
    };
    let solved = world.solve();
    let determinant = 10.9 * 9.9 - 0.81;
    assert!(close(
        solved.values[0],
        (5.5 * 9.9 + 0.9 * 4.5) / determinant,
        1e-9
    ));
    assert!(close(
        solved.values[1],
        (4.5 * 10.9 + 0.9 * 5.5) / determinant,
        1e-9
    ));
    // MemRL's update lowers the neighbour of a cell with 2 of 2 successes from 0.5 to 0.475.
    assert!(solved.values[1] > 0.5 && solved.values[1] < solved.values[0]);
}

#[test]
fn the_default_discount_is_within_what_one_success_allows() {
    assert!(STRENGTH * DISCOUNT <= largest_discount(PRIOR_MASS));
    let c = largest_discount(PRIOR_MASS);
    assert!(close(c, 0.908_326_9, 1e-6) && close(c * (PRIOR_MASS + c), PRIOR_MASS, 1e-9));
    assert!(largest_discount(0.0) == 0.0);
}

/// What the promise does not cover, so that nobody reads more into it: a small share of a success
/// is less than what a crowd of proven neighbours says.
#[test]
fn a_share_of_a_success_can_stand_below_a_well_connected_untried_cell() {
    let mut world = World {
        evidence: vec![(50.0, 50.0); 12],
        mu: vec![0.5; 12],
        edges: (0..10).map(|i| (i, 10, 1.0)).collect(),
    };
    world.evidence[10] = (0.0, 0.0);
    world.evidence[11] = (0.1, 0.1);
    let solved = world.solve();
    assert!(solved.values[10] > solved.values[11]);
    world.evidence[11] = (1.0, 1.0);
    let solved = world.solve();
    assert!(solved.values[11] > solved.values[10]);
}

#[test]
fn ten_thousand_cells_take_a_few_steps() {
    let cells = 10_000;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let edges: Vec<(u32, u32, f32)> = (0..cells as u32 * 8)
        .map(|_| {
            let mut cell = || random.random_range(0..cells as u32);
            let (a, b) = (cell(), cell());
            (a, b, random.random_range(0.5..1.0))
        })
        .collect();
    let mut evidence = || {
        let n: f64 = if random.random_bool(0.5) {
            0.0
        } else {
            random.random_range(0.0..100.0)
        };
        (n, n * random.random_range(0.0..=1.0))
    };
    let world = World {
        evidence: (0..cells).map(|_| evidence()).collect(),
        mu: vec![0.5; cells],
        edges,
    };
    let solved = world.solve();
    assert!(solved.iterations <= 20, "{}", solved.iterations);
    assert!(solved.residual <= 2.0 * TOLERANCE, "{}", solved.residual);
}

#[test]
#[should_panic(expected = "one entry per cell")]
fn a_problem_of_two_sizes_is_refused() {
    propagate(&PropagationProblem {
        n: &[1.0],
        s: &[1.0],
        mu: &[0.5],
        graph: &Graph::empty(2),
        n0: 9.0,
        tau: 1.0,
    });
}
