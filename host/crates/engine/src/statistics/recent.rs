//! What failed and what was made lately, and how often each kind of failure occurs: bounded, however
//! many there are.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use plan::causes::{Cause, Causes};
use types::class::FailureClass;

/// Failures that are remembered one by one.
const FAILURES: usize = 100;
/// Classes and components whose failures are counted apart.
const GROUPS: usize = 100;
/// Kinds of failures that are told; those beyond, which are the rarest, are not.
const KINDS: usize = 200;
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
    /// The kind that it belongs to.
    #[serde(default)]
    pub kind: String,
}

/// Failures of one class and component that have one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureKind {
    /// Tells it from other kinds of the run.
    #[serde(default)]
    pub id: String,
    /// Name of the class.
    pub class: String,
    /// Name of the component.
    pub component: String,
    /// How often it was told.
    pub count: u64,
    /// How many of these are tried again at the end of the run.
    pub tried_again: u64,
    /// What the causes of all of them have in common.
    pub cause: String,
    /// What a person does about the class.
    pub advice: String,
    /// Ids of the first records.
    #[serde(default)]
    pub records: Vec<String>,
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
    pub class: FailureClass,
    pub cause: &'a str,
    /// What tries it again.
    pub again: Again,
}

/// Keeps the newest.
#[derive(Debug, Default)]
pub(super) struct Recent {
    failures: VecDeque<Known>,
    groups: Vec<Group>,
    artifacts: VecDeque<ArtifactNote>,
}

/// A failure that is remembered, with the places of its group and cause.
#[derive(Debug)]
struct Known {
    note: FailureNote,
    place: Place,
}

/// Which cause of which group, and among those of which sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    group: usize,
    sweep: u32,
    cause: usize,
}

/// Failures of one class and component. Those that this run tries again are counted apart.
#[derive(Debug)]
struct Group {
    class: FailureClass,
    component: String,
    soon: bool,
    /// How often its causes were told anew.
    sweep: u32,
    causes: Causes,
}

impl Recent {
    /// A task failed.
    pub fn failed(&mut self, failed: Failed<'_>) {
        let soon = failed.again == Again::Soon;
        let same = |group: &Group| {
            group.class == failed.class && group.component == failed.component && group.soon == soon
        };
        let group = match self.groups.iter().position(same) {
            Some(group) => group,
            None if self.groups.len() == GROUPS => GROUPS,
            None => {
                self.groups.push(Group {
                    class: failed.class,
                    component: failed.component.to_owned(),
                    soon,
                    sweep: 0,
                    causes: Causes::default(),
                });
                self.groups.len() - 1
            }
        };
        let known = self.groups.get_mut(group);
        let (sweep, cause) = known.map_or((0, 0), |group| {
            (group.sweep, group.causes.add(failed.record, failed.cause))
        });
        if self.failures.len() == FAILURES {
            self.failures.pop_back();
        }
        self.failures.push_front(Known {
            note: FailureNote {
                record: failed.record.to_owned(),
                category: failed.category.to_owned(),
                component: failed.component.to_owned(),
                class: failed.class.as_str().to_owned(),
                cause: failed.cause.chars().take(CAUSE).collect(),
                again: failed.again,
                mended: false,
                kind: String::new(),
            },
            place: Place {
                group,
                sweep,
                cause,
            },
        });
    }

    /// What was put off is tried again: from now on only what fails again counts.
    pub fn sweep_begins(&mut self) {
        for group in self.groups.iter_mut().filter(|group| group.soon) {
            group.causes = Causes::default();
            group.sweep += 1;
        }
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
        for Known { note, .. } in &mut self.failures {
            if note.record == record && note.component == component {
                note.mended = true;
            }
        }
    }

    /// Kinds of failures, the most frequent first.
    pub fn kinds(&self) -> Vec<FailureKind> {
        self.gathered(&mut BTreeMap::new())
    }

    /// The same; `places` is told which cause belongs to which kind.
    fn gathered(&self, places: &mut BTreeMap<Place, String>) -> Vec<FailureKind> {
        let mut kinds = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            for cause in group.causes.list() {
                let id = format!("{number}-{}-{}", group.sweep, cause.id);
                for part in cause.parts.iter().chain([&cause.id]) {
                    let place = Place {
                        group: number,
                        sweep: group.sweep,
                        cause: *part,
                    };
                    places.insert(place, id.clone());
                }
                kinds.push(group.kind(id, cause));
            }
        }
        kinds.sort_by(|one, other| {
            let by_name = || (&one.class, &one.component).cmp(&(&other.class, &other.component));
            other.count.cmp(&one.count).then_with(by_name)
        });
        kinds.truncate(KINDS);
        kinds
    }

    /// Kinds of failures, the most frequent first; and the newest failures first, each with its kind.
    pub fn failures(&self) -> (Vec<FailureKind>, Vec<FailureNote>) {
        let mut places = BTreeMap::new();
        let kinds = self.gathered(&mut places);
        let notes = self.failures.iter().map(|known| FailureNote {
            kind: places.get(&known.place).cloned().unwrap_or_default(),
            ..known.note.clone()
        });
        (kinds, notes.collect())
    }

    /// The newest artifacts first.
    pub fn artifacts(&self) -> Vec<ArtifactNote> {
        self.artifacts.iter().cloned().collect()
    }
}

impl Group {
    fn kind(&self, id: String, cause: Cause) -> FailureKind {
        FailureKind {
            id,
            class: self.class.as_str().to_owned(),
            component: self.component.clone(),
            count: cause.tasks,
            tried_again: if self.soon { cause.tasks } else { 0 },
            cause: cause.text,
            advice: self.class.advice().to_owned(),
            records: cause.records,
        }
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
        let (kinds, failures) = recent.failures();
        assert_eq!(failures.len(), FAILURES);
        assert_eq!(
            (failures[0].record.as_str(), failures[1].mended),
            ("record-999", true)
        );
        assert_eq!(failures[0].cause.len(), CAUSE);
        assert_eq!((kinds[0].count, kinds.len()), (1000, 1));
        assert!(failures.iter().all(|note| note.kind == kinds[0].id));
        assert_eq!(recent.artifacts().len(), ARTIFACTS);
    }
}
