//! A component in one Markdown file, beside the configuration: what `[component.NAME]` may hold stands as YAML between two
//! `---` lines, and the text below them is the prompt.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter, Options};

use crate::{ComponentConfig, Config, ConfigError, InlinePrompt, PromptSource};
use types::suggest::closest;

/// The folder of these files, beside the configuration.
pub const FOLDER: &str = "components";
/// The plugin where the file names none.
pub const PLUGIN: &str = "prompt";
/// The prompt that the text of a file is.
const PROMPT: &str = "write";
/// The line before and behind the settings.
const FENCE: &str = "---";
/// A file of the folder that is about the others.
const README: &str = "readme.md";

/// The file that a component comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    pub file: PathBuf,
    /// What stands before the prompt, both fences included.
    head: String,
}

impl Origin {
    /// The line of a setting, as in `options.min-words`.
    pub fn line(&self, setting: &str) -> usize {
        line_of(&self.head, setting)
    }

    /// The line of the file that a line of a prompt is, both from 1; `None` where the prompt is not the text of the file.
    pub(super) fn line_of_prompt(&self, prompt: &str, line: usize) -> Option<usize> {
        (prompt == PROMPT).then(|| self.head.lines().count() + line)
    }
}

/// The line of a setting; where the file does not say it, of what it would stand in.
fn line_of(head: &str, setting: &str) -> usize {
    let mut found = 1;
    for part in setting.split('.').filter(|part| !part.is_empty()) {
        let mut lines = head.lines().enumerate().skip(found - 1);
        match lines.find(|(_, line)| has_key(line, part)) {
            Some((index, _)) => found = index + 1,
            None => break,
        }
    }
    found
}

/// Whether a line of YAML has this key.
fn has_key(line: &str, key: &str) -> bool {
    line.match_indices(key).any(|(start, _)| {
        let before = line.get(..start).unwrap_or_default().chars().next_back();
        let after = line.get(start + key.len()..).unwrap_or_default();
        let begins = before.is_none_or(|letter| " {,\"'".contains(letter));
        begins
            && after
                .trim_start_matches(['"', '\''])
                .trim_start()
                .starts_with(':')
    })
}

/// Where a component has its file, in the folder of the configuration.
pub fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(FOLDER).join(format!("{name}.md"))
}

impl Config {
    /// Adds the components that have files of their own. `text` is what the configuration in `file` says.
    pub(super) fn add_component_files(
        &mut self,
        file: &Path,
        text: &str,
    ) -> Result<(), ConfigError> {
        for path in files(&self.folder.join(FOLDER))? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            if self.component.contains_key(name.as_ref()) {
                return Err(ConfigError::Placed {
                    cause: format!(
                        "`{name}` is a component of {}:{}, too",
                        file.display(),
                        section(text, &name)
                    ),
                    hint: format!(
                        "keep one of them: what [component.{name}] says can stand between the lines `---` of this file"
                    ),
                    file: path,
                    line: 1,
                });
            }
            let component = read(&path)?;
            self.component.insert(name.into_owned(), component);
        }
        Ok(())
    }
}

/// The line in which a component's section begins.
fn section(text: &str, name: &str) -> usize {
    let names = [name.to_owned(), format!("\"{name}\""), format!("'{name}'")];
    let begins = |line: &str| {
        let rest = line.trim_start().strip_prefix("[component.");
        let rest = rest.or_else(|| line.trim_start().strip_prefix("component."));
        names.iter().any(|name| {
            rest.and_then(|rest| rest.strip_prefix(name.as_str()))
                .is_some_and(|rest| rest.starts_with([']', '.', ' ', '=']))
        })
    };
    text.lines().position(begins).map_or(1, |index| index + 1)
}

/// The files of a folder that hold components, in the order of their names; none where there is no folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |error: io::Error| ConfigError::Unreadable {
        file: folder.to_owned(),
        cause: error.to_string(),
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_one = name.ends_with(".md") && !name.starts_with('.');
        if is_one && !name.eq_ignore_ascii_case(README) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<ComponentConfig, ConfigError> {
    let unreadable = |cause: String| ConfigError::Unreadable {
        file: file.to_owned(),
        cause,
    };
    // A pipe would be waited for.
    let found = fs::metadata(file).map_err(|error| unreadable(error.to_string()))?;
    if !found.is_file() {
        return Err(unreadable("it is not a regular file".to_owned()));
    }
    let text = fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    parse(file, &text)
}

/// The component in a text that is, or is to be, in `file`.
///
/// # Errors
/// With file and line, and the key that was probably meant.
pub fn parse(file: &Path, text: &str) -> Result<ComponentConfig, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n");
    let fault = |line: usize, cause: &str, hint: &str| ConfigError::Placed {
        file: file.to_owned(),
        line,
        cause: cause.to_owned(),
        hint: hint.to_owned(),
    };
    let Some((settings, head)) = settings(&text) else {
        return Err(fault(
            1,
            "its settings do not stand between two lines `---`",
            "begin the file with `---`, settings such as `input: {record: all}`, and `---`; the prompt follows",
        ));
    };
    let prompt = text.get(head..).unwrap_or_default();
    let head = text.get(..head).unwrap_or_default();
    if prompt.trim().is_empty() {
        let line = head.lines().count();
        return Err(fault(
            line,
            "there is no prompt below the settings",
            "write what the model is to do",
        ));
    }
    let mut component = component(settings).map_err(|error| explained(file, settings, &error))?;
    if component.prompts.contains_key(PROMPT) {
        return Err(fault(
            line_of(head, &format!("prompts.{PROMPT}")),
            "`prompts.write` is the text below the settings",
            "remove one of the two",
        ));
    }
    let prompt = PromptSource::Inline(InlinePrompt {
        text: prompt.to_owned(),
    });
    component.prompts.insert(PROMPT.to_owned(), prompt);
    component.plugin.get_or_insert_with(|| PLUGIN.to_owned());
    component.origin = Some(Origin {
        file: file.to_owned(),
        head: head.to_owned(),
    });
    Ok(component)
}

/// The settings behind the first fence, and where the prompt begins: behind the second fence and blank lines.
fn settings(text: &str) -> Option<(&str, usize)> {
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim_end() == FENCE)?;
    let mut end = first.len();
    loop {
        let line = lines.next()?;
        if line.trim_end() == FENCE {
            let blank = lines.take_while(|line| line.trim().is_empty());
            let prompt = end + line.len() + blank.map(str::len).sum::<usize>();
            // With the first fence, which YAML takes for the beginning of a document: lines count from there.
            return Some((text.get(..end)?, prompt));
        }
        end += line.len();
    }
}

fn component(settings: &str) -> Result<ComponentConfig, Error> {
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if settings.lines().skip(1).all(is_blank) {
        return Ok(ComponentConfig::default());
    }
    serde_saphyr::from_str_with_options(settings, options())
}

/// As records in YAML are read: `no` and `007` are texts.
fn options() -> Options {
    serde_saphyr::options! {
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn explained(file: &Path, settings: &str, error: &Error) -> ConfigError {
    let error = error.without_snippet();
    let line = error.location().map_or(1, |location| location.line());
    let line = usize::try_from(line).unwrap_or(1);
    let message = DefaultMessageFormatter
        .format_message(error)
        .replace(char::is_control, " ");
    let text = settings.lines().nth(line.saturating_sub(1));
    let (cause, meant) = match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => (message, closest(field, expected.iter().copied())),
        _ => (
            format!("`{}`: {message}", text.unwrap_or_default().trim()),
            None,
        ),
    };
    ConfigError::Placed {
        file: file.to_owned(),
        line,
        cause,
        hint: match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                "the settings are those of [component.NAME], in YAML (docs/how-to/component.md)"
                    .to_owned()
            }
        },
    }
}

#[cfg(test)]
mod tests;
