//! From a file as it is to text that can be read by place: the file itself, where that is plain text in UTF-8, and a copy of
//! it elsewhere. Knows what a file is by its first bytes, and no record.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::Encoding;
use super::copies::{self, Copies};
use super::copying::{copied, fill, taken};
use super::input::{Positioned, Shared};
use super::packing::{self, Packing};
#[cfg(feature = "remote")]
use super::paths::is_pattern_of_objects;
use super::paths::{Paths, is_remote, is_standard_input, shown};
use super::{DatasetError, Format, encoding, rows};

/// Bytes of a file that are looked at.
const HEAD: usize = 4096;
/// What tells whether a file is still the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Size in bytes.
    pub length: u64,
    /// Last change of the content, in nanoseconds since the Unix epoch.
    pub modified_ns: i128,
    /// Identity of the file in its file system.
    pub inode: u64,
}

impl FileStamp {
    /// The state of an open file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            length: metadata.len(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
            inode: metadata.ino(),
        })
    }
}

/// What is said of a file beside its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub format: Option<Format>,
    pub encoding: Option<Encoding>,
    /// Sheet of a workbook.
    pub sheet: Option<String>,
}

/// Opens a file, and says how it is written.
pub(super) fn open(
    path: PathBuf,
    told: &Told,
    copies: &Copies,
) -> Result<(Shared, Format), DatasetError> {
    let (is_input, is_far) = (is_standard_input(&path), is_remote(&path));
    let (path, original) = if is_input {
        (PathBuf::from(STANDARD_INPUT), standard_input(copies)?)
    } else if is_remote(&path) {
        (shown(&path), remote(&path, copies)?)
    } else {
        let original = Original::at(&path)?;
        (path, original)
    };
    let head = original.head(&path)?;
    let format = match told.format {
        Some(format) => format,
        None if is_input => format_of(&head.bytes),
        // Many an address has no ending.
        None if is_far => Format::of(&path).unwrap_or_else(|_| format_of(&head.bytes)),
        None => Format::of(&path)?,
    };
    let shared = if format.is_rows() {
        original.rows(path, format, told, copies)?
    } else {
        original.text(path, &head, told, copies)?
    };
    Ok((shared, format))
}

/// A file as it is.
struct Original {
    file: Arc<File>,
    length: u64,
    /// What tells whether its copy is up to date.
    state: String,
    /// What tells whether somebody writes to it, where that can be.
    stamp: Option<FileStamp>,
}

/// The first bytes of a file, unpacked.
struct Head {
    packing: Option<Packing>,
    bytes: Vec<u8>,
}

impl Original {
    fn at(path: &Path) -> Result<Self, DatasetError> {
        let opened = File::open(path).and_then(|file| {
            if file.metadata()?.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let stamp = FileStamp::of(&file)?;
            Ok(Self {
                file: Arc::new(file),
                length: stamp.length,
                state: copies::short(&format!("{stamp:?}")),
                stamp: Some(stamp),
            })
        });
        opened.map_err(|cause| DatasetError::io(path, cause))
    }

    fn head(&self, path: &Path) -> Result<Head, DatasetError> {
        let mut start = [0; 8];
        let read = self.file.read_at(&mut start, 0);
        let read = read.map_err(|cause| DatasetError::io(path, cause))?;
        let packing = Packing::of(start.get(..read).unwrap_or_default());
        let mut bytes = Vec::with_capacity(HEAD);
        self.unpacked(packing)
            .and_then(|text| text.take(HEAD as u64).read_to_end(&mut bytes))
            .map_err(|cause| unpacking_failed(path, packing, cause))?;
        Ok(Head { packing, bytes })
    }

    fn unpacked(&self, packing: Option<Packing>) -> io::Result<Box<dyn Read>> {
        packing::unpacked(Positioned::start(&self.file), packing)
    }

    /// Its text in UTF-8.
    fn text(
        self,
        path: PathBuf,
        head: &Head,
        told: &Told,
        copies: &Copies,
    ) -> Result<Shared, DatasetError> {
        if let Some(kind) = packing::no_text(&head.bytes) {
            return Err(DatasetError::Packed { file: path, kind });
        }
        let encoding = match told.encoding {
            Some(Encoding(encoding)) => Some(encoding),
            None => encoding::of_head(&head.bytes),
        };
        let encoding = encoding.filter(|encoding| *encoding != encoding_rs::UTF_8);
        let name = encoding.map(encoding_rs::Encoding::name);
        if head.packing.is_none() && encoding.is_none() {
            return Ok(Shared {
                file: Arc::clone(&self.file),
                length: self.length,
                state: None,
                path,
                encoding: None,
            });
        }
        let is_told = told.encoding.is_some();
        let recipe = format!("text {:?} {name:?} {is_told}", head.packing);
        self.copied(path, &recipe, name, copies, |path, copy, most| {
            let failed = |cause| unpacking_failed(path, head.packing, cause);
            let mut text = self.unpacked(head.packing).map_err(failed)?;
            fill(path, copy, most, |out| match encoding {
                Some(encoding) => encoding::decode(&mut text, encoding, is_told, path, out),
                None => io::copy(&mut text, out).map(|_| ()).map_err(failed),
            })
        })
    }

    /// Its rows as JSON Lines.
    fn rows(
        self,
        path: PathBuf,
        format: Format,
        told: &Told,
        copies: &Copies,
    ) -> Result<Shared, DatasetError> {
        let sheet = told.sheet.as_deref();
        let recipe = format!("rows {format:?} {sheet:?}");
        self.copied(path, &recipe, None, copies, |path, copy, most| {
            let Some(program) = copies.program() else {
                return fill(path, copy, most, |out| {
                    rows::write(format, &self.file, sheet, out).map_err(|fault| fault.of(path))
                });
            };
            // The process takes over where the file stands.
            (&*self.file)
                .seek(SeekFrom::Start(0))
                .map_err(|cause| DatasetError::io(path, cause))?;
            rows::by_process(program, format, sheet, &self.file, copy, most)
                .map_err(|failed| failed.of(path))
        })
    }

    /// A copy that is made in this way, or was made before.
    fn copied(
        &self,
        path: PathBuf,
        recipe: &str,
        encoding: Option<&'static str>,
        copies: &Copies,
        write: impl FnOnce(&Path, &File, u64) -> Result<(), DatasetError>,
    ) -> Result<Shared, DatasetError> {
        let whole = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        let source = format!("{} {recipe}", whole.display());
        let write = |path: &Path, copy: &File, most: u64| {
            write(path, copy, most)?;
            self.check_unchanged(path)
        };
        let shared = copied(path, &source, &self.state, self.length, copies, write)?;
        Ok(Shared { encoding, ..shared })
    }

    /// What was copied while somebody wrote is neither the old nor the new state.
    fn check_unchanged(&self, path: &Path) -> Result<(), DatasetError> {
        let now = FileStamp::of(&self.file).map_err(|cause| DatasetError::io(path, cause))?;
        if self.stamp.is_none_or(|before| before == now) {
            return Ok(());
        }
        Err(DatasetError::refused(
            path,
            "changed while it was read",
            "run again when it is whole",
        ))
    }
}

/// What standard input says, or said the last time.
fn standard_input(copies: &Copies) -> Result<Original, DatasetError> {
    let path = Path::new(STANDARD_INPUT);
    let failed = |cause| DatasetError::io(path, cause);
    let (file, state) = match copies.take_input() {
        Some(mut input) => taken(path, STANDARD_INPUT, copies, |out| {
            io::copy(&mut input, out).map(|_| ()).map_err(failed)
        })?,
        None => copies.last(STANDARD_INPUT).ok_or_else(|| {
            DatasetError::refused(
                path,
                "says nothing, and no dataset came from there before",
                "pipe the records into `batchgen run`, or name a file",
            )
        })?,
    };
    Ok(Original {
        length: file.metadata().map_err(failed)?.len(),
        file: Arc::new(file),
        state,
        stamp: None,
    })
}

const STANDARD_INPUT: &str = "standard input";

/// A file as it came from its address.
#[cfg(feature = "remote")]
fn remote(path: &Path, copies: &Copies) -> Result<Original, DatasetError> {
    let (file, state) = super::remote::fetched(path, copies)?;
    let length = file.metadata().map(|metadata| metadata.len());
    Ok(Original {
        length: length.map_err(|cause| DatasetError::io(&shown(path), cause))?,
        file: Arc::new(file),
        state,
        stamp: None,
    })
}

/// The files of a dataset, where patterns in addresses give the objects that there are.
///
/// # Errors
/// Like [`Paths::files`], and where a server does not say what there is.
pub(super) fn files(paths: &Paths, copies: &Copies) -> Result<Vec<PathBuf>, DatasetError> {
    let mut all = Vec::new();
    for path in paths.files()? {
        for file in matches(path, copies)? {
            if !all.contains(&file) {
                all.push(file);
            }
        }
    }
    paths.check_number(all.len())?;
    Ok(all)
}

/// The objects that a pattern in an address matches; any other path as it is.
#[cfg(feature = "remote")]
fn matches(path: PathBuf, copies: &Copies) -> Result<Vec<PathBuf>, DatasetError> {
    match is_pattern_of_objects(&path) {
        true => super::remote::matches(&path, copies),
        false => Ok(vec![path]),
    }
}

#[cfg(not(feature = "remote"))]
fn matches(path: PathBuf, _: &Copies) -> Result<Vec<PathBuf>, DatasetError> {
    Ok(vec![path])
}

#[cfg(not(feature = "remote"))]
fn remote(path: &Path, _: &Copies) -> Result<Original, DatasetError> {
    Err(DatasetError::refused(
        shown(path),
        "is an address, and this build reads only files",
        "use a released program, or fetch the file yourself",
    ))
}

fn unpacking_failed(path: &Path, packing: Option<Packing>, cause: io::Error) -> DatasetError {
    match packing {
        None => DatasetError::io(path, cause),
        Some(packing) => DatasetError::refused(
            path,
            format!("cannot be unpacked by {}: {cause}", packing.name()),
            "it is damaged or cut off; get it again",
        ),
    }
}

/// How text is written that has no name.
fn format_of(head: &[u8]) -> Format {
    let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    let text = text.trim_ascii_start();
    let is_yaml = [&b"---"[..], b"- ", b"%YAML"]
        .iter()
        .any(|beginning| text.starts_with(beginning));
    match text {
        [b'{', ..] => {
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or(text);
            let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
            if is_whole {
                Format::Jsonl
            } else {
                Format::Json
            }
        }
        [b'[', ..] => Format::Json,
        text => Format::of_rows(text).unwrap_or(if is_yaml { Format::Yaml } else { Format::Csv }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::fixture::Fixture;

    #[test]
    fn what_grows_beyond_its_bound_is_given_up_and_told_as_that() {
        let copy = tempfile::tempfile().unwrap();
        let error = fill(Path::new("a.csv.gz"), &copy, 100_000, |out| {
            io::copy(&mut io::repeat(b'x'), out)
                .map(|_| ())
                .map_err(|cause| {
                    unpacking_failed(Path::new("a.csv.gz"), Some(Packing::Gzip), cause)
                })
        });
        insta::assert_snapshot!(error.unwrap_err(), @"a.csv.gz: becomes more than 200 times as large when it is unpacked, and more than 1073741824 bytes; if that is right, unpack it yourself");
        assert!(copy.metadata().unwrap().len() <= 100_000);
    }

    #[test]
    fn what_is_cut_off_or_packed_twice_is_told() {
        let packed = |bytes: &[u8]| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        };
        let once = packed(b"id,name,category\na,A,c\n");
        let report = |bytes: &[u8]| Fixture::new("a.csv.gz", bytes).report();
        insta::assert_snapshot!(report(&once), @"line 2: a");
        insta::assert_snapshot!(report(&packed(&once)), @"a.csv.gz: is packed twice; unpack it once");
        let half = once.get(..once.len() - 12).unwrap();
        assert!(
            report(half).starts_with("a.csv.gz: cannot be unpacked by gzip: "),
            "{}",
            report(half)
        );
        // Parts behind one another are one file, as `cat a.gz b.gz` makes it.
        let both = [once, packed(b"b,B,c\n")].concat();
        insta::assert_snapshot!(report(&both), @"
        line 2: a
        line 3: b
        ");
    }

    #[test]
    fn a_copy_is_kept_until_another_dataset_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str, text: &str| {
            let path = folder.path().join(name);
            let bytes = zstd::encode_all(text.as_bytes(), 0).unwrap();
            std::fs::write(&path, bytes).unwrap();
            move || {
                let copies = Copies::kept_in(path.with_file_name("copies"));
                let config = crate::DatasetConfig::new(&path);
                let dataset = crate::Dataset::open_with(config, &copies).unwrap();
                assert_eq!(dataset.entries().count(), 1);
                let names = std::fs::read_dir(path.with_file_name("copies")).unwrap();
                names
                    .map(|entry| entry.unwrap().file_name())
                    .collect::<Vec<_>>()
            }
        };
        let first = open("a.jsonl.zst", "{\"id\": 1, \"name\": 1, \"category\": 1}\n");
        let (one, two) = (first(), first());
        assert_eq!((one.len(), &one), (1, &two));
        let second = open("b.jsonl.zst", "{\"id\": 2, \"name\": 2, \"category\": 2}\n");
        let other = second();
        assert_eq!(other.len(), 1);
        assert_ne!(other, one);
    }
}
