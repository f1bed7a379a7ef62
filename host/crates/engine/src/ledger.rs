//! What came of the tasks of a leased record: a worker notes it, and the coordinator writes it down as its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use gateway::error::Billed;
use plan::verdict::Verdict;
use store::Checkpoint;
use types::digest::Digest;
use types::request::{Answer, Usage};

/// What a task was told: its component, its fingerprint and generation, and the answers by the keys of their questions.
pub(super) type Transcript = (String, (Digest, u32), Vec<(Digest, Answer)>);

/// What came of the tasks of a leased record.
#[derive(Default)]
pub(super) struct Ledger {
    notes: Mutex<Vec<Note>>,
    known: Vec<Transcript>,
}

/// Something that the coordinator writes down for a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Note {
    /// A file, if any, and its checkpoint.
    Written {
        #[serde(with = "shared_text")]
        text: Option<Arc<str>>,
        checkpoint: Box<Checkpoint>,
    },
    /// A checkpoint without a file of its own.
    Completed(Box<Checkpoint>),
    /// What a task was told.
    Transcript {
        component: String,
        fingerprint: Digest,
        generation: u32,
        entries: Vec<(u32, Digest)>,
    },
    /// Tries that were billed and brought no answer.
    Billed {
        component: String,
        fingerprint: Digest,
        generation: u32,
        tries: Vec<BilledTry>,
    },
    /// The file of the task was edited by hand, and is about to be replaced.
    ReplacesEdit { component: String, path: String },
    /// What was said about artifacts of the record.
    Verdicts(Vec<Verdict>),
    /// The run has spent what it may.
    SpentAll,
}

impl Note {
    /// The text of a file.
    pub fn text(&self) -> Option<&Arc<str>> {
        match self {
            Note::Written { text, .. } => text.as_ref(),
            _ => None,
        }
    }

    /// Keys of the questions whose answers a task was told.
    pub fn told(&self) -> impl Iterator<Item = Digest> {
        let entries = match self {
            Note::Transcript { entries, .. } => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(_, key)| *key)
    }
}

/// A try that was billed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BilledTry {
    lane: String,
    milliseconds_ago: u64,
    usage: Usage,
    micros: Option<u64>,
    cause: String,
}

impl BilledTry {
    pub fn of(billed: Billed) -> BilledTry {
        let ago = billed.ended.elapsed().as_millis();
        BilledTry {
            lane: billed.lane,
            milliseconds_ago: u64::try_from(ago).unwrap_or(u64::MAX),
            usage: billed.usage,
            micros: billed.micros,
            cause: billed.cause,
        }
    }

    pub fn billed(self) -> Billed {
        let now = Instant::now();
        let ago = std::time::Duration::from_millis(self.milliseconds_ago);
        Billed {
            lane: self.lane,
            ended: now.checked_sub(ago).unwrap_or(now),
            usage: self.usage,
            micros: self.micros,
            cause: self.cause,
            is_booked: false,
        }
    }
}

impl Ledger {
    /// Of tasks that were told this before.
    pub fn new(known: Vec<Transcript>) -> Ledger {
        Ledger {
            notes: Mutex::default(),
            known,
        }
    }

    /// All notes, in their order.
    pub fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes())
    }

    /// What a task was told in this generation, as far as it was told to this machine.
    pub fn known(&self, component: &str, made_from: (Digest, u32)) -> Vec<(Digest, Answer)> {
        let mut known = self.known.iter();
        let known = known.find(|(of, from, _)| *of == component && *from == made_from);
        known.map(|(_, _, told)| told.clone()).unwrap_or_default()
    }

    /// Adds a note behind the others.
    pub fn note(&self, note: Note) {
        self.notes().push(note);
    }

    fn notes(&self) -> MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text that is shared in memory, as a text.
pub(super) mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        text: &Option<Arc<str>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<str>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.map(Into::into))
    }
}
