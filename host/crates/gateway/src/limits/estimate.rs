//! Guesses how many tokens a call will take, from its bytes and its cap, and corrects itself by what calls
//! took. It leans to the high side, since a limit is guarded by it.

use types::limit::Size;

/// Bytes of English in a token, until something was observed.
const BYTES_PER_TOKEN: f64 = 4.0;
/// Weight of the newest observation.
const WEIGHT: f64 = 0.05;
/// Deviations above the mean: nearly all calls take less.
const DEVIATIONS: f64 = 2.0;

/// What calls of a lane took.
#[derive(Debug, Default)]
pub struct Estimate {
    /// Tokens of a question for each byte.
    input_per_byte: Option<f64>,
    /// Mean and variance of the tokens of an answer.
    output: Option<(f64, f64)>,
}

impl Estimate {
    /// What a call with so many bytes of question and this cap on its answer is likely to take at most.
    pub fn size(&self, bytes: u64, cap: u64) -> Size {
        let per_byte = self.input_per_byte.unwrap_or(1.0 / BYTES_PER_TOKEN);
        let output = match self.output {
            // Nothing is known yet: the cap is what it can take.
            None => cap,
            Some((mean, variance)) => {
                let likely = mean + DEVIATIONS * variance.sqrt();
                (likely.ceil() as u64).clamp(1, cap.max(1))
            }
        };
        Size {
            input: ((bytes as f64) * per_byte).ceil() as u64,
            output,
        }
    }

    /// A call took so much.
    pub fn observe(&mut self, bytes: u64, used: Size) {
        if bytes > 0 && used.input > 0 {
            let ratio = used.input as f64 / bytes as f64;
            let before = self.input_per_byte.unwrap_or(ratio);
            self.input_per_byte = Some(before + WEIGHT * (ratio - before));
        }
        let output = used.output as f64;
        self.output = Some(match self.output {
            None => (output, (output / 4.0).powi(2)),
            Some((mean, variance)) => {
                let step = output - mean;
                let mean = mean + WEIGHT * step;
                (mean, (1.0 - WEIGHT) * (variance + WEIGHT * step * step))
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_with_the_cap_and_learns_the_usual() {
        let mut estimate = Estimate::default();
        assert_eq!(
            estimate.size(400, 2000),
            Size {
                input: 100,
                output: 2000
            }
        );
        for turn in 0..500_u64 {
            let output = 280 + (turn * 37) % 40;
            estimate.observe(400, Size { input: 120, output });
        }
        let size = estimate.size(400, 2000);
        assert_eq!(size.input, 120);
        assert!((310..=340).contains(&size.output), "{}", size.output);
        assert_eq!(estimate.size(400, 50).output, 50);
    }
}
