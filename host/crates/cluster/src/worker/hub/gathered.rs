//! What a worker tells that nobody waits for: it goes with the next frame, as one message where many would say the same.

use std::collections::{BTreeMap, HashMap};

use super::{Hub, State};
use crate::wire::Up;
use gateway::lane::Spent;
use types::limit::Observed;

/// What goes with the next frame.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// What calls took, by component.
    called: BTreeMap<String, Vec<Spent>>,
    /// Questions that a journal answered.
    journaled: u64,
    /// Calls that were accepted and have not ended, by the numbers of their permits.
    accepted: HashMap<u64, Vec<Observed>>,
}

impl Gathered {
    /// A call of this component was answered or billed.
    pub fn called(&mut self, component: &str, spent: Spent) {
        match self.called.get_mut(component) {
            Some(calls) => calls.push(spent),
            None => drop(self.called.insert(component.to_owned(), vec![spent])),
        }
    }

    /// A question was answered by a journal.
    pub fn journaled(&mut self) {
        self.journaled += 1;
    }

    /// The provider has accepted a call.
    pub fn accepted(&mut self, ask: u64, observed: &[Observed]) {
        self.accepted.insert(ask, observed.to_vec());
    }

    /// A call has ended. Gives what the coordinator was not told of its acceptance.
    pub fn settled(&mut self, ask: u64) -> Option<Vec<Observed>> {
        self.accepted.remove(&ask)
    }

    /// The messages that say it.
    fn take(&mut self) -> Vec<Up> {
        let accepted = self.accepted.drain();
        let accepted = accepted.map(|(ask, observed)| Up::Accepted { ask, observed });
        let called = std::mem::take(&mut self.called).into_iter();
        let called = called.map(|(component, spent)| Up::Called { component, spent });
        let times = std::mem::take(&mut self.journaled);
        let journaled = (times > 0).then_some(Up::Journaled { times });
        accepted.chain(called).chain(journaled).collect()
    }
}

impl State {
    /// Queues what was gathered.
    pub fn push_gathered(&mut self) {
        for message in self.gathered.take() {
            self.link.push(&message);
        }
    }
}

impl Hub {
    /// Notes something for the next frame.
    pub(super) fn gather(&self, note: impl FnOnce(&mut Gathered)) {
        note(&mut self.state().gathered);
        self.post.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::request::Usage;

    #[test]
    fn many_calls_are_one_message_and_an_answer_says_that_it_was_accepted() {
        let mut gathered = Gathered::default();
        let spent = Spent {
            usage: Usage::default(),
            micros: Some(7),
            again: false,
        };
        for ask in 0..10 {
            gathered.accepted(ask, &[]);
            if ask > 0 {
                assert_eq!(gathered.settled(ask), Some(Vec::new()), "nobody was told");
            }
            gathered.called("tips", spent);
            gathered.journaled();
        }
        let messages = gathered.take();
        assert!(matches!(
            messages.as_slice(),
            [Up::Accepted { ask: 0, .. }, Up::Called { spent, .. }, Up::Journaled { times: 10 }]
                if spent.len() == 10
        ));
        assert_eq!(gathered.settled(0), None, "the coordinator knows");
        assert!(gathered.take().is_empty());
    }
}
