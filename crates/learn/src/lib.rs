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
//!    [`value`] turns it into evidence about the cells that were shown.

pub mod candidate;
pub mod explore;
pub mod features;
pub mod policy;
pub mod ranking;
pub mod retain;
pub mod reward;
pub mod select;
pub mod value;

pub use candidate::{Candidate, Context, ScopeLevel};
pub use explore::{Choice, ExploreConfig, ItemChoice, Policies, decide};
pub use policy::{RecallPolicy, Scored};
pub use ranking::Ranking;
pub use reward::{Reward, RewardSpec};
pub use value::{Accumulator, ValueEstimate, ValuePrior};
