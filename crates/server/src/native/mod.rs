//! memrl's own routes. Bodies are read strictly: a field that does not exist is a failure, not
//! lost. Callers that name no clearance see what is at most `recall.clearance` (`medium`) when
//! they search or list; who names a cell by id gets it.

mod cells;
mod decisions;
mod episodes;
mod export;
mod operation;

pub(crate) use cells::ROUTES as CELLS;
pub(crate) use decisions::ROUTES as DECISIONS;
pub(crate) use episodes::ROUTES as EPISODES;
pub(crate) use export::ROUTES as EXPORT;
pub(crate) use operation::ROUTES as OPERATION;

use memrl::Sensitivity;

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
