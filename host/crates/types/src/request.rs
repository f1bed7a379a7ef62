//! A question to a model and its answer, as the contract knows them: nothing here knows a provider,
//! a lane or HTTP.

use crate::digest::{Digest, DigestBuilder};
use crate::image::Image;
use crate::json::Json;
use crate::key;
use serde::{Deserialize, Serialize};

/// Who speaks in a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Instructions, the same for every record.
    System,
    /// The question, and what was wrong with an answer.
    User,
    /// An earlier answer of the model.
    Assistant,
}

impl Role {
    /// The name that chat APIs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// The shape that an answer must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseFormat {
    /// Prose.
    Text,
    /// Any JSON object.
    JsonObject,
    /// A JSON value that obeys this JSON Schema.
    JsonSchema(Json),
}

/// What a text answer must obey (`llm.rules` in the contract). A word is a run without white space
/// that has a letter or digit; a line counts when it is not blank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Fewest words.
    pub min_words: Option<u32>,
    /// Most words.
    pub max_words: Option<u32>,
    /// Fewest lines.
    pub min_lines: Option<u32>,
    /// Most lines.
    pub max_lines: Option<u32>,
    /// Words or phrases that must occur, whatever their case.
    pub required_words: Vec<String>,
    /// Headings that must occur as `## heading`, in this order.
    pub headings: Vec<String>,
    /// Every number must be one of the facts'.
    pub numbers_from_facts: bool,
    /// The answer ends with a whole sentence.
    pub whole_sentences: bool,
}

/// A question, apart from who is to answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionRequest {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// JSON object: what is known of the record, apart from the instructions.
    pub facts: Json,
    /// What a text answer must obey.
    pub rules: Option<Rules>,
    /// The shape of the answer.
    pub format: ResponseFormat,
    /// Pictures that the model is shown with the first message of the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
}

impl CompletionRequest {
    /// A question in plain words, without facts or rules.
    pub fn text(question: impl Into<String>) -> Self {
        Self {
            messages: vec![Message {
                role: Role::User,
                content: question.into(),
            }],
            facts: Json::empty_object(),
            rules: None,
            format: ResponseFormat::Text,
            images: Vec::new(),
        }
    }

    /// Adds what was said about earlier answers to the first thing that the user says.
    pub fn add_feedback(&mut self, feedback: &str) {
        let mut messages = self.messages.iter_mut();
        match messages.find(|message| message.role == Role::User) {
            Some(first) => {
                if !first.content.is_empty() {
                    first.content.push_str("\n\n");
                }
                first.content.push_str(feedback);
            }
            None => {
                let of_system = |message: &&Message| message.role == Role::System;
                let place = self.messages.iter().take_while(of_system).count();
                let said = Message {
                    role: Role::User,
                    content: feedback.to_owned(),
                };
                self.messages.insert(place, said);
            }
        }
    }

    /// Whether it shows the model an answer of its own that would not do.
    pub fn is_repair(&self) -> bool {
        self.messages
            .iter()
            .any(|message| message.role == Role::Assistant)
    }

    /// The hash that its key is made from: that of its JSON, which is not built for it. Of pictures the hashes of their bytes
    /// count, so that one is the same under another name. Where there are none, nothing is added.
    pub fn digest(&self) -> Digest {
        let has_images = !self.images.is_empty();
        key::question(|builder| {
            builder.object(if has_images { 5 } else { 4 }).text("facts");
            self.facts.add_to(builder);
            builder.text("format");
            match &self.format {
                ResponseFormat::Text => {
                    builder.text("text");
                }
                ResponseFormat::JsonObject => {
                    builder.text("json-object");
                }
                ResponseFormat::JsonSchema(schema) => {
                    builder.object(1).text("json-schema");
                    schema.add_to(builder);
                }
            }
            if has_images {
                builder.text("images").array(self.images.len());
                for image in &self.images {
                    builder.text(&image.digest.to_string());
                }
            }
            builder.text("messages").array(self.messages.len());
            for Message { role, content } in &self.messages {
                builder.object(2).text("content").text(content);
                builder.text("role").text(role.as_str());
            }
            builder.text("rules");
            match &self.rules {
                None => {
                    builder.null();
                }
                Some(rules) => rules.add_to(builder),
            }
        })
    }
}

impl Rules {
    fn add_to(&self, builder: &mut DigestBuilder) {
        let Rules {
            min_words,
            max_words,
            min_lines,
            max_lines,
            required_words,
            headings,
            numbers_from_facts,
            whole_sentences,
        } = self;
        builder.object(8);
        texts(builder, "headings", headings);
        bound(builder, "max_lines", *max_lines);
        bound(builder, "max_words", *max_words);
        bound(builder, "min_lines", *min_lines);
        bound(builder, "min_words", *min_words);
        builder
            .text("numbers_from_facts")
            .truth(*numbers_from_facts);
        texts(builder, "required_words", required_words);
        builder.text("whole_sentences").truth(*whole_sentences);
    }
}

fn texts(builder: &mut DigestBuilder, key: &str, texts: &[String]) {
    builder.text(key).array(texts.len());
    for text in texts {
        builder.text(text);
    }
}

fn bound(builder: &mut DigestBuilder, key: &str, bound: Option<u32>) {
    builder.text(key);
    match bound {
        None => builder.null(),
        Some(bound) => builder.digits(&bound.to_string()),
    };
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// It had said all.
    Stop,
    /// It was cut off at the output cap.
    Length,
}

/// Tokens of one or more calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the question, those from the provider's prompt cache included.
    pub input_tokens: u64,
    /// Tokens of the answer, those of reasoning included.
    pub output_tokens: u64,
    /// Tokens of the question that the provider had in its prompt cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Tokens of the question that were written to the provider's prompt cache, where that costs extra.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Those of them that are kept there for long, an hour or more, where that costs more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub long_cache_write_tokens: u64,
    /// Tokens of the answer that were thought and not said.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
}

impl Usage {
    /// A question and an answer without cache or reasoning.
    pub fn new(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage {
            input_tokens,
            output_tokens,
            ..Usage::default()
        }
    }
}

fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cache_write_tokens = self
            .cache_write_tokens
            .saturating_add(other.cache_write_tokens);
        self.long_cache_write_tokens = self
            .long_cache_write_tokens
            .saturating_add(other.long_cache_write_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// What the model said.
    pub text: String,
    /// Why it stopped.
    pub stop: StopReason,
    /// The provider's own word for that, kept as evidence.
    pub finish_reason: String,
    /// What it cost, all attempts that were billed for it included.
    pub usage: Usage,
    /// The model that answered.
    pub model: String,
}

/// What a component is told in answer to a question: the only outcomes that it can see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The model answered.
    Completion(Completion),
    /// The provider's content filter refused; its words.
    ContentFiltered(String),
    /// The question is longer than the model's context; the provider's words.
    ContextTooLong(String),
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::image::ImageType;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec((".{0,4}", inner), 0..4).prop_map(|entries| entries.into_iter().collect()),
            ]
        })
    }

    fn message() -> impl Strategy<Value = Message> {
        let role = prop_oneof![Just(Role::System), Just(Role::User), Just(Role::Assistant)];
        (role, ".{0,12}").prop_map(|(role, content)| Message { role, content })
    }

    fn rules() -> impl Strategy<Value = Rules> {
        let bounds = (
            option::of(any::<u32>()),
            option::of(any::<u32>()),
            option::of(any::<u32>()),
            option::of(any::<u32>()),
        );
        let texts = (vec(".{0,6}", 0..3), vec(".{0,6}", 0..3));
        (bounds, texts, any::<[bool; 2]>()).prop_map(|(bounds, texts, [numbers, sentences])| {
            Rules {
                min_words: bounds.0,
                max_words: bounds.1,
                min_lines: bounds.2,
                max_lines: bounds.3,
                required_words: texts.0,
                headings: texts.1,
                numbers_from_facts: numbers,
                whole_sentences: sentences,
            }
        })
    }

    fn image() -> impl Strategy<Value = Image> {
        (".{0,6}", any::<[u32; 2]>()).prop_map(|(source, [width, height])| Image {
            digest: Digest::of(source.as_bytes()),
            source,
            media_type: ImageType::Png,
            width,
            height,
            bytes: 1,
        })
    }

    fn request() -> impl Strategy<Value = CompletionRequest> {
        let format = prop_oneof![
            Just(ResponseFormat::Text),
            Just(ResponseFormat::JsonObject),
            value().prop_map(|schema| ResponseFormat::JsonSchema(schema.into())),
        ];
        let parts = (
            vec(message(), 0..4),
            value(),
            option::of(rules()),
            format,
            vec(image(), 0..3),
        );
        parts.prop_map(
            |(messages, facts, rules, format, images)| CompletionRequest {
                messages,
                facts: facts.into(),
                rules,
                format,
                images,
            },
        )
    }

    proptest! {
        #[test]
        fn the_hash_of_a_question_is_that_of_its_json(request in request()) {
            let mut json = json!(request);
            if !request.images.is_empty() {
                let digests = request.images.iter().map(|image| image.digest);
                json["images"] = json!(digests.collect::<Vec<_>>());
            }
            let of_json = key::question(|builder| {
                builder.json(&json);
            });
            prop_assert_eq!(request.digest(), of_json);
        }
    }

    /// Questions of which answers are in journals: no hash of theirs may ever change.
    #[test]
    fn known_questions_stay() {
        let request = CompletionRequest::text("What is laser cleaning?");
        assert_eq!(
            request.digest().to_string(),
            "d35c2f74786779c1da82cb038a0f364288e1cc161da0aa038f4e977cdeb43cfb"
        );
    }

    #[test]
    fn a_picture_counts_by_its_bytes() {
        let mut request = CompletionRequest::text("What is this?");
        let without = request.digest();
        request.images = vec![Image {
            source: "a.png".to_owned(),
            digest: Digest::of(b"a"),
            media_type: ImageType::Png,
            width: 1,
            height: 1,
            bytes: 1,
        }];
        let with = request.digest();
        assert_ne!(with, without);
        request.images[0].source = "moved/a.png".to_owned();
        assert_eq!(request.digest(), with);
        request.images[0].digest = Digest::of(b"b");
        assert_ne!(request.digest(), with);
    }
}
