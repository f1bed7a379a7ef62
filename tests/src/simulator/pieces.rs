//! Answers as the bytes that are sent, in pieces with a wait before each.

use std::time::Duration;

use super::config::Latency;
use super::http;
use super::openai::{self, Answer, Chat};

/// Pieces that a streamed answer is sent in, if it takes time.
const PIECES: usize = 8;
const JSON: &str = "application/json";

/// A whole answer; if it is `cut`, half of its JSON.
pub fn whole(
    latency: Latency,
    id: &str,
    chat: &Chat,
    answer: &Answer,
    headers: &[(&'static str, String)],
    cut: bool,
) -> Vec<(Duration, Vec<u8>)> {
    let mut body = openai::whole(chat, answer, id);
    if cut {
        let half = body.len() / 2;
        openai::truncate(&mut body, half);
    }
    vec![(
        latency.first_token + latency.answer,
        single(200, JSON, headers, &body),
    )]
}

/// A streamed answer; if it is `cut`, it ends in the middle of an event.
pub fn streamed(
    latency: Latency,
    id: &str,
    chat: &Chat,
    answer: &Answer,
    headers: &[(&'static str, String)],
    cut: bool,
) -> Vec<(Duration, Vec<u8>)> {
    let mut events = openai::events(chat, answer, id);
    if cut {
        events.truncate(events.len().div_ceil(2));
        if let Some(last) = events.last_mut() {
            let half = last.len() / 2;
            openai::truncate(last, half);
        }
    }
    let count = if latency.answer.is_zero() {
        1
    } else {
        PIECES.min(events.len())
    };
    let groups = events.chunks(events.len().div_ceil(count.max(1)).max(1));
    let gaps = u32::try_from(groups.len().saturating_sub(1)).unwrap_or(0);
    let mut pieces: Vec<(Duration, Vec<u8>)> = groups
        .map(|group| {
            (
                latency.answer.checked_div(gaps).unwrap_or_default(),
                http::chunk(&group.concat()).into_bytes(),
            )
        })
        .collect();
    if let Some((wait, piece)) = pieces.first_mut() {
        *wait = latency.first_token;
        let head = http::answer_head(200, "text/event-stream", headers, None);
        piece.splice(..0, head.into_bytes());
    }
    if let Some((_, piece)) = pieces.last_mut() {
        piece.extend_from_slice(http::LAST_CHUNK.as_bytes());
    }
    pieces
}

/// Keeps the first half of what is to be sent behind the head.
pub fn half_of(pieces: &mut Vec<(Duration, Vec<u8>)>) {
    pieces.truncate(pieces.len().div_ceil(2));
    if let [(_, piece)] = pieces.as_mut_slice() {
        let head = piece
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .map_or(0, |at| at + 4);
        piece.truncate(head + (piece.len() - head) / 2);
    }
}

/// A whole answer in one piece.
pub fn single(
    status: u16,
    content_type: &str,
    headers: &[(&'static str, String)],
    body: &str,
) -> Vec<u8> {
    let mut bytes = http::answer_head(status, content_type, headers, Some(body.len())).into_bytes();
    bytes.extend_from_slice(body.as_bytes());
    bytes
}
