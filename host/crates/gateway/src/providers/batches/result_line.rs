//! A line of a result file, in OpenAI's form.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::no_question;
use crate::batch::protocol::{LineResult, ResultLine};
use crate::error::{CallError, Unusable};
use crate::provider::RawAnswer;
use crate::providers::errors::{from_event, from_response};
use crate::providers::lenient::{self, Count, First, Text};
use crate::providers::openai::Partial;
use crate::providers::response::Reader;

/// A line, as it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    custom_id: Text,
    #[serde(borrow)]
    response: Option<Response<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    status_code: Count,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    code: Text,
    message: Text,
}

impl Line<'_> {
    /// What the line says.
    ///
    /// # Errors
    /// It names no question.
    pub(super) fn read(&self, model: &str) -> Result<ResultLine, CallError> {
        let custom_id =
            self.custom_id.0.clone().ok_or_else(|| {
                CallError::unusable("a line names no question", Unusable::MALFORMED)
            })?;
        Ok(ResultLine {
            custom_id,
            result: self.result(model),
        })
    }

    fn result(&self, model: &str) -> LineResult {
        let response = self.response.as_ref();
        // Where both are there, only one has a status.
        let has_status = response.is_some_and(|response| response.status_code.0.is_some());
        match self.error.map(RawValue::get).filter(|text| *text != "null") {
            Some(error) if !has_status => refused(error),
            _ => self.answer(model).into(),
        }
    }

    fn answer(&self, model: &str) -> Result<RawAnswer, CallError> {
        let Some(response) = &self.response else {
            let message = "the line has neither an answer nor an error";
            return Err(CallError::unusable(message, Unusable::NOTHING));
        };
        let body = response.body.map_or("", RawValue::get);
        let status = response.status_code.0.unwrap_or(200);
        if !(200..300).contains(&status) {
            let status = u16::try_from(status)
                .ok()
                .and_then(|status| reqwest::StatusCode::from_u16(status).ok())
                .unwrap_or(reqwest::StatusCode::INTERNAL_SERVER_ERROR);
            let headers = reqwest::header::HeaderMap::new();
            return Err(from_response(
                status,
                &headers,
                body,
                std::time::Duration::ZERO,
                0,
            ));
        }
        let call = no_question(model);
        let mut reader = Partial::default();
        reader.whole(body).and_then(|()| reader.finish(call))
    }
}

/// What a line says in place of an answer.
fn refused(error: &str) -> LineResult {
    let First(refused) = lenient::read::<First<Refused>>(error).unwrap_or_default();
    let refused = refused.unwrap_or_default();
    let code = refused.code.0.unwrap_or_default();
    let words = refused.message.0.unwrap_or_else(|| error.to_owned());
    if ["batch_expired", "batch_cancelled"].contains(&code.as_str()) {
        return LineResult::NotReached(format!("{code}: {words}"));
    }
    LineResult::Failed(from_event(&json!({"code": code, "message": words})))
}
