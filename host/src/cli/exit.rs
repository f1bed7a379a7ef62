//! Exit codes. They are part of the interface: scripts go by them.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All that was wanted is there.
    Done = 0,
    /// A defect, the disk, or the state.
    Internal = 1,
    /// Wrong flags, configuration, dataset or plugins.
    Usage = 2,
    /// The run ended, and some tasks failed.
    Partial = 3,
    /// The run has spent what it may. A rerun goes on from here.
    Budget = 4,
    /// A provider cannot go on: key, quota or model. A rerun goes on from here.
    Provider = 5,
    /// Interrupted. A rerun goes on from here.
    Interrupted = 130,
}

impl Exit {
    /// Every code with its meaning, for the documentation.
    pub(super) const ALL: [(Exit, &str); 7] = [
        (Exit::Done, "all that was wanted is there"),
        (Exit::Internal, "a defect, the disk, or the state"),
        (
            Exit::Usage,
            "wrong flags, configuration, dataset or plugins",
        ),
        (Exit::Partial, "the run ended, and some tasks failed"),
        (
            Exit::Budget,
            "the run has spent what it may; run again to go on",
        ),
        (
            Exit::Provider,
            "a provider cannot go on (key, quota, model); run again to go on",
        ),
        (Exit::Interrupted, "interrupted; run again to go on"),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error and the code that it ends with.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub error: anyhow::Error,
    /// How the program ends.
    pub exit: Exit,
}

impl Failure {
    /// A failure of the user's input.
    pub fn usage(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            error: error.into(),
            exit: Exit::Usage,
        }
    }

    /// A failure of the machine or of batchgen.
    pub fn internal(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            error: error.into(),
            exit: Exit::Internal,
        }
    }
}
