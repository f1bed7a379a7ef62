//! Compiled code on disk, so that a plugin is compiled once. It is native code that runs outside the sandbox:
//! it is taken only from a folder that belongs to this user and that nobody else can write to, and only where
//! this wasmtime made it, with these settings, on this machine. What is not there, or does not fit, is compiled.

use std::fs::{self, DirBuilder, File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;

use super::inspect::Contents;
use types::digest::{Digest, DigestBuilder};

/// Files of the cache together, bytes; beyond it those go that were not used for longest.
const MOST: u64 = 1 << 30;
/// Every so often the time at which a file was last used is brought up to date.
const USED: Duration = Duration::from_secs(24 * 60 * 60);
/// A file that changed so short a time ago may change again without its times showing it.
const RACY: Duration = Duration::from_secs(2);

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Somebody else could put code there.
    #[error("{folder} {why}, so what lies in it is not safe to run")]
    Untrusted {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The compiled code of one engine.
#[derive(Clone, Debug)]
pub(super) struct CodeCache {
    folder: PathBuf,
    root: PathBuf,
}

/// What is known of a plugin file without reading it.
#[derive(Serialize, Deserialize)]
pub(super) struct Known {
    /// Hash of the file.
    pub digest: [u8; 32],
    /// What stands in it.
    pub contents: Contents,
}

impl CodeCache {
    /// Opens the part of the cache below `directory` that is this engine's, and makes it where it is missing.
    pub fn open(directory: &Path, engine: &wasmtime::Engine) -> Result<CodeCache, CacheError> {
        fs::create_dir_all(directory)?;
        let root = std::path::absolute(directory)?.join("code");
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        machine().hash(&mut hasher);
        let folder = root.join(format!("{:016x}", hasher.finish()));
        own_folder(&root)?;
        own_folder(&folder)?;
        Ok(CodeCache { folder, root })
    }

    /// What is known of a file that has not changed since.
    pub fn find(&self, metadata: &Metadata) -> Option<(Digest, Contents)> {
        let note = fs::read(self.folder.join(stamp(metadata))).ok()?;
        let known: Known = serde_json::from_slice(&note).ok()?;
        Some((Digest::from_slice(&known.digest)?, known.contents))
    }

    /// The compiled code of the file with this digest, or what `compile` makes of it. Nobody else compiles the same file
    /// meanwhile; other files are not waited for.
    pub fn component<E: From<wasmtime::Error>>(
        &self,
        engine: &wasmtime::Engine,
        digest: &Digest,
        compile: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Component, E> {
        if let Some(component) = self.load(engine, digest) {
            return Ok(component);
        }
        let path = self.folder.join(format!("{digest}.lock"));
        let lock = File::create(&path);
        // Where there are no locks, the same may be compiled twice.
        let _held = lock.as_ref().is_ok_and(|lock| lock.lock().is_ok());
        if let Some(component) = self.load(engine, digest) {
            return Ok(component);
        }
        let compiled = compile()?;
        if let Err(error) = self.store(digest, &compiled) {
            tracing::warn!(folder = %self.folder.display(), "compiled code is not kept: {error:#}");
        }
        // Who waits for the lock has the file open, and finds the code.
        let _ = fs::remove_file(&path);
        if let Some(component) = self.load(engine, digest) {
            return Ok(component);
        }
        #[expect(
            unsafe_code,
            reason = "wasmtime asks that it wrote the code itself: it did, in this process or in its own child"
        )]
        let component = unsafe { Component::deserialize(engine, &compiled) };
        Ok(component?)
    }

    /// Notes what a file holds, so that it need not be read as long as it does not change.
    pub fn note(&self, metadata: &Metadata, known: &Known) {
        let changed = metadata.ctime().max(metadata.mtime());
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let settled = u64::try_from(changed).is_ok_and(|at| Duration::from_secs(at) + RACY < now);
        if let (true, Ok(text)) = (settled, serde_json::to_vec(known)) {
            // Without it, the file is read again next time.
            let _ = self.write(&stamp(metadata), &text);
        }
    }

    fn load(&self, engine: &wasmtime::Engine, digest: &Digest) -> Option<Component> {
        let path = self.folder.join(code(digest));
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || fault(&metadata).is_some() {
            return None;
        }
        let used = metadata.modified().ok()?;
        if used.elapsed().is_ok_and(|since| since > USED) {
            let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        }
        #[expect(
            unsafe_code,
            reason = "wasmtime asks that it wrote the file itself and that the file does not change: the folder is this \
                      user's alone, its files are renamed into place whole, and are only ever removed"
        )]
        let component = unsafe { Component::deserialize_file(engine, &path) };
        // Written by something that only looked like this engine: it is compiled again.
        component.ok()
    }

    fn store(&self, digest: &Digest, compiled: &[u8]) -> io::Result<()> {
        self.write(&code(digest), compiled)?;
        self.make_room()
    }

    /// Whole and durable, or not at all: half a file would be run as code.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self
            .folder
            .join(format!("{name}.{}.part", std::process::id()));
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(temporary, self.folder.join(name))
    }

    /// Removes what was not used for longest, of whatever engine, until there is room.
    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for folder in fs::read_dir(&self.root)? {
            let Ok(entries) = fs::read_dir(folder?.path()) else {
                continue;
            };
            for entry in entries {
                let entry = entry?;
                let metadata = entry.metadata()?;
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= MOST {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }
}

fn code(digest: &Digest) -> String {
    format!("{digest}.code")
}

/// Name of the note on a file: all that changes when its content does.
fn stamp(metadata: &Metadata) -> String {
    let mut builder = DigestBuilder::new("batchgen plugin file 2");
    for part in [
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime().cast_unsigned(),
        metadata.mtime_nsec().cast_unsigned(),
        metadata.ctime().cast_unsigned(),
        metadata.ctime_nsec().cast_unsigned(),
    ] {
        builder.number(part);
    }
    format!("{}.json", builder.finish())
}

/// What tells this machine from another that shares its files.
fn machine() -> String {
    // Containers may share an id, and machines a name. Where neither is told, the processor's features count,
    // which are among the engine's settings.
    ["/etc/machine-id", "/proc/sys/kernel/hostname"]
        .map(|file| fs::read_to_string(file).unwrap_or_default())
        .concat()
}

/// Makes a folder for this user alone, or sees that it is that.
fn own_folder(folder: &Path) -> Result<(), CacheError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    let metadata = fs::symlink_metadata(folder)?;
    let why = if metadata.is_dir() {
        fault(&metadata)
    } else {
        Some("is not a folder")
    };
    match why {
        None => Ok(()),
        Some(why) => Err(CacheError::Untrusted {
            folder: folder.to_owned(),
            why,
        }),
    }
}

/// Why what lies at this place may be somebody else's.
fn fault(metadata: &Metadata) -> Option<&'static str> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        Some("belongs to another user")
    } else if metadata.mode() & 0o022 != 0 {
        Some("can be written to by other users")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// An empty component.
    const BYTES: &[u8] = b"\0asm\x0d\0\x01\0";

    fn permit(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Whether it had to be compiled.
    fn compiles(cache: &CodeCache, engine: &wasmtime::Engine) -> bool {
        let mut compiled = false;
        let compile = || {
            compiled = true;
            engine.precompile_component(BYTES)
        };
        cache
            .component(engine, &Digest::of(BYTES), compile)
            .unwrap();
        compiled
    }

    #[test]
    fn what_was_compiled_is_compiled_again_only_where_it_may_not_be_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let cache = CodeCache::open(directory.path(), &engine).unwrap();
        assert!(compiles(&cache, &engine));
        assert!(!compiles(&cache, &engine));
        let file = cache.folder.join(code(&Digest::of(BYTES)));
        permit(&file, 0o666);
        assert!(compiles(&cache, &engine), "others could have written it");
        fs::write(&file, "no code").unwrap();
        assert!(compiles(&cache, &engine), "it is not whole");
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let other = wasmtime::Engine::new(&config).unwrap();
        let others = CodeCache::open(directory.path(), &other).unwrap();
        assert!(compiles(&others, &other), "it is for other settings");
        assert!(!compiles(&cache, &engine));
    }

    #[test]
    fn who_compiles_one_plugin_does_not_wait_for_another() {
        let directory = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let cache = CodeCache::open(directory.path(), &engine).unwrap();
        let other = [BYTES, b"\0\x01\0"].concat();
        let compile = || {
            // Both are in work at once: this would wait for itself.
            let inner = || engine.precompile_component(&other);
            cache.component::<wasmtime::Error>(&engine, &Digest::of(&other), inner)?;
            engine.precompile_component(BYTES)
        };
        let digest = Digest::of(BYTES);
        cache
            .component::<wasmtime::Error>(&engine, &digest, compile)
            .unwrap();
        let left = fs::read_dir(&cache.folder).unwrap();
        let names = left.map(|entry| entry.unwrap().file_name());
        assert!(
            names
                .into_iter()
                .all(|name| !name.to_string_lossy().ends_with(".lock"))
        );
    }

    #[test]
    fn who_waits_for_the_same_plugin_takes_what_the_other_compiled() {
        let directory = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let cache = CodeCache::open(directory.path(), &engine).unwrap();
        let digest = Digest::of(BYTES);
        let (begun, other_begins) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let (cache, engine, digest) = (&cache, &engine, &digest);
            scope.spawn(move || {
                let compile = || {
                    begun.send(()).unwrap();
                    engine.precompile_component(BYTES)
                };
                cache
                    .component::<wasmtime::Error>(engine, digest, compile)
                    .unwrap();
            });
            other_begins.recv().unwrap();
            let compile = || panic!("it is compiled already");
            let found = cache.component::<wasmtime::Error>(engine, digest, compile);
            assert!(found.is_ok());
        });
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let root = CodeCache::open(directory.path(), &engine).unwrap().root;
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
        permit(&root, 0o777);
        let error = CodeCache::open(directory.path(), &engine).unwrap_err();
        assert!(error.to_string().contains("other users"), "{error}");
        permit(&root, 0o700);
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&root, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &root).unwrap();
        let error = CodeCache::open(directory.path(), &engine).unwrap_err();
        assert!(error.to_string().contains("is not a folder"), "{error}");
    }

    #[test]
    fn a_file_is_known_until_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let cache = CodeCache::open(&directory.path().join("cache"), &engine).unwrap();
        let file = directory.path().join("plugin.wasm");
        fs::write(&file, BYTES).unwrap();
        let known = || Known {
            digest: *Digest::of(BYTES).as_bytes(),
            contents: Contents::default(),
        };
        cache.note(&fs::metadata(&file).unwrap(), &known());
        let find = || cache.find(&fs::metadata(&file).unwrap());
        assert!(find().is_none(), "it changed just now and may again");
        // Its own time of change cannot be set back, so the note is written as if it had rested.
        let note = serde_json::to_vec(&known()).unwrap();
        let metadata = fs::metadata(&file).unwrap();
        cache.write(&stamp(&metadata), &note).unwrap();
        assert!(find().is_some());
        fs::write(&file, [BYTES, b"\0\x01\0"].concat()).unwrap();
        assert!(find().is_none());
    }
}
