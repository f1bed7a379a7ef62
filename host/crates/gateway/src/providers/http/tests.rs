use super::*;
use crate::provider::Provider;
use crate::providers::openai::OpenAi;
use crate::providers::testing::{KEY, call, endpoint, http, options, question, serve};
use crate::settings::{ModelConfig, ProviderConfig};
use serde_json::json;
use std::time::Duration;
use tokio::net::TcpListener;
use types::limit::Amount;
use types::limit::Observed;
use types::request::ResponseFormat;

async fn refused(answer: String) -> CallError {
    let (url, server) = serve(vec![answer]).await;
    let endpoint = endpoint("openai", &url, &ProviderConfig::default());
    let openai = OpenAi::new(endpoint, options("openai", &ModelConfig::default())).unwrap();
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
    assert_eq!(*error.observed, [expected]);
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
    let openai = OpenAi::new(endpoint, options("openai", &ModelConfig::default())).unwrap();
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

#[tokio::test]
async fn a_call_counts_as_accepted_once_the_status_is_a_success() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let accepted = AtomicUsize::new(0);
    let count = |_: &[Observed]| {
        accepted.fetch_add(1, Ordering::Relaxed);
    };
    let json = "application/json";
    let answers = vec![http(401, json, "", "{}"), http(200, json, "", "{")];
    let (url, server) = serve(answers).await;
    let endpoint = endpoint("openai", &url, &ProviderConfig::default());
    let openai = OpenAi::new(endpoint, options("openai", &ModelConfig::default())).unwrap();
    let request = question(ResponseFormat::Text);
    for expected in [0, 1] {
        let call = Call {
            accepted: &count,
            ..call(&request)
        };
        openai.call(call).await.unwrap_err();
        assert_eq!(accepted.load(Ordering::Relaxed), expected);
    }
    server.await.unwrap();
}

#[tokio::test]
async fn what_a_server_refuses_for_its_json_is_an_answer_all_the_same() {
    let refusal = |message: &str, written: &str| {
        let body = json!({"error": {"message": message, "code": "json_validate_failed",
            "failed_generation": written}});
        http(400, "application/json", "", &body.to_string())
    };
    let ask = async |answer: String| {
        let (url, server) = serve(vec![answer]).await;
        let endpoint = endpoint("groq", &url, &ProviderConfig::default());
        let groq = OpenAi::new(endpoint, options("groq", &ModelConfig::default())).unwrap();
        let request = question(ResponseFormat::JsonObject);
        let result = groq.call(call(&request)).await;
        server.await.unwrap();
        result
    };
    let broken = r#"{"title": "Oak", "points": ["hard""#;
    let answer = ask(refusal("Failed to generate JSON.", broken))
        .await
        .unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.finish),
        (broken, Finish::Stop)
    );
    assert!(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
    let cut = refusal(
        "max completion tokens reached before generating a valid document",
        "{",
    );
    assert_eq!(ask(cut).await.unwrap().finish, Finish::Length);
    let error = ask(refusal("Failed to generate JSON.", ""))
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::Transient);
    assert_eq!(error.unusable, Some(Unusable::NO_JSON));
}

#[tokio::test]
async fn a_wrong_address_is_not_the_models_fault() {
    let at = async |path: &str, status: u16, body: &str| {
        let (url, server) = serve(vec![http(status, "text/plain", "", body)]).await;
        let url = url.replace("/v1", path);
        let endpoint = endpoint("openai", &url, &ProviderConfig::default());
        let openai = OpenAi::new(endpoint, options("openai", &ModelConfig::default())).unwrap();
        let request = question(ResponseFormat::Text);
        let error = openai.call(call(&request)).await.unwrap_err();
        server.await.unwrap();
        (error.class, error.message)
    };
    for (path, status, hint) in [
        ("/v1", 404, "(hint: check base-url)"),
        ("", 404, "may lack /v1"),
        ("/v1/chat/completions", 404, "leave /chat/completions out"),
        ("/v1", 405, "check base-url"),
    ] {
        let (class, message) = at(path, status, "404 page not found").await;
        assert_eq!(class, FailureClass::NotFound, "{path} {status}");
        assert!(message.contains(hint), "{message}");
        assert!(
            message.contains(&format!("{path}/chat/completions:")),
            "{message}"
        );
    }
    let named =
        r#"{"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}"#;
    let (class, message) = at("/v1", 404, named).await;
    assert_eq!(class, FailureClass::NotFound);
    assert!(!message.contains("base-url"), "{message}");
}

#[tokio::test]
async fn a_packed_answer_is_named() {
    for packing in ["gzip", "br", "deflate, gzip"] {
        let header = format!("content-encoding: {packing}\r\n");
        let error = refused(http(200, "application/json", &header, "packed")).await;
        assert_eq!(error.unusable, Some(Unusable::PACKED));
        assert!(error.message.contains(packing), "{}", error.message);
        assert!(error.usage.input_tokens > 0);
        let error = refused(http(400, "application/json", &header, "packed")).await;
        assert!(error.message.contains(packing), "{}", error.message);
    }
    let plain = "content-encoding: identity\r\n";
    let error = refused(http(200, "application/json", plain, "{}")).await;
    assert_ne!(error.unusable, Some(Unusable::PACKED));
}

/// A server for one connection, with a certificate that it has given itself.
fn self_made() -> (String, std::thread::JoinHandle<()>) {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/v1", listener.local_addr().unwrap());
    let certificate = CertificateDer::from(&include_bytes!("localhost.certificate.der")[..]);
    let key = PrivateKeyDer::try_from(&include_bytes!("localhost.key.der")[..]).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut tls = rustls::ServerConnection::new(config.into()).unwrap();
        while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
    });
    (url, server)
}

#[tokio::test]
async fn a_wrong_certificate_ends_the_lane_and_says_what_is_wrong() {
    let (url, server) = self_made();
    let endpoint = endpoint("openai", &url, &ProviderConfig::default());
    let openai = OpenAi::new(endpoint, options("openai", &ModelConfig::default())).unwrap();
    let request = question(ResponseFormat::Text);
    let error = openai.call(call(&request)).await.unwrap_err();
    server.join().unwrap();
    assert!(error.class.stops_lane(), "{error}");
    let expected = "certificate is not valid: it has signed itself";
    assert!(error.message.contains(expected), "{error}");
}

#[tokio::test]
async fn an_answer_that_repeats_the_key_does_not_show_it() {
    let bearer = format!("Bearer {KEY}");
    let choice =
        json!({"message": {"content": bearer, "refusal": bearer}, "finish_reason": "stop"});
    let body = json!({"model": bearer, "choices": [choice]}).to_string();
    let (url, server) = serve(vec![http(200, "application/json", "", &body)]).await;
    let endpoint = endpoint("openai", &url, &ProviderConfig::default());
    let openai = OpenAi::new(endpoint, options("openai", &ModelConfig::default())).unwrap();
    let request = question(ResponseFormat::Text);
    let answer = openai.call(call(&request)).await.unwrap();
    server.await.unwrap();
    assert!(answer.text.contains("Bearer [key]"), "{answer:?}");
    assert!(!format!("{answer:?}").contains(KEY), "{answer:?}");
}

/// A provider that takes connections and says nothing, ever.
async fn silent() -> (OpenAi, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let endpoint = endpoint("openai", &url, &ProviderConfig::default());
    let openai = OpenAi::new(endpoint, options("openai", &ModelConfig::default())).unwrap();
    (openai, listener)
}

#[tokio::test]
async fn a_list_of_models_is_not_waited_for_long() {
    let (openai, _listener) = silent().await;
    let error = openai.models(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Transient, "{}", error.message);
}
