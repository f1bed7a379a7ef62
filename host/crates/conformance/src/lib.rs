//! The conformance kit: does a plugin, in whatever language, keep the contract and its own manifest?
//!
//! It owns the checks, one file each, the sample records that a plugin is run over, and the answers that it is given: good ones
//! and bad ones, all made up here, unless the plugin's author recorded good ones. It publishes nothing.
//!
//! It does not know the network, the state or a model. Whether what a plugin writes is worth reading is for people to judge.

mod answers;
mod awkward;
mod budget;
mod contract;
mod cut_off;
mod determinism;
mod edited;
mod given;
mod made;
mod missing;
mod oversized;
mod recorded;
mod refusals;
mod sample;
#[cfg(test)]
mod tests;
mod trial;

use std::sync::Arc;

use config::component::Component;
use plugin::sandbox::{Input, Question};
use types::request::Answer;

pub use recorded::{ANSWERS_FILE, Recorded, RecordedError};
pub use sample::{Sample, SampleError, sample};

use trial::Trial;

/// What is checked: a component, on records that suit it.
pub struct Subject<'a> {
    component: &'a Component,
    /// Each with how it goes when every answer is good.
    samples: &'a [(Sample, Trial)],
    /// What good answers are, where its author recorded any.
    recorded: &'a Recorded,
}

impl Subject<'_> {
    /// Samples of which an artifact is made when every answer is good, with its text.
    fn good(&self) -> impl Iterator<Item = (&Sample, &Trial, &str)> {
        let samples = self.samples.iter();
        samples.filter_map(|(sample, trial)| Some((sample, trial, trial.end.as_deref().ok()?)))
    }

    /// How it goes on an input when every answer is good.
    fn trial(&self, input: &Arc<Input>) -> Trial {
        trial::good(self.component, input, self.recorded)
    }

    /// A good answer to a question of the component.
    fn good_answer(&self, input: &Input, question: &Question) -> Answer {
        trial::good_answer(self.component, input, self.recorded, question)
    }

    /// One of which an artifact is made; the other samples are more of the same.
    fn first(&self) -> Option<(&Sample, &Trial, &str)> {
        self.good().next()
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Failed(Vec<Fault>),
    /// There was nothing to check, and why.
    Skipped(String),
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What should have come.
    pub expected: String,
    pub found: String,
    pub hint: String,
}

/// One check and its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Name of the check.
    pub check: &'static str,
    /// What it looks at.
    pub about: &'static str,
    pub verdict: Verdict,
}

/// A check.
struct Check {
    name: &'static str,
    about: &'static str,
    run: fn(&Subject<'_>) -> Verdict,
}

const CHECKS: [Check; 12] = [
    Check {
        name: "contract",
        about: "it imports the contract, and asks a model if its manifest says so",
        run: contract::check,
    },
    Check {
        name: "artifact",
        about: "good answers give an artifact of its media type",
        run: made::check,
    },
    Check {
        name: "input",
        about: "it uses every field and file that its manifest asks for",
        run: given::check,
    },
    Check {
        name: "determinism",
        about: "run again, it asks and makes the same",
        run: determinism::check,
    },
    Check {
        name: "budget",
        about: "stopped after any answer and resumed, it asks only the rest and makes the same",
        run: budget::check,
    },
    Check {
        name: "refusals",
        about: "any answer may be refused",
        run: refusals::check,
    },
    Check {
        name: "cut-off",
        about: "an answer that was cut off is never published",
        run: cut_off::check,
    },
    Check {
        name: "answers",
        about: "useless answers end as a failure, within its limits",
        run: answers::check,
    },
    Check {
        name: "missing",
        about: "any field of a record may be missing, and all of them",
        run: missing::check,
    },
    Check {
        name: "awkward",
        about: "fields may be of another type, and texts may hold anything",
        run: awkward::check,
    },
    Check {
        name: "oversized",
        about: "fields may be very large",
        run: oversized::check,
    },
    Check {
        name: "edited",
        about: "files that it depends on may be edited or left out",
        run: edited::check,
    },
];

/// Longest name of a check, letters.
pub const NAME_WIDTH: usize = 11;

/// Runs every check of a component. Where answers were recorded, they are what is called a good answer; a question without
/// one gets what the offline provider writes. `tell` is given each finding as it comes.
pub fn check(
    component: &Component,
    samples: Vec<Sample>,
    recorded: &Recorded,
    mut tell: impl FnMut(&Finding),
) {
    let samples: Vec<(Sample, Trial)> = samples
        .into_iter()
        .map(|sample| {
            let trial = trial::good(component, &sample.input, recorded);
            (sample, trial)
        })
        .collect();
    let subject = Subject {
        component,
        samples: &samples,
        recorded,
    };
    for check in &CHECKS {
        tell(&Finding {
            check: check.name,
            about: check.about,
            verdict: (check.run)(&subject),
        });
    }
}

/// The verdict of the faults that were found.
fn verdict(faults: Vec<Fault>) -> Verdict {
    if faults.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Failed(faults)
    }
}

/// For checks that start from what goes well.
fn nothing_made() -> Verdict {
    Verdict::Skipped("no sample gives an artifact".to_owned())
}

/// For checks that change answers.
fn asks_nothing() -> Verdict {
    Verdict::Skipped("it asks nothing".to_owned())
}
