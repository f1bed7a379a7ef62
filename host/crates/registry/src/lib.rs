//! Plugins that come from elsewhere: where they come from, how they are fetched, and how they are published.
//!
//! It owns the names of places (`oci:…`, `https://…`, `namespace:name@version`), the exchange with registries of the OCI distribution
//! specification, the conventions by which a package is found, and the cache of what was fetched, by its hash.
//!
//! It does not know what a plugin is, which plugins a project uses, or where logins are kept: the program gives it logins.

#![warn(missing_docs)]

pub mod cache;
pub mod docker;
mod error;
mod oci;
pub mod packages;
pub mod publish;
pub mod source;
#[cfg(test)]
mod tests;
mod web;

use std::future::Future;

pub use error::RegistryError;

use docker::Login;
use packages::Packages;
use source::Source;
use types::digest::Digest;
use web::Web;

/// Finds the login for a registry by its host.
pub type Logins<'a> = dyn Fn(&str) -> Result<Login, RegistryError> + Sync + 'a;

/// Who asks registries.
pub struct Client<'a> {
    /// The logins of the person.
    pub logins: &'a Logins<'a>,
    /// Where packages are found by their names.
    pub packages: &'a Packages,
    /// Most bytes of a plugin.
    pub most: u64,
}

/// One version of a plugin, found by what somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Exactly this version: a manifest by its digest, or an address.
    pub address: Source,
    /// Hash of the plugin's file; a plain address does not tell it.
    pub digest: Option<Digest>,
}

impl Client<'_> {
    /// What a source means now.
    ///
    /// # Errors
    /// When it cannot be found.
    pub fn resolve(&self, source: &Source) -> Result<Release, RegistryError> {
        block(async {
            let web = Web::new()?;
            match source {
                Source::Web(_) => Ok(Release {
                    address: source.clone(),
                    digest: None,
                }),
                Source::Oci(image) => oci::Repository::new(&web, self, image).release(image).await,
                Source::Package(package) => {
                    let image = self.packages.image(&web, self, package).await?;
                    oci::Repository::new(&web, self, &image)
                        .release(&image)
                        .await
                }
            }
        })
    }

    /// The file of a release.
    ///
    /// # Errors
    /// When it cannot be fetched, or is another file.
    pub fn fetch(&self, release: &Release) -> Result<Vec<u8>, RegistryError> {
        let bytes = block(async {
            let web = Web::new()?;
            match (&release.address, &release.digest) {
                (Source::Web(url), _) => web.file(url, self.most).await,
                (Source::Oci(image), Some(digest)) => {
                    let mut repository = oci::Repository::new(&web, self, image);
                    repository.blob(digest, self.most).await
                }
                (place, _) => Err(RegistryError::NotResolved {
                    place: place.to_string(),
                }),
            }
        })?;
        let found = Digest::of(&bytes);
        match release.digest {
            Some(locked) if locked != found => Err(RegistryError::OtherFile {
                address: release.address.to_string(),
                locked,
                found,
            }),
            _ => Ok(bytes),
        }
    }
}

/// Runs to its end what waits for servers. It has a thread of its own: a runtime cannot be started within another one.
fn block<T: Send>(
    work: impl Future<Output = Result<T, RegistryError>> + Send,
) -> Result<T, RegistryError> {
    // Installed once for the process; a second call finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| RegistryError::Client(error.to_string()))?
                .block_on(work)
        });
        let done = worker.join();
        done.unwrap_or_else(|_| Err(RegistryError::Client("the client broke".to_owned())))
    })
}
