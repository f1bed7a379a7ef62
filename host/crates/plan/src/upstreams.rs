//! What the components before a task mean for it. A run and a plan both tell it how those have ended, one after the other
//! in running order, and go by what it says: so they cannot disagree.

use super::policy::{Bearing, FailurePolicy};

/// A component ended without a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which component failed first, with the class of its failure.
    pub by: String,
    /// Whether the run tries it again later.
    pub is_parked: bool,
}

/// Why a task cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The failure that stands in its way.
    pub loss: Loss,
    /// Whether the task is made from what failed. If not, a file of it that is up to date stays as it is.
    pub is_needed: bool,
    /// Whether the task counts as skipped with its record, and not as blocked.
    pub is_skipped: bool,
}

/// A component whose file a task is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream<C, F> {
    pub component: C,
    /// Its file; `None` where the task is made without.
    pub file: Option<F>,
}

/// The components before a task, as far as they have ended.
#[derive(Debug)]
pub struct Upstreams<'a, C, F> {
    depends_on: &'a [String],
    /// With the place of each among those that the task depends on.
    found: Vec<(usize, Upstream<C, F>)>,
    hold: Option<Hold>,
}

impl<'a, C, F> Upstreams<'a, C, F> {
    /// For a task that depends on these components, in the order in which it declares them.
    pub fn new(depends_on: &'a [String]) -> Self {
        Self {
            depends_on,
            found: Vec::with_capacity(depends_on.len()),
            hold: None,
        }
    }

    /// Whether the task waits for the end of this component.
    pub fn waits_for(&self, name: &str, policy: FailurePolicy) -> bool {
        policy.is_waited_for(self.place(name).is_some())
    }

    /// Notes how a component has ended: with a file, or without. A task that needs a file which is lost is
    /// [stopped](Self::is_stopped): nothing that ends later matters for it.
    pub fn ended(&mut self, component: C, name: &str, policy: FailurePolicy, end: Result<F, Loss>) {
        let place = self.place(name);
        match (end, place) {
            (Ok(file), Some(place)) => self.add(place, component, Some(file)),
            (Ok(_), None) => {}
            (Err(loss), place) => match policy.bearing(place.is_some(), loss.is_parked) {
                Bearing::Nothing => {}
                Bearing::LeftOut => self.add(place.unwrap_or(usize::MAX), component, None),
                Bearing::Stops if !self.is_stopped() => self.hold = Some(hold(loss, policy, true)),
                Bearing::HoldsBack if self.hold.is_none() => {
                    self.hold = Some(hold(loss, policy, false));
                }
                Bearing::Stops | Bearing::HoldsBack => {}
            },
        }
    }

    /// Whether a file is lost that the task is made from.
    pub fn is_stopped(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.is_needed)
    }

    /// What the task is made from, in the order in which it declares that, and what keeps it from being made.
    pub fn finish(mut self) -> (Vec<Upstream<C, F>>, Option<Hold>) {
        self.found.sort_by_key(|(place, _)| *place);
        let found = self.found.into_iter().map(|(_, upstream)| upstream);
        (found.collect(), self.hold)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.depends_on.iter().position(|needed| needed == name)
    }

    fn add(&mut self, place: usize, component: C, file: Option<F>) {
        self.found.push((place, Upstream { component, file }));
    }
}

fn hold(loss: Loss, policy: FailurePolicy, is_needed: bool) -> Hold {
    Hold {
        is_needed,
        is_skipped: policy.skips(loss.is_parked),
        loss,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(by: &str) -> Result<u32, Loss> {
        Err(Loss {
            by: by.to_owned(),
            is_parked: false,
        })
    }

    fn finished(
        depends_on: &[&str],
        ends: &[(&'static str, FailurePolicy, Result<u32, Loss>)],
    ) -> (Vec<(&'static str, Option<u32>)>, Option<Hold>) {
        let depends_on: Vec<String> = depends_on.iter().map(|name| (*name).to_owned()).collect();
        let mut upstreams = Upstreams::new(&depends_on);
        for (name, policy, end) in ends {
            upstreams.ended(*name, name, *policy, end.clone());
        }
        let (files, hold) = upstreams.finish();
        let files = files
            .into_iter()
            .map(|upstream| (upstream.component, upstream.file));
        (files.collect(), hold)
    }

    const HOLD: FailurePolicy = FailurePolicy::HoldDependents;

    #[test]
    fn files_come_in_the_order_in_which_the_task_declares_them() {
        let ends = [("a", HOLD, Ok(1)), ("x", HOLD, Ok(2)), ("b", HOLD, Ok(3))];
        let (files, hold) = finished(&["b", "a"], &ends);
        assert_eq!(files, [("b", Some(3)), ("a", Some(1))]);
        assert_eq!(hold, None);
    }

    #[test]
    fn a_file_that_may_be_left_out_is_left_out() {
        let (files, hold) = finished(&["a"], &[("a", FailurePolicy::LeaveOut, lost("a"))]);
        assert_eq!((files, hold), (vec![("a", None)], None));
    }

    #[test]
    fn a_needed_loss_counts_before_one_that_only_gives_the_record_up() {
        let ends = [
            ("x", FailurePolicy::FailRecord, lost("x")),
            ("a", HOLD, lost("a")),
            ("b", HOLD, lost("b")),
        ];
        let (_, hold) = finished(&["a", "b"], &ends);
        let hold = hold.unwrap();
        assert_eq!(
            (hold.loss.by.as_str(), hold.is_needed, hold.is_skipped),
            ("a", true, false)
        );
        let (_, hold) = finished(&[], &ends);
        let hold = hold.unwrap();
        assert_eq!(
            (hold.loss.by.as_str(), hold.is_needed, hold.is_skipped),
            ("x", false, true)
        );
    }

    #[test]
    fn a_loss_that_is_tried_again_blocks_and_skips_nothing() {
        let parked = Err(Loss {
            by: "a".to_owned(),
            is_parked: true,
        });
        for policy in [HOLD, FailurePolicy::LeaveOut, FailurePolicy::FailRecord] {
            let (files, hold) = finished(&["a"], &[("a", policy, parked.clone())]);
            assert!(files.is_empty(), "{policy:?}");
            assert!(!hold.unwrap().is_skipped, "{policy:?}");
        }
    }
}
