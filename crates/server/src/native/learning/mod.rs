//! The learning loop: train, evaluate, replay, check rewards; policies and their roles; impact and trials of cells.
//!
//! Translation only. Nothing here reads a file because of a request: reward specs are those in use, by name, and policies come as
//! bodies.

mod impact;
mod policies;
mod training;

pub(crate) use impact::ROUTES as IMPACT;
pub(crate) use policies::ROUTES as POLICIES;
pub(crate) use training::ROUTES as TRAINING;

use std::ops::ControlFlow;
use std::time::Instant;

use memrl::Code;

use crate::App;
use crate::failure::Failure;
use crate::request::Req;

/// A field that cannot be used.
fn invalid(field: &str, message: &str) -> Failure {
    Failure::new(Code::InvalidInput, format!("{field}: {message}")).with("field", field)
}

/// A route without parameters: a misspelt one must not be lost silently.
fn no_query(req: &Req) -> Result<(), Failure> {
    req.native_query(&[], |_| ())
}

/// Asked at each decision that is read: whether somebody still waits for the answer. After the time limit of a slow route nobody does,
/// and the thread is wanted by others.
fn while_awaited(app: &App) -> impl FnMut(u64) -> ControlFlow<()> + use<> {
    let until = Instant::now() + app.slow_limit();
    move |_| {
        if Instant::now() < until {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::HeaderMap;
    use memrl::{CellType, Config, Memory, NewCell, Options, Outcome, RecallRequest, Scope};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::route::routes;
    use crate::serve::ServeOptions;

    /// Calls the handler of a route of a server whose time is up when the request begins.
    fn too_late(app: &Arc<App>, method: &str, path: &str, body: &Value) -> Code {
        let route = routes()
            .iter()
            .find(|r| (r.method, r.path) == (method, path))
            .unwrap();
        let request = Req {
            id: String::new(),
            query: Map::new(),
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        };
        match (route.run)(app, &request) {
            Ok(reply) => panic!("{method} {path} read on: {}", reply.status),
            Err(failure) => failure.code(),
        }
    }

    #[test]
    fn what_reads_the_log_stops_when_nobody_waits_for_it_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.timeout_ms = 0;
        let memory = Memory::open_with(Options {
            config: Some(config.clone()),
            seed: Some(3),
            ..Options::new(dir.path())
        })
        .unwrap();
        let ann = Scope::of("user", "ann");
        let cell = NewCell::new(CellType::Fact, ann.clone(), "the login fails on Mondays");
        let cell = memory.write(cell).unwrap().cell.cell_id.to_string();
        memory.trial_start(cell.as_str(), None, None).unwrap();
        let forced = Some("a test");
        memory
            .policy_canary("utility", None, false, forced)
            .unwrap();
        memory.policy_shadow(Some("utility")).unwrap();
        let made = memory.recall(&RecallRequest::new("login", ann)).unwrap();
        let outcome = Outcome {
            success: Some(1.0),
            ..Outcome::default()
        };
        memory.feedback(made.decision_id, &outcome).unwrap();
        let serve = ServeOptions::of(&config, None);
        let app = Arc::new(App::new(Arc::new(memory), &serve, None));
        for (method, path, body) in [
            ("POST", "/v1/impact", json!({})),
            ("POST", "/v1/impact", json!({"of": "memory"})),
            ("POST", "/v1/reward/check", json!({})),
            ("POST", "/v1/policies/check", json!({})),
            ("GET", "/v1/policies/shadow", Value::Null),
            ("GET", "/v1/impact/trial", Value::Null),
            ("POST", "/v1/evaluate", json!({"policy": "utility"})),
            ("POST", "/v1/policies/canary", json!({"policy": "none"})),
            (
                "POST",
                "/v1/policies/canary",
                json!({"policy": "none", "force": "a test"}),
            ),
        ] {
            let code = too_late(&app, method, path, &body);
            assert_eq!(code, Code::Stopped, "{method} {path} {body}");
        }
        // Nothing was decided on a part of the log.
        let roles = app.memory.roles().unwrap();
        assert!(roles.canary.is_some() && roles.trial.is_some());
    }
}
