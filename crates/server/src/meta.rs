//! What the server says about itself.

use crate::reply::Reply;
use crate::route::{Answer, Route};

/// The page that shows `/openapi.json`; needs nothing but this server.
const PAGE: &str = include_str!("docs.html");

fn page() -> Reply {
    Reply::whole(200, "text/html; charset=utf-8", PAGE)
        .header(
            "content-security-policy",
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
             connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        )
        .header("referrer-policy", "no-referrer")
}

pub(crate) const ROUTES: &[Route] = &[
    Route {
        path: "/",
        tag: "server",
        about: "Leads to the documentation.",
        answers: &[(307, "To /docs.", Answer::Redirect)],
        open: true,
        run: |_, _| Ok(Reply::whole(307, "text/plain", "").header("location", "/docs")),
        ..Route::BASE
    },
    Route {
        path: "/docs",
        tag: "server",
        about: "This documentation as a page; works offline.",
        answers: &[(200, "The page.", Answer::Text("text/html"))],
        open: true,
        run: |_, _| Ok(page()),
        ..Route::BASE
    },
    Route {
        path: "/redoc",
        tag: "server",
        about: "The same page, where memcell-rl has its other one.",
        answers: &[(200, "The page.", Answer::Text("text/html"))],
        open: true,
        run: |_, _| Ok(page()),
        ..Route::BASE
    },
    Route {
        path: "/openapi.json",
        tag: "server",
        about: "This documentation as OpenAPI 3.1.",
        answers: &[(200, "The document.", Answer::Json("Anything"))],
        open: true,
        run: |_, _| {
            Ok(Reply::whole(
                200,
                "application/json",
                crate::openapi::text(),
            ))
        },
        ..Route::BASE
    },
    Route {
        path: "/metrics",
        tag: "server",
        about: "Counters as Prometheus text.",
        answers: &[(200, "The counters.", Answer::Text("text/plain"))],
        run: |app, _| {
            let page = app
                .metrics
                .page(&app.metrics.counts(|| app.memory.counts())?);
            Ok(Reply::whole(
                200,
                "text/plain; version=0.0.4; charset=utf-8",
                page,
            ))
        },
        ..Route::BASE
    },
];
