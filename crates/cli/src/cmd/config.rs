//! `memrl config`.

use memrl::Code;
use memrl::config::Source;
use serde_json::{Value, json};

use crate::args::{ConfigCommand, Global};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::session;
use crate::table::{Fit, Table};

/// Shows or changes settings.
pub fn run(global: &Global, command: Option<ConfigCommand>, out: &mut Out) -> Result<u8> {
    let dir = session::data_dir(global)?;
    match command {
        None => {
            let resolved = session::settings(&dir, &[], out)?;
            if out.is_json() {
                let items: Vec<Value> = resolved
                    .origins
                    .iter()
                    .map(|(key, value, source)| {
                        json!({"key": key.name, "value": value, "source": source, "about": key.about, "env": key.env})
                    })
                    .collect();
                out.json(&json!({"items": items, "file": resolved.file}))?;
                return Ok(0);
            }
            let mut table = Table::new(&[
                ("KEY", Fit::Left),
                ("VALUE", Fit::Cut(12)),
                ("SOURCE", Fit::Left),
                ("ABOUT", Fit::Cut(16)),
            ]);
            for (key, value, source) in &resolved.origins {
                let source = match source {
                    Source::Environment => key.env.to_owned(),
                    Source::Flag => "flag".to_owned(),
                    Source::File => "config.toml".to_owned(),
                    Source::Default => "default".to_owned(),
                };
                table.row([
                    key.name.to_owned(),
                    plain(value),
                    source,
                    key.about.to_owned(),
                ]);
            }
            out.table(&table)?;
        }
        Some(ConfigCommand::Get { key }) => {
            let resolved = session::settings(&dir, &[], out)?;
            let found = resolved.origins.iter().find(|(k, ..)| k.name == key);
            let Some((key, value, source)) = found else {
                let message = format!("{key} is not a setting");
                return Err(Failure::new(Code::InvalidConfig, message));
            };
            if out.is_json() {
                out.json(&json!({"key": key.name, "value": value, "source": source}))?;
            } else {
                out.line(&plain(value))?;
            }
        }
        Some(ConfigCommand::Set { key, value }) => {
            memrl::config::set(&dir, &key, &value)?;
            let resolved = session::settings(&dir, &[], out)?;
            let found = resolved.origins.iter().find(|(k, ..)| k.name == key);
            if let Some((k, _, Source::Environment)) = found {
                out.warn(&format!("{} is set, and wins over config.toml", k.env));
            }
            if out.is_json() {
                out.json(&json!({"key": key, "value": value, "file": resolved.file}))?;
            } else {
                out.note(&format!("Set {key} in {}", resolved.file.display()));
            }
        }
        Some(ConfigCommand::Path) => {
            let path = dir.join("config.toml");
            if out.is_json() {
                out.json(&json!({"path": path, "exists": path.exists()}))?;
            } else {
                out.line(&path.display().to_string())?;
            }
        }
    }
    Ok(0)
}

/// A value as `memrl config set` takes it.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
