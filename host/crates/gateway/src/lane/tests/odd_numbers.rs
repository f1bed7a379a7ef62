//! Odd numbers in every place where a server's number is read: none ends the program, loses an answer or blinds the budget.

use std::future::Future;

use tokio::task::JoinSet;

use super::*;

use crate::providers::anthropic::Anthropic;
use crate::providers::openai::OpenAi;
use crate::providers::testing::{endpoint, events, http, options, question, serve};
use crate::settings::{ModelConfig, ProviderConfig};

/// As they stand in JSON and, without quotes, in a header.
const VALUES: [&str; 14] = [
    "0",
    "-1",
    "0.5",
    "NaN",
    "1e18",
    "1e400",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "\"10\"",
    "\"\"",
    "null",
    "true",
    "{}",
];

const OPENAI: [&str; 14] = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "input_tokens",
    "output_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    "reasoning_tokens",
    "cache_creation_input_tokens",
    "cache_write_tokens",
    "cache_write_tokens_details",
    "ttl_12h_tokens",
];

const ANTHROPIC: [&str; 6] = [
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "ephemeral_1h_input_tokens",
    "thinking_tokens",
];

/// Headers of all dialects but Anthropic's.
const HEADERS: [&str; 14] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "retry-after-ms",
];

const TEXT: &str = "Oak is a hard wood that lasts.";

fn lane(provider: Arc<dyn Provider>, budget: &LaneBudget) -> (Lane, watch::Sender<bool>) {
    let settings = LaneSettings {
        // Hints that are longer end the lane; none is waited for in this test.
        patience: Duration::from_millis(300),
        is_proven: true,
        ..LaneSettings::default()
    };
    let (closing, receiver) = watch::channel(false);
    let budget = budget.clone();
    let lane = Lane::new(
        "p/m-1",
        None,
        provider,
        settings,
        budget,
        Arc::new(Nobody),
        receiver,
    );
    (lane, closing)
}

async fn ask(lane: &Lane) -> Result<Obtained, CallError> {
    let parameters = Parameters {
        model: "p/m-1".to_owned(),
        temperature: 0.5,
        max_output_tokens: 100,
        extra_body: None,
        reasoning: None,
    };
    let context = CallContext {
        caller: Caller {
            record: "r",
            mode: None,
            component: "text",
            task: "text",
            place: 0,
            fingerprint: Digest::of(b""),
            generation: 0,
            cancelled: &NEVER,
        },
        seed: 1,
        waits_for_recovery: true,
        leaves: false,
        prefix: None,
    };
    let request = question(ResponseFormat::Text);
    lane.obtain(None, &parameters, &request, &context, &mut Vec::new())
        .await
}

fn openai(preset: &str, url: &str) -> Arc<dyn Provider> {
    let endpoint = endpoint(preset, url, &ProviderConfig::default());
    Arc::new(OpenAi::new(endpoint, options(preset, &ModelConfig::default())).unwrap())
}

fn anthropic(url: &str) -> Arc<dyn Provider> {
    let endpoint = endpoint("anthropic", url, &ProviderConfig::default());
    Arc::new(Anthropic::new(endpoint, options("anthropic", &ModelConfig::default())).unwrap())
}

/// An answer is whole, and what it took is neither nothing nor more than any call takes.
fn holds(what: &str, result: &Result<Obtained, CallError>, budget: &LaneBudget) {
    let obtained = result
        .as_ref()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let Answer::Completion(completion) = &obtained.answer else {
        panic!("{what}: {:?}", obtained.answer);
    };
    assert_eq!(completion.text, TEXT, "{what}");
    let Usage {
        input_tokens,
        output_tokens,
        ..
    } = obtained.usage;
    for tokens in [input_tokens, output_tokens] {
        assert!(
            (1..1 << 31).contains(&tokens),
            "{what}: {:?}",
            obtained.usage
        );
    }
    assert_eq!(
        budget.view().tokens,
        input_tokens + output_tokens,
        "{what}: the budget sees it"
    );
}

async fn all<F: Future<Output = ()> + Send + 'static>(cases: impl Iterator<Item = F>) {
    let mut running = JoinSet::new();
    for case in cases {
        running.spawn(case);
    }
    running.join_all().await;
}

fn cases<'a>(places: &'a [&'a str]) -> impl Iterator<Item = (String, &'static str)> + 'a {
    let of = |place: &&str| {
        let place = (*place).to_owned();
        VALUES.map(|value| (place.clone(), value))
    };
    places.iter().flat_map(of)
}

#[tokio::test]
async fn odd_usage_costs_no_answer_and_is_never_nothing() {
    let of_openai = cases(&OPENAI).map(|(place, value)| async move {
        let usage = format!(
            r#"{{"{place}":{value},"prompt_tokens_details":{{"cached_tokens":{value},"cache_write_tokens":{value},"cache_write_tokens_details":{{"ttl_12h_tokens":{value}}}}},"completion_tokens_details":{{"reasoning_tokens":{value}}}}}"#
        );
        let choice = format!(
            r#"{{"index":0,"delta":{{"content":"{TEXT}"}},"message":{{"content":"{TEXT}"}},"finish_reason":"stop"}}"#
        );
        let event = format!(r#"data: {{"choices":[{choice}],"usage":{usage}}}"#);
        let whole = format!(r#"{{"choices":[{choice}],"usage":{usage}}}"#);
        let streamed = events(&[&event, "data: [DONE]"]);
        for answer in [streamed, http(200, "application/json", "", &whole)] {
            let what = format!("{place} = {value}: {answer}");
            let (url, _server) = serve(vec![answer]).await;
            let budget = LaneBudget::new(None, Some(u64::MAX), 1);
            let (lane, _closing) = lane(openai("openai", &url), &budget);
            holds(&what, &ask(&lane).await, &budget);
        }
    });
    all(of_openai).await;
}

#[tokio::test]
async fn odd_usage_of_anthropic_costs_no_answer_either() {
    let of_anthropic = cases(&ANTHROPIC).map(|(place, value)| async move {
        let usage = match place.as_str() {
            "ephemeral_1h_input_tokens" => format!(r#""cache_creation":{{"{place}":{value}}}"#),
            "thinking_tokens" => format!(r#""output_tokens_details":{{"{place}":{value}}}"#),
            _ => format!(r#""{place}":{value}"#),
        };
        let body = format!(
            r#"{{"model":"m","content":[{{"type":"text","text":"{TEXT}"}}],"stop_reason":"end_turn","usage":{{{usage}}}}}"#
        );
        let what = format!("{place} = {value}");
        let (url, _server) = serve(vec![http(200, "application/json", "", &body)]).await;
        let budget = LaneBudget::new(None, Some(u64::MAX), 1);
        let (lane, _closing) = lane(anthropic(&url), &budget);
        holds(&what, &ask(&lane).await, &budget);
    });
    all(of_anthropic).await;
}

/// A limit that headers name may stop the next call for as long as it says, and nothing worse.
fn may_wait(what: &str, result: &Result<Obtained, CallError>, budget: &LaneBudget) {
    match result {
        Err(error) => assert_eq!(error.class, FailureClass::RateLimit, "{what}: {error}"),
        Ok(_) => holds(what, result, budget),
    }
}

#[tokio::test]
async fn odd_headers_cost_no_answer() {
    let of_headers = cases(&HEADERS).map(|(place, value)| async move {
        let value = value.trim_matches('"');
        for value in [
            value.to_owned(),
            format!("100;w={value}"),
            format!("{value}s"),
        ] {
            let choice = format!(r#"{{"message":{{"content":"{TEXT}"}},"finish_reason":"stop"}}"#);
            let body = format!(r#"{{"choices":[{choice}]}}"#);
            let rest = "x-ratelimit-limit-requests: 100\r\nx-ratelimit-remaining-requests: 99\r\n";
            let headers = format!("{place}: {value}\r\n{rest}");
            let answer = http(200, "application/json", &headers, &body);
            let what = format!("{place}: {value}");
            let (url, _server) = serve(vec![answer; 2]).await;
            let budget = LaneBudget::new(None, Some(u64::MAX), 1);
            // It reads the headers of all dialects but Anthropic's, which are read alike.
            let (lane, _closing) = lane(openai("vllm", &url), &budget);
            holds(&what, &ask(&lane).await, &budget);
            // What headers say may hold the next call up, for as long as they say.
            let next = tokio::time::timeout(Duration::from_millis(300), ask(&lane)).await;
            if let Ok(result) = next {
                assert!(result.is_ok(), "{what}: {result:?}");
            }
        }
    });
    all(of_headers).await;
}

#[tokio::test]
async fn odd_hints_end_in_an_answer_or_a_rate_limit() {
    let hints = |value: &str| {
        let text = value.trim_matches('"').to_owned();
        let json = r#"{"error":{"message":"#;
        [
            (
                format!("retry-after: {text}\r\n"),
                format!(r#"{json}"slow"}}}}"#),
            ),
            (
                format!("retry-after-ms: {text}\r\n"),
                format!(r#"{json}"slow"}}}}"#),
            ),
            (
                String::new(),
                format!(r#"{json}"Please try again in {text}s"}}}}"#),
            ),
            (
                String::new(),
                format!(r#"{json}"retry after {text} days"}}}}"#),
            ),
            (
                String::new(),
                format!(r#"{json}"slow","details":[{{"retryDelay":"{text}s"}}]}}}}"#),
            ),
            (
                String::new(),
                format!(r#"{json}"slow","code":{value},"status":{value}}}}}"#),
            ),
        ]
    };
    let of_hints = VALUES.into_iter().flat_map(hints);
    let of_hints = of_hints.map(|(headers, body)| async move {
        let what = format!("{headers}{body}");
        let choice = format!(r#"{{"message":{{"content":"{TEXT}"}},"finish_reason":"stop"}}"#);
        let good = http(
            200,
            "application/json",
            "",
            &format!(r#"{{"choices":[{choice}]}}"#),
        );
        let (url, _server) =
            serve(vec![http(429, "application/json", &headers, &body), good]).await;
        let budget = LaneBudget::new(None, Some(u64::MAX), 1);
        let (lane, _closing) = lane(openai("openai", &url), &budget);
        may_wait(&what, &ask(&lane).await, &budget);
    });
    all(of_hints).await;
}

/// Whoever reads a number in another place is to add it above.
#[test]
fn no_place_is_left_out() {
    let names = |source: &str, is_place: fn(&str) -> bool| -> Vec<String> {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let words = code.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
        let found = words.filter(|word| is_place(word));
        found.map(str::to_owned).collect()
    };
    let count = |word: &str| word.ends_with("_tokens") && !word.starts_with("max_");
    for (source, known) in [
        (include_str!("../../providers/openai.rs"), &OPENAI[..]),
        (include_str!("../../providers/anthropic.rs"), &ANTHROPIC[..]),
    ] {
        for name in names(source, count) {
            let is_ours = ["max_output_tokens", "max_completion_tokens"].contains(&name.as_str());
            assert!(is_ours || known.contains(&name.as_str()), "{name}");
        }
    }
    let header = |word: &str| {
        let is_of_anthropic = word.starts_with("anthropic-");
        (word.contains("ratelimit-") || word.starts_with("retry-after")) && !is_of_anthropic
    };
    for source in [
        include_str!("../../providers/headers.rs"),
        include_str!("../../providers/errors.rs"),
    ] {
        for name in names(source, header) {
            assert!(HEADERS.contains(&name.as_str()), "{name}");
        }
    }
}
