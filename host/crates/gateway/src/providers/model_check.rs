//! Whether a model can be asked as it is configured, as far as that is known without asking it.

use super::presets::{Preset, all};
use crate::models;
use crate::settings::{Api, ModelConfig};

/// A model cannot be asked as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Its provider has no such tier.
    #[error(
        "`{model}` has service-tier = \"flex\", and its provider is not known to have one that is cheaper\nhint: remove \
         service-tier from [models.\"{model}\"]; known to have one: {}",
        with_flex()
    )]
    NoTier {
        /// The model.
        model: String,
    },
    /// The provider has the tier, and not for this model.
    #[error(
        "`{model}` has service-tier = \"flex\", and the provider did not list it at that tier on {}\nhint: remove \
         service-tier from [models.\"{model}\"], or add flex-price if it has one by now",
        models::date()
    )]
    NoTierOfModel {
        /// The model.
        model: String,
    },
    /// Its provider does not take the time of a prompt cache.
    #[error(
        "`{model}` has prompt-cache, and its provider does not speak Anthropic's API\nhint: remove prompt-cache from \
         [models.\"{model}\"]; other providers keep what questions begin with by themselves"
    )]
    NoCacheTime {
        /// The model.
        model: String,
    },
    /// The same is said twice.
    #[error(
        "`{model}` has both {key} and `{field}` in its extra-body, which say the same\nhint: keep one of them in \
         [models.\"{model}\"]"
    )]
    Twice {
        /// The model.
        model: String,
        /// The key of the configuration.
        key: &'static str,
        /// The field of the body.
        field: &'static str,
    },
}

/// The presets of providers that have the tier.
fn with_flex() -> String {
    let names = all().filter(|preset| preset.flex);
    names
        .map(|preset| preset.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Passes the configuration of a model, whose name at its provider is `own`.
///
/// # Errors
/// When it cannot be asked so.
pub(super) fn checked(
    model: &str,
    own: &str,
    preset: &Preset,
    api: Api,
    configured: Option<&ModelConfig>,
) -> Result<(), ModelError> {
    let Some(configured) = configured else {
        return Ok(());
    };
    if configured.prompt_cache.is_some() && api != Api::Messages {
        return Err(ModelError::NoCacheTime {
            model: model.to_owned(),
        });
    }
    if configured.service_tier.is_none() {
        return Ok(());
    }
    let model = model.to_owned();
    if !preset.flex {
        return Err(ModelError::NoTier { model });
    }
    let known = models::facts(&format!("{}/{own}", preset.name));
    if configured.flex_price.is_none() && known.is_some_and(|facts| facts.flex.is_none()) {
        return Err(ModelError::NoTierOfModel { model });
    }
    if configured.extra_body.contains_key("service_tier") {
        return Err(ModelError::Twice {
            model,
            key: "service-tier",
            field: "service_tier",
        });
    }
    Ok(())
}
