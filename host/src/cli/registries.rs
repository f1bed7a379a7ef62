//! What the environment and the user's own files say of registries: logins as docker keeps them, and where packages are.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::answered::answered;
use super::exit::Failure;
use plugin::load::MAX_BYTES;
use registry::docker::{self, Kept, Login, Logins};
use registry::packages::Packages;
use registry::{Client, RegistryError};

/// Holds the text of a `config.json`, for machines without one.
pub(super) const LOGINS: &str = "DOCKER_AUTH_CONFIG";
/// The folder of docker's settings.
pub(super) const FOLDER: &str = "DOCKER_CONFIG";
/// A program that keeps logins answers within this time, even where it has to ask a person.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// Does something with a client of registries.
///
/// # Errors
/// When the user's own files are not well formed, or what is done fails.
pub(super) fn with_client<T>(
    work: impl FnOnce(&Client<'_>) -> Result<T, RegistryError>,
) -> Result<T, Failure> {
    let client = Client {
        logins: &login,
        packages: &packages().map_err(Failure::usage)?,
        most: MAX_BYTES,
    };
    work(&client).map_err(Failure::usage)
}

/// The login for a registry.
fn login(host: &str) -> Result<Login, RegistryError> {
    let refused = |file: &str, cause: String| RegistryError::Settings {
        file: file.to_owned(),
        cause,
    };
    let (file, text) = match variable(LOGINS) {
        Some(text) => (LOGINS.to_owned(), text),
        None => {
            let folder = variable(FOLDER).map(PathBuf::from);
            let Some(folder) = folder.or_else(|| in_home(".docker")) else {
                return Ok(Login::None);
            };
            let file = folder.join("config.json");
            let Some(text) = read(&file)? else {
                return Ok(Login::None);
            };
            (file.display().to_string(), text)
        }
    };
    let logins = Logins::parse(&text).map_err(|cause| refused(&file, cause))?;
    match logins.of(host) {
        Kept::Login(login) => Ok(login),
        Kept::Helper { program, registry } => helped(&program, &registry)
            .map_err(|cause| refused(&format!("docker-credential-{program}"), cause)),
    }
}

/// The login that another program keeps.
fn helped(program: &str, registry: &str) -> Result<Login, String> {
    if program.contains('/') {
        return Err("this is no name of a program".to_owned());
    }
    let mut command = Command::new(format!("docker-credential-{program}"));
    let output = answered(command.arg("get"), registry, ANSWERS_WITHIN);
    let output = output.ok_or_else(|| {
        "it is not there, or says nothing\nhint: install it, or log in without it".to_owned()
    })?;
    if !output.status.success() {
        // It has no login for this registry, which may be open to everybody.
        return Ok(Login::None);
    }
    docker::printed(&output.stdout)
}

/// Where packages are, as the tools of wasm-pkg have it.
fn packages() -> Result<Packages, RegistryError> {
    let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.is_absolute());
    let folder = folder.or_else(|| in_home(".config"));
    let file = folder.unwrap_or_default().join("wasm-pkg/config.toml");
    let name = file.display().to_string();
    Packages::parse(&name, &read(&file)?.unwrap_or_default())
}

fn read(file: &Path) -> Result<Option<String>, RegistryError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RegistryError::Settings {
            file: file.display().to_string(),
            cause: format!("cannot be read: {error}"),
        }),
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn in_home(folder: &str) -> Option<PathBuf> {
    variable("HOME").map(|home| Path::new(&home).join(folder))
}
