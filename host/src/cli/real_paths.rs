//! Where paths lead when links are followed, and what of that belongs to a project.

use std::env;
use std::path::{Component, Path, PathBuf};

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

/// Whether a path leads into the folder of a project, or into the work tree of Git that this lies in, wherever links lead. A work tree that has
/// the person's home in it holds more than the project.
pub(super) fn lies_in_project(path: &Path, folder: &Path) -> bool {
    let (path, folder) = (real(path), real(folder));
    // What is not there yet may be made, and then lead upwards.
    if path.components().any(|part| part == Component::ParentDir) {
        return false;
    }
    if path.starts_with(&folder) {
        return true;
    }
    let work_tree = folder.ancestors().find(|part| part.join(".git").exists());
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.map(|home| real(Path::new(&home)));
    work_tree.is_some_and(|tree| {
        let has_home = home.as_ref().is_some_and(|home| home.starts_with(tree));
        !has_home && path.starts_with(tree)
    })
}

/// A path without links, written in one way only; an empty one is the working directory.
pub(super) fn real(path: &Path) -> PathBuf {
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    // Without a slash at the end, which depends on whether it is there already.
    real_path(path).components().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_came_with_a_project_is_told_from_what_lies_beside_it() {
        let outer = tempfile::tempdir().unwrap();
        let outer = outer.path();
        let project = outer.join("repository/project");
        fs::create_dir_all(project.join("data")).unwrap();
        fs::create_dir_all(outer.join("repository/shared")).unwrap();
        fs::create_dir_all(outer.join("private")).unwrap();
        symlink(outer.join("private"), project.join("link")).unwrap();
        let is_own = |path: &str| lies_in_project(&project.join(path), &project);
        for own in ["content", "data/a.csv", "data/../content", ""] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "../shared",
            "../../private/key",
            "link/key",
            "missing/../../../private/key",
            "/etc/passwd",
        ] {
            assert!(!is_own(other), "{other}");
        }
        fs::create_dir(outer.join("repository/.git")).unwrap();
        assert!(is_own("../shared") && is_own("../shared/new/a.csv"));
        assert!(!is_own("../../private/key") && !is_own("link/key"));
    }
}
