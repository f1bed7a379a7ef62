//! Pictures that records name: files below the folder of the dataset, and addresses of the web, whose bytes are fetched once and
//! kept. What a picture is, its first bytes say, and not its name.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Component, Path, PathBuf};

use imagesize::{ImageError, ImageType as Found};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::copies::Copies;
use super::paths::{is_remote, shown};
#[cfg(feature = "remote")]
use super::remote;
use types::class::FailureClass;
use types::digest::{Digest, DigestBuilder};
use types::image::{Image, ImageType, Unshowable};

/// Most bytes of a picture.
const MOST_BYTES: u64 = 20 << 20;
/// Pixels along each edge that a picture is taken to have before it is fetched.
const EDGE_BEFORE: u32 = 1024;

/// Whether a picture at an address is fetched, where that was not done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetching {
    /// It is fetched.
    Now,
    /// It is not: something of the usual size stands in its place.
    Later,
}

/// Where the pictures of a dataset are.
#[derive(Debug)]
pub struct Images {
    /// Paths count from here.
    folder: PathBuf,
    /// They may not lead out of here.
    within: PathBuf,
    /// Where those that were fetched are kept.
    kept: Option<PathBuf>,
    /// Whether pictures are fetched from networks of this machine's own.
    reaches_own_networks: bool,
}

impl Images {
    /// Of a dataset in this file; without one, paths count from the folder of the project.
    pub(super) fn beside(file: Option<&Path>, copies: &Copies) -> Images {
        let project = copies.project().unwrap_or(Path::new("."));
        let folder = match file.filter(|file| file.is_file()) {
            Some(file) => file.parent().unwrap_or(Path::new("")),
            None => project,
        };
        let folder = match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        };
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (own, around) = (real(&folder), real(project));
        let is_inside = copies.project().is_some() && own.starts_with(&around);
        Images {
            within: if is_inside { around } else { own },
            folder,
            kept: copies.images(),
            reaches_own_networks: copies.reaches_own_networks(),
        }
    }

    /// What counts for whoever is made of the pictures of a field: the bytes of files, and addresses as they are written.
    pub fn digest(&self, value: Option<&Value>) -> Digest {
        let sources = match sources(value) {
            Ok(sources) if sources.is_empty() => return Digest::of(b""),
            Ok(sources) => sources,
            Err(cause) => return Digest::of(cause.as_bytes()),
        };
        let mut builder = DigestBuilder::new("batchgen pictures 1");
        builder.list(sources.into_iter(), |builder, source| {
            match self.of_file(source) {
                _ if is_address(source) => builder.text(source),
                Ok(image) => builder.bytes(image.digest.as_bytes()),
                // When the cause goes away, that is a change.
                Err(cause) => builder.text(&cause),
            };
        });
        builder.finish()
    }

    /// The pictures of a field; nothing where the record has none there.
    pub fn of_field(
        &self,
        field: &str,
        value: Option<&Value>,
        fetching: Fetching,
    ) -> Option<Result<Vec<Image>, Unshowable>> {
        let in_field = |unshowable: Unshowable| Unshowable {
            cause: format!("the field `{field}`: {}", unshowable.cause),
            ..unshowable
        };
        let sources = match sources(value) {
            Ok(sources) if sources.is_empty() => return None,
            Ok(sources) => sources,
            Err(cause) => return Some(Err(in_field(unsuitable(cause)))),
        };
        let images = sources
            .into_iter()
            .map(|source| match (is_address(source), fetching) {
                (false, _) => self.of_file(source).map_err(unsuitable),
                (true, Fetching::Now) => self.fetched(source),
                (true, Fetching::Later) => Ok(self.of_address(source)),
            });
        Some(images.collect::<Result<_, _>>().map_err(in_field))
    }

    /// The bytes of a picture that was looked at before.
    ///
    /// # Errors
    /// When they are not what they were.
    pub fn load(&self, image: &Image) -> Result<Vec<u8>, String> {
        let source = &image.source;
        let bytes = match is_address(source) {
            true => self.bytes_of_address(source).map_err(|error| error.cause)?,
            false => read(self.open(source)?).map_err(|error| error.to_string())?,
        };
        if Digest::of(&bytes) != image.digest {
            return Err(format!(
                "the picture {} has changed while it was worked with",
                shown(Path::new(source)).display()
            ));
        }
        Ok(bytes)
    }

    /// The file that a path leads to.
    fn open(&self, source: &str) -> Result<File, String> {
        let is_here = |part| part == Component::CurDir;
        let folder = match self.folder.components().all(is_here) {
            true => "the folder of the project".to_owned(),
            false => self.folder.display().to_string(),
        };
        let path = self.folder.join(source);
        let real = path.canonicalize().map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("there is no file `{source}` in {folder}"),
            _ => format!("`{source}` in {folder} cannot be read: {error}"),
        })?;
        if !real.starts_with(&self.within) {
            return Err(format!(
                "`{source}` lies outside of {}, and no picture is taken from there",
                self.within.display()
            ));
        }
        let unreadable = |error| format!("{} cannot be read: {error}", path.display());
        // Looked at before it is opened, so that no pipe is waited for.
        let metadata = fs::metadata(&real).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(format!("{} is no file", path.display()));
        }
        fits(source, metadata.len())?;
        File::open(&real).map_err(unreadable)
    }

    fn of_file(&self, source: &str) -> Result<Image, String> {
        let file = self.open(source)?;
        look(file, source).map_err(|cause| format!("`{source}` {cause}"))
    }

    /// What is known of a picture at an address without asking for it.
    fn of_address(&self, address: &str) -> Image {
        let kept = self.kept_at(address).and_then(|path| File::open(path).ok());
        let known = kept.and_then(|file| look(file, address).ok());
        known.unwrap_or_else(|| Image {
            source: address.to_owned(),
            digest: Digest::of(address.as_bytes()),
            media_type: ImageType::Png,
            width: EDGE_BEFORE,
            height: EDGE_BEFORE,
            bytes: 0,
        })
    }

    /// The picture at an address.
    fn fetched(&self, address: &str) -> Result<Image, Unshowable> {
        let bytes = self.bytes_of_address(address)?;
        let place = shown(Path::new(address));
        look(std::io::Cursor::new(&bytes), address)
            .map_err(|cause| unsuitable(format!("{} {cause}", place.display())))
    }

    fn kept_at(&self, address: &str) -> Option<PathBuf> {
        let name = Digest::of(address.as_bytes()).to_string();
        Some(self.kept.as_ref()?.join(name))
    }

    fn bytes_of_address(&self, address: &str) -> Result<Vec<u8>, Unshowable> {
        let kept = self.kept_at(address);
        let file = kept.as_ref().and_then(|path| File::open(path).ok());
        if let Some(bytes) = file.and_then(|file| read(file).ok()) {
            return Ok(bytes);
        }
        let bytes = fetch(address, self.reaches_own_networks)?;
        if let Some(path) = &kept {
            keep(&bytes, path).map_err(|error| Unshowable {
                class: FailureClass::Output,
                cause: format!("{} cannot be written: {error}", path.display()),
            })?;
        }
        Ok(bytes)
    }
}

#[cfg(feature = "remote")]
fn fetch(address: &str, reaches_own: bool) -> Result<Vec<u8>, Unshowable> {
    remote::picture(address, MOST_BYTES, reaches_own).map_err(|(is_passing, cause)| Unshowable {
        class: match is_passing {
            true => FailureClass::Transient,
            false => FailureClass::Record,
        },
        cause: format!("{}: {cause}", shown(Path::new(address)).display()),
    })
}

#[cfg(not(feature = "remote"))]
fn fetch(address: &str, _reaches_own: bool) -> Result<Vec<u8>, Unshowable> {
    Err(unsuitable(format!(
        "{} is an address, which this batchgen was built without",
        shown(Path::new(address)).display()
    )))
}

/// Gives bytes a name once all of them are on the disk.
fn keep(bytes: &[u8], path: &Path) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn unsuitable(cause: String) -> Unshowable {
    Unshowable {
        class: FailureClass::UnsuitableRecord,
        cause,
    }
}

fn is_address(source: &str) -> bool {
    is_remote(Path::new(source))
}

/// The paths and addresses that a field has.
fn sources(value: Option<&Value>) -> Result<Vec<&str>, String> {
    let wrong =
        || "it is neither a path nor an address of a picture, nor a list of these".to_owned();
    let texts = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(items)) => {
            let texts = items.iter().map(|item| item.as_str().ok_or_else(wrong));
            texts.collect::<Result<_, _>>()?
        }
        Some(_) => return Err(wrong()),
    };
    let texts = texts.into_iter().map(str::trim);
    Ok(texts.filter(|text| !text.is_empty()).collect())
}

/// Refuses a picture that is too large.
fn fits(source: &str, bytes: u64) -> Result<(), String> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(format!(
        "`{source}` has {bytes} bytes, and {MOST_BYTES} are allowed: make the picture smaller"
    ))
}

/// All bytes of a file, which may have grown since it was looked at.
fn read(file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a picture is, or why it is none.
fn look(mut file: impl Read + Seek, source: &str) -> Result<Image, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut hash = Sha256::new();
    let bytes = std::io::copy(&mut file, &mut hash).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let mut reader = BufReader::new(file);
    let none = || "is no picture that models look at: PNG, JPEG, WebP and GIF are".to_owned();
    let media_type = match imagesize::reader_type(&mut reader) {
        Ok(Found::Png) => ImageType::Png,
        Ok(Found::Jpeg) => ImageType::Jpeg,
        Ok(Found::Webp) => ImageType::WebP,
        Ok(Found::Gif) => ImageType::Gif,
        Err(ImageError::IoError(error)) if error.kind() != ErrorKind::UnexpectedEof => {
            return Err(unreadable(error));
        }
        _ => return Err(none()),
    };
    reader.rewind().map_err(unreadable)?;
    let size = imagesize::reader_size(&mut reader).map_err(|_| {
        format!(
            "is broken: it begins as {} does, and does not say how large it is",
            media_type.as_str()
        )
    })?;
    let pixels = |edge: usize| u32::try_from(edge).unwrap_or(u32::MAX);
    if size.width == 0 || size.height == 0 {
        return Err("is a picture without a pixel".to_owned());
    }
    Ok(Image {
        source: source.to_owned(),
        digest: hash.into(),
        media_type,
        width: pixels(size.width),
        height: pixels(size.height),
        bytes,
    })
}
