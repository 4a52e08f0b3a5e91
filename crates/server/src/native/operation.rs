//! Rewards, numbers, health, settings.

use std::sync::Arc;

use memrl::learn::RewardSpec;
use memrl::{Code, Config};
use serde_json::{Value, json};

use super::spec_in_use;
use crate::App;
use crate::failure::Failure;
use crate::reply::{Reply, ok};
use crate::request::Req;
use crate::route::{Answer, Route};

pub(crate) const ROUTES: &[Route] = &[
    Route {
        path: "/v1/reward/specs",
        tag: "operation",
        about: "The reward specs in use, term by term.",
        answers: &[(200, "Specs.", Answer::Json("RewardSpecs"))],
        run: specs,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/reward/recompute",
        tag: "operation",
        about: "Scores every decision that has an outcome under a spec; outcomes stay as they are.",
        body: Some("Recompute"),
        answers: &[(200, "What was scored.", Answer::Json("Recomputed"))],
        failures: &[404],
        slow: true,
        run: recompute,
        ..Route::BASE
    },
    Route {
        path: "/v1/stats",
        tag: "operation",
        about: "Counts of everything. Reads the whole log; /metrics is cheaper.",
        answers: &[(200, "Counts.", Answer::Json("Stats"))],
        slow: true,
        run: |app, _| ok(&app.memory.stats()?),
        ..Route::BASE
    },
    Route {
        path: "/v1/doctor",
        tag: "operation",
        about: "A check-up of database, index, embedder and settings; repairs nothing.",
        answers: &[(200, "What was found.", Answer::Json("Doctor"))],
        slow: true,
        run: |app, _| {
            let report = app.memory.doctor(false)?;
            ok(&json!({"health": report.health(), "checks": report.checks}))
        },
        ..Route::BASE
    },
    Route {
        path: "/v1/config",
        tag: "operation",
        about: "The settings in force, without secrets.",
        answers: &[(200, "Settings.", Answer::Json("Config"))],
        run: |app, _| ok(&without_secrets(app.memory.config())),
        ..Route::BASE
    },
];

fn spec_json(spec: &RewardSpec) -> Value {
    let terms: Vec<Value> = spec
        .terms
        .iter()
        .map(|t| json!({"signal": t.signal.name(), "weight": t.weight, "clipped_to": t.bounds}))
        .collect();
    json!({
        "name": spec.name(),
        "description": spec.description,
        "offset": spec.offset,
        "terms": terms,
        "clip": spec.clip,
        "bounds": spec.bounds(),
        "bounded": spec.bounded(),
    })
}

fn specs(app: &Arc<App>, _: &Req) -> Result<Reply, Failure> {
    let specs: Vec<Value> = app.memory.reward_specs().iter().map(spec_json).collect();
    ok(&json!({"default": app.memory.config().reward.spec, "specs": specs}))
}

fn recompute(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let body = req.native_object("Recompute")?;
    let Some(Value::String(spec)) = body.get("spec") else {
        return Err(Failure::new(
            Code::InvalidInput,
            "spec: must be the name of a reward spec",
        ));
    };
    spec_in_use(app, "spec", spec)?;
    ok(&app.memory.recompute_rewards(spec, &mut |_| {})?)
}

/// An endpoint may be written with a password: `openai:MODEL@https://user:password@host`.
fn without_secrets(config: &Config) -> Config {
    let mut config = config.clone();
    if let Some((before, rest)) = config.embedder.split_once("://") {
        let (host, path) = rest
            .split_once('/')
            .map_or((rest, None), |(h, p)| (h, Some(p)));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let path = path.map(|p| format!("/{}", p.split(['?', '#']).next().unwrap_or_default()));
        config.embedder = format!("{before}://{host}{}", path.unwrap_or_default());
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_endpoints_are_not_shown() {
        let shown = |embedder: &str| {
            let config = Config {
                embedder: embedder.into(),
                ..Config::default()
            };
            without_secrets(&config).embedder
        };
        assert_eq!(shown("static"), "static");
        assert_eq!(
            shown("openai:small@https://me:secret@host:1/v1?key=secret"),
            "openai:small@https://host:1/v1"
        );
        assert_eq!(
            shown("openai:small@http://localhost:11434"),
            "openai:small@http://localhost:11434"
        );
    }
}
