//! Batches: many questions handed in at once, at half the price, and answered within a day. It owns what a batch goes through,
//! from the first note of it to the last answer. It does not know tasks, or where its notes are kept.

pub mod protocol;
