//! `memrl init`.

use serde_json::json;

use crate::args::Global;
use crate::fail::Result;
use crate::out::Out;
use crate::{session, text};

/// Creates a memory and says what it will do.
pub fn run(global: &Global, out: &mut Out) -> Result<u8> {
    let dir = session::data_dir(global)?;
    let existed = dir.join(session::DATABASE).exists();
    let resolved = session::settings(&dir, &[], out)?;
    let memory = memrl::Memory::open_with(memrl::Options {
        config: Some(resolved.config),
        ..memrl::Options::new(&dir)
    })?;
    let epsilon = memory.config().explore.epsilon;
    if out.is_json() {
        out.json(&json!({
            "data_dir": dir,
            "created": !existed,
            "embedder": memory.embedder_id(),
            "holdout": epsilon,
        }))?;
        return Ok(0);
    }
    let what = if existed {
        "There is a memory in"
    } else {
        "Created a memory in"
    };
    let path = out.style.hint(&dir.display().to_string());
    out.line(&format!("{what} {path}"))?;
    out.line(&format!("Embedder: {}", memory.embedder_id()))?;
    if epsilon > 0.0 {
        out.note(&format!(
            "\nTo learn which memories help, {} of those it would show are withheld at random.\n\
             Turn it off: {}",
            text::percent(epsilon),
            out.talk.hint("memrl config set explore.epsilon 0")
        ));
    } else {
        out.note("\nNothing is withheld at random (explore.epsilon is 0).");
    }
    let setup = out.talk.hint("memrl setup claude-code");
    let capture = out
        .talk
        .hint("memrl capture --prompt \"Fix the login redirect\" --outcome success");
    let retrieve = out.talk.hint("memrl retrieve \"login redirects forever\"");
    out.note(&format!(
        "\nNext:\n  {setup}    or codex, cursor, vscode\n\
         From its next session on the agent recalls what helped, and is remembered when it ends.\n\n\
         By hand:\n  {capture}\n  {retrieve}"
    ));
    Ok(0)
}
