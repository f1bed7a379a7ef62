//! How a server is reached, and who one is there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};
use futures_util::future::BoxFuture;

/// The longest time for one try to connect.
const CONNECTING: Duration = Duration::from_secs(5);
/// The longest time for the first connection, all its tries together.
const FIRST: Duration = Duration::from_secs(10);

/// Where a server is, and who one is there.
#[derive(Clone, Default)]
pub struct Access {
    /// `nats://host:4222` or `tls://host:4222`, several with commas between.
    pub url: String,
    /// A user with a password.
    pub user: Option<(String, String)>,
    /// A token.
    pub token: Option<String>,
    /// The seed of an NKey.
    pub nkey: Option<String>,
    /// A file with credentials.
    pub credentials: Option<PathBuf>,
    /// A file with certificates of authorities to trust.
    pub authorities: Option<PathBuf>,
}

/// A server cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The address will not do.
    #[error("`{url}` is no address of a NATS server: {cause}")]
    Address {
        /// The address.
        url: String,
        /// Why.
        cause: String,
    },
    /// A file of credentials cannot be used.
    #[error("the credentials in {file} cannot be used: {cause}")]
    Credentials {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// The seed of an NKey is none.
    #[error("the NKey is no seed of a user, which begins with `SU`")]
    Seed,
    /// A file of certificates cannot be used.
    #[error("the certificates in {file} cannot be used: {cause}")]
    Authorities {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// The server does not let this user in.
    #[error("the NATS server at {url} refuses the login: {cause}")]
    Login {
        /// The address.
        url: String,
        /// Why.
        cause: String,
    },
    /// No connection by TLS comes about.
    #[error("there is no TLS connection to the NATS server at {url}: {cause}")]
    Tls {
        /// The address.
        url: String,
        /// Why.
        cause: String,
    },
    /// There is no answer.
    #[error("the NATS server at {url} cannot be reached: {cause}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        cause: String,
    },
}

/// Whether an address is of this machine alone, as far as it can be read.
#[must_use]
pub fn is_here(url: &str) -> bool {
    let is_local =
        |address: ServerAddr| ["localhost", "127.0.0.1", "::1"].contains(&address.host());
    url.split(',')
        .all(|address| address.trim().parse().is_ok_and(is_local))
}

/// An address without what may be a password.
#[must_use]
pub fn shown(url: &str) -> String {
    let plain = |address: &str| match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, server))) => format!("{scheme}://{server}"),
        (None, Some((_, server))) => server.to_owned(),
        (_, None) => address.to_owned(),
    };
    let plain: Vec<String> = url.split(',').map(plain).collect();
    plain.join(",")
}

/// Connects. Once that has succeeded, a connection that breaks is made again, for ever.
///
/// # Errors
/// When there is no first connection.
pub fn connect<'a>(
    access: &'a Access,
    name: &'a str,
) -> BoxFuture<'a, Result<Client, AccessError>> {
    // In a box, so that the compiler builds it here.
    Box::pin(connected(access, name))
}

async fn connected(access: &Access, name: &str) -> Result<Client, AccessError> {
    let wrong = |cause: &str| AccessError::Address {
        url: shown(&access.url),
        cause: cause.to_owned(),
    };
    let mut addresses = Vec::new();
    for url in access.url.split(',').map(str::trim) {
        let address: ServerAddr = url
            .parse()
            .map_err(|error: std::io::Error| wrong(&error.to_string()))?;
        if address.has_user_pass() {
            // A password in an argument is shown in lists of processes.
            return Err(AccessError::Address {
                url: "an address with a user name".to_owned(),
                cause: "user and password come from the environment".to_owned(),
            });
        }
        addresses.push(address);
    }
    let mut options = ConnectOptions::new()
        .name(name)
        .connection_timeout(CONNECTING)
        .subscription_capacity(1 << 16)
        .event_callback(|event| async move { tracing::info!("NATS: {event}") });
    if let Some((user, password)) = &access.user {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(token) = &access.token {
        options = options.token(token.clone());
    }
    if let Some(seed) = &access.nkey {
        if !seed.starts_with("SU") {
            return Err(AccessError::Seed);
        }
        options = options.nkey(seed.clone());
    }
    if let Some(file) = &access.credentials {
        let read = options.credentials_file(file).await;
        options = read.map_err(|error| AccessError::Credentials {
            file: file.clone(),
            cause: error.to_string(),
        })?;
    }
    if let Some(file) = &access.authorities {
        has_certificate(file)?;
        options = options.add_root_certificates(file.clone());
    }
    let unreachable = |cause: String| AccessError::Unreachable {
        url: access.url.clone(),
        cause,
    };
    match tokio::time::timeout(FIRST, options.connect(addresses)).await {
        Ok(connected) => connected.map_err(|error| {
            let (url, cause) = (access.url.clone(), error.to_string());
            match error.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                    AccessError::Login { url, cause }
                }
                ConnectErrorKind::Tls => AccessError::Tls { url, cause },
                ConnectErrorKind::Io if is_refused_by_tls(&error) => {
                    AccessError::Tls { url, cause }
                }
                _ => unreachable(cause),
            }
        }),
        Err(_) => Err(unreachable(format!(
            "no answer within {} s",
            FIRST.as_secs()
        ))),
    }
}

/// Whether a connection broke off because one side did not take what the other said: the client calls this an error of reading.
fn is_refused_by_tls(error: &ConnectError) -> bool {
    let source = std::error::Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .is_some_and(|error| error.kind() == std::io::ErrorKind::InvalidData)
}

/// A file without a certificate would be passed over, and the server's own then be called unknown.
fn has_certificate(file: &Path) -> Result<(), AccessError> {
    let unusable = |cause: String| AccessError::Authorities {
        file: file.to_owned(),
        cause,
    };
    let text = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    match String::from_utf8_lossy(&text).contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(()),
        false => Err(unusable("it has no certificate in PEM".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_this_machine_is_told_from_others() {
        for here in [
            "nats://127.0.0.1:4222",
            "localhost:4222",
            "tls://[::1], nats://localhost",
        ] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in [
            "nats://nats.example:4222",
            "nats://127.0.0.1, nats://nats.example",
            "nats://127.0.0.1@nats.example",
            "nats://127.0.0.1.nats.example",
            "nats://0.0.0.0",
            "",
            "http://",
        ] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        for (url, expected) in [
            ("nats://me:secret@a:1", "nats://a:1"),
            ("me:se@cret@a:1,tls://b", "a:1,tls://b"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
