//! Options of the commands of the learning loop: train, evaluate, policies, impact, replay.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use memrl::{DecisionPoint, Timestamp};

use super::read;

/// Which part of the log is read.
#[derive(Debug, Args)]
pub struct LogPart {
    /// Only decisions made at this time or later
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub from: Option<Timestamp>,
    /// Only decisions made before this time
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub to: Option<Timestamp>,
    /// At most this many decisions, the newest
    #[arg(long, value_name = "N", value_parser = read::whole)]
    pub limit: Option<u64>,
}

/// A trainer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Trainer {
    /// Does as was done
    Bc,
    /// Learns which memories made slates succeed, and ranks by that
    Credit,
    /// Off-policy policy gradient, doubly robust
    IpsPg,
    /// Double Q-learning, pick by pick
    Dqn,
    /// Bayesian linear regression, in the order of time
    Thompson,
    /// Group-relative policy gradient: learns in an environment, not from a log
    #[value(hide = true)]
    Grpo,
}

/// `memrl train`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  memrl train --algo credit\n  \
        memrl train --algo dqn --name picks --from 2026-10-01 --hidden 16 --seed 7\n  \
        memrl train --algo credit --resume     # go on where Ctrl-C stopped it\n\n\
        What it makes is kept in the registry and has no role yet: `memrl evaluate` says what it would\n\
        earn, `memrl policy canary` tries it. A share of the trajectories (--keep) is never trained on,\n\
        and is what it is evaluated on."
)]
pub struct Train {
    /// The trainer
    #[arg(long)]
    pub algo: Trainer,
    /// The decision point whose decisions are learned from
    #[arg(long, value_name = "POINT", value_parser = read::point, default_value = "recall")]
    pub point: DecisionPoint,
    /// The name of the policy; the next version of it is made [default: that of the trainer]
    #[arg(long)]
    pub name: Option<String>,
    /// The part of the log.
    #[command(flatten)]
    pub log: LogPart,
    /// The reward spec: a name or the path of a TOML file; must be bounded [default: bounded_v1]
    #[arg(long, value_name = "NAME|FILE")]
    pub spec: Option<String>,
    /// Passes over the data [default: the trainer's]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Units of a hidden layer; 0 makes a linear policy, whose weights can be read [default: 0]
    #[arg(long, value_name = "N")]
    pub hidden: Option<usize>,
    /// Step size [default: the trainer's]
    #[arg(long, value_name = "X")]
    pub learning_rate: Option<f32>,
    /// Seed of everything random [default: 1]
    #[arg(long, value_name = "N", value_parser = read::whole)]
    pub seed: Option<u64>,
    /// Share of the trajectories kept apart to choose when to stop, 0 to 0.5; 0 keeps none apart [default: the trainer's]
    #[arg(long, value_name = "SHARE")]
    pub validation: Option<f64>,
    /// Share of the trajectories that is kept for evaluation, 0 to 0.9 [default: 0.3]
    #[arg(long, value_name = "SHARE")]
    pub keep: Option<f64>,
    /// Learn what to show first, not when to stop: show what fits
    #[arg(long)]
    pub fill_budget: bool,
    /// Go on where an interrupted training of this name stopped; where there is none, say so and train from the start
    #[arg(long)]
    pub resume: bool,
}

/// `memrl evaluate`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  memrl evaluate credit\n  memrl evaluate credit@2 --from 2026-11-01 --spec bounded_v1\n  \
        memrl evaluate credit --drawn --temperature 0.3\n\n\
        Says what the policy would have earned on the logged decisions that it was not trained on, and how\n\
        sure that is. Too little support in the log is a refusal (exit 5) that says what to log."
)]
pub struct Evaluate {
    /// The policy: its name, or name@version
    pub name: String,
    /// The part of the log.
    #[command(flatten)]
    pub log: LogPart,
    /// The reward spec: a name or the path of a TOML file; must be bounded [default: bounded_v1]
    #[arg(long, value_name = "NAME|FILE")]
    pub spec: Option<String>,
    /// Temperature of its drawn slates [default: that of the log]
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,
    /// Evaluate slates drawn from it, instead of the ones it ranks highest
    #[arg(long)]
    pub drawn: bool,
    /// Seed of everything random [default: 1]
    #[arg(long, value_name = "N", value_parser = read::whole)]
    pub seed: Option<u64>,
}

/// `memrl policy`.
#[derive(Debug, Args)]
#[command(
    after_help = "The way into service and out of it:\n  memrl policy shadow credit            # says what it would do\n  \
        memrl policy canary credit            # serves a tenth of the trajectories\n  \
        memrl policy check                    # how it does; acts on what is proved\n  \
        memrl policy promote credit           # once its trial has proved it\n  \
        memrl policy rollback \"slow answers\"  # the former one decides again\n\n\
        Every step is an event of the log."
)]
pub struct Policy {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What `memrl policy` does.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// List all policies and what each does now
    List,
    /// Show one: its card, its weights, what matters to it
    Show {
        /// The policy: its name, or name@version
        name: String,
    },
    /// Compare two: their weights, and what each would have shown
    Diff {
        /// One policy
        a: String,
        /// The other one
        b: String,
        /// Decisions of the log that both are asked about, the newest
        #[arg(long, value_name = "N", value_parser = read::whole, default_value = "1000")]
        limit: u64,
    },
    /// Let one say on live traffic what it would have shown; it shows nothing
    Shadow(Shadow),
    /// Put one on trial: it serves a share of the trajectories
    Canary {
        /// The policy: its name, or name@version
        name: String,
        /// Share of the trajectories that it serves, above 0 to 0.5 [default: 0.1]
        #[arg(long)]
        share: Option<f64>,
        /// Do not promote it by itself when its trial has proved it better
        #[arg(long)]
        hold: bool,
        /// Although its evaluation speaks against it; the reason is logged
        #[arg(long, value_name = "REASON", value_parser = NonEmptyStringValueParser::new())]
        force: Option<String>,
    },
    /// Say how trial and watch stand; promotes what proved better, ends what proved worse or unsafe
    Check,
    /// End the trial without a promotion
    Stop {
        /// Why, for the log
        #[arg(default_value = "asked to")]
        reason: String,
    },
    /// Put one in charge; its trial must have proved it better
    Promote {
        /// The policy: its name, or name@version
        name: String,
        /// Without that proof; the reason is logged
        #[arg(long, value_name = "REASON", value_parser = NonEmptyStringValueParser::new())]
        force: Option<String>,
    },
    /// Put the former one back in charge
    Rollback {
        /// Why, for the log
        #[arg(default_value = "asked to")]
        reason: String,
    },
    /// Delete a learned policy that has no role
    Delete {
        /// The policy: its name, or name@version
        name: String,
    },
    /// Write a learned policy into a file, to take it elsewhere
    Export {
        /// The policy: its name, or name@version
        name: String,
        /// The file
        file: PathBuf,
    },
    /// Take a policy from a file into the registry
    Import {
        /// The file
        file: PathBuf,
        /// The name it gets here [default: its own]
        #[arg(long)]
        name: Option<String>,
    },
}

/// `memrl policy shadow`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Shadow {
    /// The policy: its name, or name@version
    pub name: Option<String>,
    /// End it
    #[arg(long)]
    pub off: bool,
    /// Say what it would have shown, against what was shown
    #[arg(long)]
    pub report: bool,
}

/// Of what the impact is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImpactOf {
    /// Each memory by itself
    Cell,
    /// Each type of memories
    Type,
    /// Each scope
    Scope,
    /// Each origin: who the content came from
    Origin,
    /// All memories together
    All,
    /// Memory at all, from the trajectories that were shown none
    Memory,
}

/// A metric of outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImpactMetric {
    /// How well tasks went, 0 to 1
    Success,
    /// Tokens spent
    Tokens,
    /// Whether an outdated memory misled
    Stale,
    /// Whether an unsafe action happened
    Unsafe,
    /// Milliseconds spent
    Latency,
}

/// `memrl impact`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  memrl impact\n  memrl impact --of type --metric tokens\n  memrl impact --of memory\n  \
        memrl impact --test 1a2b3c4d --withhold 0.4\n  memrl impact --test-status\n\n\
        Read from what was withheld at random (explore.epsilon); --of memory from the trajectories that were\n\
        shown none (explore.none_share). An effect is always: shown minus withheld."
)]
pub struct Impact {
    /// Of what: each memory, groups of them, or memory at all
    #[arg(
        long,
        visible_alias = "by",
        default_value = "cell",
        conflicts_with = "impact_test"
    )]
    pub of: ImpactOf,
    /// What it is that changes; --of memory tells about all of them [default: success]
    #[arg(long, conflicts_with = "impact_test")]
    pub metric: Option<ImpactMetric>,
    /// The part of the log.
    #[command(flatten)]
    pub log: LogPart,
    /// How often to be wrong: 1 − the confidence of intervals, and the false share of what is said for sure
    #[arg(
        long,
        value_name = "X",
        default_value = "0.05",
        conflicts_with = "impact_test"
    )]
    pub level: f64,
    /// At most this many rows: the best and the worst [default: 20]
    #[arg(long, value_name = "N", conflicts_with = "impact_test")]
    pub top: Option<usize>,
    /// Start a trial of one memory: withhold it from many trajectories until it is known what it does
    #[arg(long, value_name = "ID", group = "impact_test", conflicts_with_all = ["from", "to", "limit"])]
    pub test: Option<String>,
    /// With --test: probability that a trajectory which wants it does without, 0.05 to 0.5 [default: 0.4]
    #[arg(long, value_name = "P", requires = "test")]
    pub withhold: Option<f64>,
    /// With --test: end after this many trajectories, whatever is known then [default: 2000]
    #[arg(long, value_name = "N", value_parser = read::whole, requires = "test")]
    pub most: Option<u64>,
    /// Say where the trial stands; ends it when it has its answer
    #[arg(long, group = "impact_test", conflicts_with_all = ["from", "to", "limit"])]
    pub test_status: bool,
    /// End the trial, whatever is known
    #[arg(long, group = "impact_test", conflicts_with_all = ["from", "to", "limit"])]
    pub test_stop: bool,
}

/// `memrl replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl replay\n  memrl replay --policy utility --from 2026-11-01\n  \
        memrl replay --policy credit --limit 500 --all\n\n\
        Without --policy every decision is made again as it was, and must come out the same to the last bit\n\
        of its probability: exits with 1 when one does not. With it, says what that policy would have shown;\n\
        what would have come of it is an estimate, and `memrl evaluate` makes it."
)]
pub struct Replay {
    /// A policy in the place of the one in charge: its name, or name@version [default: those of the log]
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// The part of the log.
    #[command(flatten)]
    pub log: LogPart,
    /// Print the decisions that stay the same, too
    #[arg(long)]
    pub all: bool,
}
