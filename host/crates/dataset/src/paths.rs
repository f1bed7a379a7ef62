//! The files of a dataset, as the configuration names them: one, a list, or patterns.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::DatasetError;

/// Most files of a dataset: each stays open, and a process may open about a thousand.
pub(super) const MOST: usize = 500;
/// Files that a message names.
const NAMED: usize = 3;
/// Addresses of the web begin so.
const WEB: [&str; 2] = ["https://", "http://"];
/// Addresses of S3 begin so.
const S3: &str = "s3://";
/// Stands for standard input.
const STANDARD_INPUT: &str = "-";

/// The files of a dataset. Each path may be a pattern, as `data/*.jsonl`, or `-` for standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "OneOrMore")]
pub struct Paths(Vec<PathBuf>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a path, or a list of paths")]
enum OneOrMore {
    One(PathBuf),
    More(Vec<PathBuf>),
}

impl From<OneOrMore> for Paths {
    fn from(paths: OneOrMore) -> Self {
        match paths {
            OneOrMore::One(path) => Self(vec![path]),
            OneOrMore::More(paths) => Self(paths),
        }
    }
}

impl<P: Into<PathBuf>> From<P> for Paths {
    fn from(path: P) -> Self {
        Self(vec![path.into()])
    }
}

impl FromIterator<PathBuf> for Paths {
    fn from_iter<I: IntoIterator<Item = PathBuf>>(paths: I) -> Self {
        Self(paths.into_iter().collect())
    }
}

impl Paths {
    /// As they are written.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }

    /// Lets relative paths count from `base`.
    pub fn anchor(&mut self, base: &Path) {
        let is_here = |path: &&mut PathBuf| !is_standard_input(path) && !is_remote(path);
        for path in self.0.iter_mut().filter(is_here) {
            *path = match path.to_str().filter(|text| is_pattern(text)) {
                // Only what the user wrote is a pattern, and not the folder that it counts from.
                Some(_) if !base.join(&*path).exists() => {
                    Path::new(&glob::Pattern::escape(&base.to_string_lossy())).join(&*path)
                }
                _ => base.join(&*path),
            };
        }
    }

    /// Whether it is standard input.
    pub fn is_standard_input(&self) -> bool {
        self.0.iter().any(|path| is_standard_input(path))
    }

    /// The files that there are, those of a pattern in the order of their names.
    ///
    /// # Errors
    /// A pattern that no file matches, or a path without one that names no file.
    pub fn files(&self) -> Result<Vec<PathBuf>, DatasetError> {
        let mut files: Vec<PathBuf> = Vec::new();
        for path in &self.0 {
            let found = match pattern(path) {
                Some(pattern) => matches(path, pattern)?,
                None => vec![path.clone()],
            };
            for file in found {
                // Two patterns may match the same file.
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        if files.is_empty() {
            return Err(DatasetError::refused(
                "[dataset]",
                "names no file",
                "set `path` to a file, a list of files or a pattern, or `url` and `sql`",
            ));
        }
        self.check_number(files.len())?;
        if files.len() > 1 && files.iter().any(|file| is_standard_input(file)) {
            return Err(DatasetError::refused(
                self.to_string(),
                "standard input stands among files",
                "write it to a file, or read it alone",
            ));
        }
        Ok(files)
    }

    /// Refuses more files than are read at once.
    pub(super) fn check_number(&self, files: usize) -> Result<(), DatasetError> {
        if files <= MOST {
            return Ok(());
        }
        Err(DatasetError::refused(
            self.to_string(),
            format!("are {files} files, and at most {MOST} are read"),
            "join them into fewer",
        ))
    }
}

/// As a message names them.
impl fmt::Display for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, path) in self.0.iter().take(NAMED).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let shown = if is_standard_input(path) {
                PathBuf::from("standard input")
            } else {
                self::shown(path)
            };
            write!(f, "{comma}{}", shown.display())?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Whether a path is an address, and no file of this machine.
pub fn is_remote(path: &Path) -> bool {
    let mut schemes = WEB.iter().chain([&S3]);
    path.to_str()
        .is_some_and(|text| schemes.any(|scheme| text.starts_with(scheme)))
}

/// A path as it may be shown and stored: an address without what may be secret in it, which is a login or what stands behind `?`.
pub fn shown(path: &Path) -> PathBuf {
    let Some((scheme, rest)) = path.to_str().and_then(|text| text.split_once("://")) else {
        return path.to_owned();
    };
    if !is_remote(path) {
        return path.to_owned();
    }
    // In a key of S3, these are letters like others.
    let behind: &[char] = if scheme == "s3" { &[] } else { &['?', '#'] };
    let place = rest.split(behind).next().unwrap_or_default();
    let (server, file) = place.split_once('/').unwrap_or((place, ""));
    let server = server.rsplit('@').next().unwrap_or_default();
    PathBuf::from(format!("{scheme}://{server}/{file}"))
}

/// Whether a path stands for standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
}

/// The text of a path that is a pattern. A file whose name only looks like one is itself.
fn pattern(path: &Path) -> Option<&str> {
    path.to_str()
        .filter(|text| is_pattern(text) && !is_remote(path) && !path.exists())
}

fn is_pattern(text: &str) -> bool {
    text.contains(is_wild)
}

/// Whether a letter makes a path a pattern.
pub(super) fn is_wild(letter: char) -> bool {
    matches!(letter, '*' | '?' | '[')
}

/// Whether a path is a pattern of objects in S3. A key may have `?` and `[` as letters, so only `*` makes it one.
#[cfg(feature = "remote")]
pub(super) fn is_pattern_of_objects(path: &Path) -> bool {
    let text = path.to_str();
    text.is_some_and(|text| text.starts_with(S3) && text.contains('*'))
}

fn matches(path: &Path, pattern: &str) -> Result<Vec<PathBuf>, DatasetError> {
    let refused = |cause: String, remedy| DatasetError::refused(path, cause, remedy);
    let found = glob::glob(pattern).map_err(|error| {
        refused(
            format!("is no pattern: {error}"),
            "a pattern has `*`, `?` and `**`",
        )
    })?;
    let mut files = Vec::new();
    for file in found {
        let file = file.map_err(|error| {
            let path = error.path().to_owned();
            DatasetError::io(&path, error.into())
        })?;
        if file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(refused(
            "no file matches this pattern".into(),
            "check `path` in [dataset], or --data",
        ));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_neither_anchored_nor_a_pattern_and_is_shown_without_secrets() {
        let url = "https://me:secret@example.org/a/b.csv?token=secret#x";
        let mut paths = Paths::from(url);
        paths.anchor(Path::new("/srv/project"));
        assert_eq!(paths.files().unwrap(), [PathBuf::from(url)]);
        assert_eq!(paths.to_string(), "https://example.org/a/b.csv");
        for (path, is) in [
            ("s3://bucket/key.parquet", true),
            ("http://localhost/x", true),
            ("https:/x", false),
            ("data/s3://x", false),
        ] {
            assert_eq!(is_remote(Path::new(path)), is, "{path}");
        }
        for whole in ["a?b.csv", "s3://shop/a?-*.csv"] {
            assert_eq!(shown(Path::new(whole)), Path::new(whole));
        }
    }
}
