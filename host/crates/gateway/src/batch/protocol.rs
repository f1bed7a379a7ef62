//! What the batch API of a provider is to the lane that uses it: a place to hand in many questions at once and to fetch
//! their answers a day later. Each method is one exchange. It does not wait, retry, or know what is kept of it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use serde_json::Value;

use crate::error::CallError;
use crate::provider::{Call, RawAnswer};
use types::class::FailureClass;

/// What an exchange returns.
pub type Working<'a, T> = Pin<Box<dyn Future<Output = Result<T, BatchError>> + Send + 'a>>;

/// Lines of a file, or a part of one, as they come: a piece may end within a line.
pub type Lines<'a> = Pin<Box<dyn Stream<Item = Result<Bytes, CallError>> + Send + 'a>>;

/// An exchange failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct BatchError {
    /// What went wrong.
    pub error: CallError,
    /// Whether the provider may have done what it was asked for: nothing came back, or an error of a server on the way.
    pub is_in_doubt: bool,
}

impl From<CallError> for BatchError {
    /// Of an error after which nothing was done for certain.
    fn from(error: CallError) -> BatchError {
        BatchError {
            error,
            is_in_doubt: false,
        }
    }
}

/// How large a batch may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Questions.
    pub lines: u64,
    /// Bytes of its input file, the newlines included.
    pub bytes: u64,
}

/// The questions of a batch, to be sent as often as need be.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Bytes of all lines, the newlines included.
    pub bytes: u64,
    /// The lines, each with a newline at its end; a piece ends with a whole line.
    pub open: &'a (dyn Fn() -> Lines<'static> + Send + Sync),
}

/// What a batch is made of.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A file that was uploaded, by its id.
    File(&'a str),
    /// Its lines, for a provider that takes them with the batch.
    Inline(Input<'a>),
}

/// How a batch stands, in the words that all providers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchStatus {
    /// It is worked on, or will be, or is being cancelled.
    Working,
    /// It has ended. What it answered can be fetched, once its files are named.
    Ended,
    /// The provider refused it as a whole: nothing was answered.
    Refused,
    /// A word that is not known.
    Unknown,
}

/// A batch as the provider shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteBatch {
    /// The provider's name for it.
    pub id: String,
    /// How it stands.
    pub status: BatchStatus,
    /// The provider's word for that.
    pub word: String,
    /// Questions in it, as far as it counts them.
    pub total: Option<u64>,
    /// Questions that were answered.
    pub answered: Option<u64>,
    /// Questions that failed.
    pub failed: Option<u64>,
    /// Where the answers and errors lie, each to be read to its end.
    pub files: Vec<String>,
    /// Whether all files are named. A batch that has ended may still be about to name them.
    pub is_settled: bool,
    /// When the provider gives up, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// Why it was refused as a whole.
    pub problems: Vec<Problem>,
}

/// Why a batch was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line that it is about, from 1, where it names one.
    pub line: Option<u64>,
    /// What it means, by the provider's code.
    pub class: FailureClass,
    /// The provider's code, and its words.
    pub message: String,
    /// Only the tokens that may wait at once are too many: it fits when another batch has ended.
    pub is_full: bool,
    /// How many tokens may wait at once, where it says so.
    pub most_tokens: Option<u64>,
}

/// A line of a result file.
#[derive(Debug)]
pub struct ResultLine {
    /// The name that the question was given.
    pub custom_id: String,
    /// What it says.
    pub result: LineResult,
}

/// What became of a question.
#[derive(Debug)]
pub enum LineResult {
    /// It was answered. The usage is what the provider counted; 0 where it did not count.
    Answered(RawAnswer),
    /// It was asked, and brought no answer.
    Failed(CallError),
    /// The batch ended before it was asked: nothing is billed. The provider's words.
    NotReached(String),
}

impl From<Result<RawAnswer, CallError>> for LineResult {
    fn from(result: Result<RawAnswer, CallError>) -> LineResult {
        match result {
            Ok(answer) => LineResult::Answered(answer),
            Err(error) => LineResult::Failed(error),
        }
    }
}

/// What a provider has that batchgen made with a key, in any project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Files of questions.
    pub files: Vec<HeldFile>,
    /// Batches.
    pub batches: Vec<HeldBatch>,
}

/// A file of questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFile {
    /// The provider's name for it.
    pub id: String,
    /// The name of the batch that it was uploaded for.
    pub name: String,
    /// How large it is.
    pub bytes: Option<u64>,
    /// When it was uploaded, in seconds since 1970.
    pub created_at: Option<u64>,
}

/// A batch, and the name that it was created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBatch {
    /// Our name for it.
    pub name: String,
    /// The batch as the provider shows it.
    pub remote: RemoteBatch,
}

/// A batch API, for one model.
pub trait BatchProtocol: Send + Sync {
    /// How large a batch may be.
    fn limits(&self) -> BatchLimits;

    /// Whether the questions are uploaded as a file before the batch is created.
    fn uploads(&self) -> bool;

    /// A question as a line, without the newline. It is the same whenever it is asked.
    fn line(&self, custom_id: &str, call: Call<'_>) -> String;

    /// Whether what questions begin with is marked in their lines, and kept for an hour by a cache that later batches read.
    fn marks_beginnings(&self) -> bool {
        false
    }

    /// Uploads the questions under a name, and returns the id of the file.
    fn upload<'a>(&'a self, name: &'a str, input: Input<'a>) -> Working<'a, String>;

    /// Creates a batch with a name.
    fn create<'a>(&'a self, name: &'a str, source: Source<'a>) -> Working<'a, RemoteBatch>;

    /// Looks for a batch that was created and whose id is not known, among all that the provider lists: by its name, or by
    /// its file. `None` if the list was read to its end, at least as far back as `since` (seconds since 1970), and the batch
    /// is not in it.
    fn find<'a>(
        &'a self,
        name: &'a str,
        file: Option<&'a str>,
        since: u64,
    ) -> Working<'a, Option<RemoteBatch>>;

    /// The batches that were created since then (seconds since 1970), where the provider gives a batch no name to be found by.
    /// Which of them is the one can be told from the results of those that have ended: they name the questions.
    fn nameless(&self, since: u64) -> Working<'_, Vec<RemoteBatch>> {
        let _ = since;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// How a batch stands. Only an answer that it does not exist, with this key, says so.
    fn get<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch>;

    /// How these batches stand, as far as the provider's list says so. The list is read back to `since` (seconds since 1970),
    /// and no further than it saves looks. That a batch is left out means nothing: then it is asked for by its name.
    fn list<'a>(&'a self, ids: &'a [String], since: u64) -> Working<'a, Vec<RemoteBatch>> {
        let _ = (ids, since);
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Asks for the end of a batch, which comes some time later.
    fn cancel<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch>;

    /// What lies at the provider that batchgen has named, whichever model it is for. Nothing, where a provider is given no files
    /// of questions, or removes them itself within days.
    fn held(&self) -> Working<'_, Held> {
        Box::pin(async { Ok(Held::default()) })
    }

    /// Removes a file of questions.
    fn remove<'a>(&'a self, file: &'a str) -> Working<'a, ()> {
        let message = format!("it has no file {file}");
        Box::pin(async move { Err(CallError::new(FailureClass::NotFound, message).into()) })
    }

    /// The lines of a result file.
    fn results<'a>(&'a self, file: &'a str) -> Working<'a, Lines<'a>>;

    /// Reads a line of a result file.
    ///
    /// # Errors
    /// It is none: it names no question.
    fn read(&self, line: &str) -> Result<ResultLine, CallError>;

    /// The text of an answer to a question with this schema, without what only the provider's own form of the schema demands.
    fn unstrict(&self, schema: &Value, text: String) -> String {
        let _ = schema;
        text
    }
}
