//! Reads what a server sends, whole or as a stream of events: with an idle timeout, and no more than may be. It
//! knows no API: a [`Reader`] makes sense of what arrives.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sse_stream::SseByteStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::errors::from_network;
use crate::error::{CallError, Unusable};
use crate::prices::Served;
use crate::provider::{Call, RawAnswer};
use types::class::FailureClass;
use types::pace::{Pace, TRICKLES};
use types::request::Usage;

/// Longest error body that is read.
pub(super) const ERROR_BODY: usize = 64 * 1024;
/// Longest answer that is read.
pub(super) const ANSWER: usize = 8 * 1024 * 1024;
/// A stream may be kept alive so long without a word: DeepSeek's queue gives up after ten minutes.
const QUEUE: Duration = Duration::from_secs(600);
/// A stream that has said all is read to its end, or the connection could not be used again; but no longer.
const END: Duration = Duration::from_millis(100);

/// What a stream of events may begin with.
const MARKS: [&[u8]; 5] = [b":", b"data:", b"event:", b"id:", b"retry:"];
/// Bytes of the longest of them.
const LONGEST_MARK: usize = 6;

/// What an event of a stream was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A sign of life.
    Alive,
    /// A part of the answer.
    Part,
    /// The last.
    Last,
}

/// Makes an answer from what arrives.
pub(super) trait Reader: Send {
    /// Takes one event of a stream, with its name if it has one.
    fn event(&mut self, name: Option<&str>, data: &str) -> Result<Step, CallError>;
    /// Takes an answer that came at once.
    fn whole(&mut self, body: &str) -> Result<(), CallError>;
    /// Tokens that are billed, should nothing more arrive.
    fn billed(&self, call: Call<'_>) -> Usage;
    /// The tier that is billed, if it was told.
    fn served(&self) -> Option<Served> {
        None
    }
    /// Bytes so far.
    fn bytes(&self) -> usize;
    /// Whether the answer has ended, whatever may come behind.
    fn is_sure(&self) -> bool;
    /// Nothing more arrives.
    fn finish(self, call: Call<'_>) -> Result<RawAnswer, CallError>;
}

/// What a server sent, told apart by how it begins: servers are careless about its type.
pub(super) enum Arrived<S> {
    /// Events.
    Events(S),
    /// One body.
    Whole(S),
}

/// Looks at the beginning of a body. `is_stream` says what its type promises.
pub(super) async fn arrived<B: Into<Bytes>>(
    chunks: impl Stream<Item = Result<B, reqwest::Error>>,
    idle: Duration,
    is_stream: bool,
) -> Result<Arrived<impl Stream<Item = Result<Bytes, CallError>>>, CallError> {
    let mut chunks = Box::pin(watched(chunks, idle));
    let deadline = Deadline::new(idle);
    let mut first: Vec<Bytes> = Vec::new();
    let mut start = Vec::new();
    while start.len() < LONGEST_MARK
        && let Some(chunk) = deadline.before(chunks.next()).await?
    {
        let chunk = chunk?;
        let from = if start.is_empty() { blank(&chunk) } else { 0 };
        start.extend(chunk.iter().skip(from).take(LONGEST_MARK));
        first.push(chunk);
    }
    let is_event = MARKS.iter().any(|mark| start.starts_with(mark));
    let is_other = matches!(start.first(), Some(b'{' | b'[' | b'<'));
    let first = futures_util::stream::iter(first.into_iter().map(Ok));
    let all = first.chain(chunks);
    Ok(if is_event || (is_stream && !is_other) {
        Arrived::Events(all)
    } else {
        Arrived::Whole(all)
    })
}

/// How many bytes at the start of a body say nothing: blank lines of DeepSeek's queue, and a byte order mark.
fn blank(chunk: &[u8]) -> usize {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(byte);
    chunk.iter().take_while(|byte| blank(byte)).count()
}

/// A moment until which something must have come.
struct Deadline {
    at: Instant,
    wait: Duration,
}

impl Deadline {
    fn new(idle: Duration) -> Deadline {
        let wait = QUEUE.saturating_add(idle);
        Deadline {
            at: Instant::now() + wait,
            wait,
        }
    }

    async fn before<T>(&self, future: impl Future<Output = T>) -> Result<T, CallError> {
        timeout_at(self.at, future)
            .await
            .map_err(|_| wordless(self.wait))
    }
}

/// Reads the body of an error, that may have at most `limit` bytes.
pub(super) async fn read_error<B: Into<Bytes>>(
    chunks: impl Stream<Item = Result<B, reqwest::Error>>,
    limit: usize,
    idle: Duration,
) -> Result<String, CallError> {
    read(watched(chunks, idle), limit, (idle, idle)).await
}

/// Reads a body that may have at most `limit` bytes, and must have ended `longest` after its first word. DeepSeek sends blank lines before an
/// answer too. A byte that is no UTF-8 becomes U+FFFD.
pub(super) async fn read(
    chunks: impl Stream<Item = Result<Bytes, CallError>>,
    limit: usize,
    (idle, longest): (Duration, Duration),
) -> Result<String, CallError> {
    let mut body = Vec::new();
    let mut chunks = Box::pin(chunks);
    let deadline = Deadline::new(idle);
    let mut last = None;
    while let Some(chunk) = ended_by(last, longest, deadline.before(chunks.next())).await? {
        let chunk = chunk?;
        if blank(&chunk) < chunk.len() {
            last.get_or_insert_with(|| Instant::now() + longest);
        }
        body.extend_from_slice(&chunk);
        if body.len() > limit {
            return Err(too_long(limit));
        }
    }
    Ok(match String::from_utf8(body) {
        Ok(body) => body,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// The chunks of a body; an error when none comes for `idle`. Whatever arrives counts, comments and blank
/// lines of a server that keeps the connection alive too.
pub(super) fn watched<B: Into<Bytes>>(
    chunks: impl Stream<Item = Result<B, reqwest::Error>>,
    idle: Duration,
) -> impl Stream<Item = Result<Bytes, CallError>> {
    futures_util::stream::try_unfold(Box::pin(chunks), move |mut chunks| async move {
        let chunk = timeout(idle, chunks.next())
            .await
            .map_err(|_| silent(idle))?;
        let chunk = chunk.transpose().map_err(|error| from_network(&error))?;
        Ok(chunk.map(|chunk| (chunk.into(), chunks)))
    })
}

/// The same chunks, unless they trickle so that there would be no end.
pub(super) fn flowing(
    chunks: impl Stream<Item = Result<Bytes, CallError>>,
) -> impl Stream<Item = Result<Bytes, CallError>> {
    let (began, mut pace) = (Instant::now(), Pace::default());
    chunks.map(move |chunk| {
        let chunk = chunk?;
        match pace.holds(began.elapsed(), chunk.len()) {
            true => Ok(chunk),
            false => Err(CallError::new(FailureClass::Transient, TRICKLES.to_owned())),
        }
    })
}

/// Makes UTF-8 of chunks that may end in the midst of a character.
#[derive(Default)]
struct Lossy {
    /// The beginning of a character whose end is to come.
    cut: Vec<u8>,
}

impl Lossy {
    fn take(&mut self, chunk: Bytes) -> Bytes {
        let all = if self.cut.is_empty() {
            chunk
        } else {
            let mut all = std::mem::take(&mut self.cut);
            all.extend_from_slice(&chunk);
            all.into()
        };
        if std::str::from_utf8(&all).is_ok() {
            return all;
        }
        let mut text = String::with_capacity(all.len());
        let mut parts = all.utf8_chunks().peekable();
        while let Some(part) = parts.next() {
            text.push_str(part.valid());
            let bad = part.invalid();
            let is_cut = |bad| std::str::from_utf8(bad).is_err_and(|bad| bad.error_len().is_none());
            if parts.peek().is_none() && is_cut(bad) {
                self.cut = bad.to_vec();
            } else if !bad.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text.into()
    }
}

/// Gives the events of a stream to `reader`. The answer must have ended `longest` after its first word.
pub(super) async fn streamed(
    chunks: impl Stream<Item = Result<Bytes, CallError>>,
    idle: Duration,
    longest: Duration,
    reader: &mut impl Reader,
) -> Result<(), CallError> {
    // Bytes since the last event: one that never ends must not be kept without end.
    let pending = AtomicUsize::new(0);
    let mut lossy = Lossy::default();
    let chunks = chunks.map(|chunk| {
        let chunk = chunk?;
        let more = chunk.len();
        let before = pending.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > ANSWER {
            return Err(too_long(ANSWER));
        }
        Ok(lossy.take(chunk))
    });
    let mut events = Box::pin(SseByteStream::new(chunks));
    let mut deadline = Deadline::new(idle);
    let mut last = None;
    loop {
        let Some(event) = ended_by(last, longest, deadline.before(events.next())).await? else {
            break;
        };
        let event = event.map_err(broken)?;
        pending.store(0, Ordering::Relaxed);
        // One without data says nothing, says the standard.
        let Some(data) = event.data.filter(|data| !data.is_empty()) else {
            continue;
        };
        match reader.event(event.event.as_deref(), &data)? {
            Step::Alive => {}
            Step::Part => {
                deadline = Deadline::new(idle);
                last.get_or_insert_with(|| Instant::now() + longest);
            }
            Step::Last => {
                let rest = async { while let Some(Ok(_)) = events.next().await {} };
                let _ = timeout(END, rest).await;
                break;
            }
        }
        if reader.bytes() > ANSWER {
            return Err(too_long(ANSWER));
        }
    }
    Ok(())
}

/// Waits for the next event, and no longer than the answer may take.
async fn ended_by<T>(
    last: Option<Instant>,
    longest: Duration,
    next: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let Some(last) = last else {
        return next.await;
    };
    timeout_at(last, next).await.unwrap_or_else(|_| {
        let seconds = longest.as_secs();
        Err(CallError::new(
            FailureClass::Transient,
            format!("the answer had not ended {seconds} s after its first word"),
        ))
    })
}

/// What a stream of events ended with: what went wrong with its bytes, or with the events.
fn broken(error: sse_stream::Error) -> CallError {
    let words =
        |cause: String| CallError::new(FailureClass::Transient, format!("broken stream: {cause}"));
    match error {
        sse_stream::Error::Body(cause) => match cause.downcast::<CallError>() {
            Ok(error) => *error,
            Err(cause) => words(cause.to_string()),
        },
        other => words(other.to_string()),
    }
}

pub(super) fn silent(limit: Duration) -> CallError {
    CallError::new(
        FailureClass::Transient,
        format!("nothing arrived for {} s", limit.as_secs_f64()),
    )
}

fn wordless(limit: Duration) -> CallError {
    CallError::new(
        FailureClass::Transient,
        format!("signs of life and no answer for {} s", limit.as_secs_f64()),
    )
}

fn too_long(limit: usize) -> CallError {
    CallError::new(
        FailureClass::BadRequest,
        format!("the answer has more than {limit} bytes"),
    )
}

/// The answer ended before its end.
pub(super) fn broken_off() -> CallError {
    CallError::unusable("the answer broke off before its end", Unusable::BROKEN_OFF)
}

#[cfg(test)]
mod tests;
