//! A queue in which what belongs to an earlier record goes first, so that records that are begun are finished before
//! others begin. Within a record, first come, first served. It does not know what waits in it.

use std::collections::BTreeMap;

/// Which item of a queue: the place of its record, and its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderKey((u64, u64));

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

    /// The key of the first item that will do, among so many that are first.
    pub fn first(&self, most: usize, mut will_do: impl FnMut(&T) -> bool) -> Option<OrderKey> {
        let mut items = self.items.iter().take(most);
        let found = items.find(|(_, item)| will_do(item));
        found.map(|(key, _)| OrderKey(*key))
    }

    /// The item with this key.
    pub fn get_mut(&mut self, key: OrderKey) -> Option<&mut T> {
        self.items.get_mut(&key.0)
    }

    /// Takes the item with this key.
    pub fn remove(&mut self, key: OrderKey) -> Option<T> {
        self.items.remove(&key.0)
    }

    /// Takes all items that will do, in their order.
    pub fn remove_all(&mut self, mut will_do: impl FnMut(&T) -> bool) -> Vec<T> {
        let taken = self.items.extract_if(.., |_, item| will_do(item));
        taken.map(|(_, item)| item).collect()
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

    #[test]
    fn who_may_not_go_is_passed_over_and_keeps_its_place() {
        let mut queue = OrderedQueue::default();
        (1..10).for_each(|record| queue.push(record, record));
        let even = queue.first(3, |record| record % 2 == 0).unwrap();
        assert_eq!(queue.get_mut(even), Some(&mut 2));
        assert_eq!(
            queue.first(3, |record| *record == 4),
            None,
            "too far behind"
        );
        assert_eq!(queue.remove(even), Some(2));
        assert_eq!(queue.remove(even), None);
        assert_eq!(queue.remove_all(|record| *record > 7), [8, 9]);
        assert_eq!((queue.pop(), queue.pop()), (Some(1), Some(3)));
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
