//! The run: turns the decisions of `core` into effects. A bounded window of records is in work; within
//! a record each component starts when what it depends on has ended; what fails costs only itself.

mod artifact;
mod executor;
mod input;
mod interrupt;
mod judge;
mod meter;
mod outlook;
mod output;
mod plan;
mod probe;
mod process;
mod record;
mod replay;
#[cfg(test)]
mod simulation;
mod task;

pub use executor::{Run, RunError, RunSummary, execute};
pub use interrupt::Interrupt;
pub use meter::{Event, Meter};
pub use outlook::{Outlook, Surveyor, TaskOutlook};
pub use plan::{ComponentPlan, Plan, plan};
pub use probe::{Probe, ProbeEnd};
pub use process::{peak_memory, raise_open_files, resident_memory};
pub use replay::{Replay, ReplayFailure, UpstreamText, replay};
