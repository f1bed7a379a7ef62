//! What tests ask of batches, and tell them.

use std::sync::Arc;

use serde_json::json;

use super::desk::{Advance, Desk};
use super::protocol::Protocol;
use super::script::BatchScript;
use crate::http::Head;

/// Answers what no provider has, if it is about batches: status and body.
pub fn control(desk: &Arc<Desk>, head: &Head, body: &[u8]) -> Option<(u16, String)> {
    let protocol = Protocol::of(desk.dialect())?;
    let done = |result: Result<(), String>| match result {
        Ok(()) => (200, json!({}).to_string()),
        Err(error) => (400, json!({ "error": error }).to_string()),
    };
    Some(match (head.method.as_str(), head.path.as_str()) {
        ("GET", "/batch/list") => {
            let reports = desk.reports(protocol);
            (200, json!(reports).to_string())
        }
        ("GET", "/batch/lines") => (200, json!(desk.provider().billed_lines()).to_string()),
        ("GET", "/batch/script") => (200, json!(*desk.script()).to_string()),
        ("POST", "/batch/script") => {
            let script = serde_json::from_slice::<BatchScript>(body);
            done(
                script
                    .map(|script| desk.set_script(script))
                    .map_err(|error| error.to_string()),
            )
        }
        ("POST", "/batch/advance") => {
            let body = if body.is_empty() { b"{}" } else { body };
            let advance =
                serde_json::from_slice::<Advance>(body).map_err(|error| error.to_string());
            done(advance.and_then(|advance| desk.advance(protocol, &advance)))
        }
        _ => return None,
    })
}
