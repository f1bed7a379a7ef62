//! What servers of the world send that no documentation promises: the same answer in another shape, with fields that are
//! none, or with something else in its place. It speaks OpenAI's dialect.

use serde_json::{Value, json};

use super::chat::Answer;
use super::dialect::Headers;
use super::http;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const THOUGHT: &str = "The question is about one thing, and I know it well.";

/// A way in which an answer is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Odd {
    /// `content` is a list of parts, thoughts and text (Mistral).
    Parts,
    /// The counts of `usage` are null.
    NullUsage,
    /// They are nought.
    ZeroUsage,
    /// They are fractions and texts.
    TextUsage,
    /// `usage` stands within the choice (Moonshot).
    InnerUsage,
    /// No reason comes, and then `[DONE]` (Gemini).
    NoReason,
    /// The reason is an empty text until the end (Ollama).
    EmptyReason,
    /// Reasons are in capitals (Gemini).
    CapitalReason,
    /// The reason is a word that nobody knows.
    UnknownReason,
    /// The body's type is `text/plain`.
    PlainText,
    /// The body is packed with gzip, though nobody asked for that.
    Packed,
    /// Comments, events that are no JSON, and names of events.
    Noise,
    /// A line that is no JSON behind the end.
    Behind,
    /// The last event repeats all as `message`.
    Repeated,
    /// An `error` that is empty.
    EmptyError,
    /// A `refusal` that is empty.
    EmptyRefusal,
    /// Fields that nobody knows, of every type.
    OddFields,
    /// Half of a surrogate pair before the text, as an escape.
    HalfPair,
    /// Thoughts in the text, between their marks.
    Thoughts,
    /// A mark of the model's template at the end of the text.
    EndToken,
    /// All is in `reasoning_content`.
    Elsewhere,
    /// A tool is called.
    Tool,
    /// 200 with an error in place of choices: money is gone (OpenRouter).
    ErrorInside,
}

impl Odd {
    /// The bytes of an answer, head and all. `texts` is the body, or the events of a stream.
    pub fn bytes(
        self,
        answer: &Answer,
        texts: Vec<String>,
        is_stream: bool,
        headers: &Headers,
    ) -> Vec<u8> {
        let mut headers = headers.clone();
        let body = if self == Odd::ErrorInside {
            let error = json!({"message": "Insufficient credits", "code": 402});
            json!({"id": null, "choices": null, "error": error}).to_string()
        } else if is_stream {
            self.stream(answer, texts)
        } else {
            texts
                .iter()
                .map(|body| self.changed(body, answer))
                .collect()
        };
        let body = if self == Odd::Packed {
            headers.push(("content-encoding", "gzip".to_owned()));
            packed(body.as_bytes())
        } else {
            body.into_bytes()
        };
        let kind = match self {
            Odd::PlainText => "text/plain; charset=utf-8",
            Odd::ErrorInside => JSON,
            _ if is_stream => EVENTS,
            _ => JSON,
        };
        let head = http::answer_head(200, kind, &headers, Some(body.len()));
        [head.into_bytes(), body].concat()
    }

    fn stream(self, answer: &Answer, events: Vec<String>) -> String {
        let mut stream = String::new();
        for event in events {
            let Some(data) = event.trim_end().strip_prefix("data: ") else {
                stream.push_str(&event);
                continue;
            };
            if self == Odd::Noise {
                stream.push_str(": processing\n\ndata: ping\n\nevent: chunk\nretry: 10\n");
            }
            stream.push_str(&format!("data: {}\n\n", self.changed(data, answer)));
        }
        if self == Odd::Behind {
            stream.push_str("data: {\"cost\": \n\ndata: bye\n\n");
        }
        stream
    }

    /// A body or an event, as it is sent. What is no JSON stays.
    fn changed(self, text: &str, answer: &Answer) -> String {
        let Ok(mut value) = serde_json::from_str::<Value>(text) else {
            return text.to_owned();
        };
        self.change(&mut value, answer);
        let text = value.to_string();
        match self {
            Odd::HalfPair => text.replacen("\"content\":\"", "\"content\":\"\\ud83d", 1),
            _ => text,
        }
    }

    fn change(self, value: &mut Value, answer: &Answer) {
        self.count(value);
        match self {
            Odd::EmptyError => value["error"] = json!({}),
            Odd::OddFields => {
                value["logprobs"] = json!(7);
                value["model"] = json!(["a"]);
                value["created"] = json!("soon");
                value["service_tier"] = json!({"a": null});
            }
            _ => {}
        }
        for choice in value["choices"].as_array_mut().into_iter().flatten() {
            self.end(choice, answer);
            for place in ["message", "delta"] {
                if choice.get(place).is_some() {
                    self.say(&mut choice[place], answer);
                }
            }
        }
        if self == Odd::InnerUsage
            && let Some(usage) = value.get_mut("usage").map(Value::take)
            && usage.is_object()
        {
            let choice = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
            if value["choices"].as_array().is_none_or(Vec::is_empty) {
                value["choices"] = choice;
            }
            let choices = value["choices"].as_array_mut();
            if let Some(first) = choices.and_then(|choices| choices.first_mut()) {
                first["usage"] = usage;
            }
        }
    }

    fn count(self, value: &mut Value) {
        let counts = match self {
            Odd::NullUsage => [Value::Null, Value::Null, Value::Null],
            Odd::ZeroUsage => [json!(0), json!(0), json!(0)],
            Odd::TextUsage => [json!("many"), json!(-1), json!(1.5e30)],
            _ => return,
        };
        if value["usage"].is_object() {
            let names = ["prompt_tokens", "completion_tokens", "total_tokens"];
            value["usage"] = names.into_iter().map(str::to_owned).zip(counts).collect();
        }
    }

    fn end(self, choice: &mut Value, answer: &Answer) {
        let reason = choice["finish_reason"].as_str().map(str::to_owned);
        let is_stream = choice.get("delta").is_some();
        choice["finish_reason"] = match (self, reason) {
            (Odd::NoReason, _) => Value::Null,
            (Odd::EmptyReason, None) => json!(""),
            (Odd::CapitalReason, Some(reason)) => json!(reason.to_uppercase()),
            (Odd::UnknownReason, Some(_)) => json!("pause_turn"),
            (Odd::Tool, Some(_)) => json!("tool_calls"),
            (Odd::Repeated, Some(reason)) if is_stream => {
                choice["message"] = json!({"role": "assistant", "content": answer.text});
                json!(reason)
            }
            (_, reason) => json!(reason),
        };
    }

    fn say(self, message: &mut Value, answer: &Answer) {
        if self == Odd::EmptyRefusal {
            message["refusal"] = json!("");
        }
        let Some(text) = message["content"].as_str().map(str::to_owned) else {
            return;
        };
        let is_first = answer.text.starts_with(&text) && !text.is_empty();
        match self {
            Odd::Parts => {
                message["content"] = json!([
                    {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]},
                    {"type": "text", "text": text},
                ]);
            }
            Odd::Thoughts if is_first => {
                message["content"] = json!(format!("<think>\n{THOUGHT}\n</think>\n\n{text}"));
            }
            Odd::EndToken if answer.text.ends_with(&text) && !text.is_empty() => {
                message["content"] = json!(format!("{text}<|im_end|>"));
            }
            Odd::Elsewhere => {
                message["content"] = Value::Null;
                message["reasoning_content"] = json!(text);
            }
            Odd::Tool => {
                message["content"] = Value::Null;
                let function = json!({"name": "search", "arguments": "{}"});
                message["tool_calls"] =
                    json!([{"index": 0, "id": "1", "type": "function", "function": function}]);
            }
            _ => {}
        }
    }
}

/// A gzip file that holds the bytes as they are, in blocks.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for block in bytes.chunks(usize::from(u16::MAX)) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        file.push(0);
        file.extend(length.to_le_bytes());
        file.extend((!length).to_le_bytes());
        file.extend(block);
    }
    file.extend([1, 0, 0, 255, 255]);
    file.extend(crc32(bytes).to_le_bytes());
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    file.extend(length.to_le_bytes());
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    let turn = |crc: u32| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| turn(crc))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn every_oddity_but_those_of_the_transport_changes_the_answer() {
        let answer = Answer {
            text: "Oak is hard.".to_owned(),
            ..Answer::default()
        };
        let body = r#"{"choices":[{"index":0,"message":{"content":"Oak is hard."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3}}"#;
        let event = body.replace("message", "delta");
        for odd in <Odd as clap::ValueEnum>::value_variants() {
            let sent = |text: &str, is_stream| {
                let texts = vec![text.to_owned()];
                odd.bytes(&answer, texts, is_stream, &Headers::new())
            };
            let plain = |text: &str, kind: &str| {
                let head = http::answer_head(200, kind, &[], Some(text.len()));
                [head.as_bytes(), text.as_bytes()].concat()
            };
            let event = format!("data: {event}\n\n");
            let is_same = sent(body, false) == plain(body, JSON);
            let is_same_stream = sent(&event, true) == plain(&event, EVENTS);
            let only_streamed = [Odd::Noise, Odd::Behind, Odd::Repeated, Odd::EmptyReason];
            assert_eq!(is_same, only_streamed.contains(odd), "{odd:?}");
            assert_eq!(is_same_stream, *odd == Odd::EmptyReason, "{odd:?}");
        }
    }
}
