//! Exit codes. They are part of the interface: scripts go by them.

use std::io;
use std::process::ExitCode;

use engine::RunError;
use objects::ObjectError;
use store::{IndexError, StoreError};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All that was wanted is there.
    Done = 0,
    /// A defect of batchgen, or the disk failed.
    Internal = 1,
    /// Something has to be put right first: flags, configuration, dataset, plugins, or a state or storage that is in
    /// use, damaged or out of reach.
    Usage = 2,
    /// The run ended, and some tasks failed.
    Partial = 3,
    /// The run has spent what it may. A rerun goes on from here.
    Budget = 4,
    /// A provider cannot go on: key, quota or model. A rerun goes on from here.
    Provider = 5,
    /// Nothing more can be done until a provider has answered a batch. A rerun goes on from here.
    Waiting = 6,
    /// The run made all that was wanted, and the command of `[hooks]` failed. The next run starts it again.
    Hook = 7,
    /// There is something to do, where that was asked.
    Stale = 8,
    /// Interrupted. A rerun goes on from here.
    Interrupted = 130,
}

impl Exit {
    /// Every code with its meaning, for the documentation.
    pub(super) const ALL: [(Exit, &str); 10] = [
        (Exit::Done, "all that was wanted is there"),
        (Exit::Internal, "a defect of batchgen, or the disk failed"),
        (
            Exit::Usage,
            "something has to be put right first: flags, configuration, dataset, plugins, permissions, a state that another \
             process uses or that is damaged, or storage that is out of reach or holds something newer",
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
        (
            Exit::Waiting,
            "waiting for a provider to answer a batch; run again later to collect it",
        ),
        (
            Exit::Hook,
            "all that was wanted is there, and the command of [hooks] failed; run again to start it again",
        ),
        (
            Exit::Stale,
            "a run would make something (`plan --exit-code`)",
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

    /// A failure of the machine or of batchgen, unless it is one that the user can put right.
    pub fn internal(error: impl Into<anyhow::Error>) -> Failure {
        let error = error.into();
        let exit = if is_for_the_user(&error) {
            Exit::Usage
        } else {
            Exit::Internal
        };
        Failure { error, exit }
    }

    /// Whether the reader of what was written went away.
    pub(super) fn is_of_broken_pipe(&self) -> bool {
        let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        let mut causes = self.error.chain();
        causes.any(|cause| cause.downcast_ref().is_some_and(is_broken))
    }
}

/// Whether an error is no defect: the state is not usable as it is, or something may not be read or written.
fn is_for_the_user(error: &anyhow::Error) -> bool {
    let of_run = error.downcast_ref::<RunError>();
    let of_index = error.downcast_ref::<IndexError>();
    let state = match (of_run, of_index) {
        (Some(RunError::Store(error)), _) | (_, Some(IndexError::Store(error))) => Some(error),
        _ => error.downcast_ref::<StoreError>(),
    };
    match state {
        Some(StoreError::Failed { cause, .. }) => cause.contains("readonly"),
        Some(_) => true,
        None => error.chain().any(is_refused),
    }
}

/// What may not be read or written, or is out of reach.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    if error.is::<ObjectError>() {
        return true;
    }
    let Some(error) = error.downcast_ref::<std::io::Error>() else {
        return false;
    };
    let is_of_storage = || {
        error
            .get_ref()
            .is_some_and(|inner| inner.is::<ObjectError>())
    };
    [PermissionDenied, ReadOnlyFilesystem].contains(&error.kind()) || is_of_storage()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_a_person_can_put_right_is_no_internal_error() {
        let file = PathBuf::from("state.db");
        let cause = |text: &str| text.to_owned();
        let locked = StoreError::Locked {
            file: file.clone(),
            owner: cause("process 7"),
        };
        let damaged = StoreError::Damaged {
            file: file.clone(),
            cause: cause("file is not a database"),
        };
        let readonly = StoreError::Failed {
            file: file.clone(),
            cause: cause("attempt to write a readonly database"),
        };
        for error in [locked, damaged, readonly] {
            assert_eq!(
                Failure::internal(error.clone()).exit,
                Exit::Usage,
                "{error}"
            );
            assert_eq!(
                Failure::internal(RunError::Store(error.clone())).exit,
                Exit::Usage
            );
            assert_eq!(
                Failure::internal(IndexError::Store(error)).exit,
                Exit::Usage
            );
        }
        let denied = anyhow::Error::new(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(
            Failure::internal(denied.context("cannot write x")).exit,
            Exit::Usage
        );
    }

    #[test]
    fn a_disk_that_fails_is_one() {
        let full = StoreError::Failed {
            file: PathBuf::from("state.db"),
            cause: "database or disk is full".to_owned(),
        };
        assert_eq!(Failure::internal(full).exit, Exit::Internal);
        assert_eq!(
            Failure::internal(io::Error::other("disk I/O error")).exit,
            Exit::Internal
        );
    }
}
