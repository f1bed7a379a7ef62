//! The messages between a coordinator and its workers, as MessagePack. Both are the same build, so there are no versions here: a worker
//! of another build is refused.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use engine::{LeasedRecord, Performed, Terms};
use gateway::journal::Provenance;
use gateway::lane::Spent;
use gateway::remote::{CallEnd, CallFailure, Entry};
use types::class::FailureClass;
use types::digest::Digest;
use types::limit::Observed;
use types::request::Answer;

/// A message that is no message.
#[derive(Debug, thiserror::Error)]
#[error("a message of the cluster cannot be read: {cause}")]
pub struct WireError {
    /// Why.
    pub cause: String,
}

/// The bytes of a message.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // What is sent are plain data, which always can be written.
    rmp_serde::to_vec_named(message).unwrap_or_default()
}

/// A message from its bytes.
///
/// # Errors
/// When it is another message, or damaged.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    rmp_serde::from_slice(bytes).map_err(|error| WireError {
        cause: error.to_string(),
    })
}

/// What a coordinator sends to everybody, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Name of the run.
    pub run: String,
    /// Raised each time that the coordinator starts.
    pub epoch: u64,
    /// Version and digest of its program.
    pub build: String,
}

/// Messages of a link, with what was received of the other direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Of the coordinator.
    pub epoch: u64,
    /// Name of the worker.
    pub worker: String,
    /// The life of the link, chosen by the worker.
    pub session: u64,
    /// Number of the first message.
    pub first: u64,
    /// Everything up to this number was received.
    pub received: u64,
    /// The messages.
    pub messages: Vec<ByteBuf>,
}

/// From a coordinator to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Messages of the link.
    Frame(Frame),
    /// The coordinator knows no such session: join again.
    Unknown {
        /// The session.
        session: u64,
    },
}

/// What a worker has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Records that it can have in work at once.
    pub slots: usize,
    /// Records in work.
    pub records: usize,
    /// Calls under way.
    pub calls: u64,
    /// Resident memory, bytes.
    pub memory: Option<u64>,
    /// Leases in work.
    pub leases: Vec<u64>,
    /// It takes no more leases, and leaves.
    pub drains: bool,
}

/// From a worker to its coordinator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Up {
    /// The first message of a session.
    Join {
        /// Version and digest of its program.
        build: String,
        /// Records that it can have in work at once.
        slots: usize,
        /// Questions that it is asking, or has answers to that may not be in the coordinator's journal.
        asking: Vec<Digest>,
        /// Calls that it was allowed to make and that have not ended, by the numbers of their permits.
        calling: Vec<(u64, Entry)>,
        /// What it said in sessions before this one of calls that ended, and does not know to be heard.
        unheard: Vec<Unheard>,
    },
    /// Is there an answer, or may this worker ask, and may its first call begin? The reply names the number.
    Ask {
        /// Number of the ask, and of the permit that it may bring.
        ask: u64,
        /// Key of the question.
        key: Digest,
        /// The first call, where it is known.
        first: Option<Entry>,
    },
    /// A question is not asked any more.
    GiveUp {
        /// Its key.
        key: Digest,
    },
    /// May another call for a question begin?
    Enter {
        /// Number of the ask, and of the permit that it brings.
        ask: u64,
        /// The call.
        entry: Entry,
    },
    /// A call begins, where it matters when.
    Began {
        /// Number of its permit.
        ask: u64,
    },
    /// The provider has accepted a call.
    Accepted {
        /// Number of its permit.
        ask: u64,
        /// What it said of its limits.
        observed: Vec<Observed>,
    },
    /// A permit is not used.
    Unused {
        /// Its number.
        ask: u64,
    },
    /// A call has ended.
    Settle {
        /// Number of its permit.
        ask: u64,
        /// How.
        end: Box<CallEnd>,
    },
    /// For the statistics: calls were answered or billed.
    Called {
        /// The component that asked.
        component: String,
        /// What each took.
        spent: Vec<Spent>,
    },
    /// For the statistics: a try failed.
    TryFailed {
        /// Lane of the model.
        model: String,
        /// What it means.
        class: FailureClass,
        /// What was said.
        message: String,
    },
    /// For the statistics: questions were answered by a journal.
    Journaled {
        /// How many.
        times: u64,
    },
    /// For people.
    Note(String),
    /// What it is doing.
    Presence(Presence),
    /// It leaves in order: nothing of it is in work.
    Leave,
}

impl Up {
    /// Whether it says what a call took or how it ended: what was paid for counts, whatever becomes of the session.
    #[must_use]
    pub fn is_account(&self) -> bool {
        matches!(
            self,
            Up::Settle { .. } | Up::Called { .. } | Up::TryFailed { .. } | Up::Journaled { .. }
        )
    }
}

/// A message of an earlier session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unheard {
    /// The session.
    pub session: u64,
    /// Number of the message in it.
    pub number: u64,
    /// The message.
    pub message: Up,
}

/// From a coordinator to one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Down {
    /// It may work.
    Welcome(Box<Welcome>),
    /// It may not, and why.
    Refused(String),
    /// The answer to the question of an ask.
    Have {
        /// The ask.
        ask: u64,
        /// The answer.
        answer: Answer,
    },
    /// The worker asks that question; nothing is said of its first call.
    Go {
        /// The ask.
        ask: u64,
    },
    /// The call may begin. Where a question was asked for, the worker asks it.
    Granted {
        /// The ask.
        ask: u64,
        /// Place of the lane in its pool.
        lane: usize,
        /// Whether it matters when exactly the call begins.
        is_timed: bool,
    },
    /// What was asked for cannot be had.
    Denied {
        /// The ask.
        ask: u64,
        /// Why.
        failure: CallFailure,
    },
    /// A call is not to be made: the question is not this worker's to ask any more.
    Elsewhere {
        /// The ask.
        ask: u64,
    },
    /// A call that failed is settled.
    Settled {
        /// Its permit.
        ask: u64,
        /// Whether the whole lane pauses.
        pauses: bool,
    },
    /// What was handed in with this number, and all before it, is durable.
    Committed {
        /// The number.
        number: u64,
    },
    /// No task of a component is run any more.
    Hold(Held),
    /// Nothing new is begun; what is under way is finished and handed in.
    Stop,
    /// The run has ended.
    Ended,
}

/// A component that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its name.
    pub component: String,
    /// Of its failures.
    pub class: FailureClass,
    /// What they have in common.
    pub cause: String,
}

/// What a worker works with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// Hash of the bundle, which is its name, too.
    pub bundle: Digest,
    /// The terms of the run.
    pub terms: Terms,
    /// Components that are held.
    pub held: Vec<Held>,
    /// A lease that is not extended for so long is given to another worker.
    pub ack_wait_millis: u64,
    /// The span of the run, if it has one.
    pub trace: Option<String>,
}

/// A few records for one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// Number of the lease.
    pub number: u64,
    /// Of the coordinator that made it.
    pub epoch: u64,
    /// The records.
    pub records: Vec<LeasedRecord>,
}

/// What a worker hands in, in one piece.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandIn {
    /// Name of the worker.
    pub worker: String,
    /// Session that it was handed in under.
    pub session: u64,
    /// Its number in that session.
    pub number: u64,
    /// What it is.
    pub results: Vec<Outcome>,
}

/// Something that a worker hands in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// An answer, which is durable on the worker.
    Answer {
        /// Key of its question.
        key: Digest,
        /// The answer.
        answer: Answer,
        /// Who answered.
        provenance: Box<Provenance>,
    },
    /// A lease of several records was given to many workers, none of which came back: each record is to be leased alone.
    Split {
        /// Of the coordinator that made the lease.
        epoch: u64,
        /// The lease.
        lease: u64,
    },
    /// A record was performed.
    Done {
        /// Of the coordinator that made the lease.
        epoch: u64,
        /// Its lease.
        lease: u64,
        /// Id of the record.
        record: String,
        /// What came of it.
        performed: Box<Performed>,
    },
}
