//! Watching a run: its statistics as one snapshot, made once a second, for whoever looks. A file beside the state
//! is for other processes and for afterwards; a server on this machine has the page, its events and metrics; a
//! report is the same page in one file. All of it reads: nothing here can change a run.

mod connections;
mod evidence;
mod headline;
mod markdown;
mod metrics;
mod page;
mod published;
mod report;
mod runs;
mod server;
mod snapshot;
mod status_file;
mod ticker;
mod viewer;

pub use evidence::{Evidence, Exchange, Said, TaskEvidence};

pub use page::report as html;
pub use report::markdown;
pub use runs::{RunRow, Runs};
pub use server::{Address, Server};
pub use snapshot::{End, EndKind, Headline, RunInfo, Snapshot, State, Tone};
pub use status_file::{Standing, StatusFile, standing};
pub use ticker::{About, Watch, Watched};
pub use viewer::Viewer;
