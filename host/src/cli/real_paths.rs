//! Where paths lead when links are followed, and what of that belongs to a project.

use std::env;
use std::path::{Path, PathBuf};

/// A path without links, as far as it leads to something: a pattern is no file.
pub(super) fn real_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut parts = path.ancestors();
    let found = parts.find_map(|part| Some((part, part.canonicalize().ok()?)));
    let rest = found
        .as_ref()
        .and_then(|(part, _)| path.strip_prefix(part).ok());
    match (&found, rest) {
        (Some((_, real)), Some(rest)) => real.join(rest),
        _ => path.clone(),
    }
}

/// Whether what lies at a place may have come with the project of a configuration file; links are followed as far as there are
/// any. A home directory that is a project holds what its owner put there.
pub(super) fn came_with_project(place: &Path, config: &Path) -> bool {
    let real = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut parts = path.ancestors();
        parts.find_map(|part| part.canonicalize().ok())
    };
    let folder = std::path::absolute(config).ok();
    let folder = folder.as_deref().and_then(Path::parent).and_then(real);
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.and_then(|home| real(Path::new(&home)));
    let (Some(folder), Some(place)) = (folder, real(place)) else {
        return false;
    };
    let is_home = home.is_some_and(|home| home.starts_with(&folder));
    !is_home && place.starts_with(&folder)
}
