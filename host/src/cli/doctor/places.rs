//! Where state, output and compiled plugins go: whether there can be written, and whether there is room.

use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::super::settings::Settings;
use super::super::{mirrored, trust};
use super::{Check, State};
use config::component::Component;
use engine::check_output;
use objects::Address;
use store::{Store, StoreError};

/// Free space that gets a warning, and that is a problem, bytes.
const LITTLE: u64 = 1_000_000_000;
const NEXT_TO_NOTHING: u64 = 50_000_000;

/// Looks at all of them.
pub(super) fn look(settings: &Settings, components: &[Component], show: &mut impl FnMut(Check)) {
    let config = &settings.config;
    show(state(&config.state.file));
    let file = &config.state.file;
    let state = file.parent().unwrap_or(Path::new("")).to_owned();
    let published = config.output.publish.clone();
    let published = published.map(|folder| ("publish", folder, "`publish` of [output]"));
    let places = [
        ("state", state, "--state FILE"),
        ("output", config.output.directory.clone(), "--output DIR"),
        ("cache", settings.cache.clone(), "BATCHGEN_CACHE_DIR"),
    ];
    for (area, directory, flag) in places.into_iter().chain(published) {
        show(match (area, place(area, &directory, flag)) {
            ("output", check) if check.state != State::Problem => {
                // The directories of the components are looked at, too.
                match check_output(&directory, components, &[]) {
                    Ok(()) => check,
                    Err(cause) => Check::problem(
                        area,
                        cause,
                        format!("change its permissions, or name another place with {flag}"),
                    ),
                }
            }
            (_, check) => check,
        });
    }
    if let Some(address) = &settings.storage {
        show(storage(settings, address));
    }
}

/// Whether files can be put at an address.
fn storage(settings: &Settings, address: &Address) -> Check {
    if let Some(error) = trust::refused_storage(settings) {
        return Check::error("storage", error);
    }
    match mirrored::probe(address) {
        Ok(()) => Check::good("storage", format!("{address} can be written to")),
        Err(error) => Check::error("storage", error),
    }
}

/// Whether the state can be used, if there is one.
fn state(file: &Path) -> Check {
    if !file.exists() {
        return Check::good(
            "state",
            format!("{}: not there yet, the first run makes it", file.display()),
        );
    }
    match Store::open_reading(file) {
        Ok(_) => Check::good("state", format!("{}: can be read", file.display())),
        // The next run does that by itself.
        Err(error @ StoreError::Outdated { .. }) => {
            let text = error.to_string();
            let (found, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
            Check::warning("state", found, hint)
        }
        Err(error) => Check::error("state", error),
    }
}

/// Whether there can be written into a directory, or into the one that it will be made in.
fn place(area: &'static str, directory: &Path, flag: &str) -> Check {
    if directory.exists() && !directory.is_dir() {
        return Check::problem(
            area,
            format!("{} is no directory", directory.display()),
            format!("move it away, or name another place with {flag}"),
        );
    }
    let there = existing(directory);
    let shown = there.display();
    if let Err(error) = tempfile_in(&there) {
        return Check::problem(
            area,
            format!("cannot write into {shown}: {error}"),
            format!("change its permissions, or name another place with {flag}"),
        );
    }
    let Ok(space) = statvfs(&there) else {
        return Check::good(area, format!("{shown} can be written to"));
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let found = format!(
        "{shown} can be written to, {:.1} GB free",
        free as f64 / 1e9
    );
    if free < NEXT_TO_NOTHING {
        Check::problem(
            area,
            found,
            format!("make room, or name another place with {flag}"),
        )
    } else if free < LITTLE {
        Check::warning(area, found, "make room before a long run")
    } else {
        Check::good(area, found)
    }
}

/// The directory, or the nearest above it that is there.
fn existing(directory: &Path) -> PathBuf {
    let found = directory.ancestors().find(|path| path.is_dir());
    match found {
        Some(path) if path.as_os_str().is_empty() => PathBuf::from("."),
        Some(path) => path.to_owned(),
        None => PathBuf::from("."),
    }
}

/// Makes a file and removes it.
fn tempfile_in(directory: &Path) -> std::io::Result<()> {
    let file = directory.join(format!(".batchgen-doctor.{}", std::process::id()));
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file);
    made.and_then(|_| std::fs::remove_file(&file))
}
