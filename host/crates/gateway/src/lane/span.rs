//! A call as a span, by the names of OpenTelemetry's conventions for generative AI. What is asked and said is in it only where
//! that is wanted.

use serde_json::{Value, json};
use tracing::Span;
use tracing::field::Empty;

use super::lines::AskedLine;
use crate::error::CallError;
use crate::provider::{Call, RawAnswer};
use types::request::{Message, ResponseFormat, Role};

/// What is known of a question before it is answered.
struct Asked<'a> {
    provider: &'a str,
    model: &'a str,
    cap: u32,
    temperature: Option<f64>,
    /// What is to be answered.
    kind: Option<&'a str>,
    /// The batch in which it was asked, and the component that asked first.
    batched: Option<(&'a str, &'a str)>,
}

fn of(asked: &Asked<'_>) -> Span {
    // An answer of a batch is a trace of its own, as a task is: a batch has thousands.
    let current = Span::current();
    let span = tracing::debug_span!(
        parent: current.id().filter(|_| asked.batched.is_none()),
        "chat",
        otel.name = format_args!("chat {}", asked.model),
        otel.kind = "client",
        otel.status_code = Empty,
        otel.status_description = Empty,
        batch = asked.batched.map(|(batch, _)| batch),
        component = asked.batched.map(|(_, component)| component),
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = asked.provider,
        gen_ai.request.model = asked.model,
        gen_ai.request.max_tokens = i64::from(asked.cap),
        gen_ai.request.temperature = asked.temperature,
        gen_ai.output.r#type = asked.kind,
        gen_ai.response.model = Empty,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
        gen_ai.usage.cost = Empty,
        gen_ai.system_instructions = Empty,
        gen_ai.input.messages = Empty,
        gen_ai.output.messages = Empty,
        error.r#type = Empty,
    );
    if asked.batched.is_some() {
        span.follows_from(current.id());
    }
    span
}

/// A line of a batch, whose answer is read within the step that collects the batch.
pub(super) fn of_line(provider: &str, model: &str, asked: &AskedLine, batch: &str) -> Span {
    of(&Asked {
        provider,
        model,
        cap: asked.cap,
        temperature: None,
        kind: asked.schema.as_ref().map(|_| "json"),
        batched: Some((batch, &asked.component)),
    })
}

/// A call that begins.
pub(super) fn begun(provider: &str, call: Call<'_>, with_texts: bool) -> Span {
    let span = of(&Asked {
        provider,
        model: call.model,
        cap: call.max_output_tokens,
        temperature: Some(call.temperature),
        kind: Some(match call.request.format {
            ResponseFormat::Text => "text",
            ResponseFormat::JsonObject | ResponseFormat::JsonSchema(_) => "json",
        }),
        batched: None,
    });
    if with_texts && !span.is_disabled() {
        let of_system = |message: &&Message| message.role == Role::System;
        let all = &call.request.messages;
        let instructions: Vec<Value> = all
            .iter()
            .filter(of_system)
            .map(|said| part(&said.content))
            .collect();
        let messages: Vec<Value> = all
            .iter()
            .filter(|message| !of_system(message))
            .map(|said| json!({"role": said.role.as_str(), "parts": [part(&said.content)]}))
            .collect();
        if !instructions.is_empty() {
            let instructions = Value::from(instructions).to_string();
            span.record("gen_ai.system_instructions", instructions);
        }
        span.record("gen_ai.input.messages", Value::from(messages).to_string());
    }
    span
}

/// What became of it, and what it cost where that is known. It ends here.
pub(super) fn ended(
    span: Span,
    result: &Result<RawAnswer, CallError>,
    micros: Option<u64>,
    with_texts: bool,
) {
    let usage = match result {
        Ok(raw) => {
            span.record("gen_ai.response.model", raw.model.as_str());
            span.record("gen_ai.response.finish_reasons", raw.finish_reason.as_str());
            if with_texts && !span.is_disabled() {
                let said = json!([{
                    "role": Role::Assistant.as_str(),
                    "parts": [part(&raw.text)],
                    "finish_reason": raw.finish_reason,
                }]);
                span.record("gen_ai.output.messages", said.to_string());
            }
            raw.usage
        }
        Err(error) => {
            span.record("error.type", error.class.as_str());
            span.record("otel.status_code", "ERROR");
            // A provider may say again what it was asked.
            match with_texts {
                true => span.record("otel.status_description", error.message.as_str()),
                false => span.record("otel.status_description", error.class.as_str()),
            };
            *error.usage
        }
    };
    for (name, tokens, is_always) in [
        ("gen_ai.usage.input_tokens", usage.input_tokens, true),
        ("gen_ai.usage.output_tokens", usage.output_tokens, true),
        (
            "gen_ai.usage.cache_read.input_tokens",
            usage.cached_tokens,
            false,
        ),
        (
            "gen_ai.usage.cache_creation.input_tokens",
            usage.cache_write_tokens,
            false,
        ),
        (
            "gen_ai.usage.reasoning.output_tokens",
            usage.reasoning_tokens,
            false,
        ),
    ] {
        if tokens > 0 || (is_always && result.is_ok()) {
            // A number without a sign would become a text.
            span.record(name, i64::try_from(tokens).unwrap_or(i64::MAX));
        }
    }
    if let Some(micros) = micros {
        span.record("gen_ai.usage.cost", micros as f64 / 1e6);
    }
    span.in_scope(|| tracing::debug!("ended"));
}

fn part(text: &str) -> Value {
    json!({"type": "text", "content": text})
}
