//! When a request may start: exact sliding windows of requests and tokens guard, governor paces within
//! them, and a pause that the provider asked for holds the whole lane. All on tokio's clock.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::{Instant, sleep_until};

use super::error::CallError;
use crate::core::class::FailureClass;
use crate::core::window::{Reservation, Window};

const MINUTE: Duration = Duration::from_secs(60);

/// Tokio's clock, counted from the making of the lane, for governor.
#[derive(Clone, Copy, Debug)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.start.elapsed())
    }
}

type Governor = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>;

/// The pace of one lane.
pub(super) struct Pace {
    clock: TokioClock,
    governor: Option<Governor>,
    books: Mutex<Books>,
}

struct Books {
    requests: Option<Window>,
    tokens: Option<Window>,
    paused_until: Duration,
    /// Tokens of recent calls, to guess those of the next.
    observed: f64,
}

/// A request that was let through; to be settled with what it used.
pub(super) struct Booking {
    tokens: Option<Reservation>,
}

impl Pace {
    pub fn new(requests_per_minute: Option<u64>, tokens_per_minute: Option<u64>) -> Pace {
        let clock = TokioClock {
            start: Instant::now(),
        };
        let governor = requests_per_minute
            .and_then(|limit| NonZeroU32::new(u32::try_from(limit).unwrap_or(u32::MAX)))
            .map(|limit| RateLimiter::direct_with_clock(Quota::per_minute(limit), clock));
        Pace {
            clock,
            governor,
            books: Mutex::new(Books {
                requests: requests_per_minute.map(|limit| Window::new(limit, MINUTE)),
                tokens: tokens_per_minute.map(|limit| Window::new(limit, MINUTE)),
                paused_until: Duration::ZERO,
                observed: 0.0,
            }),
        }
    }

    /// Waits until a request of about so many tokens may start, and books it.
    pub async fn start(&self, input_tokens: u64, output_cap: u64) -> Result<Booking, CallError> {
        loop {
            let now = self.clock.start.elapsed();
            let wait = match self.try_start(now, input_tokens, output_cap)? {
                Ok(booking) => return Ok(booking),
                Err(until) => until,
            };
            sleep_until(self.clock.start + wait).await;
        }
    }

    /// Books, or says until when to wait.
    fn try_start(
        &self,
        now: Duration,
        input_tokens: u64,
        output_cap: u64,
    ) -> Result<Result<Booking, Duration>, CallError> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let estimate = books.estimate(input_tokens, output_cap);
        let mut at = now.max(books.paused_until);
        if let Some(window) = &mut books.requests {
            at = at.max(
                window
                    .earliest(now, 1)
                    .ok_or_else(|| never("request", 1, 0))?,
            );
        }
        if let Some(window) = &mut books.tokens {
            let limit = window.limit();
            let earliest = window.earliest(now, estimate);
            at = at.max(earliest.ok_or_else(|| never("token", estimate, limit))?);
        }
        if at > now {
            return Ok(Err(at));
        }
        if let Some(governor) = &self.governor
            && let Err(not_until) = governor.check()
        {
            return Ok(Err(now
                + not_until
                    .wait_time_from(self.clock.now())
                    .max(Duration::from_millis(1))));
        }
        if let Some(window) = &mut books.requests {
            window.reserve(now, 1);
        }
        let tokens = books
            .tokens
            .as_mut()
            .map(|window| window.reserve(now, estimate));
        Ok(Ok(Booking { tokens }))
    }

    /// Corrects a booking to the tokens that were used.
    pub fn settle(&self, booking: &Booking, used: u64) {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(window), Some(reservation)) = (&mut books.tokens, booking.tokens) {
            window.settle(reservation, used);
        }
    }

    /// Learns how many tokens an answer has.
    pub fn observe(&self, output_tokens: u64) {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let output = output_tokens as f64;
        books.observed = if books.observed == 0.0 {
            output
        } else {
            0.8 * books.observed + 0.2 * output
        };
    }

    /// Nothing starts on the lane for so long.
    pub fn pause(&self, span: Duration) {
        let until = self.clock.start.elapsed().saturating_add(span);
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.paused_until = books.paused_until.max(until);
    }

    /// Requests used of the limit in the last minute.
    pub fn used(&self) -> Option<(u64, u64)> {
        let now = self.clock.start.elapsed();
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books
            .requests
            .as_mut()
            .map(|window| (window.used(now), window.limit()))
    }
}

impl Books {
    /// Question plus answer: the cap until something was observed, then twice the usual.
    fn estimate(&self, input_tokens: u64, output_cap: u64) -> u64 {
        let usual = if self.observed == 0.0 {
            output_cap
        } else {
            (2.0 * self.observed) as u64
        };
        input_tokens.saturating_add(usual.min(output_cap))
    }
}

fn never(what: &str, amount: u64, limit: u64) -> CallError {
    CallError::new(
        FailureClass::BadRequest,
        format!(
            "the request needs about {amount} {what}s, and the limit is {limit} a minute; \
             raise {what}s-per-minute or lower max-output-tokens"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_holds_no_more_than_its_limit() {
        let pace = Pace::new(Some(3), None);
        let start = Instant::now();
        let mut at = Vec::new();
        for _ in 0..7 {
            pace.start(1, 1).await.unwrap();
            at.push(start.elapsed().as_secs());
        }
        assert_eq!(at, [0, 0, 0, 60, 60, 60, 120]);
        assert_eq!(pace.used(), Some((1, 3)));
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_booked_by_estimate_and_settled() {
        let pace = Pace::new(None, Some(1000));
        let start = Instant::now();
        let booking = pace.start(100, 800).await.unwrap();
        pace.settle(&booking, 200);
        pace.start(100, 700).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        pace.start(100, 700).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(60));
        let error = pace.start(100, 2000).await.err().unwrap();
        assert!(error.message.contains("the limit is 1000"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_the_whole_lane() {
        let pace = Pace::new(None, None);
        let start = Instant::now();
        pace.pause(Duration::from_secs(7));
        pace.start(1, 1).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(7));
    }
}
