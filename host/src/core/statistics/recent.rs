//! What failed and what was made lately, and how often each kind of failure occurs: bounded, however
//! many there are.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::core::class::FailureClass;

/// Failures that are remembered one by one.
const FAILURES: usize = 100;
/// Kinds of failures that are counted apart.
const KINDS: usize = 100;
/// Artifacts that are remembered.
const ARTIFACTS: usize = 40;
/// Letters of a cause that are remembered.
const CAUSE: usize = 600;

/// What tries a failed task again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// This run, at its end.
    Soon,
    /// The next run, where its class lets it.
    Rerun,
    /// A person: it failed before, and was left as it is.
    Retry,
}

/// A task that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureNote {
    /// Id of the record.
    pub record: String,
    /// Id of its category.
    pub category: String,
    /// Name of the component.
    pub component: String,
    /// Name of the class.
    pub class: String,
    /// In words, cut off where it is long.
    pub cause: String,
    /// What tries it again.
    pub again: Again,
    /// Whether it was made later in the run.
    pub mended: bool,
}

/// Failures of one class and component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureKind {
    /// Name of the class.
    pub class: String,
    /// Name of the component.
    pub component: String,
    /// How often it was told.
    pub count: u64,
    /// How many of these are tried again at the end of the run.
    pub tried_again: u64,
    /// What was said last.
    pub cause: String,
    /// What a person does about the class.
    pub advice: String,
}

/// An artifact that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactNote {
    /// Id of the record.
    pub record: String,
    /// Name of the component.
    pub component: String,
    /// Whether the offline stand-in wrote it: a placeholder.
    #[serde(default)]
    pub by_stand_in: bool,
}

/// A task that fails now.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// Id of the record.
    pub record: &'a str,
    /// Id of its category.
    pub category: &'a str,
    /// Name of the component.
    pub component: &'a str,
    /// What kind.
    pub class: FailureClass,
    /// In words.
    pub cause: &'a str,
    /// What tries it again.
    pub again: Again,
}

/// Keeps the newest.
#[derive(Debug, Default)]
pub(super) struct Recent {
    failures: VecDeque<FailureNote>,
    kinds: Vec<FailureKind>,
    artifacts: VecDeque<ArtifactNote>,
}

impl Recent {
    /// A task failed.
    pub fn failed(&mut self, failed: Failed<'_>) {
        let cause: String = failed.cause.chars().take(CAUSE).collect();
        let soon = u64::from(failed.again == Again::Soon);
        let class = failed.class.as_str();
        let same =
            |kind: &&mut FailureKind| kind.class == class && kind.component == failed.component;
        let room = self.kinds.len() < KINDS;
        match self.kinds.iter_mut().find(same) {
            Some(kind) => {
                kind.count += 1;
                kind.tried_again += soon;
                kind.cause.clone_from(&cause);
            }
            None if room => self.kinds.push(FailureKind {
                class: class.to_owned(),
                component: failed.component.to_owned(),
                count: 1,
                tried_again: soon,
                cause: cause.clone(),
                advice: failed.class.advice().to_owned(),
            }),
            None => {}
        }
        if self.failures.len() == FAILURES {
            self.failures.pop_back();
        }
        self.failures.push_front(FailureNote {
            record: failed.record.to_owned(),
            category: failed.category.to_owned(),
            component: failed.component.to_owned(),
            class: class.to_owned(),
            cause,
            again: failed.again,
            mended: false,
        });
    }

    /// An artifact was made.
    pub fn made(&mut self, record: &str, component: &str, by_stand_in: bool) {
        if self.artifacts.len() == ARTIFACTS {
            self.artifacts.pop_back();
        }
        self.artifacts.push_front(ArtifactNote {
            record: record.to_owned(),
            component: component.to_owned(),
            by_stand_in,
        });
    }

    /// A task that failed before in this run was made.
    pub fn mended(&mut self, record: &str, component: &str) {
        for failure in &mut self.failures {
            if failure.record == record && failure.component == component {
                failure.mended = true;
            }
        }
    }

    /// The newest failures first.
    pub fn failures(&self) -> Vec<FailureNote> {
        self.failures.iter().cloned().collect()
    }

    /// Kinds of failures, the most frequent first.
    pub fn kinds(&self) -> Vec<FailureKind> {
        let mut kinds = self.kinds.clone();
        kinds.sort_by(|one, other| {
            let by_name = || (&one.class, &one.component).cmp(&(&other.class, &other.component));
            other.count.cmp(&one.count).then_with(by_name)
        });
        kinds
    }

    /// The newest artifacts first.
    pub fn artifacts(&self) -> Vec<ArtifactNote> {
        self.artifacts.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_failures_are_counted_and_the_newest_remembered() {
        let mut recent = Recent::default();
        for number in 0..1000 {
            let record = format!("record-{number}");
            recent.failed(Failed {
                record: &record,
                category: "metal",
                component: "text",
                class: FailureClass::InvalidOutput,
                cause: &"x".repeat(10_000),
                again: Again::Rerun,
            });
            recent.made(&record, "tags", false);
        }
        recent.mended("record-998", "text");
        let failures = recent.failures();
        assert_eq!(failures.len(), FAILURES);
        assert_eq!(
            (failures[0].record.as_str(), failures[1].mended),
            ("record-999", true)
        );
        assert_eq!(failures[0].cause.len(), CAUSE);
        assert_eq!(
            (recent.kinds()[0].count, recent.artifacts().len()),
            (1000, ARTIFACTS)
        );
    }
}
