//! The folder of a site: which files in it this program wrote, and nobody has edited since.
//!
//! Each file has a line with a hash of all its other lines. So it is known wherever the site is copied to, without a list of
//! files beside it.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::generator::PageFile;
use engine::stays_below;
use types::digest::Digest;

/// What the line of a file that this program wrote has in it.
const MARK: &str = "made by batchgen, which keeps edits; ";
/// The line is one of the first ones.
const FIRST_LINES: usize = 3;
/// Digits of the hash: it has to notice edits, and nobody gains by a false one.
const DIGITS: usize = 16;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Written,
    Unchanged,
    /// Somebody edited it, so it is kept.
    Edited,
    /// Something else wrote it, so it is kept.
    Foreign,
}

/// The folder of a site.
pub(super) struct Folder<'a> {
    site: &'a Path,
    overwrite_edited: bool,
    force: bool,
    /// Files of this export.
    known: HashSet<PathBuf>,
    /// Folders that are there, and that no link leads out of.
    checked: HashSet<PathBuf>,
}

impl<'a> Folder<'a> {
    pub fn new(site: &'a Path, overwrite_edited: bool, force: bool) -> Self {
        Self {
            site,
            overwrite_edited,
            force,
            known: HashSet::new(),
            checked: HashSet::new(),
        }
    }

    /// Writes a file whole, unless it is there already, or is not to be replaced.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, file: &PageFile) -> anyhow::Result<Standing> {
        let path = self.site.join(&file.path);
        self.known.insert(file.path.clone());
        let text = marked(file);
        let found = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => Some(store::read_output_text(&path).ok()),
            Ok(_) => Some(None),
            Err(_) => None,
        };
        if let Some(found) = found {
            let found = found.as_deref();
            if found == Some(&text) {
                return Ok(Standing::Unchanged);
            }
            // An empty file is what a power cut leaves.
            match found.and_then(owner) {
                Some(Owner::Editor) if !self.overwrite_edited => return Ok(Standing::Edited),
                None if !self.force && found != Some("") => return Ok(Standing::Foreign),
                _ => {}
            }
        }
        self.put(&path, &text)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Standing::Written)
    }

    fn put(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        let folder = path.parent().ok_or_else(|| anyhow!("it has no folder"))?;
        if !self.checked.contains(folder) {
            stays_below(self.site, folder)?;
            fs::create_dir_all(folder)?;
            self.checked.insert(folder.to_owned());
        }
        // As files are made otherwise: with what the user's mask leaves of it.
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .prefix(".batchgen-")
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    }

    /// Files in a folder of the site that this program wrote, and not in this export.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn others(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut others = Vec::new();
        let entries = match fs::read_dir(self.site.join(folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(others),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let is_other = entry.file_type()?.is_file() && !self.known.contains(&path);
            if is_other
                && store::read_output_text(&entry.path()).is_ok_and(|text| owner(&text).is_some())
            {
                others.push(path.display().to_string());
            }
        }
        others.sort();
        Ok(others)
    }
}

/// Who was the last to write a file that this program made.
enum Owner {
    Program,
    Editor,
}

/// `None` if this program did not make it.
fn owner(text: &str) -> Option<Owner> {
    let mut lines = text.split_inclusive('\n');
    let mut before = String::new();
    for _ in 0..FIRST_LINES {
        let line = lines.next()?;
        if let Some((_, hash)) = line.split_once(MARK) {
            let rest: String = lines.collect();
            let is_same = hash.trim_end() == digits(&before, &rest);
            return Some(if is_same {
                Owner::Program
            } else {
                Owner::Editor
            });
        }
        before.push_str(line);
    }
    None
}

/// The text of a file with its line.
fn marked(file: &PageFile) -> String {
    let hash = digits(file.head, &file.rest);
    format!("{}{}{MARK}{hash}\n{}", file.head, file.comment, file.rest)
}

fn digits(head: &str, rest: &str) -> String {
    let digest = Digest::of(format!("{head}{rest}").as_bytes()).to_string();
    digest.chars().take(DIGITS).collect()
}
