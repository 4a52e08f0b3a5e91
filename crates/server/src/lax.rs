//! Reads fields out of JSON as leniently as pydantic does, and collects *all* faults.
//!
//! The fault types, their messages and their `loc` are pydantic's, because memcell-rl's clients
//! see them. Times with a zone are converted to UTC (there they lost it).

use std::cell::RefCell;

use memrl::{Code, Timestamp};
use serde_json::{Map, Value, json};

/// Largest whole number that every JSON reader keeps exactly.
pub(crate) const MAX_SAFE: u64 = (1 << 53) - 1;
/// Longest `input` that is repeated in an answer, in bytes of JSON.
const MAX_ECHO: usize = 2048;

/// One thing that is wrong with a request.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: &'static str,
    loc: Vec<Value>,
    msg: String,
    input: Value,
    ctx: Option<Value>,
    code: Code,
}

impl Fault {
    /// A fault at a place such as `["body", "k"]`.
    pub(crate) fn at(
        loc: Vec<Value>,
        kind: &'static str,
        msg: impl Into<String>,
        input: &Value,
    ) -> Self {
        let code = match kind {
            "finite_number" => Code::NotFinite,
            "json_invalid" => Code::MalformedJson,
            _ => Code::InvalidInput,
        };
        Self {
            kind,
            loc,
            msg: msg.into(),
            input: echo(input),
            ctx: None,
            code,
        }
    }

    /// With pydantic's `ctx`.
    pub(crate) fn ctx(mut self, ctx: Value) -> Self {
        self.ctx = Some(ctx);
        self
    }

    /// Under another stable code.
    pub(crate) fn coded(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The stable code.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// As on the wire.
    pub(crate) fn to_json(&self) -> Value {
        let mut out = json!({
            "type": self.kind, "loc": self.loc, "msg": self.msg, "input": self.input,
        });
        if let (Some(map), Some(ctx)) = (out.as_object_mut(), &self.ctx) {
            map.insert("ctx".into(), ctx.clone());
        }
        out
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place: Vec<String> = self
            .loc
            .iter()
            .skip(1)
            .map(|part| {
                part.as_str()
                    .map_or_else(|| part.to_string(), str::to_owned)
            })
            .collect();
        write!(f, "{}: {}", place.join("."), self.msg)
    }
}

/// What is repeated of a wrong value: all of it unless it is long.
fn echo(input: &Value) -> Value {
    let size = match input {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(_) | Value::Object(_) => input.to_string().len(),
    };
    if size <= MAX_ECHO {
        return input.clone();
    }
    Value::String(format!("({size} bytes, not repeated here)"))
}

/// Why one value cannot be read.
pub(crate) struct Bad {
    kind: &'static str,
    msg: String,
    ctx: Option<Box<Value>>,
    /// Where inside the value.
    inner: Vec<Value>,
}

fn bad<T>(kind: &'static str, msg: impl Into<String>) -> Result<T, Bad> {
    Err(Bad {
        kind,
        msg: msg.into(),
        ctx: None,
        inner: Vec::new(),
    })
}

fn bad_with<T>(kind: &'static str, msg: impl Into<String>, ctx: Value) -> Result<T, Bad> {
    Err(Bad {
        kind,
        msg: msg.into(),
        ctx: Some(Box::new(ctx)),
        inner: Vec::new(),
    })
}

/// The fields of one JSON object.
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    loc: Vec<Value>,
    faults: &'a RefCell<Vec<Fault>>,
}

impl<'a> Fields<'a> {
    /// The fields of a body or query; `root` is `body` or `query`.
    pub(crate) fn new(
        root: &str,
        map: &'a Map<String, Value>,
        faults: &'a RefCell<Vec<Fault>>,
    ) -> Self {
        Self {
            map,
            loc: vec![root.into()],
            faults,
        }
    }

    /// Whether the field is there and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|v| !v.is_null())
    }

    /// The field as it came.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    /// Notes a fault of a field.
    pub(crate) fn fault(&self, name: &str, kind: &'static str, msg: &str, code: Code) {
        let input = self.map.get(name).unwrap_or(&Value::Null);
        self.push(Fault::at(self.at(name), kind, msg, input).coded(code));
    }

    fn push(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    fn at(&self, name: &str) -> Vec<Value> {
        let mut loc = self.loc.clone();
        loc.push(name.into());
        loc
    }

    /// Reads a field; `absent` stands in for a field that is not there, without it the field is
    /// required. After a fault the answer is a placeholder that nobody must use.
    pub(crate) fn read<T: Default>(
        &self,
        name: &str,
        absent: Option<T>,
        coerce: impl FnOnce(&Value) -> Result<T, Bad>,
    ) -> T {
        let Some(value) = self.map.get(name) else {
            return absent.unwrap_or_else(|| {
                let whole = Value::Object(self.map.clone());
                self.push(Fault::at(
                    self.at(name),
                    "missing",
                    "Field required",
                    &whole,
                ));
                T::default()
            });
        };
        coerce(value).unwrap_or_else(|bad| {
            let mut loc = self.at(name);
            loc.extend(bad.inner);
            let mut fault = Fault::at(loc, bad.kind, bad.msg, value);
            fault.ctx = bad.ctx.map(|ctx| *ctx);
            self.push(fault);
            T::default()
        })
    }

    /// Reads a field that may be absent or null.
    pub(crate) fn optional<T>(
        &self,
        name: &str,
        coerce: impl FnOnce(&Value) -> Result<T, Bad>,
    ) -> Option<T> {
        self.read(name, Some(None), |v| {
            if v.is_null() {
                Ok(None)
            } else {
                coerce(v).map(Some)
            }
        })
    }

    /// The fields of an object inside, when there is one.
    pub(crate) fn nested(&self, name: &str) -> Option<Self> {
        match self.map.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(Self {
                map,
                loc: self.at(name),
                faults: self.faults,
            }),
            Some(other) => {
                self.push(Fault::at(
                    self.at(name),
                    "model_attributes_type",
                    NOT_AN_OBJECT,
                    other,
                ));
                None
            }
        }
    }
}

/// pydantic's words for "not an object".
pub(crate) const NOT_AN_OBJECT: &str =
    "Input should be a valid dictionary or object to extract fields from";

/// A text; numbers are not texts.
pub(crate) fn text(value: &Value) -> Result<String, Bad> {
    match value {
        Value::String(s) => Ok(s.clone()),
        _ => bad("string_type", "Input should be a valid string"),
    }
}

/// A list of texts.
pub(crate) fn texts(value: &Value) -> Result<Vec<String>, Bad> {
    list(value, text)
}

/// A list.
pub(crate) fn list<T>(
    value: &Value,
    each: impl Fn(&Value) -> Result<T, Bad>,
) -> Result<Vec<T>, Bad> {
    let Value::Array(items) = value else {
        return bad("list_type", "Input should be a valid list");
    };
    items
        .iter()
        .enumerate()
        .map(|(i, v)| {
            each(v).map_err(|mut bad| {
                bad.inner.insert(0, i.into());
                bad
            })
        })
        .collect()
}

/// A name of a closed vocabulary.
pub(crate) fn name<T: Copy>(
    value: &Value,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, Bad> {
    let found = value
        .as_str()
        .and_then(|s| all.iter().copied().find(|v| as_str(*v) == s));
    if let Some(found) = found {
        return Ok(found);
    }
    let mut names: Vec<String> = all.iter().map(|v| format!("'{}'", as_str(*v))).collect();
    let last = names.pop().unwrap_or_default();
    let expected = if names.is_empty() {
        last
    } else {
        format!("{} or {last}", names.join(", "))
    };
    bad_with(
        "enum",
        format!("Input should be {expected}"),
        json!({"expected": expected}),
    )
}

/// A number: also as text, `true` is 1. Must be finite.
pub(crate) fn float(value: &Value) -> Result<f64, Bad> {
    let x = match value {
        Value::Number(n) => n.as_f64().unwrap_or(f64::INFINITY),
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::String(s) => match s.trim().parse::<f64>() {
            Ok(x) => x,
            Err(_) => {
                return bad(
                    "float_parsing",
                    "Input should be a valid number, unable to parse string as a number",
                );
            }
        },
        _ => return bad("float_type", "Input should be a valid number"),
    };
    if x.is_finite() {
        Ok(x)
    } else {
        bad("finite_number", "Input should be a finite number")
    }
}

/// A number in [0, 1].
pub(crate) fn unit(value: &Value) -> Result<f64, Bad> {
    let x = float(value)?;
    if x < 0.0 {
        return bad_with(
            "greater_than_equal",
            "Input should be greater than or equal to 0",
            json!({"ge": 0.0}),
        );
    }
    if x > 1.0 {
        return bad_with(
            "less_than_equal",
            "Input should be less than or equal to 1",
            json!({"le": 1.0}),
        );
    }
    Ok(x)
}

/// A whole number: also as text, as 450.0, `true` is 1. Larger than any range is still a number.
fn int(value: &Value) -> Result<i128, Bad> {
    let whole = |x: f64| {
        if !x.is_finite() {
            bad("finite_number", "Input should be a finite number")
        } else if x.fract() == 0.0 {
            Ok(x as i128)
        } else {
            bad(
                "int_from_float",
                "Input should be a valid integer, got a number with a fractional part",
            )
        }
    };
    match value {
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Ok(i.into()),
            (_, Some(u)) => Ok(u.into()),
            _ => whole(n.as_f64().unwrap_or(f64::INFINITY)),
        },
        Value::Bool(b) => Ok(i128::from(u8::from(*b))),
        Value::String(s) => {
            let s = s.trim();
            // "450.0" is an integer here, "450.5" and "1e3" are not.
            let digits = s.split_once('.').map_or(s, |(whole, zeros)| {
                if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') {
                    whole
                } else {
                    s
                }
            });
            digits.parse().or_else(|_| {
                bad(
                    "int_parsing",
                    "Input should be a valid integer, unable to parse string as an integer",
                )
            })
        }
        _ => bad("int_type", "Input should be a valid integer"),
    }
}

/// A whole number in a range.
pub(crate) fn int_in(value: &Value, low: i64, high: i64) -> Result<i64, Bad> {
    let i = int(value)?;
    if i < low.into() {
        return bad_with(
            "greater_than_equal",
            format!("Input should be greater than or equal to {low}"),
            json!({"ge": low}),
        );
    }
    match i64::try_from(i) {
        Ok(i) if i <= high => Ok(i),
        _ => bad_with(
            "less_than_equal",
            format!("Input should be less than or equal to {high}"),
            json!({"le": high}),
        ),
    }
}

/// The same for numbers that are never negative.
pub(crate) fn count_in(value: &Value, low: u64, high: u64) -> Result<u64, Bad> {
    let edge = |x: u64| i64::try_from(x).unwrap_or(i64::MAX);
    Ok(int_in(value, edge(low), edge(high))?.unsigned_abs())
}

/// A boolean: also 0, 1, "yes", "off" …
pub(crate) fn boolean(value: &Value) -> Result<bool, Bad> {
    let found = match value {
        Value::Bool(b) => Some(*b),
        Value::Number(n) => match n.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Value::String(s) => match s.to_ascii_lowercase().as_str() {
            "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
            "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
            _ => None,
        },
        _ => return bad("bool_type", "Input should be a valid boolean"),
    };
    found.map_or_else(
        || {
            bad(
                "bool_parsing",
                "Input should be a valid boolean, unable to interpret input",
            )
        },
        Ok,
    )
}

/// Numbers above this are milliseconds, as pydantic has it.
const WATERSHED: f64 = 2e10;

/// A time: text with or without zone (converted; none means UTC), or epoch seconds.
pub(crate) fn time(value: &Value) -> Result<Timestamp, Bad> {
    let epoch =
        |x: f64| Timestamp::from_epoch_seconds(if x.abs() > WATERSHED { x / 1e3 } else { x });
    let found = match value {
        Value::String(s) => match s.trim().parse::<f64>() {
            Ok(x) => epoch(x),
            Err(_) => s.parse().ok(),
        },
        Value::Number(n) => n.as_f64().and_then(epoch),
        _ => return bad("datetime_type", "Input should be a valid datetime"),
    };
    found.map_or_else(
        || {
            bad_with(
                "datetime_from_date_parsing",
                "Input should be a valid datetime or date, expected RFC 3339",
                json!({"error": "expected RFC 3339"}),
            )
        },
        Ok,
    )
}

/// A scope: an object, or its short form as text (`global`, `k=v`, or a name).
pub(crate) fn scope(value: &Value) -> Result<memrl::Scope, Bad> {
    match value {
        Value::Object(map) => Ok(map.clone().into()),
        Value::String(text) => match memrl::scope_of_text(text) {
            Value::Object(map) => Ok(map.into()),
            _ => bad("dict_type", "Input should be a valid dictionary"),
        },
        _ => bad("dict_type", "Input should be a valid dictionary"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(value: &Value, read: impl Fn(&Fields<'_>)) -> Vec<Value> {
        let faults = RefCell::new(Vec::new());
        read(&Fields::new("body", value.as_object().unwrap(), &faults));
        faults.into_inner().iter().map(Fault::to_json).collect()
    }

    #[test]
    fn numbers_come_in_many_coats() {
        assert!((float(&json!("0.5")).ok().unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(int_in(&json!(450.0), 0, 1000).ok(), Some(450));
        assert_eq!(int_in(&json!("450.00"), 0, 1000).ok(), Some(450));
        assert_eq!(boolean(&json!("Yes")).ok(), Some(true));
        assert_eq!(boolean(&json!(0)).ok(), Some(false));
        let kind = |r: Result<i64, Bad>| r.err().unwrap().kind;
        assert_eq!(kind(int_in(&json!(1.5), 0, 9)), "int_from_float");
        assert_eq!(kind(int_in(&json!("1.5"), 0, 9)), "int_parsing");
        assert_eq!(
            kind(int_in(&json!(9_223_372_036_854_775_808_u64), 0, 9)),
            "less_than_equal"
        );
        assert_eq!(kind(int_in(&json!(-1), 0, 9)), "greater_than_equal");
        assert_eq!(float(&json!("NaN")).err().unwrap().kind, "finite_number");
    }

    #[test]
    fn times_are_converted_and_epochs_read() {
        let t = |v: Value| time(&v).ok().map(|t| t.to_string());
        assert_eq!(
            t(json!("2026-01-01T00:00:00+05:00")).unwrap(),
            "2025-12-31T19:00:00Z"
        );
        assert_eq!(
            t(json!("2026-01-01T00:00:00")).unwrap(),
            "2026-01-01T00:00:00Z"
        );
        assert_eq!(t(json!(1_767_225_600)).unwrap(), "2026-01-01T00:00:00Z");
        assert_eq!(
            t(json!(1_767_225_600_000_i64)).unwrap(),
            "2026-01-01T00:00:00Z"
        );
        assert_eq!(t(json!("soon")), None);
    }

    #[test]
    fn every_fault_is_reported_with_its_place() {
        let found = faults(&json!({"k": 0, "flags": [true, {}]}), |f| {
            f.read("query", None, text);
            f.read("k", Some(5), |v| int_in(v, 1, 10));
            f.read("flags", None, |v| list(v, boolean));
        });
        assert_eq!(found.len(), 3);
        assert_eq!(found[0]["type"], "missing");
        assert_eq!(found[0]["loc"], json!(["body", "query"]));
        assert_eq!(found[0]["input"]["k"], 0);
        assert_eq!(found[1]["ctx"], json!({"ge": 1}));
        assert_eq!(found[2]["loc"], json!(["body", "flags", 1]));
    }

    #[test]
    fn enum_faults_list_the_names() {
        let err = name(
            &json!("x"),
            memrl::Sensitivity::ALL,
            memrl::Sensitivity::as_str,
        );
        assert_eq!(
            err.err().unwrap().msg,
            "Input should be 'low', 'medium', 'high' or 'restricted'"
        );
    }

    #[test]
    fn long_input_is_not_repeated() {
        let whole = json!({"content": "x".repeat(1 << 20)});
        let found = faults(&whole, |f| {
            f.read("type", None, text);
        });
        assert!(found[0].to_string().len() < 300);
    }
}
