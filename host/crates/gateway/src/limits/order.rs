//! A queue in which what belongs to an earlier record goes first, so that records that are begun are finished before
//! others begin. Within a record, first come, first served. It does not know what waits in it.

use std::collections::BTreeMap;

/// Items by the place of their record, and then by their arrival.
#[derive(Debug)]
pub struct OrderedQueue<T> {
    items: BTreeMap<(u64, u64), T>,
    arrivals: u64,
}

impl<T> Default for OrderedQueue<T> {
    fn default() -> Self {
        OrderedQueue {
            items: BTreeMap::new(),
            arrivals: 0,
        }
    }
}

impl<T> OrderedQueue<T> {
    /// Adds an item of the record with this place in the run.
    pub fn push(&mut self, place: u64, item: T) {
        self.items.insert((place, self.arrivals), item);
        self.arrivals += 1;
    }

    /// Whose turn it is.
    pub fn peek(&self) -> Option<&T> {
        self.items.first_key_value().map(|(_, item)| item)
    }

    /// Takes the item whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop_first().map(|(_, item)| item)
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_next_question_of_a_begun_record_goes_before_other_records() {
        let mut queue = OrderedQueue::default();
        (1..100).for_each(|record| queue.push(record, "first question"));
        assert_eq!(queue.pop(), Some("first question"));
        queue.push(1, "second question");
        assert_eq!(queue.peek(), Some(&"second question"));
        assert_eq!(queue.len(), 99);
    }

    proptest! {
        /// The law: nothing is lost, and everything comes out by record and arrival.
        #[test]
        fn every_item_comes_out_in_order(places in prop::collection::vec(0u64..4, 0..100)) {
            let mut queue = OrderedQueue::default();
            for (arrival, place) in places.iter().enumerate() {
                queue.push(*place, (*place, arrival));
            }
            let out: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            let mut expected: Vec<_> = places.iter().copied().enumerate().map(|(n, p)| (p, n)).collect();
            expected.sort_unstable();
            prop_assert_eq!(out, expected);
        }
    }
}
