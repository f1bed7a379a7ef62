//! Watching a run: one snapshot of its statistics a second, for everybody who looks.
//!
//! It owns the file of the last snapshot, which other processes read; the server on this machine with the page, its events and
//! metrics; the report, which is the same page in one file; the page of a comparison; and the evidence of one task.
//!
//! It only reads: it counts nothing itself, and cannot change a run. Only a review on the page writes: what a person decides.

mod changes;
mod comparison;
mod connections;
mod difference;
mod evidence;
mod headline;
mod markdown;
mod metrics;
mod page;
mod published;
mod report;
mod review;
mod rounds;
mod runs;
mod sameness;
mod scores;
mod server;
mod snapshot;
mod status_file;
mod ticker;
mod verdicts;
mod viewer;

pub use comparison::comparison;
pub use difference::{DiffLine, LineKind};
pub use evidence::{Evidence, Exchange, Said, TaskEvidence};

pub use changes::{ChangedFile, Changes};
pub use metrics::{Kind, Metric, Row};
pub use page::report as html;
pub use report::markdown;
pub use review::{Desk, ReviewCounts};
pub use rounds::RoundsPage;
pub use runs::{RunRow, Runs};
pub use sameness::SamenessRow;
pub use scores::{ScoreRow, totals};
pub use server::{Address, Server};
pub use snapshot::{End, EndKind, Headline, RunInfo, Snapshot, State, Tone};
pub use status_file::{Standing, StatusFile, standing};
pub use ticker::{About, Readings, Watch, Watched};
pub use verdicts::{Judged, VerdictNote};
pub use viewer::{Viewer, ViewerError};
