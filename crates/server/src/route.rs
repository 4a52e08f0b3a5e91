//! The one table of routes: router, `OpenAPI` document, metrics labels and documentation.

use std::sync::LazyLock;

use crate::reply::Handler;

/// A parameter of the query.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// `string`, `cursor`, `integer` (from 0), `count` (from 1), `page` (1 to 1000), `boolean`, `time`,
    /// the name of a schema, or of one with `[]` for a comma-separated list.
    pub kind: &'static str,
    /// One line about it, with its default.
    pub about: &'static str,
}

/// What a successful answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// JSON of this schema.
    Json(&'static str),
    /// A JSON array of this schema.
    JsonList(&'static str),
    /// Another media type, as text.
    Text(&'static str),
    /// Nothing but a `Location`.
    Redirect,
}

/// One route.
#[derive(Clone, Copy)]
pub struct Route {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// The path; `{name}` stands for one segment.
    pub path: &'static str,
    /// The section of the documentation.
    pub tag: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Parameters of the query.
    pub query: &'static [Param],
    /// Names of the parameters that must be there.
    pub required: &'static [&'static str],
    /// Schema of the body, and whether it is read as memcell-rl reads it.
    pub body: Option<&'static str>,
    /// Media types of the body.
    pub media: &'static [&'static str],
    /// Successful answers: status, what it says, content.
    pub answers: &'static [(u16, &'static str, Answer)],
    /// Statuses of failures, besides those that follow from the rest of the row.
    pub failures: &'static [u16],
    /// Needs no token: says nothing about memories.
    pub open: bool,
    /// Takes long on a large memory; has twenty times the time.
    pub slow: bool,
    pub(crate) run: Handler,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Route {
    /// What a row has unless it says otherwise.
    pub(crate) const BASE: Self = Self {
        method: "GET",
        path: "/",
        tag: "",
        about: "",
        query: &[],
        required: &[],
        body: None,
        media: &["application/json"],
        answers: &[],
        failures: &[],
        open: false,
        slow: false,
        run: |_, _| {
            Err(crate::failure::Failure::new(
                memrl::Code::Internal,
                "this route has no handler",
            ))
        },
    };

    /// Whether the path fits.
    pub(crate) fn fits(&self, path: &str) -> bool {
        let mut theirs = path.split('/');
        let fits = self.path.split('/').all(|ours| match theirs.next() {
            Some(segment) if ours.starts_with('{') => !segment.is_empty(),
            Some(segment) => segment == ours,
            None => false,
        });
        fits && theirs.next().is_none()
    }

    /// The name of the value in the path.
    pub(crate) fn path_param(&self) -> Option<&'static str> {
        let (_, rest) = self.path.split_once('{')?;
        Some(rest.split_once('}')?.0)
    }
}

/// Every route, memcell-rl's first.
pub fn routes() -> &'static [Route] {
    static ALL: LazyLock<Vec<Route>> = LazyLock::new(|| {
        [
            crate::memcell::CELLS,
            crate::memcell::LOG,
            crate::native::CELLS,
            crate::native::DECISIONS,
            crate::native::EPISODES,
            crate::native::TRAINING,
            crate::native::POLICIES,
            crate::native::IMPACT,
            crate::native::OPERATION,
            crate::native::EXPORT,
            crate::mcp::http::ROUTES,
            crate::meta::ROUTES,
        ]
        .concat()
    });
    &ALL
}
