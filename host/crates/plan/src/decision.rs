//! Whether a task must run: the one rule behind resume, incremental rebuild and "retry what failed".
//! It is asked when the task's upstreams are final, since its fingerprint is unknown before.

use serde::{Deserialize, Serialize};
use types::class::{FailureClass, MOST_ATTEMPTS, Rerun};
use types::digest::Digest;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskEnd {
    /// Its artifact was made.
    Made,
    Kept,
    /// The file was edited by hand, and kept.
    Edited,
    /// It failed for good.
    Failed,
    /// Something that it depends on failed.
    Blocked,
    /// Its record was given up because of another component.
    Skipped,
}

impl TaskEnd {
    /// Its name in metrics and spans.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskEnd::Made => "made",
            TaskEnd::Kept => "kept",
            TaskEnd::Edited => "edited",
            TaskEnd::Failed => "failed",
            TaskEnd::Blocked => "blocked",
            TaskEnd::Skipped => "skipped",
        }
    }
}

/// How a task ended when it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastOutcome {
    /// Its file was written.
    Done,
    Failed(FailureClass),
    /// Something that it depends on failed.
    Blocked,
    /// Its record was given up because of another component.
    Skipped,
    /// A person chose it to be run again.
    Due,
}

/// The kind of a [`LastOutcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeKind {
    Done,
    Failed,
    Blocked,
    Skipped,
    Due,
}

impl OutcomeKind {
    /// All kinds.
    pub const ALL: [OutcomeKind; 5] = [
        OutcomeKind::Done,
        OutcomeKind::Failed,
        OutcomeKind::Blocked,
        OutcomeKind::Skipped,
        OutcomeKind::Due,
    ];

    /// Its name in the state, in JSON and on the page.
    pub fn as_str(self) -> &'static str {
        match self {
            OutcomeKind::Done => "done",
            OutcomeKind::Failed => "failed",
            OutcomeKind::Blocked => "blocked",
            OutcomeKind::Skipped => "skipped",
            OutcomeKind::Due => "due",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<OutcomeKind> {
        OutcomeKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

impl LastOutcome {
    /// An outcome from its kind and its class. A failure whose class is not known counts as transient.
    pub fn of(kind: OutcomeKind, class: Option<FailureClass>) -> LastOutcome {
        match kind {
            OutcomeKind::Done => LastOutcome::Done,
            OutcomeKind::Failed => LastOutcome::Failed(class.unwrap_or(FailureClass::Transient)),
            OutcomeKind::Blocked => LastOutcome::Blocked,
            OutcomeKind::Skipped => LastOutcome::Skipped,
            OutcomeKind::Due => LastOutcome::Due,
        }
    }

    /// Its kind.
    pub fn kind(self) -> OutcomeKind {
        match self {
            LastOutcome::Done => OutcomeKind::Done,
            LastOutcome::Failed(_) => OutcomeKind::Failed,
            LastOutcome::Blocked => OutcomeKind::Blocked,
            LastOutcome::Skipped => OutcomeKind::Skipped,
            LastOutcome::Due => OutcomeKind::Due,
        }
    }

    /// The class of the failure, if it failed.
    pub fn class(self) -> Option<FailureClass> {
        match self {
            LastOutcome::Failed(class) => Some(class),
            _ => None,
        }
    }
}

/// Who wrote the file that a task has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Author {
    /// A component that no model told anything.
    Component,
    /// The offline stand-in: the file is a placeholder.
    StandIn,
    Model,
    /// A person, whose edit was accepted.
    Person,
}

impl Author {
    const ALL: [Author; 4] = [
        Author::Component,
        Author::StandIn,
        Author::Model,
        Author::Person,
    ];

    /// Its name in the state.
    pub fn as_str(self) -> &'static str {
        match self {
            Author::Component => "component",
            Author::StandIn => "stand-in",
            Author::Model => "model",
            Author::Person => "person",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Author> {
        Author::ALL
            .into_iter()
            .find(|author| author.as_str() == name)
    }
}

/// The output file, held against the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileState {
    /// As it was written.
    Intact,
    Missing,
    /// There, but not what was written: edited by hand, or not written by this state at all.
    Edited,
}

/// What to do with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Run(Reason),
    /// Leave the file as it is.
    Keep(Kept),
    /// Leave it failed: it would only fail the same way again.
    StayFailed(FailureClass),
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
    /// A person chose it to be run again.
    Due,
    /// Its file was edited by hand, and is to be replaced.
    FileEdited,
    /// The last run ended without notice, by a power cut perhaps, and the file is not as the checkpoint says: make
    /// the artifact again to tell a half-finished write from an edit.
    AfterCrash,
}

/// Why a file stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    UpToDate,
    /// A person changed the file.
    Edited,
    /// A person changed the file and accepted it; something that it was made from has changed since.
    Accepted,
    /// A real model wrote the file, and this run would have the offline stand-in replace it.
    FromModel,
}

/// What was stored of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub outcome: LastOutcome,
    /// What it was made from.
    pub fingerprint: Digest,
    /// Times in a row that it failed like this.
    pub attempts: u32,
    /// Answers that it was told.
    pub calls: u32,
    /// Who wrote its file, if it has one.
    pub author: Option<Author>,
}

impl Stored {
    /// Whether a plain run tries a task again that failed with this class, from the same ingredients.
    pub fn is_tried_again(self, class: FailureClass) -> bool {
        match class.rerun() {
            Rerun::TriesAgain => true,
            // Where nothing was asked, no answer can be at fault.
            Rerun::AsksAnew => self.calls > 0 && self.attempts < MOST_ATTEMPTS,
            Rerun::LeavesIt => false,
        }
    }
}

/// What decisions of one run have in common. The default is the most careful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Whether the last run ended in order, or it is known all the same which files it left unfinished.
    pub clean: bool,
    /// Whether files that were edited by hand are replaced.
    pub overwrite_edited: bool,
    /// Whether a failed task runs only if a person chose it.
    pub only_chosen: bool,
    /// Whether the offline stand-in may replace what a real model wrote.
    pub stand_in_replaces: bool,
}

/// Decides. `by_stand_in` says whether the offline stand-in would be asked.
pub fn decide(
    stored: Option<Stored>,
    fingerprint: Digest,
    file: FileState,
    rules: Rules,
    by_stand_in: bool,
) -> Decision {
    let author = stored.and_then(|stored| stored.author);
    let decision = match stored {
        Some(stored) if file == FileState::Intact && author == Some(Author::Person) => {
            return if rules.overwrite_edited {
                Decision::Run(Reason::FileEdited)
            } else if stored.outcome == LastOutcome::Done && stored.fingerprint == fingerprint {
                Decision::Keep(Kept::UpToDate)
            } else {
                Decision::Keep(Kept::Accepted)
            };
        }
        _ => by_file(stored, fingerprint, file, rules),
    };
    let is_lost = file != FileState::Missing && author == Some(Author::Model) && by_stand_in;
    match decision {
        Decision::Run(reason) if is_lost && !rules.stand_in_replaces => match reason {
            // What lies there may be half a file, and is no loss then; an edit stays in any case.
            Reason::AfterCrash => decision,
            _ => Decision::Keep(Kept::FromModel),
        },
        decision => decision,
    }
}

fn by_file(stored: Option<Stored>, fingerprint: Digest, file: FileState, rules: Rules) -> Decision {
    match (stored, file) {
        (_, FileState::Edited) if rules.overwrite_edited => Decision::Run(Reason::FileEdited),
        (_, FileState::Edited) if rules.clean => Decision::Keep(Kept::Edited),
        (_, FileState::Edited) => Decision::Run(Reason::AfterCrash),
        (None, _) => Decision::Run(Reason::New),
        (Some(stored), file) => match stored.outcome {
            LastOutcome::Done if stored.fingerprint != fingerprint => {
                Decision::Run(Reason::Changed)
            }
            LastOutcome::Done if file == FileState::Missing => Decision::Run(Reason::FileMissing),
            LastOutcome::Done => Decision::Keep(Kept::UpToDate),
            LastOutcome::Due => Decision::Run(Reason::Due),
            LastOutcome::Failed(class)
                if rules.only_chosen
                    || stored.fingerprint == fingerprint && !stored.is_tried_again(class) =>
            {
                Decision::StayFailed(class)
            }
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
                ..
            },
            generation,
        )) if class.is_asked_anew_by_a_rerun() && before == fingerprint => {
            generation.saturating_add(1)
        }
        Some((_, generation)) => generation,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: fn() -> Digest = || Digest::of(b"a");
    const PLAIN: Rules = Rules {
        clean: true,
        overwrite_edited: false,
        only_chosen: false,
        stand_in_replaces: false,
    };

    fn stored(outcome: LastOutcome) -> Option<Stored> {
        Some(Stored {
            outcome,
            fingerprint: A(),
            attempts: 1,
            calls: 1,
            author: Some(Author::Component),
        })
    }

    #[test]
    fn table_of_decisions() {
        use Decision::{Keep, Run};
        use FileState::{Edited, Intact, Missing};
        let b = Digest::of(b"b");
        let done = stored(LastOutcome::Done);
        let due = stored(LastOutcome::Due);
        let failed = LastOutcome::Failed(FailureClass::Transient);
        let again = |outcome| Run(Reason::Failed(outcome));
        let cases = [
            (None, A(), Missing, true, Run(Reason::New)),
            (None, A(), Edited, true, Keep(Kept::Edited)),
            (None, A(), Edited, false, Run(Reason::AfterCrash)),
            (done, A(), Intact, true, Keep(Kept::UpToDate)),
            (done, A(), Intact, false, Keep(Kept::UpToDate)),
            (done, b, Intact, true, Run(Reason::Changed)),
            (done, A(), Missing, true, Run(Reason::FileMissing)),
            (done, b, Missing, true, Run(Reason::Changed)),
            (done, b, Edited, true, Keep(Kept::Edited)),
            (done, A(), Edited, true, Keep(Kept::Edited)),
            (done, A(), Edited, false, Run(Reason::AfterCrash)),
            (stored(failed), A(), Missing, true, again(failed)),
            (stored(failed), A(), Intact, true, again(failed)),
            (
                stored(LastOutcome::Blocked),
                A(),
                Missing,
                true,
                again(LastOutcome::Blocked),
            ),
            (
                stored(LastOutcome::Skipped),
                A(),
                Missing,
                true,
                again(LastOutcome::Skipped),
            ),
            (due, A(), Intact, true, Run(Reason::Due)),
            (due, A(), Edited, true, Keep(Kept::Edited)),
        ];
        for (place, (stored, print, file, clean, expected)) in cases.into_iter().enumerate() {
            let rules = Rules { clean, ..PLAIN };
            assert_eq!(
                decide(stored, print, file, rules, true),
                expected,
                "case {place}"
            );
        }
        let rules = Rules {
            overwrite_edited: true,
            ..PLAIN
        };
        assert_eq!(
            decide(done, A(), Edited, rules, true),
            Run(Reason::FileEdited)
        );
    }

    #[test]
    fn an_accepted_edit_stays_until_it_is_overwritten_on_purpose() {
        use FileState::{Edited, Intact, Missing};
        let b = Digest::of(b"b");
        let by_person = |outcome| {
            stored(outcome).map(|stored| Stored {
                author: Some(Author::Person),
                ..stored
            })
        };
        let overwrite = Rules {
            overwrite_edited: true,
            ..PLAIN
        };
        for outcome in [
            LastOutcome::Done,
            LastOutcome::Due,
            LastOutcome::Blocked,
            LastOutcome::Skipped,
            LastOutcome::Failed(FailureClass::Transient),
        ] {
            let point = by_person(outcome);
            for by_stand_in in [false, true] {
                let decide = |print, file, rules| decide(point, print, file, rules, by_stand_in);
                let kept = Decision::Keep(Kept::Accepted);
                assert_eq!(decide(b, Intact, PLAIN), kept, "{outcome:?}");
                let replaced = Decision::Run(Reason::FileEdited);
                assert_eq!(decide(b, Intact, overwrite), replaced);
                assert_eq!(decide(A(), Intact, overwrite), replaced);
                // An edit of the edit is an edit like any other, and one that is gone is made again.
                assert_eq!(decide(b, Edited, PLAIN), Decision::Keep(Kept::Edited));
                assert!(matches!(decide(b, Missing, PLAIN), Decision::Run(_)));
            }
        }
        let unchanged = decide(by_person(LastOutcome::Done), A(), Intact, PLAIN, true);
        assert_eq!(unchanged, Decision::Keep(Kept::UpToDate));
    }

    #[test]
    fn the_stand_in_replaces_what_a_model_wrote_only_where_it_was_asked_for() {
        use FileState::{Edited, Intact, Missing};
        let b = Digest::of(b"b");
        let by_model = |outcome| {
            stored(outcome).map(|stored| Stored {
                author: Some(Author::Model),
                ..stored
            })
        };
        let asked_for = Rules {
            stand_in_replaces: true,
            ..PLAIN
        };
        let overwrite = Rules {
            overwrite_edited: true,
            ..PLAIN
        };
        let kept = Decision::Keep(Kept::FromModel);
        for outcome in [
            LastOutcome::Done,
            LastOutcome::Due,
            LastOutcome::Blocked,
            LastOutcome::Failed(FailureClass::Transient),
        ] {
            let point = by_model(outcome);
            assert_eq!(decide(point, b, Intact, PLAIN, true), kept, "{outcome:?}");
            assert_eq!(decide(point, b, Edited, overwrite, true), kept);
            let runs = |file, rules, by_stand_in| {
                let decision = decide(point, b, file, rules, by_stand_in);
                matches!(decision, Decision::Run(_))
            };
            assert!(runs(Intact, PLAIN, false), "a real model does");
            assert!(runs(Intact, asked_for, true));
            assert!(runs(Missing, PLAIN, true), "nothing is lost");
        }
        let unchanged = decide(by_model(LastOutcome::Done), A(), Intact, PLAIN, true);
        assert_eq!(unchanged, Decision::Keep(Kept::UpToDate));
    }

    /// The table of docs/FAILURES.md.
    #[test]
    fn a_plain_run_tries_again_what_may_end_otherwise() {
        let decide = |class, attempts, calls, print, rules| {
            let stored = Stored {
                outcome: LastOutcome::Failed(class),
                fingerprint: A(),
                attempts,
                calls,
                author: None,
            };
            decide(Some(stored), print, FileState::Missing, rules, false)
        };
        let chosen = Rules {
            only_chosen: true,
            ..PLAIN
        };
        for class in FailureClass::all() {
            let again = Decision::Run(Reason::Failed(LastOutcome::Failed(class)));
            let stay = Decision::StayFailed(class);
            let (first, last, unasked) = match class.rerun() {
                Rerun::TriesAgain => (again, again, again),
                Rerun::AsksAnew => (again, stay, stay),
                Rerun::LeavesIt => (stay, stay, stay),
            };
            assert_eq!(decide(class, 1, 1, A(), PLAIN), first, "{class}");
            assert_eq!(decide(class, MOST_ATTEMPTS, 1, A(), PLAIN), last, "{class}");
            assert_eq!(decide(class, 1, 0, A(), PLAIN), unasked, "{class}");
            let other = Digest::of(b"b");
            assert_eq!(decide(class, 9, 0, other, PLAIN), again, "{class}");
            assert_eq!(decide(class, 1, 1, other, chosen), stay, "{class}");
        }
    }

    #[test]
    fn only_faulty_answers_to_the_same_question_are_asked_anew() {
        let failed = |class| Stored {
            outcome: LastOutcome::Failed(class),
            fingerprint: A(),
            attempts: 1,
            calls: 1,
            author: None,
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
