//! What models cost. Prices are configured in dollars per million tokens and counted in whole micro-dollars,
//! rounded up, so that sums neither drift nor fall short. A model without a price has an unknown one, which is
//! not nothing; what a prompt cache takes to be written, and discounts, are left out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::providers::offline;
use super::request::Usage;
use crate::config::ModelConfig;

/// Micro-dollars in a dollar, and tokens that a price is for.
const MILLION: u64 = 1_000_000;
/// The most that a million tokens may cost, in dollars; more is a slip of the pen.
const DEAREST: f64 = 1e6;

/// Micro-dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Dollars")]
pub struct Price {
    /// Of questions.
    pub input: u64,
    /// Of the part of questions that was in the provider's prompt cache.
    pub cached_input: u64,
    /// Of answers.
    pub output: u64,
}

impl Price {
    /// What costs nothing.
    pub const FREE: Price = Price {
        input: 0,
        cached_input: 0,
        output: 0,
    };

    /// The cost of tokens in micro-dollars, rounded up.
    pub fn cost(&self, usage: &Usage) -> u64 {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let part = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let parts = [
            part(usage.input_tokens - cached, self.input),
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
            output: micro(dollars.output)?,
        })
    }
}

/// The bundled table.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    date: String,
    models: BTreeMap<String, Price>,
}

// A test reads it, so it cannot be wrong in a build that was tested.
static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("prices.toml")).unwrap_or_default());

/// The day that the bundled prices are of.
pub fn date() -> &'static str {
    &TABLE.date
}

/// What `model`, named as `provider/model`, costs: as configured, else as bundled; `None` when unknown.
pub fn price(models: &BTreeMap<String, ModelConfig>, model: &str) -> Option<Price> {
    models
        .get(model)
        .and_then(|configured| configured.price)
        .or_else(|| bundled(model))
}

/// The bundled price. A model with a date in its name costs what it costs without, unless the table knows better.
fn bundled(model: &str) -> Option<Price> {
    if model == offline::NAME {
        return Some(Price::FREE);
    }
    let known = |model: &str| TABLE.models.get(model).copied();
    known(model).or_else(|| known(undated(model)?))
}

/// `p/m` of `p/m-2024-07-18` and `p/m-20240718`.
fn undated(model: &str) -> Option<&str> {
    let start = model.find(|character: char| character == '-').map(|_| {
        model.trim_end_matches(|character: char| character.is_ascii_digit() || character == '-')
    })?;
    let digits = model
        .get(start.len()..)?
        .bytes()
        .filter(u8::is_ascii_digit)
        .count();
    // `gpt-4.1-mini-2025-04-14` ends in a date, `claude-opus-4-5-20251101` in a version and a date.
    let date = ["-dddd-dd-dd", "-dddddddd"].into_iter().find(|form| {
        model.len() > form.len()
            && model
                .bytes()
                .rev()
                .zip(form.bytes().rev())
                .all(|(byte, form)| match form {
                    b'd' => byte.is_ascii_digit(),
                    _ => byte == b'-',
                })
    });
    if digits < 8 {
        return None;
    }
    model.get(..model.len() - date?.len())
}
