//! Batches: many questions handed in at once, at half the price, and answered within a day. It owns what a batch API is to its
//! users (`protocol`), and what the gateway asks of the one who collects questions for batches ([`Desk`]). It does not know
//! where questions and batches are kept.

pub mod protocol;

use std::future::Future;
use std::pin::Pin;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::error::{Billed, CallError};
use crate::lane::Caller;
use types::digest::Digest;
use types::key::Parameters;
use types::request::CompletionRequest;

/// A question that may be answered in a batch.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What it is asked with.
    pub parameters: &'a Parameters,
    /// Its key in the journal, where no answer is yet.
    pub key: Digest,
    /// The question.
    pub request: &'a CompletionRequest,
    /// For whom it is asked.
    pub caller: Caller<'a>,
}

/// What the desk says to a question.
#[derive(Debug)]
pub enum Reply {
    /// It is none for a batch: ask now. Tries in batches that were billed.
    Online(Vec<Billed>),
    /// It is kept, and answered with a batch.
    Waits,
    /// It was asked in a batch and brought no answer. Tries that were billed.
    Failed(CallError, Vec<Billed>),
}

/// What [`Desk::ask`] returns.
pub type Asking<'a, E> = Pin<Box<dyn Future<Output = Result<Reply, E>> + Send + 'a>>;

/// Collects questions that are answered in batches. A question that it keeps is asked nowhere else.
pub trait Desk<E>: Send + Sync {
    /// Takes a question, or says what became of it.
    fn ask<'a>(&'a self, asked: Asked<'a>) -> Asking<'a, E>;
}

/// What the name of every batch begins with.
pub const PREFIX: &str = "batchgen-";

/// The name of a question in a batch: its key, in 43 characters that every provider takes.
pub fn custom_id(key: Digest) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes())
}

/// The key of the question with this name, if it is one of ours.
pub fn key_of(custom_id: &str) -> Option<Digest> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(custom_id).ok()?;
    Digest::from_slice(&bytes)
}

/// The mark behind what a line begins with, for a cache that keeps it for an hour. No text within the line can have it, since
/// its quotation marks would be written otherwise.
pub const MARK: &str = r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#;

/// About how many tokens a line begins with that a cache is to keep; `None` where none is marked.
pub fn marked_tokens(line: &str) -> Option<u64> {
    let bytes = line.rfind(MARK)?;
    Some(bytes as u64 / 4)
}

/// A line without marks; `None` where it has none.
pub fn unmarked(line: &str) -> Option<String> {
    line.contains(MARK).then(|| line.replace(MARK, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_are_taken_from_a_line() {
        let quoted =
            serde_json::json!({"text": format!("{{\"type\":\"text\"{MARK}}}")}).to_string();
        assert_eq!(unmarked(&quoted), None);
        let marked = format!(r#"{{"system":[{{"type":"text","text":"Write."{MARK}}}]}}"#);
        let plain = r#"{"system":[{"type":"text","text":"Write."}]}"#;
        assert_eq!(unmarked(&marked).as_deref(), Some(plain));
        assert_eq!(
            (marked_tokens(&marked), marked_tokens(plain)),
            (Some(10), None)
        );
    }

    #[test]
    fn a_name_leads_back_to_its_key() {
        let key = Digest::of(b"why?");
        let name = custom_id(key);
        let is_taken = |sign: char| sign.is_ascii_alphanumeric() || sign == '-' || sign == '_';
        assert!(name.len() == 43 && name.chars().all(is_taken), "{name}");
        assert_eq!(key_of(&name), Some(key));
        for other in ["", "request-1", &name[1..], &format!("{name}A")] {
            assert_eq!(key_of(other), None, "{other}");
        }
    }
}
