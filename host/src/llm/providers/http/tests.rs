use super::*;
use crate::config::{ModelConfig, ProviderConfig};
use crate::core::limit::{Amount, Observed};
use crate::llm::provider::Provider;
use crate::llm::providers::openai::OpenAi;
use crate::llm::providers::testing::{KEY, call, endpoint, http, manner, question, serve};
use crate::llm::request::ResponseFormat;
use futures_util::stream;
use serde_json::json;

async fn refused(answer: String) -> CallError {
    let (url, server) = serve(vec![answer]).await;
    let endpoint = endpoint("openai", &url, &ProviderConfig::default());
    let openai = OpenAi::new(endpoint, manner("openai", &ModelConfig::default())).unwrap();
    let request = question(ResponseFormat::Text);
    let error = openai.call(call(&request)).await.unwrap_err();
    server.await.unwrap();
    error
}

#[tokio::test]
async fn an_error_tells_the_limits_and_not_the_key() {
    let body = json!({"error": {"code": "invalid_api_key", "message": format!("{} {KEY} is wrong", "x".repeat(490))}});
    let headers = "x-ratelimit-remaining-requests: 3\r\n";
    let error = refused(http(401, "application/json", headers, &body.to_string())).await;
    assert_eq!(error.class, FailureClass::Auth);
    assert!(!error.message.contains("sk-"), "{}", error.message);
    assert!(error.message.contains("[key]"), "{}", error.message);
    let expected = Observed {
        amount: Amount::Requests,
        span: None,
        limit: None,
        remaining: Some(3),
        reset: None,
    };
    assert_eq!(error.observed, [expected]);
}

#[tokio::test]
async fn an_answer_that_is_no_json_does_not_show_the_key_either() {
    let body = json!({"choices": KEY}).to_string();
    let error = refused(http(200, "application/json", "", &body)).await;
    assert_eq!(error.class, FailureClass::Transient);
    assert!(!error.message.contains(KEY), "{}", error.message);
}

#[tokio::test]
async fn a_redirection_is_named_and_not_followed() {
    let headers = format!("location: https://elsewhere.example/v1?key={KEY}\r\n");
    let error = refused(http(302, "text/html", &headers, "")).await;
    assert_eq!(error.class, FailureClass::BadRequest);
    assert!(
        error.message.contains("elsewhere.example,"),
        "{}",
        error.message
    );
    assert!(!error.message.contains(KEY), "{}", error.message);
    let error = refused(http(301, "text/html", "", "")).await;
    assert!(error.message.contains("nowhere"), "{}", error.message);
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_no_answer() {
    let error = refused(http(200, "text/html", "", "<html>")).await;
    assert_eq!(error.class, FailureClass::Transient);
    assert!(error.message.contains("text/html"), "{}", error.message);
}

#[tokio::test]
async fn nobody_there_is_transient() {
    let (url, server) = serve(Vec::new()).await;
    server.await.unwrap();
    let endpoint = endpoint("openai", &url, &ProviderConfig::default());
    let openai = OpenAi::new(endpoint, manner("openai", &ModelConfig::default())).unwrap();
    let request = question(ResponseFormat::Text);
    let error = openai.call(call(&request)).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Transient);
    assert!(
        error.message.starts_with("cannot connect"),
        "{}",
        error.message
    );
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_without_being_shown() {
    let mut endpoint = endpoint("azure", "https://x.example/v1", &ProviderConfig::default());
    endpoint.key = Key::new("sk-öffentlich\nnicht");
    let error = Http::new(&endpoint, "x", &[]).err().unwrap();
    assert_eq!(error.class, FailureClass::Auth);
    assert!(!error.message.contains("nicht"), "{}", error.message);
    let key = Key::new(KEY).unwrap();
    let (name, value) = key_header("api-key", &key).unwrap();
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("api-key", KEY));
    assert!(value.is_sensitive());
}

/// Takes everything for a sign of life, but `say` for a part and `end` for the last.
#[derive(Default)]
struct Log(Vec<String>);

impl Reader for Log {
    fn event(&mut self, data: &str) -> Result<Step, CallError> {
        self.0.push(data.to_owned());
        Ok(match data {
            "say" => Step::Part,
            "end" => Step::Last,
            _ => Step::Alive,
        })
    }

    fn whole(&mut self, _: &[u8]) -> Result<(), CallError> {
        Ok(())
    }

    fn billed(&self) -> Usage {
        Usage::default()
    }

    fn bytes(&self) -> usize {
        0
    }

    fn finish(self, _: Call<'_>) -> Result<RawAnswer, CallError> {
        Err(broken_off())
    }
}

/// Each chunk after a pause of so many seconds.
async fn arrived(chunks: Vec<(u64, &'static str)>) -> (Log, Result<(), CallError>) {
    let chunks = stream::iter(chunks).then(|(pause, chunk)| async move {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        Ok(chunk)
    });
    let mut log = Log::default();
    let result = streamed(chunks, Duration::from_secs(30), &mut log).await;
    (log, result)
}

// Time is paused in these: they sleep on a clock that jumps.

#[tokio::test(start_paused = true)]
async fn comments_and_blank_lines_keep_a_stream_alive() {
    let mut chunks = vec![
        (29, ": keep-alive\n\n"),
        (29, "\n"),
        (29, "\n\n"),
        (29, ": OPENROUTER\n\n"),
    ];
    chunks.push((29, "data: say\n\n: x\n\ndata: end\n\n"));
    let (log, result) = arrived(chunks).await;
    result.unwrap();
    assert_eq!(log.0, ["say", "end"]);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_stream() {
    let (log, result) = arrived(vec![(1, "data: say\n\n"), (31, "data: end\n\n")]).await;
    assert_eq!(result.unwrap_err().message, "nothing arrived for 30 s");
    assert_eq!(log.0, ["say"]);
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_alone_do_not_last_for_ever() {
    let pings = vec![(20, "data: ping\n\n"); 100];
    let (log, result) = arrived(pings).await;
    assert_eq!(result.unwrap_err().message, "nothing arrived for 630 s");
    assert_eq!(log.0.len(), 31);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_ended_is_not_waited_for() {
    let start = Instant::now();
    let (_, result) = arrived(vec![(1, "data: end\n\n"), (25, ": more\n\n")]).await;
    result.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn fields_are_laid_over_one_by_one() {
    let object = |value: Value| value.as_object().unwrap().clone();
    let mut body = object(json!({"a": {"b": 1, "c": 2}, "d": [1]}));
    lay_over(
        &mut body,
        &object(json!({"a": {"c": 3}, "d": [2], "e": null})),
    );
    assert_eq!(
        Value::from(body),
        json!({"a": {"b": 1, "c": 3}, "d": [2], "e": null})
    );
}
