//! What models cost. Prices are configured in dollars per million tokens and counted in whole micro-dollars,
//! rounded up, so that sums neither drift nor fall short. A model without a price has an unknown one, which is
//! not nothing; discounts are left out.

use serde::Deserialize;

use types::request::Usage;

/// Micro-dollars in a dollar, and tokens that a price is for.
const MILLION: u64 = 1_000_000;
/// The most that a million tokens may cost, in dollars; more is a slip of the pen.
const DEAREST: f64 = 1e6;

/// What writing to a prompt cache costs, over input, where nothing else is configured: Anthropic's surcharges, for
/// minutes and for an hour.
const CACHE_WRITE: f64 = 1.25;
const LONG_CACHE_WRITE: f64 = 2.0;

/// Micro-dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Dollars")]
pub struct Price {
    /// Of questions.
    pub input: u64,
    /// Of the part of questions that was in the provider's prompt cache.
    pub cached_input: u64,
    /// Of the part of questions that was written to it, where the provider bills that apart.
    pub cache_write: u64,
    /// Of the part of that which is kept there for long, an hour or more.
    pub long_cache_write: u64,
    /// Of answers.
    pub output: u64,
}

impl Price {
    /// What costs nothing.
    pub const FREE: Price = Price {
        input: 0,
        cached_input: 0,
        cache_write: 0,
        long_cache_write: 0,
        output: 0,
    };

    /// The cost of tokens in micro-dollars, rounded up.
    pub fn cost(&self, usage: &Usage) -> u64 {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let fresh = usage.input_tokens - cached;
        let written = usage.cache_write_tokens.min(fresh);
        let for_long = usage.long_cache_write_tokens.min(written);
        let part = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let parts = [
            part(fresh - written, self.input),
            part(written - for_long, self.cache_write),
            part(for_long, self.long_cache_write),
            part(cached, self.cached_input),
            part(usage.output_tokens, self.output),
        ];
        let sum = parts.into_iter().fold(0, u128::saturating_add);
        u64::try_from(sum.div_ceil(u128::from(MILLION))).unwrap_or(u64::MAX)
    }
}

/// A price as it is written: dollars for a million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Dollars {
    input: f64,
    cached_input: Option<f64>,
    cache_write: Option<f64>,
    long_cache_write: Option<f64>,
    output: f64,
}

/// No price is like this.
#[derive(Debug, thiserror::Error)]
#[error(
    "a price of {0} dollars for a million tokens\nhint: write it as in price = {{ input = 0.15, output = 0.6 }}"
)]
struct NoPrice(f64);

impl TryFrom<Dollars> for Price {
    type Error = NoPrice;

    fn try_from(dollars: Dollars) -> Result<Price, NoPrice> {
        let micro = |dollars: f64| {
            if !(0.0..=DEAREST).contains(&dollars) {
                return Err(NoPrice(dollars));
            }
            // In range, so nothing is cut off.
            Ok((dollars * MILLION as f64).round() as u64)
        };
        Ok(Price {
            input: micro(dollars.input)?,
            cached_input: micro(dollars.cached_input.unwrap_or(dollars.input))?,
            cache_write: micro(dollars.cache_write.unwrap_or(dollars.input * CACHE_WRITE))?,
            long_cache_write: micro(
                dollars
                    .long_cache_write
                    .unwrap_or(dollars.input * LONG_CACHE_WRITE),
            )?,
            output: micro(dollars.output)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::settings::{ModelConfig, price};

    fn known(model: &str) -> Option<Price> {
        price(&BTreeMap::new(), model)
    }

    #[test]
    fn costs_are_rounded_up_and_never_overflow() {
        let mini = known("openai/gpt-4o-mini").unwrap();
        assert_eq!(mini.input, 150_000);
        assert_eq!(mini.cost(&Usage::new(0, 0)), 0);
        assert_eq!(mini.cost(&Usage::new(1, 0)), 1);
        assert_eq!(mini.cost(&Usage::new(1_000_000, 1_000_000)), 750_000);
        let cached = Usage {
            cached_tokens: 1_000_000,
            ..Usage::new(1_000_000, 0)
        };
        assert_eq!(mini.cost(&cached), 75_000);
        let haiku = known("anthropic/claude-haiku-4-5").unwrap();
        let written = Usage {
            cached_tokens: 100_000,
            cache_write_tokens: 500_000,
            ..Usage::new(1_000_000, 0)
        };
        assert_eq!(haiku.cost(&written), 400_000 + 625_000 + 10_000);
        let for_long = Usage {
            long_cache_write_tokens: 200_000,
            ..written
        };
        assert_eq!(haiku.cost(&for_long), 400_000 + 375_000 + 400_000 + 10_000);
        // OpenAI takes a surcharge for writing from some models only.
        let mini_wrote = Usage {
            cache_write_tokens: 1_000_000,
            ..Usage::new(1_000_000, 0)
        };
        assert_eq!(mini.cost(&mini_wrote), 150_000);
        let luna = known("openai/gpt-6-luna").unwrap();
        assert_eq!(luna.cost(&mini_wrote), 125_000);
        let odd = Usage {
            cached_tokens: 5,
            ..Usage::new(1, 0)
        };
        assert_eq!(mini.cost(&odd), 1);
        assert_eq!(
            mini.cost(&Usage::new(u64::MAX, u64::MAX)),
            13_835_058_055_282_163_712
        );
        let dear = Price {
            output: u64::MAX,
            ..Price::FREE
        };
        assert_eq!(dear.cost(&Usage::new(0, u64::MAX)), u64::MAX);
    }

    #[test]
    fn a_configured_price_counts_first() {
        let read = |price: &str| toml::from_str::<ModelConfig>(&format!("price = {price}"));
        let configured = read("{ input = 0.0375, cached-input = 0.01, output = 1 }").unwrap();
        let expected = Price {
            input: 37_500,
            cached_input: 10_000,
            cache_write: 46_875,
            long_cache_write: 75_000,
            output: 1_000_000,
        };
        let models = BTreeMap::from([("openai/gpt-4o-mini".to_owned(), configured)]);
        assert_eq!(price(&models, "openai/gpt-4o-mini"), Some(expected));
        let whole = read("{ input = 2.0, output = 3.0 }")
            .unwrap()
            .price
            .unwrap();
        assert_eq!(whole.cached_input, whole.input);
        for wrong in ["-1.0", "nan", "inf", "1e9"] {
            let error = read(&format!("{{ input = {wrong}, output = 1.0 }}")).unwrap_err();
            assert!(error.to_string().contains("hint"), "{error}");
        }
    }
}
