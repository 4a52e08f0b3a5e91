//! memrl's own routes. Bodies are read strictly: a field that does not exist is a failure, not
//! lost. Callers that name no clearance see what is at most `recall.clearance` (`medium`) when
//! they search or list; who names a cell by id gets it.

mod cells;
mod decisions;
mod episodes;
mod export;
mod learning;
mod operation;

pub(crate) use cells::ROUTES as CELLS;
pub(crate) use decisions::ROUTES as DECISIONS;
pub(crate) use episodes::ROUTES as EPISODES;
pub(crate) use export::ROUTES as EXPORT;
pub(crate) use learning::{IMPACT, POLICIES, TRAINING};
pub(crate) use operation::ROUTES as OPERATION;

use memrl::learn::RewardSpec;
use memrl::{Code, Sensitivity};

use crate::App;
use crate::failure::Failure;
use crate::lax::{self, Fields};

/// A comma-separated list of names.
fn names<T: Copy>(
    f: &Fields<'_>,
    name: &str,
    all: &[T],
    as_str: impl Fn(T) -> &'static str + Copy,
) -> Vec<T> {
    f.read(name, Some(Vec::new()), |v| {
        let text = lax::text(v)?;
        text.split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(|s| lax::name(&s.into(), all, as_str))
            .collect()
    })
}

/// The clearance asked for, or the configured one.
fn clearance(f: &Fields<'_>, configured: Sensitivity) -> Sensitivity {
    f.optional("clearance", |v| {
        lax::name(v, Sensitivity::ALL, Sensitivity::as_str)
    })
    .unwrap_or(configured)
}

/// Refuses reward specs that are not in use. The engine also takes paths of files; over HTTP that would read any file of the
/// machine.
fn spec_in_use(app: &App, field: &str, name: &str) -> Result<(), Failure> {
    let specs = app.memory.reward_specs();
    if specs.iter().any(|s| s.name() == name) {
        return Ok(());
    }
    let known: Vec<String> = specs.iter().map(RewardSpec::name).collect();
    let message = format!(
        "there is no reward spec {name:?} in use; there are: {}",
        known.join(", ")
    );
    Err(Failure::new(Code::RewardSpecNotFound, message).with("field", field))
}
