//! The client: what the environment says of keys, region and endpoint, and one object as a stream.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::error::innermost;
use super::{Address, ObjectError};

/// Times that a request is tried again where the server fails, by who does not try again himself.
pub(super) const RETRIES: usize = 3;

/// An object that is being read.
pub struct Reading {
    /// What tells it from others of the same address.
    pub state: String,
    pub pieces: Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>,
}

/// Opens an object to read it once. Who calls it bounds the waits, and tries again.
///
/// # Errors
/// When it cannot be had.
pub async fn reading(
    address: &Address,
    variables: &[(String, String)],
) -> Result<Reading, ObjectError> {
    let failed = |error: object_store::Error| ObjectError::of(address, &error);
    let store = client(address, variables, 0)?;
    let key = Path::parse(&address.key).map_err(|error| failed(error.into()))?;
    let found = store.get(&key).await.map_err(failed)?;
    let meta = &found.meta;
    let state = match &meta.e_tag {
        Some(tag) => tag.clone(),
        None => format!("{} {}", meta.last_modified, meta.size),
    };
    let pieces = found.into_stream();
    let pieces = pieces.map(|piece| piece.map_err(|error| innermost(&error)));
    Ok(Reading {
        state,
        pieces: Box::pin(pieces),
    })
}

/// The client of a bucket, by the variables whose names begin with `AWS_`.
#[cfg(feature = "s3")]
pub(super) fn client(
    address: &Address,
    variables: &[(String, String)],
    max_retries: usize,
) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    build(address, variables, max_retries, |builder| builder)
}

/// The same, whose writes have checksums.
#[cfg(feature = "s3")]
pub(super) fn checked_client(
    address: &Address,
    variables: &[(String, String)],
    max_retries: usize,
) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    use object_store::aws::Checksum;
    build(address, variables, max_retries, |builder| {
        builder.with_checksum_algorithm(Checksum::SHA256)
    })
}

#[cfg(feature = "s3")]
fn build(
    address: &Address,
    variables: &[(String, String)],
    max_retries: usize,
    choose: fn(object_store::aws::AmazonS3Builder) -> object_store::aws::AmazonS3Builder,
) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    use std::time::Duration;

    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
    use object_store::{ClientOptions, RetryConfig};

    /// As long is waited for a connection.
    const CONNECTION: Duration = Duration::from_secs(10);

    // Only the first one counts, and any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::new().with_bucket_name(&address.bucket);
    let is_plain = variables
        .iter()
        .any(|(name, value)| name.starts_with("AWS_ENDPOINT_URL") && value.starts_with("http://"));
    // A large object takes longer than any time for all of it: each wait is bounded by who waits.
    let options = ClientOptions::new()
        .with_connect_timeout(CONNECTION)
        .with_timeout_disabled()
        .with_allow_http(is_plain);
    builder = builder.with_client_options(options);
    for (name, value) in variables {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let builder = choose(builder).with_retry(RetryConfig {
        max_retries,
        ..RetryConfig::default()
    });
    let store = builder.build().map_err(|error| ObjectError::Settings {
        address: address.clone(),
        cause: innermost(&error),
    })?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "s3"))]
pub(super) use client as checked_client;

/// A program that was built without a client reaches nothing.
#[cfg(not(feature = "s3"))]
pub(super) fn client(
    address: &Address,
    _variables: &[(String, String)],
    _max_retries: usize,
) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    Err(ObjectError::NotBuilt {
        address: address.clone(),
    })
}
