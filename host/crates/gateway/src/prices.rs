//! What models cost. Prices are configured in dollars per million tokens and counted in whole micro-dollars,
//! rounded up, so that sums neither drift nor fall short. A model without a price has an unknown one, which is
//! not nothing; discounts are left out. A price may be another one for calls with long questions.

use serde::{Deserialize, Serialize};

use types::request::Usage;

/// The tier of service that an answer came from, as the provider says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Served {
    /// The cheaper one.
    Flex,
    /// Any other.
    Ordinary,
}

impl Served {
    /// What the provider's word means.
    pub(crate) fn of(tier: &str) -> Served {
        if tier.eq_ignore_ascii_case("flex") {
            Served::Flex
        } else {
            Served::Ordinary
        }
    }
}

/// Micro-dollars in a dollar, and tokens that a price is for.
const MILLION: u64 = 1_000_000;
/// The most that a million tokens may cost, in dollars; more is a slip of the pen.
const DEAREST: f64 = 1e6;

/// What writing to a prompt cache costs, over input, where nothing else is configured: Anthropic's surcharges, for
/// minutes and for an hour.
const CACHE_WRITE: f64 = 1.25;
const LONG_CACHE_WRITE: f64 = 2.0;

/// What a model costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Dollars")]
pub struct Price {
    /// Of most calls.
    pub usual: Rates,
    /// Of calls with long questions, where they cost something else.
    pub long: Option<LongPrice>,
}

/// Micro-dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
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

/// What all tokens of a call cost whose question is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongPrice {
    /// A question is long that has more tokens.
    pub above: u64,
    /// What they cost.
    pub rates: Rates,
}

impl Price {
    /// What costs nothing.
    pub const FREE: Price = Price::of(Rates::FREE);

    /// A price that does not depend on how long a question is.
    pub const fn of(usual: Rates) -> Price {
        Price { usual, long: None }
    }

    /// The cost of a call in micro-dollars, rounded up.
    pub fn cost(&self, usage: &Usage) -> u64 {
        self.cost_of(1, usage)
    }

    /// For how many calls with one beginning it pays that the first of them has it kept for an hour and the others read it;
    /// `None` where it never does.
    pub fn pays_to_keep_from(&self) -> Option<u64> {
        let Rates {
            input,
            cached_input,
            long_cache_write,
            ..
        } = self.usual;
        let saved = input.checked_sub(cached_input).filter(|saved| *saved > 0)?;
        Some(long_cache_write.saturating_sub(input) / saved + 2)
    }

    /// The cost of so many calls in micro-dollars, rounded up; their questions are taken to be of one length.
    pub fn cost_of(&self, calls: u64, usage: &Usage) -> u64 {
        let each = usage.input_tokens / calls.max(1);
        let long = self.long.filter(|long| each > long.above);
        long.map_or(self.usual, |long| long.rates).cost(usage)
    }
}

impl Rates {
    /// What costs nothing.
    pub const FREE: Rates = Rates {
        input: 0,
        cached_input: 0,
        cache_write: 0,
        long_cache_write: 0,
        output: 0,
    };

    fn cost(&self, usage: &Usage) -> u64 {
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
    /// What is another price where the question has more tokens.
    long: Option<LongDollars>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LongDollars {
    above: u64,
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
        let long = dollars.long.map(|long| {
            let for_cache = [long.cached_input, long.cache_write, long.long_cache_write];
            Ok(LongPrice {
                above: long.above,
                rates: rates(long.input, for_cache, long.output)?,
            })
        });
        let for_cache = [
            dollars.cached_input,
            dollars.cache_write,
            dollars.long_cache_write,
        ];
        Ok(Price {
            usual: rates(dollars.input, for_cache, dollars.output)?,
            long: long.transpose()?,
        })
    }
}

/// Rates of dollars: for questions, what a prompt cache has or is given of these, and answers.
fn rates(
    input: f64,
    [cached, written, for_long]: [Option<f64>; 3],
    output: f64,
) -> Result<Rates, NoPrice> {
    let micro = |dollars: f64| {
        if !(0.0..=DEAREST).contains(&dollars) {
            return Err(NoPrice(dollars));
        }
        // In range, so nothing is cut off.
        Ok((dollars * MILLION as f64).round() as u64)
    };
    Ok(Rates {
        input: micro(input)?,
        cached_input: micro(cached.unwrap_or(input))?,
        cache_write: micro(written.unwrap_or(input * CACHE_WRITE))?,
        long_cache_write: micro(for_long.unwrap_or(input * LONG_CACHE_WRITE))?,
        output: micro(output)?,
    })
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
        assert_eq!(mini.usual.input, 150_000);
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
        let luna_wrote = Usage {
            cache_write_tokens: 200_000,
            ..Usage::new(200_000, 0)
        };
        assert_eq!(luna.cost(&luna_wrote), 25_000);
        let odd = Usage {
            cached_tokens: 5,
            ..Usage::new(1, 0)
        };
        assert_eq!(mini.cost(&odd), 1);
        assert_eq!(
            mini.cost(&Usage::new(u64::MAX, u64::MAX)),
            13_835_058_055_282_163_712
        );
        let dear = Price::of(Rates {
            output: u64::MAX,
            ..Rates::FREE
        });
        assert_eq!(dear.cost(&Usage::new(0, u64::MAX)), u64::MAX);
    }

    #[test]
    fn all_tokens_of_a_call_cost_more_where_its_question_is_long() {
        let gemini = known("gemini/gemini-2.5-pro").unwrap();
        assert_eq!(gemini.cost(&Usage::new(200_000, 1000)), 250_000 + 10_000);
        let long = Usage {
            cached_tokens: 100_000,
            ..Usage::new(200_001, 1000)
        };
        // 100,001 at 2.5, 100,000 at 0.25 and 1,000 at 15 dollars.
        assert_eq!(gemini.cost(&long), 250_003 + 25_000 + 15_000);
        // Ten calls of 20,000 tokens are not long.
        let ten = Usage::new(200_010, 1000);
        assert_eq!(gemini.cost_of(10, &ten), 250_013 + 10_000);
        let batch = crate::models::facts("gemini/gemini-2.5-pro").unwrap().batch;
        assert_eq!(batch.unwrap().cost(&Usage::new(300_000, 0)), 375_000);
        let own =
            "price = { input = 1, output = 2, long = { above = 1000, input = 3, output = 4 } }";
        let own = toml::from_str::<ModelConfig>(own).unwrap().price.unwrap();
        assert_eq!(own.cost(&Usage::new(1000, 100)), 1000 + 200);
        assert_eq!(own.cost(&Usage::new(1001, 100)), 3003 + 400);
    }

    #[test]
    fn a_beginning_is_kept_for_those_whom_it_pays() {
        let batch =
            crate::models::facts("anthropic/claude-haiku-4-5").and_then(|facts| facts.batch);
        // The first costs half a dollar more for a million tokens, and each other one 45 cents less.
        assert_eq!(batch.unwrap().pays_to_keep_from(), Some(3));
        let undiscounted = Rates {
            input: 10,
            cached_input: 10,
            long_cache_write: 20,
            ..Rates::FREE
        };
        assert_eq!(Price::of(undiscounted).pays_to_keep_from(), None);
        assert_eq!(Price::FREE.pays_to_keep_from(), None);
    }

    #[test]
    fn a_configured_price_counts_first() {
        let read = |price: &str| toml::from_str::<ModelConfig>(&format!("price = {price}"));
        let configured = read("{ input = 0.0375, cached-input = 0.01, output = 1 }").unwrap();
        let expected = Price::of(Rates {
            input: 37_500,
            cached_input: 10_000,
            cache_write: 46_875,
            long_cache_write: 75_000,
            output: 1_000_000,
        });
        let models = BTreeMap::from([("openai/gpt-4o-mini".to_owned(), configured)]);
        assert_eq!(price(&models, "openai/gpt-4o-mini"), Some(expected));
        let whole = read("{ input = 2.0, output = 3.0 }")
            .unwrap()
            .price
            .unwrap()
            .usual;
        assert_eq!(whole.cached_input, whole.input);
        for wrong in ["-1.0", "nan", "inf", "1e9"] {
            let error = read(&format!("{{ input = {wrong}, output = 1.0 }}")).unwrap_err();
            assert!(error.to_string().contains("hint"), "{error}");
        }
    }
}
