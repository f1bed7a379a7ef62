//! Whether a file still comes, or trickles so that it would never end. It has no clock: times are arguments.

use std::time::Duration;

/// So long is looked at together.
const SPAN: Duration = Duration::from_secs(60);
/// Fewer bytes in that time, a thousand a second, are a trickle.
const LEAST: u64 = 60_000;

/// What is said of a server that trickles.
pub const TRICKLES: &str = "the server sends less than 1000 bytes a second";

/// How fast pieces come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    since: Duration,
    bytes: u64,
}

impl Pace {
    /// Counts a piece that came so long after the beginning. False where all that came in the last minute is a trickle.
    #[must_use]
    pub fn holds(&mut self, elapsed: Duration, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if elapsed.saturating_sub(self.since) < SPAN {
            return true;
        }
        let holds = self.bytes >= LEAST;
        *self = Pace {
            since: elapsed,
            bytes: 0,
        };
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_told_from_a_slow_line() {
        let lasts = |every: u64, bytes: usize| {
            let mut pace = Pace::default();
            let mut times = (1..1000).map(|piece| Duration::from_millis(piece * every));
            times.find(|at| !pace.holds(*at, bytes))
        };
        assert_eq!(lasts(500, 1), Some(Duration::from_secs(60)));
        assert_eq!(lasts(59_000, 1000), Some(Duration::from_secs(118)));
        assert_eq!(lasts(1000, 999), Some(Duration::from_secs(60)));
        assert_eq!(lasts(1000, 1000), None);
        assert_eq!(lasts(50_000, 1 << 20), None);
        assert_eq!(lasts(1, 1), None, "a small file is soon there");
    }
}
