//! The text of a component's own file, as `init` and `add component` write it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::Value;

/// What such a file says.
pub(super) struct ComponentText<'a> {
    /// What is said of it, without the `# ` of each line.
    pub about: &'a [String],
    /// Fields that it is given.
    pub fields: &'a [String],
    /// Its rules, by the names of the options.
    pub rules: &'a [(&'a str, Value)],
    /// What the model is told.
    pub prompt: &'a str,
}

impl ComponentText<'_> {
    /// The text.
    pub fn text(&self) -> String {
        let mut text = "---\n".to_owned();
        for line in self.about {
            text.push_str(&format!("# {line}\n"));
        }
        // What JSON writes, YAML reads.
        let fields = Value::from(self.fields);
        text.push_str(&format!(
            "\n# Fields that it is given: the facts that the text is written from. A change of any other field makes nothing again.\n\
             input:\n  record: {fields}\n\n\
             # Rules: the model is told them, its answer is checked, and one that breaks a rule goes back to it.\noptions:\n"
        ));
        for (name, value) in self.rules {
            if *name == "numbers-from-facts" {
                text.push_str("  # Every number in the text must be one of the facts'. Set it to false where the text may count or convert.\n");
            }
            text.push_str(&format!("  {name}: {value}\n"));
        }
        text.push_str(&format!("---\n\n{}\n", self.prompt.trim()));
        text
    }
}

/// Passes a place at which nothing lies yet.
///
/// # Errors
/// When something does.
pub(super) fn check_free(file: &Path) -> anyhow::Result<()> {
    if file.symlink_metadata().is_ok() {
        return Err(anyhow!(
            "{} is there already, and is not overwritten\nhint: move it away, or edit it",
            file.display()
        ));
    }
    Ok(())
}

/// Writes a file that was not there.
///
/// # Errors
/// When it is, or cannot be written.
pub(super) fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the directory {}", folder.display()))?;
    }
    let mut options = OpenOptions::new();
    let out = options.write(true).create_new(true).open(file);
    out.and_then(|mut out| out.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))
}
