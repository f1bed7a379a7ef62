//! Measures of text that need no language model: how alike texts are, what they repeat, how easy they are to read, where their
//! links lead, rules that a text keeps or breaks, and which of two ways to make texts is better.
//!
//! It knows no files, no state and no model. Time and memory that it takes are bounded, however many texts there are.

#![warn(missing_docs)]

mod check;
mod distinct;
mod frequent;
mod front_matter;
mod language;
mod links;
mod minhash;
mod near;
mod nearest;
mod paired;
mod prose;
mod readability;
mod repetition;
mod syllables;
mod words;

pub use check::{Document, EaseRule, Rules, Violation, check};
pub use front_matter::{FrontMatter, without_front_matter};
pub use language::Language;
pub use links::{Target, missing};
pub use minhash::{Signature, Signer, similarity};
pub use near::{Found, Index, NEAR, Pair};
pub use nearest::{LEAST_SIMILARITY, Nearest};
pub use paired::{Better, Paired};
pub use prose::{Form, Kind, Link, Prose};
pub use readability::{Ease, reading_ease};
pub use repetition::{Category, Phrase, Repetition, Survey};
pub use words::{sentences, words};
