//! Where a plugin comes from, as a person writes it.

use std::fmt;
use std::str::FromStr;

use oci_client::Reference;
use url::{Host, Url};

use super::RegistryError;

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An image of a registry, by a tag or a digest.
    Oci(Reference),
    /// A file at an address.
    Web(Url),
    /// A package that is found by its name.
    Package(Package),
}

/// A package, as the tools of wasm-pkg name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Whose it is.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The version, or the beginning of one; the newest where absent.
    pub version: Option<String>,
}

/// How an image of a registry begins.
const OCI: &str = "oci:";
/// The only hash by which images are named.
const SHA256: &str = "sha256:";

impl Source {
    /// Reads the place to which something is published, whose tag may be left out.
    ///
    /// # Errors
    /// When it is no image of a registry.
    pub fn image(text: &str, tag: &str) -> Result<Reference, RegistryError> {
        let image = text.strip_prefix(OCI).unwrap_or_default();
        let tagged = match image.rsplit('/').next() {
            Some(last) if !last.contains([':', '@']) => format!("{text}:{tag}"),
            _ => text.to_owned(),
        };
        match tagged.parse()? {
            Source::Oci(image) if image.digest().is_none() => Ok(image),
            _ => Err(refused(
                text,
                "plugins are published as oci:REGISTRY/NAME:TAG",
            )),
        }
    }

    /// Whether it means the same file at any time.
    pub fn is_pinned(&self) -> bool {
        matches!(self, Source::Oci(image) if image.digest().is_some())
    }

    /// What a person trusts who takes plugins from there: the repository of a registry, or the server of an address.
    pub fn place(&self) -> String {
        match self {
            Source::Oci(image) => format!("{OCI}{}/{}", image.registry(), image.repository()),
            Source::Web(url) => url.origin().ascii_serialization(),
            Source::Package(package) => format!("{}:{}", package.namespace, package.name),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Oci(image) => write!(f, "{OCI}{image}"),
            Source::Web(url) => write!(f, "{url}"),
            Source::Package(package) => {
                write!(f, "{}:{}", package.namespace, package.name)?;
                match &package.version {
                    Some(version) => write!(f, "@{version}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl FromStr for Source {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Source, RegistryError> {
        if let Some(image) = text.strip_prefix(OCI) {
            return oci(text, image);
        }
        if text.contains("://") {
            return web(text);
        }
        package(text)
    }
}

fn refused(given: &str, cause: impl Into<String>) -> RegistryError {
    RegistryError::Source {
        given: given.to_owned(),
        cause: cause.into(),
    }
}

fn oci(given: &str, image: &str) -> Result<Source, RegistryError> {
    let image_of = |error: &dyn fmt::Display| refused(given, error.to_string());
    let reference = Reference::try_from(image).map_err(|error| image_of(&error))?;
    // What is left out would be filled in: a registry, a folder in it, a tag.
    let is_whole = reference.whole() == image;
    if !image.starts_with(&format!("{}/", reference.registry())) {
        return Err(refused(given, "it names no registry"));
    }
    if !is_whole {
        return Err(refused(given, "it names neither a tag nor a digest"));
    }
    if reference
        .digest()
        .is_some_and(|digest| !digest.starts_with(SHA256))
    {
        return Err(refused(given, "its digest is not a sha256 one"));
    }
    Ok(Source::Oci(reference))
}

fn web(given: &str) -> Result<Source, RegistryError> {
    // What stands before `@` may be a password, which no message repeats.
    let shown = match given.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => format!("{scheme}://…"),
        _ => given.to_owned(),
    };
    let url = Url::parse(given).map_err(|error| refused(&shown, error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            &shown,
            "names and passwords do not belong into addresses",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let plain = given.split(['?', '#']).next().unwrap_or_default();
        return Err(refused(
            &format!("{plain}…"),
            "what follows `?` or `#` may be a key, and plugins.lock is for everybody",
        ));
    }
    match url.scheme() {
        "https" => Ok(Source::Web(url)),
        "http" if is_here(&url) => Ok(Source::Web(url)),
        "http" => Err(refused(
            &shown,
            "http:// is for this machine alone; use https://",
        )),
        scheme => Err(refused(
            &shown,
            format!("nothing is fetched by {scheme}://"),
        )),
    }
}

fn package(given: &str) -> Result<Source, RegistryError> {
    let (package, version) = match given.split_once('@') {
        Some((package, version)) => (package, Some(version)),
        None => (given, None),
    };
    let Some((namespace, name)) = package.split_once(':') else {
        return Err(refused(given, "it does not say where it is"));
    };
    let is_label = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !is_label(namespace) || !is_label(name) {
        return Err(refused(
            given,
            "namespace and name are lower-case letters, digits and hyphens",
        ));
    }
    let is_version = |text: &str| {
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let numbers: Vec<&str> = core.split('.').collect();
        numbers.len() <= 3
            && numbers.iter().all(|number| number.parse::<u64>().is_ok())
            && (core == text || semver::Version::parse(text).is_ok())
    };
    if version.is_some_and(|version| !is_version(version)) {
        return Err(refused(
            given,
            "a version is 1.2.3, or the beginning of one, as in 1.2",
        ));
    }
    Ok(Source::Package(Package {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        version: version.map(str::to_owned),
    }))
}

/// Whether an address is on this machine.
pub(super) fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// How a registry is asked: by TLS, unless it is on this machine.
pub(super) fn scheme_of(registry: &str) -> &'static str {
    let url = Url::parse(&format!("http://{registry}/"));
    match url.is_ok_and(|url| is_here(&url)) {
        true => "http",
        false => "https",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn places_are_read_and_written_the_same() {
        let pinned = format!("oci:localhost:5000/a/notes@{DIGEST}");
        let both = format!("oci:ghcr.io/acme/notes:1.2.0@{DIGEST}");
        for text in [
            "oci:ghcr.io/acme/notes:1.2.0",
            &pinned,
            &both,
            "https://example.org/notes.wasm",
            "http://127.0.0.1:8000/notes.wasm",
            "acme:notes@1.2",
            "acme:notes@1.2.3-rc.1",
            "acme:notes",
        ] {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
            assert_eq!(source.is_pinned(), text.contains(DIGEST), "{text}");
        }
    }

    #[test]
    fn what_says_too_little_or_too_much_is_refused_and_no_password_is_shown() {
        for (text, cause) in [
            ("oci:notes:1", "names no registry"),
            ("oci:acme/notes:1", "names no registry"),
            ("oci:ghcr.io/acme/notes", "neither a tag nor a digest"),
            ("oci:ghcr.io/Acme/notes:1", "invalid reference format"),
            ("oci://ghcr.io/acme/notes:1", "invalid reference format"),
            ("http://example.org/notes.wasm", "for this machine alone"),
            ("ftp://example.org/notes.wasm", "by ftp://"),
            (
                "https://me:secret@example.org/a.wasm",
                "names and passwords",
            ),
            ("https://example.org/a.wasm?secret=1", "may be a key"),
            ("notes.wasm", "does not say where it is"),
            ("Acme:notes", "lower-case"),
            ("acme:notes@latest", "a version is 1.2.3"),
            ("acme:notes@1.2-x", "a version is 1.2.3"),
        ] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains(cause), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_registry_on_this_machine_is_asked_without_tls_and_no_other() {
        for here in ["localhost:5000", "127.0.0.1:5000", "127.8.8.8"] {
            assert_eq!(scheme_of(here), "http", "{here}");
        }
        for there in [
            "ghcr.io",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "10.0.0.1:5000",
        ] {
            assert_eq!(scheme_of(there), "https", "{there}");
        }
    }

    #[test]
    fn a_tag_is_the_version_where_it_is_left_out() {
        let image = |text: &str| Source::image(text, "0.1.0").map(|image| image.to_string());
        assert_eq!(
            image("oci:localhost:5000/a/notes").unwrap(),
            "localhost:5000/a/notes:0.1.0"
        );
        assert_eq!(
            image("oci:localhost:5000/a/notes:x").unwrap(),
            "localhost:5000/a/notes:x"
        );
        assert!(image(&format!("oci:localhost:5000/a/notes@{DIGEST}")).is_err());
        assert!(image("https://example.org/notes").is_err());
    }
}
