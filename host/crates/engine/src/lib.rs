//! The effects of a run. The crate `plan` decides; this crate reads records, runs components, asks through the gateway, and writes
//! files and checkpoints.
//!
//! It owns the loop over records, of which a bounded number is in work at a time; the order within a record, where a component
//! starts when what it depends on has ended; suspension by replay; durable output; the preview of a run; and the statistics
//! that every screen shows. A failure costs only the record that it belongs to.
//!
//! It does not know the terminal, flags, exit codes or the web server.

mod accept;
mod artifact;
pub mod batches;
mod below;
mod clean;
mod context;
mod elsewhere;
mod executor;
mod export;
mod found;
mod held;
mod input;
mod intent_log;
mod interrupt;
mod lanes;
mod leased;
mod ledger;
mod likeness;
mod meter;
mod neighbour;
mod output;
mod pass;
mod plan;
mod preview;
mod probe;
mod process;
mod publish;
mod record;
mod recorded;
mod relocate;
mod repeated;
mod replay;
mod review;
mod room;
mod run;
mod sampled;
mod seat;
#[cfg(test)]
mod simulation;
mod staged;
mod staleness;
pub mod statistics;
mod step;
mod strict_json;
mod task;
mod up_to_date;
mod workplace;
mod writable;

pub use accept::{Acceptance, EditedFile, accept};
pub use below::stays_below;
pub use clean::{Standing, remove, standing};
pub use elsewhere::{Elsewhere, Performing};
pub use executor::execute;
pub use export::{ExportError, ExportRow, ExportSource, WhichFiles, as_json, export};
pub use input::{UpstreamText, prepared};
pub use intent_log::{edits_are_certain, note_files_of_others};
pub use interrupt::Interrupt;
pub use lanes::{LaneError, Models, Shared};
pub use leased::{LeasedRecord, Performed, Terms};
pub use meter::{Again, Event, Meter, Unreadable};
pub use output::stamp as file_stamp;
pub use plan::{ComponentPlan, Plan, plan};
pub use preview::{Overwriting, PlannedAction, Previewer, TaskPreview};
pub use probe::{Probe, ProbeEnd};
pub use process::{peak_memory, raise_open_files, resident_memory};
pub use publish::{Published, Publisher};
pub use recorded::{Place, Recorded, RecordedEnd, recorded};
pub use replay::{Asking, Replay, replay, replay_input};
pub use review::{Editing, ReviewFilter, ReviewedFile, Reviewer};
pub use run::{Run, RunError, RunSummary, Window};
pub use sampled::sample_bounds;
pub use seat::{Seat, SeatParts};
pub use step::TaskFailure;
pub use writable::check_output;
