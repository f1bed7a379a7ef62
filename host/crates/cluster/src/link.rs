//! A link carries messages in order and each once, over a bus that may lose, double and delay. Each message has a number; what the other
//! side has not confirmed after a while is sent again.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use serde_bytes::ByteBuf;
use tokio::time::Instant;

use crate::wire::encode;

/// What was not confirmed for so long is sent again; twice as long each time.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(8);
/// How long a confirmation waits for messages that it can be sent with.
const CONFIRM: Duration = Duration::from_millis(200);
/// Most bytes of messages that are sent together.
const TOGETHER: usize = 256 << 10;

/// One end of a link.
#[derive(Debug)]
pub(crate) struct Link {
    /// What was not confirmed, the oldest first.
    unconfirmed: VecDeque<ByteBuf>,
    /// Number of the oldest.
    oldest: u64,
    /// How many of them were sent.
    sent: usize,
    /// When something was sent or confirmed last.
    moved: Instant,
    again: Duration,
    received: u64,
    /// Since when something that was received is not confirmed.
    unsaid: Option<Instant>,
}

/// Messages that go together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub first: u64,
    pub received: u64,
    pub messages: Vec<ByteBuf>,
}

impl Link {
    pub fn new() -> Link {
        Link {
            unconfirmed: VecDeque::new(),
            oldest: 1,
            sent: 0,
            moved: Instant::now(),
            again: AGAIN,
            received: 0,
            unsaid: None,
        }
    }

    /// Queues a message.
    pub fn push<T: Serialize>(&mut self, message: &T) {
        self.unconfirmed.push_back(ByteBuf::from(encode(message)));
    }

    /// Number of the last message that was received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// What the other side has not confirmed, by number.
    pub fn unconfirmed(&self) -> impl Iterator<Item = (u64, &ByteBuf)> {
        (self.oldest..).zip(&self.unconfirmed)
    }

    /// What is to be sent now, if anything.
    pub fn next(&mut self, now: Instant) -> Option<Piece> {
        let waits = self.sent > 0;
        if waits && now.duration_since(self.moved) >= self.again {
            self.sent = 0;
            self.again = (self.again * 2).min(LONGEST);
        }
        let is_new = self.sent < self.unconfirmed.len();
        let confirms = self
            .unsaid
            .is_some_and(|since| now.duration_since(since) >= CONFIRM);
        if !is_new && !confirms {
            return None;
        }
        let first = self.oldest + self.sent as u64;
        let mut bytes = 0;
        let mut messages = Vec::new();
        for message in self.unconfirmed.iter().skip(self.sent) {
            if !messages.is_empty() && bytes + message.len() > TOGETHER {
                break;
            }
            bytes += message.len();
            messages.push(message.clone());
        }
        if !messages.is_empty() {
            if self.sent == 0 {
                self.moved = now;
            }
            self.sent += messages.len();
        }
        self.unsaid = None;
        Some(Piece {
            first,
            received: self.received,
            messages,
        })
    }

    /// When [`Link::next`] has something at the latest, if nothing is queued meanwhile.
    pub fn wakes(&self) -> Option<Instant> {
        let again = (self.sent > 0).then(|| self.moved + self.again);
        let confirms = self.unsaid.map(|since| since + CONFIRM);
        again.into_iter().chain(confirms).min()
    }

    /// Takes what was received: the messages that are new, in their order.
    pub fn take(&mut self, now: Instant, piece: Piece) -> Vec<ByteBuf> {
        let confirmed = (piece.received + 1).saturating_sub(self.oldest);
        let confirmed = usize::try_from(confirmed).unwrap_or(usize::MAX);
        let confirmed = confirmed.min(self.unconfirmed.len());
        if confirmed > 0 {
            self.unconfirmed.drain(..confirmed);
            self.oldest += confirmed as u64;
            self.sent = self.sent.saturating_sub(confirmed);
            self.moved = now;
            self.again = AGAIN;
        }
        if piece.messages.is_empty() {
            return Vec::new();
        }
        self.unsaid.get_or_insert(now);
        // Messages after a gap are dropped here: the other side sends them again.
        if piece.first > self.received + 1 {
            return Vec::new();
        }
        let known = usize::try_from(self.received + 1 - piece.first).unwrap_or(usize::MAX);
        let new: Vec<ByteBuf> = piece.messages.into_iter().skip(known).collect();
        self.received += new.len() as u64;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode;

    /// Numbers that look random and are the same every time.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % bound
        }
    }

    #[test]
    fn whatever_the_bus_does_all_messages_arrive_once_and_in_order() {
        for seed in 0..500 {
            let mut dice = Dice(seed);
            let mut now = Instant::now();
            let mut ends = [Link::new(), Link::new()];
            let mut bus: Vec<(usize, Piece)> = Vec::new();
            let mut got: [Vec<u64>; 2] = Default::default();
            let mut pushed = 0_u64;
            for step in 0..4_000 {
                now += Duration::from_millis(dice.below(300));
                if step < 400 && dice.below(3) == 0 {
                    ends[(pushed % 2) as usize].push(&pushed);
                    pushed += 1;
                }
                for (side, end) in ends.iter_mut().enumerate() {
                    let Some(piece) = end.next(now) else { continue };
                    // Lost, doubled or delayed, until the bus is well.
                    let fate = if step < 2_000 { dice.below(10) } else { 9 };
                    if fate == 1 {
                        let Piece {
                            first,
                            received,
                            messages,
                        } = &piece;
                        let (first, received, messages) = (*first, *received, messages.clone());
                        bus.push((
                            1 - side,
                            Piece {
                                first,
                                received,
                                messages,
                            },
                        ));
                    }
                    if fate > 0 {
                        bus.push((1 - side, piece));
                    }
                }
                while !bus.is_empty() && dice.below(4) > 0 {
                    let at = if step < 2_000 {
                        dice.below(bus.len() as u64) as usize
                    } else {
                        0
                    };
                    let (side, piece) = bus.remove(at);
                    let new = ends[side].take(now, piece);
                    got[side].extend(new.iter().map(|bytes| decode::<u64>(bytes).unwrap()));
                }
            }
            let of = |side: u64| {
                (0..pushed)
                    .filter(|number| number % 2 == side)
                    .collect::<Vec<_>>()
            };
            assert_eq!((&got[1], &got[0]), (&of(0), &of(1)), "seed {seed}");
        }
    }
}
