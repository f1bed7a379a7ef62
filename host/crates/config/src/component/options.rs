//! The options of a component: the manifest's defaults with the configuration's laid over them, held to the
//! schema in the manifest.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::contradictions;
use crate::{ComponentConfig, ConfigError};
use plugin::manifest::Manifest;
use types::suggest::closest;

/// The options of one component.
///
/// # Errors
/// An option that is not known or not what its schema says, by its place.
pub(super) fn options(
    name: &str,
    settings: &ComponentConfig,
    manifest: &Manifest,
) -> Result<Value, ConfigError> {
    let mut options = manifest.default_options();
    options.extend(settings.options.clone());
    let options = Value::Object(options);
    // A manifest's schemas were checked when it was loaded.
    let schema = manifest.options_schema();
    if options::is_too_much(&schema, &options) {
        return Err(ConfigError::Value {
            key: format!("component.{name}.options"),
            cause: format!(
                "the schema that the plugin `{}` gives its options takes too long to check",
                manifest.plugin.name
            ),
            hint: "use another plugin, or ask its author for a simpler schema".to_owned(),
        });
    }
    if let Some(error) = options::violation(&schema, &options) {
        let of_unknown = unknown(&error).map(|option| format!(".{option}"));
        return Err(ConfigError::Value {
            key: format!(
                "component.{name}.options{}{}",
                place(&error),
                of_unknown.unwrap_or_default()
            ),
            cause: cause(&error),
            hint: hint(manifest, unknown(&error)),
        });
    }
    if let Some(found) = contradictions::find(&options, &settings.options) {
        return Err(ConfigError::Value {
            key: format!("component.{name}.options.{}", found.place),
            cause: found.cause,
            hint: found.hint,
        });
    }
    Ok(options)
}

/// Keys that lead to the value, each behind a dot.
fn place(error: &ValidationError<'_>) -> String {
    error.instance_path().as_str().replace('/', ".")
}

fn cause(error: &ValidationError<'_>) -> String {
    // The validator says that it is no regular expression, and not why.
    let why = match (error.kind(), error.instance().as_str()) {
        (ValidationErrorKind::Format { .. }, Some(text)) => regex_lite::Regex::new(text).err(),
        _ => None,
    };
    match why {
        Some(why) => format!("{error}: {why}"),
        None => error.to_string(),
    }
}

/// The option that the schema does not know, if that is the fault.
fn unknown<'a>(error: &'a ValidationError<'_>) -> Option<&'a str> {
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.first().map(String::as_str)
        }
        _ => None,
    }
}

fn hint(manifest: &Manifest, unknown: Option<&str>) -> String {
    let plugin = &manifest.plugin.name;
    let known: Vec<&str> = manifest.options.keys().map(String::as_str).collect();
    match known.as_slice() {
        [] => format!("the plugin `{plugin}` has no options"),
        known => {
            let meant = unknown
                .and_then(|name| closest(name, known.iter().copied()))
                .map(|name| format!("did you mean `{name}`? "))
                .unwrap_or_default();
            format!("{meant}the options of `{plugin}` are: {}", known.join(", "))
        }
    }
}
