//! Lines for the run's log, through the contract. Natively, in tests, they are dropped.

use crate::bindings::batchgen::component::log::Level;

/// Details that help when a component is developed.
pub fn debug(message: &str) {
    crate::host::log(Level::Debug, message);
}

/// What happened, where it is of interest to whoever runs the batch.
pub fn info(message: &str) {
    crate::host::log(Level::Info, message);
}

/// What may be wrong with the artifact although there is one.
pub fn warn(message: &str) {
    crate::host::log(Level::Warn, message);
}

/// What went wrong.
pub fn error(message: &str) {
    crate::host::log(Level::Error, message);
}
