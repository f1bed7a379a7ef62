//! A queue that is fair between flows: each flow with something waiting gets its turn, however much another
//! has waiting. Within a flow, first come, first served. It does not know what waits in it.

use std::collections::{BTreeMap, VecDeque};

/// Items by flow.
#[derive(Debug)]
pub struct FairQueue<T> {
    flows: BTreeMap<String, VecDeque<T>>,
    /// Flows with something waiting, the next to be served first.
    turns: VecDeque<String>,
    length: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        FairQueue {
            flows: BTreeMap::new(),
            turns: VecDeque::new(),
            length: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// Puts an item at the end of its flow.
    pub fn push(&mut self, flow: &str, item: T) {
        self.length += 1;
        match self.flows.get_mut(flow) {
            Some(waiting) => waiting.push_back(item),
            None => {
                self.turns.push_back(flow.to_owned());
                self.flows.insert(flow.to_owned(), VecDeque::from([item]));
            }
        }
    }

    /// Whose turn it is.
    pub fn peek(&self) -> Option<&T> {
        self.flows.get(self.turns.front()?)?.front()
    }

    /// Takes the item whose turn it is; its flow goes to the end.
    pub fn pop(&mut self) -> Option<T> {
        let flow = self.turns.pop_front()?;
        let waiting = self.flows.get_mut(&flow)?;
        let item = waiting.pop_front()?;
        self.length -= 1;
        if waiting.is_empty() {
            self.flows.remove(&flow);
        } else {
            self.turns.push_back(flow);
        }
        Some(item)
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_chatty_flow_does_not_starve_the_rest() {
        let mut queue = FairQueue::default();
        (0..100).for_each(|number| queue.push("chatty", number));
        queue.push("quiet", 1000);
        queue.push("quiet", 1001);
        let first: Vec<i32> = (0..4).filter_map(|_| queue.pop()).collect();
        assert_eq!(first, [0, 1000, 1, 1001]);
        assert_eq!(queue.len(), 98);
    }

    proptest! {
        /// The law: nothing is lost, and each flow keeps its order.
        #[test]
        fn every_item_comes_out_in_its_flows_order(items in prop::collection::vec(0u8..4, 0..100)) {
            let mut queue = FairQueue::default();
            for (number, flow) in items.iter().enumerate() {
                queue.push(&flow.to_string(), (*flow, number));
            }
            let mut out = Vec::new();
            while let Some(peeked) = queue.peek().copied() {
                prop_assert_eq!(queue.pop(), Some(peeked));
                out.push(peeked);
            }
            prop_assert_eq!(out.len(), items.len());
            for flow in 0..4 {
                let of: Vec<usize> = out.iter().filter(|(of, _)| *of == flow).map(|(_, n)| *n).collect();
                prop_assert!(of.is_sorted());
            }
        }
    }
}
