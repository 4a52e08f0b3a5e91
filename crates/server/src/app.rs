//! The router, and what every request goes through: guard, limits, a worker thread, the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use memrl::{Code, Memory};

use crate::failure::Failure;
use crate::guard::Guard;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::reply::{Payload, Reply};
use crate::request::Req;
use crate::route::{Route, routes};
use crate::serve::ServeOptions;

/// Everything that handlers share.
pub struct App {
    pub(crate) memory: Arc<Memory>,
    pub(crate) guard: Guard,
    pub(crate) metrics: Metrics,
    /// Work in the background.
    pub(crate) jobs: Jobs,
    /// Bound to loopback: one person's machine.
    pub(crate) loopback: bool,
    max_body: usize,
    timeout: Duration,
}

impl App {
    /// For a server that is bound to `host`, with this token (`None`: none is asked for).
    pub fn new(memory: Arc<Memory>, options: &ServeOptions, token: Option<String>) -> Self {
        Self {
            memory,
            guard: Guard::new(&options.host, &options.allowed_hosts, token),
            metrics: Metrics::default(),
            jobs: Jobs::default(),
            loopback: crate::guard::is_loopback(&options.host),
            max_body: usize::try_from(options.max_body_bytes).unwrap_or(usize::MAX),
            timeout: Duration::from_millis(options.timeout_ms),
        }
    }

    /// The time that a slow route has.
    pub(crate) fn slow_limit(&self) -> Duration {
        self.timeout * 20
    }
}

/// All routes over one memory.
pub fn router(app: Arc<App>) -> Router {
    let mut by_path: BTreeMap<&'static str, Vec<&'static Route>> = BTreeMap::new();
    for route in routes() {
        by_path.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, group) in by_path {
        let app = Arc::clone(&app);
        let group: Arc<[&'static Route]> = group.into();
        router = router.route(
            path,
            axum::routing::any(
                move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
                    // A segment that is not UTF-8 names nothing.
                    let id = params
                        .ok()
                        .and_then(|p| p.iter().next().map(|(_, v)| v.to_owned()))
                        .unwrap_or_default();
                    dispatch(Arc::clone(&app), Arc::clone(&group), id, request)
                },
            ),
        );
    }
    router.fallback(move |request: Request| std::future::ready(no_route(&app, &request)))
}

/// Chooses the route of this method.
async fn dispatch(
    app: Arc<App>,
    group: Arc<[&'static Route]>,
    id: String,
    request: Request,
) -> Response {
    let method = request.method();
    let wanted = match *method {
        // HEAD on memcell-rl's routes is 405, as it is there.
        Method::HEAD if group.iter().all(|r| r.open) => "GET",
        _ => method.as_str(),
    };
    if let Some(route) = group.iter().find(|r| r.method == wanted) {
        return answer(app, route, id, request).await;
    }
    let started = Instant::now();
    let path = request.uri().path();
    let failure = match app
        .guard
        .check(request.headers(), request.uri(), request.version(), false)
    {
        Err(failure) => failure,
        // `GET /v1/cells/write` asks for the cell called "write".
        Ok(()) if is_cell_path(path) && wanted == "GET" => {
            Failure::new(Code::CellNotFound, "Cell not found")
        }
        Ok(()) => {
            let allow: Vec<&str> = group.iter().map(|r| r.method).collect();
            Failure::new(Code::MethodNotAllowed, "Method Not Allowed")
                .header("allow", allow.join(", "))
        }
    };
    let reply = failure.into_reply();
    app.metrics.record(None, reply.status, started.elapsed());
    finish(reply, None)
}

fn is_cell_path(path: &str) -> bool {
    path.strip_prefix("/v1/cells/")
        .is_some_and(|rest| !rest.contains('/'))
}

/// Unknown paths; with a slash too many they are led to the right one.
fn no_route(app: &App, request: &Request) -> Response {
    let started = Instant::now();
    let uri = request.uri();
    let guarded = app
        .guard
        .check(request.headers(), uri, request.version(), false);
    let bare = uri.path().trim_end_matches('/');
    let reply = if let Err(failure) = guarded {
        failure.into_reply()
    } else if bare.len() < uri.path().len() && routes().iter().any(|r| r.fits(bare)) {
        let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
        Reply::whole(307, "text/plain", "").header("location", &format!("{bare}{query}"))
    } else {
        Failure::new(Code::NotFound, "Not Found").into_reply()
    };
    app.metrics.record(None, reply.status, started.elapsed());
    finish(reply, None)
}

/// Runs a handler on a worker thread, inside the limits.
async fn answer(app: Arc<App>, route: &'static Route, id: String, request: Request) -> Response {
    let started = Instant::now();
    let running = app.metrics.start();
    let limit = if route.slow {
        app.slow_limit()
    } else {
        app.timeout
    };
    let guarded = app.guard.check(
        request.headers(),
        request.uri(),
        request.version(),
        route.open,
    );
    let reply = match guarded {
        Err(failure) => failure.into_reply(),
        Ok(()) => match tokio::time::timeout(limit, run(&app, route, id, request)).await {
            Ok(reply) => reply,
            Err(_) => Failure::new(
                Code::Timeout,
                "the request took too long; a write that was under way may still complete",
            )
            .into_reply(),
        },
    };
    let (reply, first) = match reply.body {
        Payload::Whole(_) => (reply, None),
        Payload::Stream(produce) => {
            // An error before the first byte is still an error with a status.
            match crate::stream::start(produce, limit).await {
                Ok(body) => (
                    Reply {
                        body: Payload::Whole(bytes::Bytes::new()),
                        ..reply
                    },
                    Some(body),
                ),
                Err(failure) => (failure.into_reply(), None),
            }
        }
    };
    app.metrics
        .record(Some(route), reply.status, started.elapsed());
    drop(running);
    finish(reply, first)
}

async fn run(app: &Arc<App>, route: &'static Route, id: String, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    let body = if route.body.is_none() && !matches!(route.method, "POST" | "PATCH") {
        bytes::Bytes::new()
    } else {
        match read_body(body, &parts.headers, app.max_body).await {
            Ok(body) => body,
            Err(failure) => return failure.into_reply(),
        }
    };
    let req = Req {
        id,
        query: parts.uri.query().map(Req::parse_query).unwrap_or_default(),
        headers: parts.headers,
        body,
    };
    let app = Arc::clone(app);
    // The engine waits for locks and disks; the threads that serve connections must not.
    let done = tokio::task::spawn_blocking(move || (route.run)(&app, &req)).await;
    let failure = match done {
        Ok(Ok(reply)) => return reply,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::new(Code::Internal, "the request met a fault of memrl's"),
    };
    if failure.code().info().status >= 500 {
        eprintln!(
            "memrl: {route:?}: {} ({})",
            failure.message(),
            failure.code()
        );
    }
    failure.into_reply()
}

async fn read_body(
    body: Body,
    headers: &axum::http::HeaderMap,
    max: usize,
) -> Result<bytes::Bytes, Failure> {
    let too_large = || {
        Failure::new(
            Code::BodyTooLarge,
            format!("the body is larger than {max} bytes"),
        )
        .header("connection", "close")
    };
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<u64>().ok());
    if declared.is_some_and(|n| n > max as u64) {
        return Err(too_large());
    }
    // What failed is either the limit or the connection, and then nobody reads the answer.
    axum::body::to_bytes(body, max)
        .await
        .map_err(|_| too_large())
}

fn finish(reply: Reply, stream: Option<Body>) -> Response {
    let body = match (stream, reply.body) {
        (Some(body), _) => body,
        (None, Payload::Whole(bytes)) => Body::from(bytes),
        (None, Payload::Stream(_)) => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.media));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
