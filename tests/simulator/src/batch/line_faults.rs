//! What befalls the lines of batches. The threads that read and answer lines count them here, all of them together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::{BatchFaultKind, Event, choose};
use super::script::BatchScript;
use crate::chat::Chat;
use crate::faults::Befallen;

/// The lines of all batches, as far as faults are chosen by them.
#[derive(Debug)]
pub struct LineFaults {
    seed: u64,
    stopped: AtomicBool,
    checked: AtomicU64,
    answered: AtomicU64,
    attempts: Mutex<HashMap<(u128, bool), u64>>,
}

impl LineFaults {
    /// No line was read yet.
    pub fn new(seed: u64) -> LineFaults {
        LineFaults {
            seed,
            stopped: AtomicBool::new(false),
            checked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            attempts: Mutex::default(),
        }
    }

    /// Counts from the beginning.
    pub fn begin_anew(&self) {
        self.attempts().clear();
        self.checked.store(0, Ordering::Relaxed);
        self.answered.store(0, Ordering::Relaxed);
    }

    /// Ends the work of all threads.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Nobody wants the work any more.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<(u128, bool), u64>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next line that is validated.
    pub fn next_checked(&self) -> u64 {
        self.checked.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of the first of so many lines that are answered.
    pub fn next_lines(&self, count: usize) -> u64 {
        self.answered.fetch_add(count as u64, Ordering::Relaxed) + 1
    }

    /// What befalls a line.
    pub fn befall_line(
        &self,
        script: &BatchScript,
        event: Event,
        number: u64,
        chat: &Chat,
    ) -> Option<BatchFaultKind> {
        if script.faults.is_empty() {
            return None;
        }
        let texts: Vec<&str> = chat
            .messages
            .iter()
            .map(|message| message.content.as_str())
            .collect();
        let mut attempts = self.attempts();
        let attempt = attempts
            .entry((chat.prompt, event == Event::Line))
            .or_default();
        *attempt += 1;
        let call = Befallen {
            number,
            attempt: *attempt,
            prompt: chat.prompt,
            texts: &texts,
        };
        choose(&script.faults, event, &call, self.seed)
    }
}
