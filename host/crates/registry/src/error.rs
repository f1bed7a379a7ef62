//! Why a plugin could not be fetched or published.

use types::digest::Digest;

/// A plugin cannot be fetched or published.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Not a place where plugins are.
    #[error(
        "`{given}` is no place of a plugin: {cause}\nhint: write oci:REGISTRY/NAME:TAG, oci:REGISTRY/NAME@sha256:DIGEST, \
         https://ADDRESS or NAMESPACE:NAME@VERSION"
    )]
    Source {
        /// What was written.
        given: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A place that means a plugin of today, where exactly one was needed.
    #[error(
        "`{place}` does not say exactly which plugin is meant\nhint: `batchgen plugins add` finds it out"
    )]
    NotResolved {
        /// The place.
        place: String,
    },
    /// The server or the way to it fails.
    #[error(
        "{address} cannot be fetched: {cause}\nhint: see whether the address is right and the server runs, and try again"
    )]
    Unreachable {
        /// What was asked for.
        address: String,
        /// Why.
        cause: String,
    },
    /// The server answers that there is no such thing, or that it does not give it.
    #[error("{address} cannot be fetched: the server answers {answer}\nhint: {hint}")]
    Refused {
        /// What was asked for.
        address: String,
        /// Status, and what the server says of it.
        answer: String,
        /// What to do.
        hint: String,
    },
    /// More than is allowed.
    #[error(
        "{address} has more than {most} bytes, and no more are taken\nhint: use another version, or tell its author"
    )]
    TooLarge {
        /// What was asked for.
        address: String,
        /// What is allowed.
        most: u64,
    },
    /// What came is not what the lock or the registry announced.
    #[error(
        "{address} gives another file than it should\n    locked {locked}\n    found  {found}\nhint: nothing was kept of it; \
         `batchgen plugins update` takes what is there now, if you want that"
    )]
    OtherFile {
        /// What was asked for.
        address: String,
        /// What it should be.
        locked: Digest,
        /// What it is.
        found: Digest,
    },
    /// What lies there is no plugin in the way in which registries keep components.
    #[error(
        "{address} is no component: {cause}\nhint: a component is an image with one layer of the type application/wasm"
    )]
    Layout {
        /// What was asked for.
        address: String,
        /// What was expected.
        cause: String,
    },
    /// A registry wants a login in a way that is not safe or not known.
    #[error("{host} wants a login that cannot be given: {cause}")]
    Login {
        /// The registry.
        host: String,
        /// Why.
        cause: String,
    },
    /// Nobody said where packages of this name are.
    #[error(
        "no registry is known for the package `{package}`\nhint: name one in {file}, as in\n      [namespace_registries]\n      \
         {namespace} = \"registry.example\""
    )]
    NoRegistry {
        /// Namespace and name.
        package: String,
        /// The namespace.
        namespace: String,
        /// The configuration of wasm-pkg.
        file: String,
    },
    /// No version is the one that was asked for.
    #[error("{repository} has no version {wanted}\nhint: {hint}")]
    NoVersion {
        /// Where it was looked for.
        repository: String,
        /// What was asked for.
        wanted: String,
        /// The versions that there are.
        hint: String,
    },
    /// A version is published already, with other bytes.
    #[error(
        "{image} is published already, with other contents, and a version is never replaced\nhint: raise the version in plugin.toml"
    )]
    Published {
        /// The version.
        image: String,
    },
    /// A registry did not take what was published.
    #[error(
        "{image} cannot be published: {cause}\nhint: see that you may write there (`docker login`), and try again"
    )]
    NotTaken {
        /// The image.
        image: String,
        /// Why.
        cause: String,
    },
    /// A file that says how registries are asked is not readable.
    #[error("{file}: {cause}")]
    Settings {
        /// The file.
        file: String,
        /// What is wrong in it.
        cause: String,
    },
    /// This program cannot ask.
    #[error("no server can be asked: {0}")]
    Client(String),
}
