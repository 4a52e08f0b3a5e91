//! Simulated worlds: scenes drawn from a workload's parameters, with their hidden truth.
//!
//! A candidate's state is drawn first, then everything that a policy sees, from the distributions of that state. What a
//! [`Scene`] holds besides the candidates (`gold`, `hidden`) is for the harness, never for a policy.

use memrl::learn::{Candidate, Context, ScopeLevel, ValuePrior};
use memrl_types::{CellId, Origin, Outcome, PolicyFeatures, Sensitivity};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::best::best;
use super::outcome::{Belief, OutcomeModel, State, certain, report};
use super::params::{
    AGE_SD, BELIEF_SD, CRITICALITY, NOT_FOUND, OVERHEAD, Params, QUERY, Role, TRIALS, UTILITY,
};
use super::posterior::{outdated, posteriors, shift};
use super::{Expected, Scene, World};

/// Budget of a scene's own context; the harness sets others.
const BUDGET: u64 = 512;
/// Trajectories of one simulated person.
const PER_PERSON: usize = 20;

/// A world drawn from a workload's parameters.
#[derive(Debug, Clone)]
pub struct Simulated {
    params: &'static Params,
    model: OutcomeModel,
    scenes: Vec<Scene>,
    /// The states of each scene's candidates.
    truth: Vec<Vec<State>>,
}

impl Simulated {
    /// `n` scenes of a workload. The first scenes of a longer world with the same seed are the same.
    pub fn new(params: &'static Params, seed: u64, n: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ fingerprint(params.name));
        let mut world = Self {
            params,
            model: OutcomeModel::new(params),
            scenes: Vec::with_capacity(n),
            truth: Vec::with_capacity(n),
        };
        let mut trajectory = 0;
        while world.scenes.len() < n {
            let steps = rng.random_range(params.steps.0..=params.steps.1);
            for _ in 0..steps {
                let person = trajectory / PER_PERSON;
                world.scene(
                    format!("{}-{seed}-person-{person}", params.name),
                    format!("{}-{seed}-{trajectory}", params.name),
                    &mut rng,
                );
            }
            trajectory += 1;
        }
        world.scenes.truncate(n);
        world.truth.truncate(n);
        world
    }

    fn scene(&mut self, group: String, trajectory: String, rng: &mut ChaCha8Rng) {
        let p = self.params;
        let query_tokens = normal(rng, QUERY.0, QUERY.1).exp().round().max(1.0) as u32;
        let context = Context {
            overhead_tokens: OVERHEAD.0,
            max_items: 50,
            query_tokens,
            memory_cells: 2000,
            ..Context::with_budget(BUDGET)
        };
        let n = rng.random_range(p.candidates.0..=p.candidates.1);
        let mut drawn: Vec<_> = (0..n)
            .map(|_| candidate(p, shift(query_tokens), rng))
            .collect();
        rank(&mut drawn);
        let (candidates, truth): (Vec<_>, Vec<_>) =
            drawn.into_iter().map(|d| (d.candidate, d.state)).unzip();
        let helps = |s: &State| matches!(s, State::Current(_) | State::Rule);
        let gold = (0..truth.len()).filter(|&i| helps(&truth[i])).collect();
        let covered = |g: usize| truth.contains(&State::Current(g));
        self.scenes.push(Scene {
            group,
            trajectory,
            context,
            candidates,
            gold,
            reachable: (0..p.needs.len()).all(covered),
            hidden: self.truth.len(),
        });
        self.truth.push(truth);
    }

    /// The parameters it was drawn from.
    pub fn params(&self) -> &'static Params {
        self.params
    }

    /// The hidden states of a scene's candidates.
    pub fn truth(&self, scene: &Scene) -> &[State] {
        &self.truth[scene.hidden]
    }

    /// The outcome model.
    pub fn model(&self) -> &OutcomeModel {
        &self.model
    }

    fn knowledge(&self, scene: &Scene) -> Vec<Belief> {
        self.truth(scene).iter().map(|s| certain(*s)).collect()
    }

    /// The slate of the Bayes-optimal policy on observables: the best under the exact posteriors. Reads what a policy could see, and
    /// the parameters.
    pub fn bayes(&self, context: &Context, candidates: &[Candidate]) -> Vec<usize> {
        let beliefs = posteriors(self.params, context, candidates);
        best(&self.model, &beliefs, context, candidates)
    }
}

impl World for Simulated {
    fn name(&self) -> &str {
        self.params.name
    }

    fn scenes(&self) -> &[Scene] {
        &self.scenes
    }

    fn expected(&self, scene: &Scene, slate: &[usize]) -> Expected {
        let beliefs = self.knowledge(scene);
        (self.model).expected(&beliefs, &scene.context, &scene.candidates, slate)
    }

    fn outcome(&self, scene: &Scene, slate: &[usize], rng: &mut ChaCha8Rng) -> Outcome {
        let e = self.expected(scene, slate);
        let [success, unsafe_action, stale] =
            [e.success, e.unsafe_action, e.stale].map(|p| rng.random::<f64>() < p);
        let shown = slate.iter().filter(|i| scene.gold.contains(i));
        Outcome {
            cited: shown.map(|&i| scene.candidates[i].cell_id).collect(),
            ..report(success, unsafe_action, stale, e.tokens)
        }
    }

    /// The best slate for one who knows all states: bounded greedy, see [`best()`](super::best::best()).
    fn oracle(&self, scene: &Scene) -> Vec<usize> {
        let beliefs = self.knowledge(scene);
        best(&self.model, &beliefs, &scene.context, &scene.candidates)
    }

    fn ceiling(&self, scene: &Scene) -> Option<Vec<usize>> {
        Some(self.bayes(&scene.context, &scene.candidates))
    }
}

/// A candidate before it has a rank.
struct Drawn {
    state: State,
    candidate: Candidate,
    /// What the fused score is made of.
    fused: f64,
}

fn candidate(p: &Params, shift: f64, rng: &mut ChaCha8Rng) -> Drawn {
    let mut shares: Vec<f64> = p.needs.iter().map(|r| r.share).collect();
    shares.extend([p.harmful.share, p.rule.share, p.idle_share()]);
    let place = pick(&shares, rng);
    let needs = p.needs.len();
    let role: &Role = match place.checked_sub(needs) {
        None => &p.needs[place],
        Some(0) => &p.harmful,
        Some(1) => &p.rule,
        Some(_) => &p.idle,
    };
    let age_days = normal(rng, role.log_age, AGE_SD).exp();
    let state = match place.checked_sub(needs) {
        None if rng.random::<f64>() < outdated(p, age_days) => State::Outdated(place),
        None => State::Current(place),
        Some(0) => State::Harmful,
        Some(1) => State::Rule,
        Some(_) => State::Idle,
    };
    let mut z = [0.0; 5];
    for ((z, mean), sd) in z.iter_mut().zip(role.text).zip(p.spread) {
        *z = shift + normal(rng, mean, sd);
    }
    let found = rng.random::<f64>() < role.words;
    let sign = &p.signs[state.condition() as usize];
    let kind = p.kinds[pick(&sign.kinds, rng)];
    let mut c = Candidate::new(CellId::from_random(rng.random()), kind);
    c.origin = Origin::ALL[pick(&sign.origin, rng)];
    c.scope_level =
        [ScopeLevel::Asked, ScopeLevel::Wider, ScopeLevel::Global][pick(&sign.scope, rng)];
    c.sensitivity = Sensitivity::ALL[pick(&[0.8, 0.2], rng)];
    c.bm25 = found.then(|| logistic(z[0]));
    c.dense = Some(logistic(z[1]));
    c.bm25_window = Some(logistic(z[2]));
    c.dense_window = Some(logistic(z[3]));
    c.source_score = Some(logistic(z[4]));
    c.speaker_match = rng.random::<f64>() < role.speaker;
    c.age_days = age_days;
    c.tokens = normal(rng, p.log_tokens.0, p.log_tokens.1)
        .exp()
        .clamp(4.0, 400.0) as u32;
    c.cost = c.tokens + OVERHEAD.1;
    c.confidence = logistic(normal(rng, sign.confidence, BELIEF_SD));
    c.features = PolicyFeatures {
        staleness: logistic(normal(rng, sign.staleness, BELIEF_SD)),
        criticality: CRITICALITY[pick(&sign.criticality, rng)],
        future_utility_estimate: UTILITY[pick(&sign.utility, rng)],
        compressibility: rng.random(),
    };
    c.access_count = normal(rng, 1.0, 1.0).exp() as u64;
    let n = TRIALS[pick(&p.tried, rng)];
    let s = (0..n).filter(|_| rng.random::<f64>() < sign.past).count();
    c.value = ValuePrior::default().estimate(kind, s as f64, f64::from(n));
    if !found {
        z[0] = NOT_FOUND;
    }
    Drawn {
        state,
        candidate: c,
        fused: z.iter().sum::<f64>() / 5.0,
    }
}

/// Puts the candidates in the order of their fused score (the mean of the logits of the signals) and fills in what depends on the
/// others: score, likeness, ranks.
fn rank(drawn: &mut [Drawn]) {
    drawn.sort_by(|a, b| b.fused.total_cmp(&a.fused));
    let (high, low) = match drawn {
        [first, .., last] => (first.fused, last.fused),
        _ => (1.0, 0.0),
    };
    for (rank, d) in drawn.iter_mut().enumerate() {
        d.candidate.rank = rank as u32;
        d.candidate.score = (d.fused - low) / (high - low).max(1e-12);
        d.candidate.likeness = Some(logistic(d.fused));
    }
    for (get, set) in [
        (
            (|c| c.bm25) as fn(&Candidate) -> Option<f64>,
            (|c, r| c.bm25_rank = Some(r)) as fn(&mut Candidate, u32),
        ),
        (|c| c.dense, |c, r| c.dense_rank = Some(r)),
    ] {
        let mut order: Vec<_> = (0..drawn.len())
            .filter_map(|i| Some((i, get(&drawn[i].candidate)?)))
            .collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (rank, (i, _)) in order.into_iter().enumerate() {
            set(&mut drawn[i].candidate, rank as u32);
        }
    }
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// A Gaussian number (Box & Muller 1958).
fn normal(rng: &mut ChaCha8Rng, mean: f64, sd: f64) -> f64 {
    let u: f64 = 1.0 - rng.random::<f64>();
    let angle = std::f64::consts::TAU * rng.random::<f64>();
    mean + sd * (-2.0 * u.ln()).sqrt() * angle.cos()
}

/// A place drawn with these weights.
fn pick(weights: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let mut u = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (i, w) in weights.iter().enumerate() {
        u -= w;
        if u < 0.0 {
            return i;
        }
    }
    weights.len() - 1
}

/// FNV-1a: workloads of one seed do not share their draws.
pub(super) fn fingerprint(name: &str) -> u64 {
    let step = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
