//! What is wrong with a configuration, where, and what to do about it.

use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::Config;
use types::suggest::closest;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {cause}\nhint: name a file that you may read with --config FILE", file.display())]
    Unreadable { file: PathBuf, cause: String },
    /// The file is not valid.
    #[error("the configuration {} is not valid: {}{}", file.display(), cause.trim_end(), hint(cause))]
    Invalid {
        file: PathBuf,
        /// Place and cause, as the parser says.
        cause: String,
    },
    /// A value is out of its range, or names something that is not there.
    #[error("`{key}` in the configuration: {cause}\nhint: {hint}")]
    Value {
        /// Key of the value.
        key: String,
        cause: String,
        hint: String,
    },
    /// The same, where it is known in which line that stands.
    #[error("{}:{line}: {cause}\nhint: {hint}", file.display())]
    Placed {
        file: PathBuf,
        line: usize,
        cause: String,
        hint: String,
    },
}

impl ConfigError {
    /// The same error with the place of what it is about: in the file of a component that has its own, or in the configuration.
    pub(super) fn at_its_place(self, config: &Config) -> ConfigError {
        let ConfigError::Value { key, cause, hint } = self else {
            return self;
        };
        let place = config.component.iter().find_map(|(name, component)| {
            let rest = key.strip_prefix("component.")?;
            let base = component.variant.as_ref().map(|variant| &variant.base);
            let rest = match (rest.strip_prefix(name.as_str()), base) {
                (None, Some(base)) => rest.strip_prefix(base.as_str())?,
                (rest, _) => rest?,
            };
            let origin = component.origin.as_ref()?;
            let setting = if rest.is_empty() {
                ""
            } else {
                rest.strip_prefix('.')?
            };
            Some((origin, setting.to_owned()))
        });
        match place {
            Some((origin, setting)) => ConfigError::Placed {
                file: origin.file.clone(),
                line: origin.line(&setting),
                cause: if setting.is_empty() {
                    cause
                } else {
                    format!("`{setting}`: {cause}")
                },
                hint,
            },
            None => match line_of(&config.file, &key) {
                Some(line) => ConfigError::Placed {
                    file: config.file.clone(),
                    line,
                    cause: format!("`{key}`: {cause}"),
                    hint,
                },
                None => ConfigError::Value { key, cause, hint },
            },
        }
    }
}

/// The line of a configuration in which a key stands, or the innermost table of those that it names; nothing where only the
/// outermost is there.
fn line_of(file: &Path, key: &str) -> Option<usize> {
    let text = fs::read_to_string(file).ok()?;
    let document = DeTable::parse(&text).ok()?;
    let (mut table, mut rest) = (document.get_ref(), key);
    let (mut found, mut depth) = (None, 0);
    loop {
        let behind = |name: &str| {
            let quoted = format!("\"{name}\"");
            let behind = rest
                .strip_prefix(name)
                .or_else(|| rest.strip_prefix(&quoted))?;
            match behind.strip_prefix('.') {
                None => behind.is_empty().then_some(""),
                behind => behind,
            }
        };
        let next = table
            .iter()
            .find_map(|(name, value)| Some((name.span().start, value, behind(name.get_ref())?)));
        let Some((start, value, behind)) = next else {
            break;
        };
        (found, rest, depth) = (Some(start), behind, depth + 1);
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    let start = found.filter(|_| depth > 1 || rest.is_empty())?;
    Some(text.get(..start)?.matches('\n').count() + 1)
}

/// The parser's words without what stands behind `=` in lines that name a secret, or have an address with a login or a query: someone may
/// have written theirs where only its variable's name belongs.
pub(super) fn without_keys(cause: &str) -> String {
    let line = |line: &str| match line.split_once('=') {
        Some((name, value)) if name.contains('|') && may_hold_secret(line, value) => {
            format!("{name}= …")
        }
        _ => line.to_owned(),
    };
    cause.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether a line of a configuration may hold a secret; `value` is what it says behind its first `=`.
fn may_hold_secret(line: &str, value: &str) -> bool {
    let line = line.to_ascii_lowercase().replace("tokens", "");
    let names = ["key", "token", "secret", "password", "authorization"];
    let is_named = names.iter().any(|name| line.contains(name));
    let address = value.split_once("://").map(|(_, address)| address);
    is_named || address.is_some_and(|address| address.contains(['@', '?']))
}

/// Suggests the key that was meant, from the parser's own words.
fn hint(cause: &str) -> String {
    let quoted: Vec<&str> = cause
        .lines()
        .find(|line| line.starts_with("unknown field"))
        .map(|line| line.split('`').skip(1).step_by(2).collect())
        .unwrap_or_default();
    let Some((unknown, known)) = quoted.split_first() else {
        return String::new();
    };
    match closest(unknown, known.iter().copied()) {
        Some(meant) => format!("\nhint: did you mean `{meant}`?"),
        None => "\nhint: batchgen.toml in the repository documents every key".to_owned(),
    }
}
