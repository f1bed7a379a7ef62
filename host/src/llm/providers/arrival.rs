//! Reads what a server sends, whole or as a stream of events: with an idle timeout, and no more than may be. It
//! knows no API: a [`Reader`] makes sense of what arrives.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use sse_stream::SseByteStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::errors::from_network;
use crate::core::class::FailureClass;
use crate::llm::error::CallError;
use crate::llm::provider::{Call, RawAnswer};
use crate::llm::request::Usage;

/// Longest error body that is read.
pub(super) const ERROR_BODY: usize = 64 * 1024;
/// Longest answer that is read.
pub(super) const ANSWER: usize = 8 * 1024 * 1024;
/// A stream may be kept alive so long without a word: DeepSeek's queue gives up after ten minutes.
const QUEUE: Duration = Duration::from_secs(600);
/// A stream that has said all is read to its end, or the connection could not be used again; but no longer.
const END: Duration = Duration::from_millis(100);

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
    /// Takes one event of a stream.
    fn event(&mut self, data: &str) -> Result<Step, CallError>;
    /// Takes an answer that came at once.
    fn whole(&mut self, body: &[u8]) -> Result<(), CallError>;
    /// Tokens that are known to be billed, should nothing more arrive.
    fn billed(&self) -> Usage;
    /// Bytes of text so far.
    fn bytes(&self) -> usize;
    /// Nothing more arrives.
    fn finish(self, call: Call<'_>) -> Result<RawAnswer, CallError>;
}

/// Reads a body that may have at most `limit` bytes. DeepSeek sends blank lines before an answer too.
pub(super) async fn read<B: AsRef<[u8]>>(
    chunks: impl Stream<Item = Result<B, reqwest::Error>>,
    limit: usize,
    idle: Duration,
) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    let mut chunks = Box::pin(watched(chunks, idle));
    let wait = QUEUE.saturating_add(idle);
    let deadline = Instant::now() + wait;
    while let Some(chunk) = timeout_at(deadline, chunks.next())
        .await
        .map_err(|_| wordless(wait))?
    {
        body.extend_from_slice(chunk?.as_ref());
        if body.len() > limit {
            return Err(too_long(limit));
        }
    }
    Ok(body)
}

/// The chunks of a body; an error when none comes for `idle`. Whatever arrives counts, comments and blank
/// lines of a server that keeps the connection alive too.
fn watched<B>(
    chunks: impl Stream<Item = Result<B, reqwest::Error>>,
    idle: Duration,
) -> impl Stream<Item = Result<B, CallError>> {
    futures_util::stream::try_unfold(Box::pin(chunks), move |mut chunks| async move {
        let chunk = timeout(idle, chunks.next())
            .await
            .map_err(|_| silent(idle))?;
        let chunk = chunk.transpose().map_err(|error| from_network(&error))?;
        Ok(chunk.map(|chunk| (chunk, chunks)))
    })
}

/// Gives the events of a stream to `reader`.
pub(super) async fn streamed<B: Buf>(
    chunks: impl Stream<Item = Result<B, reqwest::Error>>,
    idle: Duration,
    reader: &mut impl Reader,
) -> Result<(), CallError> {
    // Bytes since the last event: one that never ends must not be kept without end.
    let pending = AtomicUsize::new(0);
    let chunks = watched(chunks, idle).map(|chunk| {
        let chunk = chunk?;
        let more = chunk.remaining();
        let before = pending.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > ANSWER {
            return Err(too_long(ANSWER));
        }
        Ok(chunk)
    });
    let mut events = Box::pin(SseByteStream::new(chunks));
    let wait = QUEUE.saturating_add(idle);
    let mut last_part = Instant::now();
    while let Some(event) = timeout_at(last_part + wait, events.next())
        .await
        .map_err(|_| wordless(wait))?
    {
        let event = event.map_err(broken)?;
        pending.store(0, Ordering::Relaxed);
        // One without data says nothing, says the standard.
        let Some(data) = event.data.filter(|data| !data.is_empty()) else {
            continue;
        };
        match reader.event(&data)? {
            Step::Alive => {}
            Step::Part => last_part = Instant::now(),
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
    CallError::new(
        FailureClass::Transient,
        "the answer broke off before its end",
    )
}

/// An answer that is not what the API promises.
pub(super) fn malformed(error: &serde_json::Error) -> CallError {
    CallError::new(
        FailureClass::Transient,
        format!("the answer is not the JSON that it should be: {error}"),
    )
}

#[cfg(test)]
mod tests;
