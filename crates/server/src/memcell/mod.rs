//! The routes of a memcell-rl server: its paths, bodies, defaults, statuses and error shape, and
//! the forms that its README shows but its server refuses.

mod cells;
mod log;

pub(crate) use cells::ROUTES as CELLS;
pub(crate) use log::ROUTES as LOG;

use memrl::{Code, Error};
use serde_json::Value;

use crate::failure::Failure;
use crate::lax::Fault;

/// Largest k of one request.
const MAX_K: u64 = 10_000;
/// Largest token budget.
const MAX_BUDGET: u64 = 1_000_000_000;

/// An engine error in memcell-rl's shape: faults of fields as a list, what does not exist under
/// its name there.
fn failure(error: Error, missing: &str) -> Failure {
    match &error {
        Error::Invalid {
            field,
            message,
            code,
        } if code.info().status == 422 => {
            let mut loc: Vec<Value> = vec!["body".into()];
            loc.extend(field.split('.').map(Value::from));
            let fault = Fault::at(
                loc,
                "value_error",
                format!("Value error, {message}"),
                &Value::Null,
            );
            Failure::faults(&[fault.coded(*code)])
        }
        _ => match error.code() {
            Code::CellNotFound | Code::InvalidId => Failure::new(Code::CellNotFound, missing),
            Code::DecisionNotFound => Failure::new(Code::DecisionNotFound, missing),
            code if code.info().status == 422 => {
                let message = format!("Value error, {error}");
                let fault = Fault::at(vec!["body".into()], "value_error", message, &Value::Null);
                Failure::faults(&[fault.coded(code)])
            }
            _ => error.into(),
        },
    }
}
