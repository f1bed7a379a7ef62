//! How much a model thinks, and what it takes to be told of that.

use crate::chat::{Chat, spent};
use crate::config::Thinks;
use crate::dialect::Dialect;
use crate::problem::Problem;

/// How many tokens a model thinks before it answers a call.
///
/// # Errors
/// It does not take what it is told of that, in the words of OpenAI.
pub fn thoughts(dialect: Dialect, thinks: Thinks, chat: &Chat) -> Result<u64, Problem> {
    let effort = chat.told.effort.as_deref();
    let invalid = |message: String| Err(Problem::Invalid(message));
    if thinks == Thinks::Never {
        return match effort {
            None => Ok(0),
            Some(_) => invalid(
                "Unsupported parameter: 'reasoning_effort' is not supported with this model."
                    .to_owned(),
            ),
        };
    }
    // Gemini's models take a temperature all the same.
    if dialect != Dialect::Gemini
        && let Some(temperature) = chat.told.temperature.filter(|told| *told != 1.0)
    {
        return invalid(format!(
            "Unsupported value: 'temperature' does not support {temperature} with this model. Only the default (1) value is supported."
        ));
    }
    let effort = effort.unwrap_or("medium");
    // Newer models know one word for the least, older ones the other.
    let (least, unknown) = match thinks {
        Thinks::Adaptively => ("none", "minimal"),
        Thinks::Told | Thinks::Never => ("minimal", "none"),
    };
    match spent(effort).filter(|_| effort != unknown) {
        Some(tokens) => Ok(tokens),
        None => invalid(format!(
            "Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. Supported values are: \
             '{least}', 'low', 'medium', and 'high'."
        )),
    }
}
