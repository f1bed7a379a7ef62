//! What a project chooses for its models: the address that questions go to, and the key that goes with them.

use std::fs;
use std::path::Path;

use crate::cli::environment;
use gateway::providers::{AddressChoice, Choice, KeyChoice};
use types::digest::{Digest, DigestBuilder};

/// Whether a person has to allow it: an address elsewhere that the project chose, or a secret that is neither the
/// provider's own nor the project's.
pub(super) fn needs_trust(choice: &Choice, folder: &Path) -> bool {
    let is_foreign = match &choice.key {
        KeyChoice::None | KeyChoice::Own(_) => false,
        KeyChoice::Variable(name) => !environment::is_of_project(name),
        KeyChoice::File(file) => !is_within(file, folder),
    };
    choice.address == AddressChoice::Configured || is_foreign
}

/// Whether a file lies in the folder, wherever links lead.
fn is_within(file: &Path, folder: &Path) -> bool {
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    match (file.canonicalize(), here.canonicalize()) {
        (Ok(file), Ok(folder)) => file.starts_with(folder),
        // A file that is not there is told by whoever reads it.
        (Err(_), _) => true,
        (Ok(_), Err(_)) => false,
    }
}

/// Exactly what is allowed: where questions go, and with which key.
pub(super) fn digest(choice: &Choice) -> Digest {
    let mut builder = DigestBuilder::new("batchgen trusted choice 1");
    builder.text(&choice.base_url);
    match &choice.key {
        KeyChoice::None => builder.text("none"),
        KeyChoice::Own(names) => builder.text("own").text(&names.join(" ")),
        KeyChoice::Variable(name) => builder.text("variable").text(name),
        KeyChoice::File(file) => {
            let file = file.canonicalize().unwrap_or_else(|_| file.clone());
            builder.text("file").text(&file.to_string_lossy())
        }
    };
    builder.text(choice.key_header.as_deref().unwrap_or_default());
    builder.finish()
}

/// What would happen, and where that is written.
pub(super) fn words(choice: &Choice, file: Option<&Path>) -> String {
    let Choice {
        provider, base_url, ..
    } = choice;
    let (key, setting) = match &choice.key {
        KeyChoice::None => ("without a key".to_owned(), "base-url"),
        KeyChoice::Own(names) => (
            format!("with the key in {}", names.join(" or ")),
            "base-url",
        ),
        KeyChoice::Variable(name) => (format!("with the key in {name}"), "api-key-env"),
        KeyChoice::File(file) => (
            format!("with the key in {}", file.display()),
            "api-key-file",
        ),
    };
    let place = file.map_or_else(String::new, |file| {
        let line = line(file, provider, setting);
        format!("{}:{line}: ", file.display())
    });
    format!("{place}[provider.{provider}] sends questions to {base_url} {key}")
}

/// The line of a provider's setting, or of its section.
fn line(file: &Path, provider: &str, setting: &str) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    let headers = [
        format!("[provider.{provider}]"),
        format!("[provider.\"{provider}\"]"),
    ];
    let mut section = None;
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if headers.iter().any(|header| line.starts_with(header)) {
            section = Some(place + 1);
        } else if line.starts_with('[') && section.is_some() {
            break;
        } else if section.is_some() && line.starts_with(setting) {
            return place + 1;
        }
    }
    section.unwrap_or(1)
}
