//! One binary for all integration tests of the crate, to keep linking short.

#![expect(
    clippy::float_cmp,
    reason = "exact numbers are what is promised: propensities of 1, golden values, -inf"
)]

mod baseline;
mod categorical;
mod decide;
mod docs;
mod dqn;
mod features;
mod gate;
mod grpo;
mod impact;
mod impact_log;
mod impact_world;
mod ips_pg;
mod ope_docs;
mod ope_estimators;
mod ope_evaluate;
mod ope_intervals;
mod ope_log;
mod plackett_luce;
mod policies;
mod propagate;
mod propensities;
mod retain;
mod reward_check;
mod rewards;
mod select;
mod slates;
mod stop;
mod support;
mod thompson;
mod trace;
mod train_bad;
mod train_bc;
mod train_credit;
mod train_data;
mod train_file;
mod train_learned;
mod train_split;
mod value;
