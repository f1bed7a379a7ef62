//! Components whose first tasks all fail for one cause: a cap that is too low, a parameter that is refused, a field that no
//! record has. The cause is not the records', so the component is held for the rest of the run, and no more is paid for it.
//! Knows neither tasks nor models.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use types::class::FailureClass;

/// So many tasks that were paid for and failed alike, with none that succeeded, hold a component.
const PAID: u64 = 10;
/// The same where nothing was paid: more records may be looked at.
const FREE: u64 = 50;

/// What became of the first tasks of each component.
#[derive(Debug, Default)]
pub(super) struct RepeatedFailures {
    components: Vec<Trial>,
}

#[derive(Debug)]
struct Trial {
    component: String,
    held: AtomicBool,
    first: Mutex<First>,
}

#[derive(Debug, Default)]
struct First {
    /// One succeeded, or two failed for different causes: nothing is held any more.
    is_settled: bool,
    alike: Option<(FailureClass, String)>,
    failed: u64,
    cause: String,
}

impl RepeatedFailures {
    /// Nothing has failed yet.
    pub fn new<'a>(components: impl Iterator<Item = &'a str>) -> RepeatedFailures {
        let trial = |name: &str| Trial {
            component: name.to_owned(),
            held: AtomicBool::new(false),
            first: Mutex::default(),
        };
        RepeatedFailures {
            components: components.map(trial).collect(),
        }
    }

    /// True once the component is held.
    pub fn held(&self, component: &str) -> &AtomicBool {
        static NEVER: AtomicBool = AtomicBool::new(false);
        self.find(component).map_or(&NEVER, |trial| &trial.held)
    }

    /// Whether the component is held.
    pub fn is_held(&self, component: &str) -> bool {
        self.held(component).load(Ordering::Relaxed)
    }

    /// Class and cause for which the component is held, if it is.
    pub fn held_for(&self, component: &str) -> Option<(FailureClass, String)> {
        let trial = self.find(component)?;
        if !trial.held.load(Ordering::Relaxed) {
            return None;
        }
        let first = trial.first();
        let (class, _) = first.alike.as_ref()?;
        Some((*class, first.cause.clone()))
    }

    /// A task of the component succeeded, now or in an earlier run.
    pub fn succeeded(&self, component: &str) {
        if let Some(trial) = self.find(component) {
            trial.first().is_settled = true;
        }
    }

    /// A task of the component failed, and not for a passing cause. Returns how many failed alike if the component is
    /// held from now on.
    pub fn failed(
        &self,
        component: &str,
        record: &str,
        class: FailureClass,
        cause: &str,
        is_paid: bool,
    ) -> Option<u64> {
        let trial = self.find(component)?;
        let mut first = trial.first();
        if first.is_settled || trial.held.load(Ordering::Relaxed) {
            return None;
        }
        let like = (class, without_particulars(cause, record));
        if first.alike.as_ref().is_some_and(|alike| *alike != like) {
            first.is_settled = true;
            return None;
        }
        first.alike = Some(like);
        first.failed += 1;
        let enough = if is_paid { PAID } else { FREE };
        (first.failed >= enough).then(|| {
            cause.clone_into(&mut first.cause);
            trial.held.store(true, Ordering::Relaxed);
            first.failed
        })
    }

    /// Holds a component for what happened on other machines.
    pub fn hold(&self, component: &str, class: FailureClass, cause: &str) {
        if let Some(trial) = self.find(component) {
            let mut first = trial.first();
            first.alike = Some((class, cause.to_owned()));
            cause.clone_into(&mut first.cause);
            trial.held.store(true, Ordering::Relaxed);
        }
    }

    fn find(&self, component: &str) -> Option<&Trial> {
        self.components
            .iter()
            .find(|trial| trial.component == component)
    }
}

impl Trial {
    fn first(&self) -> MutexGuard<'_, First> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cause without the record's id and without numbers, which differ from record to record.
fn without_particulars(cause: &str, record: &str) -> String {
    let cause = cause.replace(record, "");
    cause
        .chars()
        .filter(|letter| !letter.is_ascii_digit())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: FailureClass = FailureClass::InvalidOutput;

    fn failures() -> RepeatedFailures {
        RepeatedFailures::new(["text", "tags"].into_iter())
    }

    #[test]
    fn a_component_is_held_when_its_first_tasks_fail_alike() {
        let failures = failures();
        for task in 1..PAID {
            let (record, cause) = (format!("r{task}"), format!("r{task} has {task} words"));
            assert_eq!(failures.failed("text", &record, CLASS, &cause, true), None);
        }
        assert!(!failures.is_held("text"));
        assert_eq!(
            failures.failed("text", "last", CLASS, "last has 3 words", true),
            Some(PAID)
        );
        assert_eq!(
            failures.held_for("text").unwrap(),
            (CLASS, "last has 3 words".to_owned())
        );
        assert!(!failures.is_held("tags"), "the others go on");
    }

    #[test]
    fn one_success_or_another_cause_proves_that_it_is_the_records() {
        for other in [true, false] {
            let failures = failures();
            if other {
                failures.failed("text", "a", CLASS, "another", true);
            } else {
                failures.succeeded("text");
            }
            for _ in 0..100 {
                failures.failed("text", "b", CLASS, "the same", true);
            }
            assert!(!failures.is_held("text"));
        }
    }

    #[test]
    fn more_records_are_looked_at_where_nothing_is_paid() {
        let failures = failures();
        let held = (0..100).filter_map(|_| failures.failed("text", "a", CLASS, "no field", false));
        assert_eq!(held.collect::<Vec<_>>(), [FREE]);
    }
}
