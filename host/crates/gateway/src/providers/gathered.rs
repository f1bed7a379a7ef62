//! An answer as far as it has arrived, whatever the dialect: what was said, what came in place of it, why it ended, and
//! whether it may be taken for whole.

use super::body::{BYTES_OF_TOKEN, estimate};
use super::errors::from_event;
use super::lenient::{self, Words, is_blank, joined};
use super::reasons::{Meaning, meaning};
use super::response::broken_off;
use crate::error::{CallError, Unusable};
use crate::prices::Served;
use crate::provider::{Call, Finish, RawAnswer};
use serde_json::Value;
use types::class::FailureClass;
use types::request::Usage;

/// A piece that repeats all that was said is a repetition if it has at least so many bytes, and chance if it has fewer.
const REPEATED: usize = 32;
/// Characters of a server's words that are shown.
const SHOWN: usize = 60;

/// Tokens as the server counted them; what it did not count is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Of the question, those from the cache included.
    pub input: Option<u64>,
    /// Of the answer.
    pub output: Option<u64>,
    /// Of both.
    pub total: Option<u64>,
    pub cached: Option<u64>,
    pub cache_write: Option<u64>,
    /// Of those that were written, what is kept for long.
    pub long_cache_write: Option<u64>,
    pub reasoning: Option<u64>,
}

/// Bytes of a text that one token has at most on average. In scripts with three bytes a letter it may have ten; less than one
/// token in 16 bytes was not counted but made up.
const LONGEST_TOKEN: u64 = 16;

impl Told {
    /// What the call took, as far as it was told, and else by estimate. A question has tokens, and so has an answer of
    /// `bytes`: where nought is told, nothing was counted.
    fn usage(self, call: Call<'_>, bytes: usize) -> Usage {
        let counted = |tokens: Option<u64>| tokens.filter(|tokens| *tokens > 0);
        let plausible = |tokens: u64, bytes: u64| tokens.saturating_mul(LONGEST_TOKEN) >= bytes;
        let asked = estimate(call);
        let of_question = |tokens: &u64| plausible(*tokens, asked.saturating_mul(BYTES_OF_TOKEN));
        let total = counted(self.total).filter(of_question);
        let output = counted(self.output);
        let input = counted(self.input)
            .or_else(|| counted(total?.checked_sub(output?)))
            .filter(of_question)
            .unwrap_or_else(|| asked.min(total.unwrap_or(u64::MAX)));
        // xAI and Gemini count thoughts in the total only, and bill them as the answer.
        let rest = total.map(|total| total.saturating_sub(input));
        let output = output
            .max(counted(rest))
            .filter(|output| plausible(*output, bytes as u64))
            .unwrap_or_else(|| (bytes as u64).div_ceil(BYTES_OF_TOKEN));
        let unsaid = rest
            .zip(self.output)
            .map(|(rest, said)| rest.saturating_sub(said));
        Usage {
            cached_tokens: self.cached.unwrap_or(0),
            cache_write_tokens: self.cache_write.unwrap_or(0),
            long_cache_write_tokens: self.long_cache_write.unwrap_or(0),
            reasoning_tokens: self.reasoning.or(unsaid).unwrap_or(0),
            ..Usage::new(input, output)
        }
    }
}

/// An answer as far as it has arrived.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    text: String,
    refused: String,
    /// Bytes of thoughts, and the field that they stood in.
    thought: usize,
    thought_in: Option<&'static str>,
    /// The tool that the model called.
    tool: Option<String>,
    reason: Option<String>,
    /// A reason that was followed by more text, so that it is no sign of the end.
    doubted: Option<String>,
    /// Some text came without a reason: so this server does not write one into every event.
    is_plain: bool,
    /// Something else than a reason shows that all has arrived.
    is_ended: bool,
    /// Something of an answer came.
    is_begun: bool,
    told: Option<Told>,
    model: Option<String>,
    served: Option<Served>,
    /// The first event that was no JSON.
    noise: Option<String>,
}

impl Gathered {
    /// Adds words; whether they said something.
    pub fn say(&mut self, words: &Words, reason: Option<&str>) -> bool {
        self.is_begun = true;
        self.think(words.thought, "content");
        self.refused.push_str(&words.refused);
        let said = words.said.as_str();
        let is_repeated = reason.is_some() && said.len() >= REPEATED && said == self.text;
        if !is_repeated {
            self.text.push_str(said);
        }
        if !said.trim().is_empty() && !is_repeated {
            self.is_plain |= reason.is_none();
            self.is_ended = false;
            if let Some(earlier) = self.reason.take() {
                self.doubted = Some(earlier);
            }
        }
        !said.is_empty() || words.thought > 0
    }

    /// All that is said, at once: it takes the place of what came in pieces.
    pub fn say_all(&mut self, words: &Words) -> bool {
        if !words.said.trim().is_empty() {
            self.text.clear();
        }
        self.is_begun = true;
        self.think(words.thought, "content");
        self.refused.push_str(&words.refused);
        self.text.push_str(&words.said);
        !words.said.is_empty()
    }

    /// Adds thoughts; whether there were any.
    pub fn think(&mut self, bytes: usize, field: &'static str) -> bool {
        self.thought += bytes;
        if bytes > 0 {
            self.thought_in.get_or_insert(field);
        }
        bytes > 0
    }

    /// The model wants a tool to be called.
    pub fn call_tool(&mut self, name: Option<String>) {
        self.is_begun = true;
        self.tool.get_or_insert(name.unwrap_or_default());
    }

    /// The model says why it does not answer.
    pub fn refuse(&mut self, words: &str) {
        self.refused.push_str(words);
    }

    /// A word for why the answer ended. One that means nothing is none.
    pub fn end(&mut self, reason: Option<String>) {
        if let Some(reason) = reason.filter(|reason| meaning(reason) != Meaning::None) {
            self.is_begun = true;
            self.reason = Some(reason);
        }
    }

    /// All has arrived.
    pub fn ended(&mut self) {
        self.is_ended = true;
    }

    /// Tokens were counted; `is_alone` if nothing was said along with it, as at the end.
    pub fn count(&mut self, told: Told, is_alone: bool) {
        self.is_ended |= is_alone && !self.text.trim().is_empty();
        self.told = Some(told);
    }

    /// What was counted until now.
    pub fn told(&self) -> Told {
        self.told.unwrap_or_default()
    }

    /// The model that answers.
    pub fn by(&mut self, model: Option<String>) {
        if model.is_some() {
            self.model = model;
        }
    }

    /// The tier that the answer comes from.
    pub fn from(&mut self, served: Option<Served>) {
        self.served = served.or(self.served);
    }

    /// The tier that the answer comes from, if it was told.
    pub fn served(&self) -> Option<Served> {
        self.served
    }

    /// An event that is no JSON. Where it begins like some, a part of the answer may be lost.
    ///
    /// # Errors
    /// Then, unless the answer had ended.
    pub fn noise(&mut self, data: &str, error: &serde_json::Error) -> Result<(), CallError> {
        if data.trim_start().starts_with(['{', '[']) && !self.is_sure() {
            return Err(malformed(error));
        }
        self.noise.get_or_insert_with(|| shown(data));
        Ok(())
    }

    /// An error that came with the answer or in place of it; an empty one is none.
    ///
    /// # Errors
    /// It is one, and the answer had not ended.
    pub fn fail(&self, error: &Value) -> Result<(), CallError> {
        if is_blank(error) || self.is_sure() {
            return Ok(());
        }
        Err(from_event(error))
    }

    /// Whether something of an answer came.
    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether the answer has ended, whatever may come behind.
    pub fn is_sure(&self) -> bool {
        self.reason.is_some() && self.reason != self.doubted && (self.is_plain || self.is_ended)
    }

    /// Bytes that came.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.thought + self.refused.len()
    }

    /// Tokens that are billed, should nothing more arrive.
    pub fn billed(&self, call: Call<'_>) -> Usage {
        match self.told {
            Some(told) => told.usage(call, self.bytes()),
            None if self.bytes() > 0 || self.tool.is_some() => {
                Told::default().usage(call, self.bytes())
            }
            None => Usage::default(),
        }
    }

    /// Nothing more arrives. `place` is the field in which answers stand.
    ///
    /// # Errors
    /// What came is no answer.
    pub fn finish(self, call: Call<'_>, place: &str) -> Result<RawAnswer, CallError> {
        let usage = self.told().usage(call, self.bytes());
        let finish = self.judge(call, usage, place)?;
        let refusal = self.refused.trim();
        Ok(RawAnswer {
            finish,
            finish_reason: self.reason.unwrap_or_else(|| "none".to_owned()),
            usage,
            served: self.served,
            refusal: (!refusal.is_empty()).then(|| joined(refusal.to_owned())),
            thought: self.thought > 0 || usage.reasoning_tokens > 0,
            text: joined(self.text),
            model: self.model.unwrap_or_else(|| call.model.to_owned()),
            observed: Vec::new(),
        })
    }

    fn judge(&self, call: Call<'_>, usage: Usage, place: &str) -> Result<Finish, CallError> {
        if !self.refused.trim().is_empty() {
            return Ok(Finish::ContentFilter);
        }
        let reason = self.reason.as_deref().unwrap_or_default();
        let meaning = match meaning(reason) {
            // One that also stood where the answer went on says nothing.
            _ if self.reason.is_some() && self.reason == self.doubted => Meaning::None,
            meaning => meaning,
        };
        match meaning {
            Meaning::CutOff => Ok(Finish::Length),
            Meaning::ContextFull => Err(CallError::new(
                FailureClass::Context,
                format!(
                    "the answer reached the end of the model's context (`{}`)",
                    shown(reason)
                ),
            )),
            Meaning::Withheld => Ok(Finish::ContentFilter),
            Meaning::Tool if self.tool.is_some() => Err(self.in_another_field()),
            Meaning::Said | Meaning::Tool => self.said(),
            Meaning::None if !self.is_begun => Err(self.nothing(place)),
            Meaning::None if !self.is_ended => Err(broken_off()),
            // Nobody says whether it was cut off, so the tokens do.
            Meaning::None if usage.output_tokens >= u64::from(call.max_output_tokens) => {
                Ok(Finish::Length)
            }
            Meaning::None => self.said(),
            Meaning::Overloaded => Err(CallError::new(FailureClass::Overloaded, reason)),
            Meaning::Failed => Err(CallError::new(
                FailureClass::Transient,
                format!(
                    "the answer failed: the server ended it with `{}`",
                    shown(reason)
                ),
            )),
            Meaning::Unknown => Err(CallError::unusable(
                format!(
                    "the answer ended with the reason `{}`, which is not known, so it may be half of one",
                    shown(reason)
                ),
                Unusable::UNKNOWN_REASON,
            )),
        }
    }

    /// A whole answer, if there is one.
    fn said(&self) -> Result<Finish, CallError> {
        let is_blank = self.text.trim().is_empty();
        if is_blank && (self.tool.is_some() || self.thought > 0) {
            return Err(self.in_another_field());
        }
        Ok(Finish::Stop)
    }

    /// The text is empty, and something stands elsewhere.
    fn in_another_field(&self) -> CallError {
        match (&self.tool, self.thought_in) {
            (Some(tool), _) => CallError::unusable(
                format!(
                    "the model called the tool `{}` and gave no answer",
                    shown(tool)
                ),
                Unusable::TOOL,
            ),
            (None, field) => CallError::unusable(
                format!(
                    "the text of the answer is empty, and all of it is in `{}`",
                    field.unwrap_or("another field")
                ),
                Unusable::ELSEWHERE,
            ),
        }
    }

    /// Nothing of an answer came.
    fn nothing(&self, place: &str) -> CallError {
        let message = match &self.noise {
            Some(noise) => format!("the server sent no `{place}`, but for example `{noise}`"),
            None => format!("the server sent no `{place}`, in which answers stand"),
        };
        CallError::unusable(message, Unusable::NOTHING)
    }
}

/// Reads an event or a body.
///
/// # Errors
/// It is not what the API promises.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(
    text: &str,
) -> Result<Option<T>, serde_json::Error> {
    lenient::read(text).map(|lenient::First(object)| object)
}

/// An answer that is not what the API promises.
pub(super) fn malformed(error: &serde_json::Error) -> CallError {
    CallError::unusable(
        format!("the answer is not the JSON that it should be: {error}"),
        Unusable::MALFORMED,
    )
}

/// The beginning of a server's words.
fn shown(words: &str) -> String {
    words.trim().chars().take(SHOWN).collect()
}
