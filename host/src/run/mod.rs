//! The run: turns the decisions of `core` into effects. A bounded window of records is in work; within
//! a record each component starts when what it depends on has ended; what fails costs only itself.

mod artifact;
mod clean;
mod executor;
mod input;
mod interrupt;
mod judge;
mod meter;
mod output;
mod process;
mod record;
mod replay;
#[cfg(test)]
mod simulation;
mod survey;
mod task;
mod untouched;

pub use clean::{Standing, remove, standing};
pub use executor::{Run, RunError, RunSummary, execute};
pub use interrupt::Interrupt;
pub use meter::{Event, Meter};
pub use process::{peak_memory, raise_open_files, resident_memory};
pub use replay::{Replay, ReplayFailure, UpstreamText, replay};
pub use survey::{Survey, survey};
