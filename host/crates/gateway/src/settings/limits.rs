//! Limits of lanes, as the configuration has them.

use std::time::Duration;

use serde::Deserialize;

use types::limit::{Amount, Limit};

/// `[limits]`, and `[models."provider/model".limits]`: of each lane with a real model; the offline provider
/// has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitsConfig {
    /// Requests in any second.
    pub requests_per_second: Option<u64>,
    /// Requests in any minute.
    pub requests_per_minute: Option<u64>,
    /// Requests in any day.
    pub requests_per_day: Option<u64>,
    /// Tokens, in and out together, in any second.
    pub tokens_per_second: Option<u64>,
    /// Tokens, in and out together, in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Tokens, in and out together, in any day.
    pub tokens_per_day: Option<u64>,
    /// Tokens of questions in any second.
    pub input_tokens_per_second: Option<u64>,
    /// Tokens of questions in any minute.
    pub input_tokens_per_minute: Option<u64>,
    /// Tokens of questions in any day.
    pub input_tokens_per_day: Option<u64>,
    /// Tokens of answers in any second.
    pub output_tokens_per_second: Option<u64>,
    /// Tokens of answers in any minute.
    pub output_tokens_per_minute: Option<u64>,
    /// Tokens of answers in any day.
    pub output_tokens_per_day: Option<u64>,
    /// Requests at once; found out where absent.
    pub concurrency: Option<u64>,
}

impl LimitsConfig {
    /// Each amount with its key, the span of its window and its value.
    fn windows(&self) -> [(Amount, &'static str, u64, Option<u64>); 12] {
        use Amount::{InputTokens, OutputTokens, Requests, Tokens};
        [
            (Requests, "requests-per-second", 1, self.requests_per_second),
            (
                Requests,
                "requests-per-minute",
                60,
                self.requests_per_minute,
            ),
            (Requests, "requests-per-day", 86_400, self.requests_per_day),
            (Tokens, "tokens-per-second", 1, self.tokens_per_second),
            (Tokens, "tokens-per-minute", 60, self.tokens_per_minute),
            (Tokens, "tokens-per-day", 86_400, self.tokens_per_day),
            (
                InputTokens,
                "input-tokens-per-second",
                1,
                self.input_tokens_per_second,
            ),
            (
                InputTokens,
                "input-tokens-per-minute",
                60,
                self.input_tokens_per_minute,
            ),
            (
                InputTokens,
                "input-tokens-per-day",
                86_400,
                self.input_tokens_per_day,
            ),
            (
                OutputTokens,
                "output-tokens-per-second",
                1,
                self.output_tokens_per_second,
            ),
            (
                OutputTokens,
                "output-tokens-per-minute",
                60,
                self.output_tokens_per_minute,
            ),
            (
                OutputTokens,
                "output-tokens-per-day",
                86_400,
                self.output_tokens_per_day,
            ),
        ]
    }

    /// The windows that are set.
    pub fn limits(&self) -> Vec<Limit> {
        let set = self
            .windows()
            .into_iter()
            .filter_map(|(amount, _, seconds, most)| {
                Some(Limit {
                    amount,
                    span: Duration::from_secs(seconds),
                    most: most?,
                })
            });
        set.collect()
    }

    /// The key of a limit that is 0, so that nothing could ever be asked.
    pub fn zero(&self) -> Option<&'static str> {
        let concurrency = (self.concurrency == Some(0)).then_some("concurrency");
        let mut windows = self.windows().into_iter();
        concurrency
            .or_else(|| windows.find_map(|(_, key, _, most)| (most == Some(0)).then_some(key)))
    }

    /// These limits with those of one model in their place.
    #[must_use]
    pub fn for_model(&self, model: &LimitsConfig) -> LimitsConfig {
        LimitsConfig {
            requests_per_second: model.requests_per_second.or(self.requests_per_second),
            requests_per_minute: model.requests_per_minute.or(self.requests_per_minute),
            requests_per_day: model.requests_per_day.or(self.requests_per_day),
            tokens_per_second: model.tokens_per_second.or(self.tokens_per_second),
            tokens_per_minute: model.tokens_per_minute.or(self.tokens_per_minute),
            tokens_per_day: model.tokens_per_day.or(self.tokens_per_day),
            input_tokens_per_second: model
                .input_tokens_per_second
                .or(self.input_tokens_per_second),
            input_tokens_per_minute: model
                .input_tokens_per_minute
                .or(self.input_tokens_per_minute),
            input_tokens_per_day: model.input_tokens_per_day.or(self.input_tokens_per_day),
            output_tokens_per_second: model
                .output_tokens_per_second
                .or(self.output_tokens_per_second),
            output_tokens_per_minute: model
                .output_tokens_per_minute
                .or(self.output_tokens_per_minute),
            output_tokens_per_day: model.output_tokens_per_day.or(self.output_tokens_per_day),
            concurrency: model.concurrency.or(self.concurrency),
        }
    }
}
