//! What a request is answered with when it fails: one shape for every route.

use std::borrow::Cow;

use memrl::Code;
use serde_json::{Value, json};

use crate::lax::Fault;
use crate::reply::Reply;

/// A failed request. On the wire: `{"detail": …, "code": …, "hint": …}`.
///
/// `detail` is a message, or, for bodies read as memcell-rl reads them, the list of all faults.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    detail: Box<Value>,
    hint: Option<Cow<'static, str>>,
    extra: Vec<(String, Value)>,
    headers: Vec<(&'static str, String)>,
}

impl Failure {
    /// A failure with a message of its own.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: Box::new(Value::String(detail.into())),
            hint: None,
            extra: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Everything that is wrong with a body or a query, one entry per fault.
    pub(crate) fn faults(faults: &[Fault]) -> Self {
        let code = faults.first().map_or(Code::InvalidInput, Fault::code);
        Self {
            detail: Box::new(faults.iter().map(Fault::to_json).collect()),
            ..Self::new(code, "")
        }
    }

    /// The same as one sentence, for native routes.
    pub(crate) fn sentence(faults: &[Fault]) -> Self {
        let code = faults.first().map_or(Code::InvalidInput, Fault::code);
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Self::new(code, texts.join("; "))
    }

    /// With another hint than the code's.
    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With one more field.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.push((name.to_owned(), value.into()));
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The stable code.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// The message, for the log of the process.
    pub(crate) fn message(&self) -> String {
        match &*self.detail {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// The answer.
    pub(crate) fn into_reply(self) -> Reply {
        let info = self.code.info();
        let mut body = json!({
            "detail": self.detail,
            "code": info.code,
            "hint": self.hint.as_deref().unwrap_or(info.hint),
        });
        if let Some(map) = body.as_object_mut() {
            map.extend(self.extra);
        }
        let mut reply = Reply::json(info.status, &body);
        for (name, value) in self.headers {
            reply = reply.header(name, &value);
        }
        if info.status == 503 {
            reply = reply.header("retry-after", "1");
        }
        reply
    }
}

impl From<memrl::Error> for Failure {
    fn from(error: memrl::Error) -> Self {
        let mut failure = Self::new(error.code(), error.to_string()).hint(error.hint());
        if let memrl::Error::Invalid { field, .. } = &error {
            failure = failure.with("field", field.as_str());
        }
        failure
    }
}
