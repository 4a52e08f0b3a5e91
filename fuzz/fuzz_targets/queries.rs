//! Texts on their way to a decision: written, embedded, searched, rendered, logged.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use memrl::{CellType, Code, Config, Memory, NewCell, Options, RecallRequest, Scope};

fn memory() -> &'static (tempfile::TempDir, Memory) {
    static MEMORY: OnceLock<(tempfile::TempDir, Memory)> = OnceLock::new();
    MEMORY.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = Options { config: Some(Config::default()), seed: Some(1), ..Options::new(dir.path()) };
        let memory = Memory::open_with(options).expect("an empty memory opens");
        (dir, memory)
    })
}

fuzz_target!(|input: (&str, &str, u16)| {
    let (content, query, budget) = input;
    let scope = Scope::of("user", "fuzz");
    let memory = &memory().1;
    match memory.write(NewCell::new(CellType::Fact, scope.clone(), content)) {
        Ok(_) => {}
        Err(e) => assert!(matches!(e.code(), Code::EmptyContent | Code::ContentTooLarge), "{e}"),
    }
    let budget = u64::from(budget) + 1;
    let request = RecallRequest { budget_tokens: Some(budget), ..RecallRequest::new(query, scope) };
    match memory.recall(&request) {
        Ok(recall) => assert!(u64::from(recall.tokens_used) <= budget),
        Err(e) => assert_eq!(e.code(), Code::ContentTooLarge, "{e}"),
    }
});
