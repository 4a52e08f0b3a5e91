//! What memrl learns with: features, policies, exact propensities, rewards and values.
//!
//! **Architecture Invariant:** this crate is pure. It does no I/O, reads no clock and draws no
//! random number that does not come from a seed it was given. It knows no database, no text and
//! no search: the engine hands it plain numbers and takes plain answers.
//!
//! The way of one recall decision through it:
//!
//! 1. the engine describes each cell as a [`Candidate`] and the request as a [`Context`];
//! 2. a [`RecallPolicy`] puts the candidates in order;
//! 3. a [`Ranking`] puts that order under the hard rules;
//! 4. [`explore::decide`] assigns the trajectory to an arm, selects under the token budget,
//!    randomises as configured and answers a [`Choice`] with its exact propensity;
//! 5. later, a [`RewardSpec`] turns the outcome into a number and
//!    [`value`] turns it into evidence about the cells that were shown, and [`trace`] about what
//!    led to them;
//! 6. now and then [`propagate()`] solves for the values of all cells at once, over the [`Graph`] of
//!    similar cells.

pub mod candidate;
pub mod data;
pub mod explore;
pub mod features;
pub mod form;
pub mod gate;
pub mod graph;
pub mod impact;
pub mod net;
pub mod ope;
pub mod points;
pub mod policy;
pub mod propagate;
pub mod ranking;
pub mod retain;
pub mod reward;
pub mod select;
pub mod trace;
pub mod train;
pub mod value;

pub use candidate::{Beside, Candidate, Clues, Context, ScopeLevel};
pub use explore::{Choice, ExploreConfig, ItemChoice, Policies, decide};
pub use form::{Asks, CellForm, QueryForm};
pub use graph::Graph;
pub use policy::{RecallPolicy, Scored};
pub use propagate::{Propagated, PropagationProblem, propagate};
pub use ranking::Ranking;
pub use reward::{Reward, RewardSpec};
pub use trace::TraceConfig;
pub use value::{Accumulator, OwnPrior, Signal, ValueEstimate, ValuePrior};
