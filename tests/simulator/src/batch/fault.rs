//! What can go wrong with files, batches and lines: `KIND@WHEN`, as with the faults of calls.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::faults::{Befallen, FaultKind, FaultParseError, When, befalls};
use crate::problem::of_fault;

/// What can go wrong, each kind with the events that it can befall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFaultKind {
    /// The request is carried out, but the connection is reset before any byte of an answer.
    Lost(Request),
    /// The request is refused with this status, and nothing is done.
    Refused(Request, u16),
    /// A list of batches leaves out the older half and says that it is complete.
    ListTruncated,
    /// A download breaks off in the middle.
    DownloadBroken,
    /// A poll shows a status that no documentation has.
    UnknownStatus,
    /// A poll of a batch that has ended does not show its files yet.
    FilesLate,
    /// A poll shows the ids of files that do not exist as `""`.
    IdsEmpty,
    /// The batch expires with a part of its lines answered.
    Expired,
    /// The batch fails as a whole, and no line is at fault.
    Failed,
    /// The batch fails for the limit of enqueued tokens, whatever that is.
    TokenLimit,
    /// The batch ends well and never shows its files.
    FilesMissing,
    /// The batch fails in validation, and this line is named.
    LineInvalid,
    /// The line is answered and billed, but not in the results.
    LineMissing,
    /// The line is in the results twice. It is billed once.
    LineTwice,
    /// The answer of the line and of the one behind it change places.
    LineSwapped,
    /// A line that nobody asked for stands before this one.
    LineForeign,
    /// The line breaks off in the middle.
    LineBroken,
    /// The line is longer than anybody reads.
    LineLong,
    /// What can befall an answer or be one: `rate-limited`, `500`, `length`, ...
    Answer(FaultKind),
}

/// A request of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    Upload,
    Create,
    Poll,
    List,
    Cancel,
    Download,
}

impl Request {
    const ALL: [(Request, &'static str); 6] = [
        (Request::Upload, "upload"),
        (Request::Create, "create"),
        (Request::Poll, "poll"),
        (Request::List, "list"),
        (Request::Cancel, "cancel"),
        (Request::Download, "download"),
    ];
}

/// What a fault befalls, and what its `nth` and `first` count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A request of this sort.
    Request(Request),
    /// How a batch is shown to whoever asks for it.
    Shown,
    /// How a batch that has ended is shown.
    ShownEnded,
    /// A batch.
    Batch,
    /// A line in validation.
    Checked,
    /// A line that is answered.
    Line,
}

impl BatchFaultKind {
    /// What it befalls.
    pub fn event(self) -> Event {
        match self {
            BatchFaultKind::Lost(request) | BatchFaultKind::Refused(request, _) => {
                Event::Request(request)
            }
            BatchFaultKind::ListTruncated => Event::Request(Request::List),
            BatchFaultKind::DownloadBroken => Event::Request(Request::Download),
            BatchFaultKind::UnknownStatus | BatchFaultKind::IdsEmpty => Event::Shown,
            BatchFaultKind::FilesLate => Event::ShownEnded,
            BatchFaultKind::Expired
            | BatchFaultKind::Failed
            | BatchFaultKind::TokenLimit
            | BatchFaultKind::FilesMissing => Event::Batch,
            BatchFaultKind::LineInvalid => Event::Checked,
            BatchFaultKind::LineMissing
            | BatchFaultKind::LineTwice
            | BatchFaultKind::LineSwapped
            | BatchFaultKind::LineForeign
            | BatchFaultKind::LineBroken
            | BatchFaultKind::LineLong
            | BatchFaultKind::Answer(_) => Event::Line,
        }
    }
}

/// A fault of a batch and the events that it befalls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BatchFault {
    pub kind: BatchFaultKind,
    pub when: When,
    text: String,
}

/// The fault that befalls an event, if one does.
pub fn choose(
    faults: &[BatchFault],
    event: Event,
    call: &Befallen<'_>,
    seed: u64,
) -> Option<BatchFaultKind> {
    let mut faults = faults.iter().enumerate();
    let found = faults.find(|(index, fault)| {
        fault.kind.event() == event && befalls(*index, &fault.when, call, seed)
    });
    found.map(|(_, fault)| fault.kind)
}

const NAMED: [(&str, BatchFaultKind); 16] = [
    ("list-truncated", BatchFaultKind::ListTruncated),
    ("download-broken", BatchFaultKind::DownloadBroken),
    ("unknown-status", BatchFaultKind::UnknownStatus),
    ("files-late", BatchFaultKind::FilesLate),
    ("ids-empty", BatchFaultKind::IdsEmpty),
    ("expired", BatchFaultKind::Expired),
    ("failed", BatchFaultKind::Failed),
    ("token-limit", BatchFaultKind::TokenLimit),
    ("files-missing", BatchFaultKind::FilesMissing),
    ("line-invalid", BatchFaultKind::LineInvalid),
    ("line-missing", BatchFaultKind::LineMissing),
    ("line-twice", BatchFaultKind::LineTwice),
    ("line-swapped", BatchFaultKind::LineSwapped),
    ("line-foreign", BatchFaultKind::LineForeign),
    ("line-broken", BatchFaultKind::LineBroken),
    ("line-long", BatchFaultKind::LineLong),
];

fn kind(text: &str) -> Option<BatchFaultKind> {
    if let Some((_, kind)) = NAMED.iter().find(|(name, _)| *name == text) {
        return Some(*kind);
    }
    if let Some(answer) = text.strip_prefix("line-") {
        let fault: FaultKind = answer.parse().ok()?;
        return befalls_lines(fault).then_some(BatchFaultKind::Answer(fault));
    }
    Request::ALL.iter().find_map(|(request, name)| {
        let effect = text.strip_prefix(name)?.strip_prefix('-')?;
        if effect == "lost" {
            return Some(BatchFaultKind::Lost(*request));
        }
        let status = effect
            .parse()
            .ok()
            .filter(|status| (400..600).contains(status));
        status.map(|status| BatchFaultKind::Refused(*request, status))
    })
}

/// Whether a fault of a call can be one of a line: a line has no connection of its own.
fn befalls_lines(fault: FaultKind) -> bool {
    of_fault(fault).is_some()
        || matches!(
            fault,
            FaultKind::EmptyContent
                | FaultKind::ContentFilterFinish
                | FaultKind::Length
                | FaultKind::Refusal
                | FaultKind::InsufficientResource
        )
}

/// Why a fault of batches could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BatchFaultParseError {
    /// There is no `@`.
    #[error("fault {fault:?} has no `@`; write KIND@WHEN, such as create-lost@nth:1")]
    NoWhen { fault: String },
    /// The part before `@` names no fault.
    #[error(
        "there is no fault of batches {kind:?}; there are REQUEST-lost and REQUEST-STATUS for upload, create, poll, \
         list, cancel and download, {}, and line-KIND for every fault of a call that is no fault of a connection, \
         such as line-rate-limited and line-length",
        names()
    )]
    UnknownKind { kind: String },
    /// The part behind `@` cannot be read.
    #[error(transparent)]
    When(#[from] FaultParseError),
}

fn names() -> String {
    NAMED.map(|(name, _)| name).join(", ")
}

impl FromStr for BatchFault {
    type Err = BatchFaultParseError;

    fn from_str(text: &str) -> Result<BatchFault, BatchFaultParseError> {
        let (before, when) = text
            .split_once('@')
            .ok_or_else(|| BatchFaultParseError::NoWhen {
                fault: text.to_owned(),
            })?;
        let kind = kind(before).ok_or_else(|| BatchFaultParseError::UnknownKind {
            kind: before.to_owned(),
        })?;
        Ok(BatchFault {
            kind,
            when: when.parse()?,
            text: text.to_owned(),
        })
    }
}

impl TryFrom<String> for BatchFault {
    type Error = BatchFaultParseError;

    fn try_from(text: String) -> Result<BatchFault, BatchFaultParseError> {
        text.parse()
    }
}

impl From<BatchFault> for String {
    fn from(fault: BatchFault) -> String {
        fault.text
    }
}

impl fmt::Display for BatchFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
