//! Maps what a server or the network says to a failure class. The table is the one that the official
//! SDKs use, except that quota is told apart from rate, which they retry in vain. It does not decide whether
//! to try again: the class does.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use rustls::CertificateError;
use serde_json::Value;

use super::classify;
use super::refusals;
use super::said::Said;
use super::times;
use crate::error::CallError;
use types::class::FailureClass;

/// Longest part of a server's words that is kept.
const MESSAGE: usize = 500;

/// An answer with an error status. `now` is the time since 1970.
pub(super) fn from_response(
    status: StatusCode,
    headers: &HeaderMap,
    body: &str,
    now: Duration,
    cap: u32,
) -> CallError {
    from_said(status, headers, &Said::read(body), now, cap)
}

/// How the words of a server are introduced that came with this status.
fn with_status(status: StatusCode) -> String {
    format!("HTTP {}", status.as_u16())
}

/// The same of an error body that is read.
pub(super) fn from_said(
    status: StatusCode,
    headers: &HeaderMap,
    said: &Said,
    now: Duration,
    cap: u32,
) -> CallError {
    judged(&with_status(status), status, headers, said, now, cap)
}

/// What is made of a server's words. `introduced` says how they came.
fn judged(
    introduced: &str,
    status: StatusCode,
    headers: &HeaderMap,
    said: &Said,
    now: Duration,
    cap: u32,
) -> CallError {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut class = classify::classify(status.as_u16(), said);
    match header("x-should-retry") {
        Some("false") if class.is_transient() => class = FailureClass::BadRequest,
        // What costs nothing to know, and is true for every further try, stays final.
        Some("true")
            if status.is_client_error()
                && matches!(
                    class,
                    FailureClass::BadRequest | FailureClass::NotFound | FailureClass::Auth
                ) =>
        {
            class = FailureClass::Transient;
        }
        _ => {}
    }
    let shown: String = said.message.chars().take(MESSAGE).collect();
    let shown = if shown.is_empty() {
        "no further word from the server"
    } else {
        &shown
    };
    // APIs answer with JSON; a page comes from what stands before them.
    let is_page = status == StatusCode::FORBIDDEN && said.message.starts_with('<');
    let walled = "a firewall or a proxy before the server refuses, and not the server: check base-url and the network";
    let hint = refusals::hint(class, said, cap)
        .or_else(|| is_page.then_some(walled))
        .map(|hint| format!(" (hint: {hint})"))
        .unwrap_or_default();
    let milliseconds = || {
        let milliseconds = header("retry-after-ms")?.trim().parse::<f64>().ok()?;
        times::seconds(milliseconds / 1000.0)
    };
    let wait = milliseconds()
        .or_else(|| times::until(header("retry-after")?, now))
        .or(said.retry_after);
    CallError {
        retry_after: wait.filter(|_| class.is_transient()),
        refused: refusals::refused(class, said, cap),
        ..CallError::new(class, format!("{introduced}: {shown}{hint}"))
    }
}

/// An error that a server reports in the midst of an answer, whose status was a success. A number in the
/// code is the status that it would have had.
pub(super) fn from_event(error: &Value) -> CallError {
    let status = ["code", "status", "status_code", "http_code"]
        .iter()
        .filter_map(|name| error.get(name))
        .filter_map(|code| {
            let number = code
                .as_u64()
                .and_then(|code| u16::try_from(code).ok())
                .or_else(|| code.as_str()?.parse().ok())?;
            StatusCode::from_u16(number).ok()
        })
        .find(|status| status.is_client_error() || status.is_server_error());
    let introduced = status.map_or_else(
        || "the server sent an error in place of an answer".to_owned(),
        with_status,
    );
    let said = Said::read(&serde_json::json!({"error": error}).to_string());
    // An error without a status is judged like one of which the server knows nothing but that it failed.
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    judged(
        &introduced,
        status,
        &HeaderMap::new(),
        &said,
        Duration::ZERO,
        0,
    )
}

/// An error of the network, or of the body while it arrived.
pub(super) fn from_network(error: &reqwest::Error) -> CallError {
    if let Some(fault) = certificate_fault(error) {
        return CallError::new(
            FailureClass::Auth,
            format!(
                "the server's certificate is not valid: {fault} (hint: check base-url and the clock; a certificate authority of \
                 your own is named with SSL_CERT_FILE)"
            ),
        );
    }
    // The cause says more than reqwest's own words, which repeat the address.
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if error.is_connect() {
        "cannot connect"
    } else if error.is_timeout() {
        "timed out"
    } else {
        "connection failed"
    };
    let class = if error.is_builder() {
        FailureClass::BadRequest
    } else {
        FailureClass::Transient
    };
    CallError {
        is_unreached: error.is_connect(),
        ..CallError::new(class, format!("{what}: {cause}"))
    }
}

/// What is wrong with the server's certificate, if that is what went wrong: another try changes nothing.
fn certificate_fault(error: &reqwest::Error) -> Option<&'static str> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        // An input error has what it wraps not as its source, but inside.
        let inside = found
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        let tls = found
            .downcast_ref::<rustls::Error>()
            .or_else(|| inside?.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(fault)) = tls {
            return Some(certificate_words(fault));
        }
        cause = inside
            .map(|inside| inside as &(dyn std::error::Error + 'static))
            .or_else(|| found.source());
    }
    None
}

fn certificate_words(fault: &CertificateError) -> &'static str {
    use CertificateError as Fault;
    match fault {
        Fault::Expired | Fault::ExpiredContext { .. } => "it has expired",
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => "it is not valid yet",
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => "it is for another name",
        Fault::Revoked => "it was revoked",
        Fault::UnknownIssuer => "nobody whom this machine trusts has issued it",
        Fault::BadEncoding => "it cannot be read",
        Fault::BadSignature => "its signature is wrong",
        // rustls has no words of its own for what the rest wraps.
        _ => "it has signed itself, or is not made for a server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT

    fn refused(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> CallError {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        from_response(StatusCode::from_u16(status).unwrap(), &map, body, NOW, 100)
    }

    #[test]
    fn hints_are_read_in_their_order() {
        let hint = |headers: &[(&'static str, &'static str)], body: &str| {
            refused(429, headers, body)
                .retry_after
                .map(|wait| wait.as_secs_f64())
        };
        let body = r#"{"error": {"message": "Please try again in 7s.",
            "details": [{"@type": "x"}, {"retryDelay": "52s"}]}}"#;
        let header = ("retry-after", "2");
        let milliseconds = ("retry-after-ms", "150");
        let date = ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(hint(&[header, milliseconds], body), Some(0.15));
        assert_eq!(hint(&[header], body), Some(2.0));
        assert_eq!(hint(&[("retry-after", "1.5")], ""), Some(1.5));
        assert_eq!(hint(&[date], body), Some(60.0));
        assert_eq!(hint(&[], body), Some(52.0));
        let words = r#"{"error": {"message": "Please try again in 6m0s."}}"#;
        assert_eq!(hint(&[], words), Some(360.0));
        assert_eq!(hint(&[("retry-after", "-3")], ""), None);
        assert_eq!(hint(&[], ""), None);
        assert_eq!(refused(400, &[header], "").retry_after, None);
    }

    #[test]
    fn a_server_may_say_itself_whether_to_try_again() {
        let class =
            |status, said, body: &str| refused(status, &[("x-should-retry", said)], body).class;
        assert_eq!(class(429, "false", ""), FailureClass::BadRequest);
        assert_eq!(class(500, "false", ""), FailureClass::BadRequest);
        assert_eq!(class(401, "false", ""), FailureClass::Auth);
        assert_eq!(class(400, "true", ""), FailureClass::Transient);
        assert_eq!(class(404, "true", ""), FailureClass::Transient);
        assert_eq!(class(429, "true", ""), FailureClass::RateLimit);
        let quota = r#"{"error": {"code": "insufficient_quota"}}"#;
        assert_eq!(class(429, "true", quota), FailureClass::Quota);
    }

    #[test]
    fn every_shape_of_body_gives_its_words() {
        for (body, words) in [
            (r#"{"error": {"message": "no", "code": "c"}}"#, "no"),
            (r#"{"error": "no"}"#, "no"),
            (r#"[{"error": {"code": 429, "message": "no"}}]"#, "no"),
            (r#"{"object": "error", "message": "no", "code": 400}"#, "no"),
            (r#"{"detail": "no"}"#, "no"),
            (r#"{"detail":[{"msg":"no"}]}"#, r#"[{"msg":"no"}]"#),
            (r#"{"error_code": 17, "error_msg": "no"}"#, "no"),
            (
                r#"{"success": false, "errors": [{"code": 5, "message": "no"}]}"#,
                "no",
            ),
            (
                r#"{"error": {"message": "Provider returned error", "metadata": {"raw": "no"}}}"#,
                "Provider returned error: no",
            ),
            ("no", "no"),
            ("", "no further word from the server"),
        ] {
            let error = refused(400, &[], body);
            assert_eq!(error.message, format!("HTTP 400: {words}"), "{body}");
        }
    }

    #[test]
    fn a_page_that_forbids_is_no_word_about_the_key() {
        let error = refused(403, &[], "<html><title>Attention Required!</title></html>");
        assert!(error.message.contains("firewall"), "{}", error.message);
        let error = refused(403, &[], r#"{"error": {"message": "no"}}"#);
        assert!(!error.message.contains("firewall"), "{}", error.message);
    }

    #[test]
    fn an_error_in_a_stream_has_the_status_that_its_code_names() {
        let class = |error: Value| from_event(&error).class;
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(class(json(r#"{"code": 429}"#)), FailureClass::RateLimit);
        assert_eq!(class(json(r#"{"code": "402"}"#)), FailureClass::Quota);
        assert_eq!(class(json(r#"{"code": 200}"#)), FailureClass::Transient);
        let status = json(r#"{"message": "no", "type": "x", "status": 429}"#);
        assert_eq!(class(status), FailureClass::RateLimit);
        let overloaded = json(r#"{"type": "overloaded_error", "message": "Overloaded"}"#);
        assert_eq!(class(overloaded), FailureClass::Overloaded);
        assert_eq!(class(json(r#""what""#)), FailureClass::Transient);
        let key = json(r#"{"detail": "Not authenticated"}"#);
        assert_eq!(class(key), FailureClass::Auth);
    }

    #[test]
    fn a_status_that_no_server_sent_is_not_told() {
        let said = from_event(&serde_json::json!({"message": "no"})).message;
        assert_eq!(said, "the server sent an error in place of an answer: no");
        let said = from_event(&serde_json::json!({"message": "no", "code": 503})).message;
        assert_eq!(said, "HTTP 503: no");
    }
}
