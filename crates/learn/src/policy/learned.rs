//! A learned policy: features → standardised → network → logits → order.
//!
//! It may not know how its weights came about, nor where they are kept ([`super::file`]).

use memrl_types::Mode;

use super::{RecallPolicy, Scored, similarity::order_by_index};
use crate::data::Schema;
use crate::features;
use crate::net::{Net, Standard, logits};
use crate::train::Trained;
use crate::{Candidate, Context};

/// How many features a reason names.
const NAMED: usize = 3;
/// Contributions smaller than this are not worth a word.
const SILENT: f32 = 0.005;

/// The reason of everything that scores below STOP.
pub const BELOW_STOP: &str = "below_stop";

/// The features of all candidates of a decision, row by row.
type Rows = fn(&Context, &[Candidate]) -> Vec<f32>;

/// A policy that scores each candidate with a network and shows the best first.
///
/// ```text
/// logitᵢ = net((xᵢ − mean) / sd)          xᵢ = the features of candidate i under `schema`
/// ```
///
/// With a STOP logit, what scores below it is refused; without one the policy fills the budget (its
/// [`RecallPolicy::stop_logit`] is −∞, so that drawn slates fill it too).
#[derive(Debug, Clone)]
pub struct Learned {
    name: String,
    version: u32,
    schema: Schema,
    standard: Standard,
    net: Net,
    stop: Option<f32>,
    rows: Rows,
}

/// Why weights are no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LearnedError {
    /// The weights were trained on features that this program does not compute.
    #[error(
        "the policy reads features {name} ({hash}), and this version of memrl computes {known}; train it again on a log \
         of this version"
    )]
    OtherSchema {
        /// The schema that the weights are for.
        name: String,
        /// Its fingerprint.
        hash: String,
        /// The schemas that can be computed, with their fingerprints.
        known: String,
    },
    /// Standardisation, network and schema disagree about the number of features, or a number is not finite.
    #[error("the weights are unusable: {what}")]
    Weights {
        /// What is wrong.
        what: String,
    },
}

impl Learned {
    /// A policy called `name` in this version.
    ///
    /// Refused when the schema is not one that this program computes (by its fingerprint), when shapes disagree,
    /// or when a weight is not finite.
    pub fn new(
        name: impl Into<String>,
        version: u32,
        schema: Schema,
        standard: Standard,
        net: Net,
        stop: Option<f32>,
    ) -> Result<Self, LearnedError> {
        let rows = rows_of(&schema)?;
        check(&schema, &standard, &net, stop).map_err(|what| LearnedError::Weights { what })?;
        let name = name.into();
        Ok(Self {
            name,
            version,
            schema,
            standard,
            net,
            stop,
            rows,
        })
    }

    /// What a trainer made, as a policy.
    pub fn of(
        name: impl Into<String>,
        version: u32,
        trained: &Trained,
    ) -> Result<Self, LearnedError> {
        Self::new(
            name,
            version,
            trained.schema.clone(),
            trained.standard.clone(),
            trained.net.clone(),
            trained.stop,
        )
    }

    /// The schema of the features that it reads.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How features are standardised.
    pub fn standard(&self) -> &Standard {
        &self.standard
    }

    /// The network.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The logit of STOP; `None`: it fills the budget.
    pub fn stop(&self) -> Option<f32> {
        self.stop
    }

    /// The logits of logged features: `n × schema.width()` numbers row by row give `n` logits.
    pub fn logits(&self, rows: &[f32]) -> Vec<f64> {
        logits(&self.standard, &self.net, rows)
    }

    /// The features of all candidates of a request under its schema, row by row.
    pub fn rows(&self, ctx: &Context, candidates: &[Candidate]) -> Vec<f32> {
        (self.rows)(ctx, candidates)
    }

    /// What adds most to a linear score, in words: `; dense_window +0.81, staleness -0.40`. Nothing for networks
    /// with a hidden layer, whose score is not a sum.
    fn because(&self, standardised: &[f32]) -> String {
        use std::fmt::Write as _;

        let mut text = String::new();
        if self.net.hidden() > 0 {
            return text;
        }
        let mut parts: Vec<(usize, f32)> = (self.net.linear_weights().iter().zip(standardised))
            .map(|(w, x)| w * x)
            .enumerate()
            .filter(|(_, part)| part.abs() > SILENT)
            .collect();
        let largest = |a: &(usize, f32), b: &(usize, f32)| b.1.abs().total_cmp(&a.1.abs());
        if parts.len() > NAMED {
            parts.select_nth_unstable_by(NAMED, largest);
            parts.truncate(NAMED);
        }
        parts.sort_by(largest);
        for (k, (feature, part)) in parts.into_iter().enumerate() {
            let mark = if k == 0 { ';' } else { ',' };
            let name = &self.schema.features[feature];
            // Writing to a string cannot fail.
            let _ = write!(text, "{mark} {name} {part:+.2}");
        }
        text
    }
}

/// Whether the parts of a policy fit together; what is wrong where they do not.
pub(super) fn check(
    schema: &Schema,
    standard: &Standard,
    net: &Net,
    stop: Option<f32>,
) -> Result<(), String> {
    let width = schema.width();
    for (part, have) in [
        ("mean", standard.mean.len()),
        ("sd", standard.sd.len()),
        ("network", net.inputs()),
    ] {
        if have != width {
            return Err(format!("{part} is for {have} features, not {width}"));
        }
    }
    for (part, numbers) in [
        ("mean", standard.mean.as_slice()),
        ("sd", &standard.sd),
        ("network", &net.params),
        ("stop", stop.as_slice()),
    ] {
        if numbers.iter().any(|x| !x.is_finite()) {
            return Err(format!("{part} has a number that is not finite"));
        }
    }
    Ok(())
}

/// How the features of a schema are computed; an error when this program does not know them.
fn rows_of(schema: &Schema) -> Result<Rows, LearnedError> {
    let of_v1: Rows = |ctx, candidates| {
        let rows = candidates.iter().map(|c| features::features(ctx, c));
        rows.flatten().collect()
    };
    let known: Vec<(&Schema, Rows)> = [
        (features::RECALL_V1, of_v1),
        (features::RECALL_V2, features::rows),
    ]
    .into_iter()
    .filter_map(|(name, rows)| Some((features::schema_of(name)?, rows)))
    .collect();
    let found = known.iter().find(|(k, _)| *k == schema);
    found
        .map(|(_, rows)| *rows)
        .ok_or_else(|| LearnedError::OtherSchema {
            name: schema.name.clone(),
            hash: schema.hash.clone(),
            known: known
                .iter()
                .map(|(k, _)| format!("{} ({})", k.name, k.hash))
                .collect::<Vec<_>>()
                .join(", "),
        })
}

impl RecallPolicy for Learned {
    fn id(&self) -> &str {
        &self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn order(&self, ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        let width = self.schema.width();
        let mut x = Vec::new();
        self.standard.apply(&self.rows(ctx, candidates), &mut x);
        let scores = self.net.scores(&x);
        let ordered = order_by_index(candidates, |i, _| {
            let row = &x[i * width..(i + 1) * width];
            (f64::from(scores[i]), self.because(row))
        });
        let Some(stop) = self.stop else {
            return ordered;
        };
        let (shown, mut refused): (Vec<_>, Vec<_>) = ordered
            .into_iter()
            .partition(|s| s.mode == Mode::Constraint || s.score >= f64::from(stop));
        refused.sort_by_key(|s| s.index);
        for s in &mut refused {
            s.mode = Mode::Suppress;
            s.reason = format!("{BELOW_STOP}: score {:.3} is below {stop:.3}", s.score);
        }
        shown.into_iter().chain(refused).collect()
    }

    fn stop_logit(&self, _ctx: &Context) -> f64 {
        self.stop.map_or(f64::NEG_INFINITY, f64::from)
    }
}
