//! `memrl serve`.

use std::sync::Arc;

use memrl_server::{Banner, ServeError, ServeOptions, TokenOrigin};
use serde_json::json;

use crate::args::{Global, Serve};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::session;

/// The environment variable with the token that clients must send.
const TOKEN: &str = "MEMRL_TOKEN";

/// Serves until it is told to stop.
pub fn run(global: &Global, args: &Serve, out: &mut Out) -> Result<u8> {
    let mut flags = Vec::new();
    if let Some(host) = &args.host {
        flags.push(("server.host", host.clone()));
    }
    if let Some(port) = args.port {
        flags.push(("server.port", port.to_string()));
    }
    let memory = session::open(global, &flags, out)?;
    let options = ServeOptions::of(memory.config(), std::env::var(TOKEN).ok());
    let mut announced = Ok(());
    memrl_server::serve(Arc::new(memory), options, |banner| {
        announced = announce(&banner, out);
    })
    .map_err(failure)?;
    // A reader that has read the address and gone is no reason to stop serving.
    match announced {
        Ok(()) | Err(Failure::Closed) => {}
        Err(e) => return Err(e),
    }
    out.note("Stopped; everything acknowledged is stored.");
    Ok(0)
}

fn failure(error: ServeError) -> Failure {
    let (code, hint) = (error.code(), error.hint());
    match error {
        ServeError::Maintain(e) => e.into(),
        other => Failure::hinted(code, other.to_string(), hint),
    }
}

/// The address on standard output, everything about it on standard error.
fn announce(banner: &Banner, out: &mut Out) -> Result<()> {
    if out.is_json() {
        let token = match &banner.token {
            TokenOrigin::None => json!(null),
            TokenOrigin::Given => json!({"from": TOKEN}),
            TokenOrigin::File(path) => json!({"from": path}),
            TokenOrigin::Made(path, token) => json!({"from": path, "token": token}),
        };
        out.json(&json!({
            "url": banner.url,
            "address": banner.address.to_string(),
            "data_dir": banner.data_dir,
            "token": token,
            "example": banner.example,
        }))?;
        return out.flush();
    }
    out.note(&format!(
        "memrl {} serves {} at",
        env!("CARGO_PKG_VERSION"),
        banner.data_dir.display()
    ));
    out.line(&banner.url)?;
    out.flush()?;
    let token = match &banner.token {
        TokenOrigin::None => "none needed: only this machine can reach it".to_owned(),
        TokenOrigin::Given => format!("that of {TOKEN}"),
        TokenOrigin::File(path) => format!("in {}", path.display()),
        TokenOrigin::Made(path, token) => {
            format!(
                "{token}\n         (made now, shown once, kept in {})",
                path.display()
            )
        }
    };
    out.note(&format!("  token  {token}"));
    out.note(&format!("  docs   {}/docs", banner.url));
    out.note(&format!("  try    {}", out.talk.hint(&banner.example)));
    out.note("Ctrl-C stops it.");
    Ok(())
}
