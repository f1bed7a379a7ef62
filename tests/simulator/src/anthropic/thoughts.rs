//! How much a model thinks, and what it takes to be told of that.

use crate::chat::{Chat, spent};
use crate::config::Thinks;
use crate::problem::Problem;

/// Fewest tokens that a budget may have.
const LEAST_BUDGET: u64 = 1024;

/// How many tokens a model thinks before it answers a call.
///
/// # Errors
/// It does not take what it is told of that.
pub fn thoughts(thinks: Thinks, chat: &Chat) -> Result<u64, Problem> {
    let told = &chat.told;
    let invalid = |message: &str| Err(Problem::Invalid(message.to_owned()));
    let is_on = matches!(told.switch.as_deref(), Some("enabled" | "adaptive"));
    let has_temperature = told.temperature.is_some_and(|told| told != 1.0);
    if thinks == Thinks::Adaptively && told.temperature.is_some() {
        return invalid("`temperature` is deprecated for this model.");
    }
    if is_on && has_temperature {
        return invalid("`temperature` may only be set to 1 when thinking is enabled.");
    }
    match (thinks, told.switch.as_deref()) {
        (Thinks::Never | Thinks::Told, None | Some("disabled")) => Ok(0),
        (Thinks::Told, Some("enabled")) => {
            let Some(budget) = told.budget else {
                return invalid("thinking.enabled.budget_tokens: Field required");
            };
            if budget < LEAST_BUDGET {
                return invalid(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
                );
            }
            if budget >= chat.max_tokens.unwrap_or(0) {
                return invalid("`max_tokens` must be greater than `thinking.budget_tokens`.");
            }
            Ok(budget * 3 / 4)
        }
        (Thinks::Told, _) => invalid("adaptive thinking is not supported on this model"),
        (Thinks::Never, _) => invalid("thinking is not supported on this model"),
        (Thinks::Adaptively, Some("enabled")) => invalid(
            "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \
             \"output_config.effort\" to control thinking behavior.",
        ),
        (Thinks::Adaptively, Some("disabled")) => Ok(0),
        (Thinks::Adaptively, _) => {
            let effort = told.effort.as_deref().unwrap_or("high");
            match spent(effort) {
                Some(tokens) if effort != "none" && effort != "minimal" => Ok(tokens),
                _ => invalid("output_config.effort: Input should be 'low', 'medium' or 'high'"),
            }
        }
    }
}
