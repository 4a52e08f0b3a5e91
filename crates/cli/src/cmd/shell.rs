//! `memrl completions` and `memrl man`.

use std::path::Path;

use clap_complete::Shell;
use serde_json::json;

use crate::args;
use crate::fail::{Failure, Result};
use crate::out::Out;

/// Prints the completions of a shell.
pub fn completions(shell: Shell, out: &mut Out) -> Result<u8> {
    // Into memory first: the generator panics when its output is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::whole(), "memrl", &mut script);
    let script = String::from_utf8_lossy(&script);
    if out.is_json() {
        out.json(&json!({"shell": shell.to_string(), "script": script}))?;
    } else {
        out.writer()
            .write_all(script.as_bytes())
            .map_err(|e| Failure::output(&e))?;
    }
    Ok(0)
}

/// Prints the manual page, or writes one page per command.
pub fn man(dir: Option<&Path>, out: &mut Out) -> Result<u8> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(args::whole())
            .render(&mut page)
            .map_err(|e| Failure::output(&e))?;
        if out.is_json() {
            out.json(&json!({"page": String::from_utf8_lossy(&page)}))?;
        } else {
            out.writer()
                .write_all(&page)
                .map_err(|e| Failure::output(&e))?;
        }
        return Ok(0);
    };
    std::fs::create_dir_all(dir).map_err(|e| Failure::io(dir, e))?;
    clap_mangen::generate_to(args::whole(), dir).map_err(|e| Failure::io(dir, e))?;
    if out.is_json() {
        out.json(&json!({"directory": dir}))?;
    } else {
        out.line(&dir.display().to_string())?;
    }
    Ok(0)
}
