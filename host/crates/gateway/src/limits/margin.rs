//! How much wider than even the gaps between calls are, for a provider that takes a call or two at once: it refuses those that
//! arrive a little too early. It knows neither gaps nor calls.

/// The margin is widened by this share with each refusal and narrowed by that with each call that is taken, so that one or two
/// calls in a hundred are refused.
const WIDEN: f64 = 0.02;
const NARROW: f64 = 0.0003;
/// Refusals that have nothing to do with gaps widen it no further than this.
const WIDEST: f64 = 1.4;

/// How many times as wide as even ones gaps are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Margin(f64);

impl Default for Margin {
    fn default() -> Self {
        Margin(1.0)
    }
}

impl Margin {
    /// At least 1.
    pub fn times(self) -> f64 {
        self.0
    }

    /// The provider refused a call.
    pub fn refused(&mut self) {
        self.0 = (self.0 * (1.0 + WIDEN)).min(WIDEST);
    }

    /// The provider took a call.
    pub fn taken(&mut self) {
        self.0 = (self.0 * (1.0 - NARROW)).max(1.0);
    }
}
