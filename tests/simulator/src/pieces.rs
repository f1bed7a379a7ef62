//! Answers as the bytes that are sent, in pieces with a wait before each.

use std::time::Duration;

use super::config::Latency;
use super::dialect::Headers;
use super::http;

/// Pieces that a streamed answer is sent in, if it takes time.
const PIECES: usize = 8;
/// Bytes that a slow body sends at once.
const SLOW_BYTES: usize = 16;
/// The most keep-alives of one call, whatever its latency.
const KEEP_ALIVES: u32 = 100_000;
const JSON: &str = "application/json";

/// What is to be sent, each after a wait.
pub type Pieces = Vec<(Duration, Vec<u8>)>;

/// What is sent while a call is queued, and how often.
pub type KeepAlive = Option<(&'static str, Duration)>;

/// A whole answer.
pub fn whole(latency: Latency, headers: &Headers, body: &str, alive: KeepAlive) -> Pieces {
    let wait = latency.first_token + latency.answer;
    let Some((mut pieces, left)) = queued(wait, headers, JSON, alive) else {
        return vec![(wait, single(200, JSON, headers, body))];
    };
    let mut last = http::chunk(body).into_bytes();
    last.extend_from_slice(http::LAST_CHUNK.as_bytes());
    pieces.push((left, last));
    pieces
}

/// A streamed answer of these events.
pub fn streamed(
    latency: Latency,
    headers: &Headers,
    events: &[String],
    alive: KeepAlive,
) -> Pieces {
    const EVENTS: &str = "text/event-stream";
    let count = if latency.answer.is_zero() {
        1
    } else {
        PIECES.min(events.len())
    };
    let groups = events.chunks(events.len().div_ceil(count.max(1)).max(1));
    let gaps = u32::try_from(groups.len().saturating_sub(1)).unwrap_or(0);
    let gap = latency.answer.checked_div(gaps).unwrap_or_default();
    let (mut pieces, first) = queued(latency.first_token, headers, EVENTS, alive)
        .unwrap_or_else(|| (Pieces::new(), latency.first_token));
    let headed = !pieces.is_empty();
    for (at, group) in groups.enumerate() {
        let mut piece = http::chunk(&group.concat()).into_bytes();
        if at == 0 && !headed {
            let head = http::answer_head(200, EVENTS, headers, None);
            piece.splice(..0, head.into_bytes());
        }
        pieces.push((if at == 0 { first } else { gap }, piece));
    }
    if let Some((_, piece)) = pieces.last_mut() {
        piece.extend_from_slice(http::LAST_CHUNK.as_bytes());
    }
    pieces
}

/// The head at once and a sign of life for every part of the wait, if there are such signs; and how
/// long the wait is after the last one.
fn queued(
    wait: Duration,
    headers: &Headers,
    content_type: &str,
    alive: KeepAlive,
) -> Option<(Pieces, Duration)> {
    let (sign, every) = alive.filter(|(_, every)| !every.is_zero() && !wait.is_zero())?;
    let head = http::answer_head(200, content_type, headers, None);
    let mut pieces = vec![(Duration::ZERO, head.into_bytes())];
    let mut left = wait;
    let signs = u32::try_from(wait.as_nanos() / every.as_nanos()).unwrap_or(KEEP_ALIVES);
    for _ in 0..signs.min(KEEP_ALIVES) {
        pieces.push((every, http::chunk(sign).into_bytes()));
        left = left.saturating_sub(every);
    }
    Some((pieces, left))
}

/// Sends everything behind the head a few bytes at a time.
pub fn slowly(pieces: Pieces, gap: Duration) -> Pieces {
    let first = pieces.first().map_or(Duration::ZERO, |(wait, _)| *wait);
    let bytes: Vec<u8> = pieces.into_iter().flat_map(|(_, piece)| piece).collect();
    let (head, body) = bytes
        .split_at_checked(head_of(&bytes))
        .unwrap_or((&bytes, &[]));
    let mut slow = vec![(first, head.to_vec())];
    slow.extend(body.chunks(SLOW_BYTES).map(|piece| (gap, piece.to_vec())));
    slow
}

/// Keeps the first half of what is to be sent behind the head.
pub fn half_of(pieces: &mut Pieces) {
    pieces.truncate(pieces.len().div_ceil(2));
    if let [(_, piece)] = pieces.as_mut_slice() {
        let head = head_of(piece);
        piece.truncate(head + (piece.len() - head) / 2);
    }
}

/// Bytes of the head.
fn head_of(bytes: &[u8]) -> usize {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
    end.map_or(0, |at| at + 4)
}

/// A whole answer in one piece.
pub fn single(status: u16, content_type: &str, headers: &Headers, body: &str) -> Vec<u8> {
    let mut bytes = http::answer_head(status, content_type, headers, Some(body.len())).into_bytes();
    bytes.extend_from_slice(body.as_bytes());
    bytes
}
