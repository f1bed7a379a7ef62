//! Whether a task must run: the one rule behind resume, incremental rebuild and "retry what failed".
//! It is asked when the task's upstreams are final, since its fingerprint is unknown before.

use super::class::FailureClass;
use super::digest::Digest;

/// How a task ended when it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastOutcome {
    /// Its file was written.
    Done,
    /// It failed.
    Failed(FailureClass),
    /// Something that it depends on failed.
    Blocked,
}

/// The output file, held against the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// As it was written.
    Intact,
    /// Not there.
    Missing,
    /// There, but not what was written: edited by hand, or not written by this state at all.
    Edited,
}

/// What to do with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make the artifact.
    Run(Reason),
    /// Leave the file as it is.
    Keep(Kept),
}

/// Why a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It never ran.
    New,
    /// Something that it depends on changed.
    Changed,
    /// Its file is gone.
    FileMissing,
    /// It failed before, or what it depends on did.
    Failed(LastOutcome),
    /// The last run ended without notice, and the file is not as the checkpoint says: make the
    /// artifact again to tell a half-finished write from an edit.
    Unclear,
}

/// Why a file stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing changed.
    UpToDate,
    /// A person changed the file.
    Edited,
}

/// What was stored of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How it ended.
    pub outcome: LastOutcome,
    /// What it was made from.
    pub fingerprint: Digest,
}

/// Decides. `clean` is whether the last run ended in order.
pub fn decide(
    stored: Option<Stored>,
    fingerprint: Digest,
    file: FileState,
    clean: bool,
) -> Decision {
    match (stored, file) {
        (_, FileState::Edited) if clean => Decision::Keep(Kept::Edited),
        (_, FileState::Edited) => Decision::Run(Reason::Unclear),
        (None, _) => Decision::Run(Reason::New),
        (Some(stored), file) => match stored.outcome {
            LastOutcome::Done if stored.fingerprint != fingerprint => {
                Decision::Run(Reason::Changed)
            }
            LastOutcome::Done if file == FileState::Missing => Decision::Run(Reason::FileMissing),
            LastOutcome::Done => Decision::Keep(Kept::UpToDate),
            failed => Decision::Run(Reason::Failed(failed)),
        },
    }
}

/// The generation to ask with: raised when the answers of the same question were at fault.
pub fn generation(stored: Option<(Stored, u32)>, fingerprint: Digest) -> u32 {
    match stored {
        Some((
            Stored {
                outcome: LastOutcome::Failed(class),
                fingerprint: before,
            },
            generation,
        )) if class.is_answer_at_fault() && before == fingerprint => generation.saturating_add(1),
        Some((_, generation)) => generation,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: fn() -> Digest = || Digest::of(b"a");

    fn stored(outcome: LastOutcome) -> Option<Stored> {
        Some(Stored {
            outcome,
            fingerprint: A(),
        })
    }

    #[test]
    fn table_of_decisions() {
        use Decision::{Keep, Run};
        use FileState::{Edited, Intact, Missing};
        let b = Digest::of(b"b");
        let done = stored(LastOutcome::Done);
        let failed = LastOutcome::Failed(FailureClass::Transient);
        let cases = [
            (None, A(), Missing, true, Run(Reason::New)),
            (None, A(), Edited, true, Keep(Kept::Edited)),
            (None, A(), Edited, false, Run(Reason::Unclear)),
            (done, A(), Intact, true, Keep(Kept::UpToDate)),
            (done, A(), Intact, false, Keep(Kept::UpToDate)),
            (done, b, Intact, true, Run(Reason::Changed)),
            (done, A(), Missing, true, Run(Reason::FileMissing)),
            (done, b, Missing, true, Run(Reason::Changed)),
            (done, b, Edited, true, Keep(Kept::Edited)),
            (done, A(), Edited, true, Keep(Kept::Edited)),
            (done, A(), Edited, false, Run(Reason::Unclear)),
            (
                stored(failed),
                A(),
                Missing,
                true,
                Run(Reason::Failed(failed)),
            ),
            (
                stored(failed),
                A(),
                Intact,
                true,
                Run(Reason::Failed(failed)),
            ),
            (
                stored(LastOutcome::Blocked),
                A(),
                Missing,
                true,
                Run(Reason::Failed(LastOutcome::Blocked)),
            ),
        ];
        for (place, (stored, print, file, clean, expected)) in cases.into_iter().enumerate() {
            assert_eq!(decide(stored, print, file, clean), expected, "case {place}");
        }
    }

    #[test]
    fn only_faulty_answers_to_the_same_question_are_asked_anew() {
        let failed = |class| Stored {
            outcome: LastOutcome::Failed(class),
            fingerprint: A(),
        };
        assert_eq!(generation(None, A()), 0);
        assert_eq!(
            generation(Some((failed(FailureClass::InvalidOutput), 2)), A()),
            3
        );
        assert_eq!(
            generation(Some((failed(FailureClass::Transient), 2)), A()),
            2
        );
        let other = Digest::of(b"b");
        assert_eq!(
            generation(Some((failed(FailureClass::InvalidOutput), 2)), other),
            2
        );
    }
}
