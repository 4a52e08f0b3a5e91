//! The learning loop through the real binary, on a log whose truth is known.
//!
//! The world: for each of twelve topics there is one procedure that helps and three facts that say as much in other words and do not. The
//! search cannot tell them apart; who they are (their type) can.

mod evaluate;
mod impact;
mod interrupted;
mod life;
mod refused;
mod replay;
mod rewards;
mod train;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use memrl::{
    CellType, Config, ManualClock, Memory, NewCell, Options, Outcome, RecallRequest, Scope,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{Home, Run};

const TOPICS: [&str; 12] = [
    "billing", "deploy", "login", "search", "upload", "invoice", "backup", "cache", "email",
    "payments", "calendar", "printer",
];

/// Tasks of the large log.
const TASKS: usize = 600;

/// Three minutes apart, each a trajectory of its own; success is likely where the procedure was shown. In a `deaf` world it has nothing to
/// do with what was shown.
fn make(dir: &Path, tasks: usize, deaf: bool) {
    let mut config = Config::default();
    config.explore.sampled_share = 0.5;
    config.explore.temperature = 0.3;
    config.explore.epsilon = 0.2;
    config.explore.none_share = 0.1;
    let start: memrl::Timestamp = "2026-11-01T12:00:00Z".parse().expect("a time");
    let clock = Arc::new(ManualClock::at(start));
    let memory = Memory::open_with(Options {
        config: Some(config),
        clock: Arc::new(Arc::clone(&clock)),
        seed: Some(7),
        ..Options::new(dir)
    })
    .expect("a memory");
    let ann = Scope::of("user", "ann");
    let mut cells = Vec::new();
    for topic in TOPICS {
        for (k, word) in ["steps", "notes", "story", "report"].iter().enumerate() {
            let kind = if k == 0 {
                CellType::Procedure
            } else {
                CellType::Fact
            };
            let text = format!("{word} about the {topic} trouble of the {topic} service");
            cells.push(NewCell::new(kind, ann.clone(), text));
        }
    }
    let written = memory.write_batch(cells).expect("cells");
    let helpful: Vec<_> = written.iter().step_by(4).map(|w| w.cell.cell_id).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for i in 0..tasks {
        let topic = rng.random_range(0..TOPICS.len());
        let mut request = RecallRequest::new(format!("{} trouble", TOPICS[topic]), ann.clone());
        request.trajectory = Some(format!("task-{i}"));
        // Where four fit, the procedure is wanted, and sometimes withheld; where two fit, it is shown only when slates are drawn.
        request.max_cells = Some(if i % 2 == 0 { 2 } else { 4 });
        request.limit = Some(12);
        let recall = memory.recall(&request).expect("a recall");
        let shown = recall
            .selected
            .iter()
            .any(|r| r.cell.cell_id == helpful[topic]);
        let p = match (deaf, shown) {
            (true, _) => 0.5,
            (_, true) => 0.9,
            (_, false) => 0.2,
        };
        let success = rng.random_bool(p);
        let outcome = Outcome {
            success: Some(f64::from(u8::from(success))),
            tokens_used: Some(if success { 900 } else { 1500 }),
            latency_ms: Some(rng.random_range(200..4000)),
            ..Outcome::default()
        };
        memory
            .feedback(recall.decision_id, &outcome)
            .expect("feedback");
        clock.advance_days(3.0 / 1440.0);
    }
    memory.maintain().expect("upkeep");
}

/// A memory of one's own with this many tasks in its log. The large one is made once and copied.
pub fn with_log(tasks: usize) -> Home {
    static LARGE: OnceLock<Home> = OnceLock::new();
    let home = Home::new();
    if tasks != TASKS {
        make(&home.path(), tasks, false);
        return home;
    }
    let large = LARGE.get_or_init(|| {
        let large = Home::new();
        make(&large.path(), TASKS, false);
        large
    });
    copy(&large.path(), &home.path());
    home
}

/// A memory in whose log outcomes have nothing to do with what was shown.
pub fn with_deaf_log(tasks: usize) -> Home {
    let home = Home::new();
    make(&home.path(), tasks, true);
    home
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).expect("a copy");
        }
    }
}

/// What a person reads, without the numbers that another compiler or a better trainer would change: they are tested where they are
/// computed.
pub fn told(run: &Run) -> String {
    let mut text = String::new();
    for line in run.whole().lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let numbered = columns.get(1).is_some_and(|n| n.parse::<f64>().is_ok());
        let is_feature = line.starts_with("  ") && numbered && columns.len() <= 3;
        let line = if is_feature {
            "  [FEATURE]".to_owned()
        } else {
            numberless(line)
        };
        if !(is_feature && text.ends_with("  [FEATURE]\n")) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// Every number with a fraction as `[X]`.
fn numberless(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let end = rest[start..]
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .map_or(rest.len(), |n| start + n);
        let number = rest[start..end].trim_end_matches('.');
        let end = start + number.len();
        shown.push_str(&rest[..start]);
        let before = shown.trim_end_matches('-');
        let in_a_word = before.ends_with(|c: char| c.is_ascii_alphanumeric() || "_@.:".contains(c));
        if number.contains('.') && !in_a_word {
            shown.push_str("[X]");
        } else {
            shown.push_str(number);
        }
        rest = &rest[end..];
    }
    shown.push_str(rest);
    shown
}
