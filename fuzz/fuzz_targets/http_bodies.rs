//! Bodies of every POST and PATCH route: whatever the bytes, an answer below 500.
#![no_main]

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use memrl::{Config, Memory, Options};
use memrl_server::{App, ServeOptions, router};
use tower::ServiceExt;

const ROUTES: &[(&str, &str)] = &[
    ("POST", "/v1/cells/write"),
    ("POST", "/v1/cells/retrieve"),
    ("POST", "/v1/cells/decide"),
    ("POST", "/v1/cells/feedback"),
    ("POST", "/v1/cells/forget"),
    ("POST", "/v1/cells/supersede"),
    ("POST", "/v1/cells"),
    ("POST", "/v1/cells/batch"),
    ("POST", "/v1/recall"),
    ("POST", "/v1/feedback"),
    ("POST", "/v1/reward/recompute"),
    ("PATCH", "/v1/cells/00000000-0000-4000-8000-000000000000"),
];

struct Bed {
    _dir: tempfile::TempDir,
    router: axum::Router,
    runtime: tokio::runtime::Runtime,
}

fn bed() -> &'static Bed {
    static BED: OnceLock<Bed> = OnceLock::new();
    BED.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = Config::default();
        let options = ServeOptions::of(&config, None);
        let memory = Memory::open_with(Options {
            config: Some(config),
            seed: Some(1),
            ..Options::new(dir.path())
        })
        .expect("an empty memory opens");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime starts");
        let router = router(Arc::new(App::new(Arc::new(memory), &options, None)));
        Bed { _dir: dir, router, runtime }
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let (method, path) = ROUTES[usize::from(*first) % ROUTES.len()];
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .body(Body::from(body.to_vec()))
        .expect("a request is made");
    let bed = bed();
    let answer = bed.runtime.block_on(bed.router.clone().oneshot(request)).expect("an answer");
    assert!(answer.status().as_u16() < 500, "{method} {path}: {}", answer.status());
});
