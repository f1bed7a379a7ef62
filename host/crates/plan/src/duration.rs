//! How long calls last that are to be made, and what holds them back.

use types::limit::{Amount, Limit};

/// Calls that are to be made of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub calls: u64,
    /// Tokens of their questions.
    pub input: u64,
    /// Tokens of their answers.
    pub output: u64,
}

/// How long calls last.
#[derive(Clone, Debug, PartialEq)]
pub struct Lasts {
    /// Seconds.
    pub seconds: f64,
    /// What holds them back.
    pub by: HeldBack,
}

/// What holds calls back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// A limit of the provider.
    Limit(Limit),
    /// So many calls at once.
    AtOnce(u64),
    /// Nothing but the time that an answer takes.
    Answers,
}

/// Seconds to the first token of an answer, as long as nothing is known of the model.
const FIRST_TOKEN: f64 = 1.0;
/// Tokens of an answer that come in a second.
const TOKENS_A_SECOND: f64 = 60.0;

/// How long calls last with these limits. What a limit lets through at once costs no time, and the last call takes as long
/// as its answer does.
pub fn lasts(work: &Work, limits: &[Limit], concurrency: Option<u64>) -> Lasts {
    let each = FIRST_TOKEN + work.output as f64 / work.calls.max(1) as f64 / TOKENS_A_SECOND;
    let mut longest = Lasts {
        seconds: each,
        by: HeldBack::Answers,
    };
    if let Some(most) = concurrency {
        let rounds = work.calls.div_ceil(most.max(1));
        if rounds > 1 {
            longest = Lasts {
                seconds: rounds as f64 * each,
                by: HeldBack::AtOnce(most),
            };
        }
    }
    for limit in limits {
        let amount = match limit.amount {
            Amount::Requests => work.calls,
            Amount::InputTokens => work.input,
            Amount::OutputTokens => work.output,
            Amount::Tokens => work.input.saturating_add(work.output),
        };
        let windows = amount as f64 / limit.most.max(1) as f64;
        let seconds = (windows - 1.0) * limit.span.as_secs_f64() + each;
        if windows > 1.0 && seconds > longest.seconds {
            longest = Lasts {
                seconds,
                by: HeldBack::Limit(*limit),
            };
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_holds_calls_back_is_named() {
        let per_minute = |amount, most| Limit {
            amount,
            span: Duration::from_secs(60),
            most,
        };
        let work = Work {
            calls: 545,
            input: 545 * 300,
            output: 545 * 120,
        };
        let told = |limits: &[Limit], concurrency| {
            let Lasts { seconds, by } = lasts(&work, limits, concurrency);
            (seconds.round(), by)
        };
        let requests = per_minute(Amount::Requests, 30);
        assert_eq!(
            told(&[requests], Some(8)),
            (1033.0, HeldBack::Limit(requests))
        );
        assert_eq!(told(&[], Some(8)), (207.0, HeldBack::AtOnce(8)));
        let tokens = per_minute(Amount::Tokens, 50_000);
        let many = per_minute(Amount::Requests, 500);
        assert_eq!(
            told(&[many, tokens], Some(64)),
            (218.0, HeldBack::Limit(tokens))
        );
        assert_eq!(told(&[], None), (3.0, HeldBack::Answers));
    }

    #[test]
    fn what_fits_into_a_window_takes_as_long_as_an_answer() {
        let limit = Limit {
            amount: Amount::Requests,
            span: Duration::from_secs(60),
            most: 30,
        };
        let work = Work {
            calls: 30,
            ..Work::default()
        };
        assert_eq!(lasts(&work, &[limit], None).seconds, FIRST_TOKEN);
    }
}
