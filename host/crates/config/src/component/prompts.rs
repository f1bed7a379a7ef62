//! The prompts of a component: the plugin's, with the configuration's in their place. Templates are checked here,
//! before anything runs.

use std::fs;
use std::path::Path;

use super::template::{self, Fault};
use crate::{ComponentConfig, ConfigError, PromptSource};
use plugin::manifest::{InputFields, Package};
use types::suggest::closest;

/// Name and text of each prompt.
///
/// # Errors
/// A prompt that the plugin does not know, that cannot be read or is missing, or a template that cannot be filled.
pub(super) fn prompts(
    name: &str,
    package: &Package,
    settings: &ComponentConfig,
    input: &InputFields,
    depends_on: &[String],
) -> Result<Vec<(String, String)>, ConfigError> {
    let declared = &package.manifest.prompts;
    let key = |prompt: &str| format!("component.{name}.prompts.{prompt}");
    let mut prompts = package.prompts.clone();
    for (prompt, source) in &settings.prompts {
        if !prompts.contains_key(prompt) && !declared.contains_key(prompt) {
            let known: Vec<&str> = package
                .prompts
                .keys()
                .chain(declared.keys())
                .map(String::as_str)
                .collect();
            return Err(ConfigError::Value {
                key: key(prompt),
                cause: format!("the plugin has no prompt `{prompt}`"),
                hint: match closest(prompt, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("its prompts are: {}", known.join(", ")),
                },
            });
        }
        let text = match source {
            PromptSource::File(file) => read(key(prompt), file)?,
            PromptSource::Inline(inline) => inline.text.clone(),
        };
        prompts.insert(prompt.clone(), text);
    }
    for (prompt, says) in declared {
        let Some(text) = prompts.get_mut(prompt) else {
            return Err(ConfigError::Value {
                key: key(prompt),
                cause: "it is missing, and the plugin has none of its own".to_owned(),
                hint: format!(
                    "write `prompts = {{ {prompt} = {{ text = \"...\" }} }}`, or the path of a file"
                ),
            });
        };
        if says.template {
            let variant = settings.variant.as_ref();
            template::check(text, input, depends_on, variant)
                .map_err(|fault| at_its_place(fault, key(prompt), prompt, settings))?;
            if let Some(variant) = variant {
                *text = variant.before(text);
            }
        }
    }
    Ok(prompts.into_iter().collect())
}

/// The error for a template, with the file in which it stands, where that is not the configuration.
fn at_its_place(
    fault: Fault,
    key: String,
    prompt: &str,
    settings: &ComponentConfig,
) -> ConfigError {
    let Fault { line, cause, hint } = fault;
    if let Some(origin) = &settings.origin
        && let Some(line) = origin.line_of_prompt(prompt, line.unwrap_or(1))
    {
        let file = origin.file.clone();
        return ConfigError::Placed {
            file,
            line,
            cause,
            hint,
        };
    }
    let cause = match line {
        Some(line) => format!("line {line}: {cause}"),
        None => cause,
    };
    let cause = match settings.prompts.get(prompt) {
        Some(PromptSource::File(file)) => format!("{}: {cause}", file.display()),
        _ => cause,
    };
    ConfigError::Value { key, cause, hint }
}

fn read(key: String, file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|error| ConfigError::Value {
        key,
        cause: format!("cannot read {}: {error}", file.display()),
        hint: "paths count from the configuration's directory".to_owned(),
    })
}
