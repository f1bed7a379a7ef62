//! The plugins that `plugins.lock` says come from elsewhere: from the cache, or fetched once, from places that the person allowed.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::display::Display;
use super::exit::Failure;
use super::file::Writing;
use super::registries;
use super::settings::Fetching;
use super::trust;
use plugin::lock::{Fetched, Lock, Locked};
use registry::cache::Cache;
use registry::source::Source;
use registry::{RegistryError, Release};

/// The files of those plugins that are locked, come from elsewhere and are in the cache.
pub(super) fn cached(cache: &Cache, lock: Option<&Lock>) -> Vec<PathBuf> {
    let locked = lock.into_iter().flat_map(Lock::fetched);
    let files = locked.filter_map(|(locked, _)| cache.get(&locked.digest));
    files.collect()
}

/// The files of all plugins that are locked and come from elsewhere. Those that are not in the cache are fetched, if they may be.
pub(super) fn files(
    places: Fetching<'_>,
    lock: Option<&Lock>,
    no_fetch: bool,
    display: &Display,
) -> Result<Vec<PathBuf>, Failure> {
    let cache = Cache::below(places.cache);
    let locked = lock.into_iter().flat_map(Lock::fetched);
    let missing: Vec<_> = locked
        .filter(|(locked, _)| cache.get(&locked.digest).is_none())
        .collect();
    if let (Some((locked, from)), true) = (missing.first(), no_fetch) {
        return Err(Failure::usage(anyhow!(
            "the plugin `{}` of {} is not in the cache, and nothing may be fetched\nhint: run without --no-fetch once, which \
             fetches it from {}",
            locked.name,
            places.lock.display(),
            from.resolved
        )));
    }
    let mut releases = Vec::new();
    for (locked, from) in &missing {
        releases.push((*locked, release(places.lock, locked, from)?));
    }
    let asked: Vec<(&str, String)> = releases
        .iter()
        .map(|(locked, release)| (locked.name.as_str(), release.address.place()))
        .collect();
    trust::check_places(&asked, places.lock, places.config, display).map_err(Failure::usage)?;
    for (locked, release) in &releases {
        let bytes = registries::with_client(|client| client.fetch(release))?;
        keep(&cache, &bytes)?;
        display.note(&format!(
            "fetched {} {} from {}",
            locked.name, locked.version, release.address
        ));
    }
    Ok(cached(&cache, lock))
}

/// What the lock says of one plugin.
pub(super) fn release(lock: &Path, locked: &Locked, from: &Fetched) -> Result<Release, Failure> {
    let told = |error: RegistryError| {
        Failure::usage(anyhow!("{}: `{}`: {error}", lock.display(), locked.name))
    };
    let address: Source = from.resolved.parse().map_err(told)?;
    let is_exact = address.is_pinned() || matches!(address, Source::Web(_));
    if !is_exact {
        return Err(told(RegistryError::NotResolved {
            place: from.resolved.clone(),
        }));
    }
    Ok(Release {
        address,
        digest: Some(locked.digest),
    })
}

/// Puts a file into the cache.
pub(super) fn keep(cache: &Cache, bytes: &[u8]) -> Result<PathBuf, Failure> {
    cache.put(bytes).map_err(|error| {
        Failure::usage(anyhow!(
            "a fetched plugin cannot be kept: {error}\nhint: see that you may write into the cache, or set BATCHGEN_CACHE_DIR"
        ))
    })
}

/// Writes the lock.
pub(super) fn write(lock: &Lock, file: &Path) -> Result<(), Failure> {
    use std::io::Write as _;
    Writing::begin(file, None)
        .and_then(|mut writing| {
            writing.write_all(lock.text().as_bytes())?;
            writing.publish()
        })
        .map_err(Failure::internal)
}
