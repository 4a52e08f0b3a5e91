//! One function per command: each calls the engine and prints.

mod add;
mod backup;
mod bench;
mod bench_policies;
mod cells;
mod config;
mod demo;
mod doctor;
mod episodes;
mod explain;
mod export;
mod feedback;
mod hook;
mod import;
mod init;
mod learning;
mod mcp;
mod pull;
mod recall;
mod rewards;
mod serve;
mod setup;
mod shell;
mod stats;
mod sweep;
mod switch;
mod why;

pub use mcp::run as mcp;

use crate::args::{Cli, Command};
use crate::fail::Result;
use crate::out::Out;

/// Runs a command; its exit code.
pub fn run(cli: Cli, out: &mut Out) -> Result<u8> {
    let global = &cli.global;
    match cli.command {
        Command::Init => init::run(global, out),
        Command::Demo(args) => demo::run(global, args, out),
        Command::Add(args) => add::run(global, args, out),
        Command::Get(args) => cells::get(global, &args, out),
        Command::Show(args) => episodes::show(global, &args, out),
        Command::List(args) => cells::list(global, args, out),
        Command::Update(args) => cells::update(global, args, out),
        Command::Supersede(args) => cells::supersede(global, args, out),
        Command::Forget(args) => cells::forget(global, &args, out),
        Command::Purge(args) => cells::purge(global, &args, out),
        Command::Quarantine(args) => cells::quarantine(global, &args, out),
        Command::Release(args) => cells::release(global, &args, out),
        Command::History(args) => cells::history(global, &args.id, out),
        Command::Recall(args) => recall::run(global, args, out),
        Command::Capture(args) => episodes::capture(global, args, out),
        Command::Retrieve(args) => episodes::retrieve(global, args, out),
        Command::Feedback(args) => feedback::run(global, args, out),
        Command::Why(args) => why::run(global, &args, out),
        Command::Reward(args) => rewards::run(global, &args.command, out),
        Command::Train(args) => learning::train(global, &args, out),
        Command::Evaluate(args) => learning::evaluate(global, &args, out),
        Command::Policy(args) => learning::policy(global, &args.command, out),
        Command::Impact(args) => learning::impact(global, &args, out),
        Command::Replay(args) => learning::replay(global, &args, out),
        Command::Export(args) => export::run(global, args, out),
        Command::Import(args) => import::run(global, &args, out),
        Command::Stats(args) => stats::run(global, &args, out),
        Command::Status(args) => episodes::status(global, &args, out),
        Command::Propagate(args) => episodes::propagate(global, &args, out),
        Command::Review(args) => episodes::review(global, &args, out),
        Command::Prune(args) => episodes::prune(global, &args, out),
        Command::Index(args) => episodes::index(global, &args, out),
        Command::Mcp(args) => mcp::run(global, args),
        Command::Serve(args) => serve::run(global, &args, out),
        Command::Doctor(args) => doctor::run(global, &args, out),
        Command::Backup(args) => backup::backup(global, args.file, out),
        Command::Restore(args) => backup::restore(global, &args, out),
        Command::Config(args) => config::run(global, args.command, out),
        Command::Pull(args) => pull::run(global, &args, out),
        Command::Bench(args) => bench::run(global, args.command, out),
        Command::Setup(args) => setup::run(global, &args, out),
        Command::Off(args) => switch::run(global, &args, true, out),
        Command::On(args) => switch::run(global, &args, false, out),
        Command::Sweep(args) => sweep::run(global, &args, out),
        Command::Hook(args) => hook::run(global, &args),
        Command::Completions(args) => shell::completions(args.shell, out),
        Command::Man(args) => shell::man(args.out.as_deref(), out),
    }
}
