//! A bucket for who works without an async runtime: each call waits for the server, for a bounded time.

mod download;
mod listing;
mod upload;

pub use download::Download;
pub use listing::Listing;
pub use upload::Upload;

use std::future::Future;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    UpdateVersion,
};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::connect::{RETRIES, checked_client, client};
use super::{Address, AddressError, ObjectError};

/// As long is waited for the answer to a small request.
pub(super) const ANSWER: Duration = Duration::from_secs(60);
/// As long is waited until an object of any size is taken.
const TAKEN: Duration = Duration::from_secs(300);
/// An object that has more bytes is no small one.
const SMALL: usize = 1 << 20;

/// What the server calls a state of an object (its ETag).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(pub String);

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub tag: Tag,
    pub bytes: Vec<u8>,
}

/// When an object may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Where there is none.
    Absent,
    /// Where it is still in this state.
    Unchanged(Tag),
}

/// A bucket, or a part of one.
#[derive(Clone, Debug)]
pub struct Bucket {
    address: Address,
    store: Arc<dyn ObjectStore>,
    background: Arc<Background>,
}

/// The thread that talks to the server.
#[derive(Debug)]
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        // Nobody waits for what goes on, and whoever drops it may be async.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Bucket {
    /// The bucket of an address, reached by the variables whose names begin with `AWS_`. Nothing is asked yet.
    ///
    /// # Errors
    /// When the variables cannot be used, or the program has no client.
    pub fn open(address: &Address, variables: &[(String, String)]) -> Result<Bucket, ObjectError> {
        Bucket::of(address, client(address, variables, RETRIES)?)
    }

    /// The same, whose writes have a checksum (SHA-256) that the server holds against what has arrived.
    ///
    /// # Errors
    /// Like [`Bucket::open`].
    pub fn open_checked(
        address: &Address,
        variables: &[(String, String)],
    ) -> Result<Bucket, ObjectError> {
        Bucket::of(address, checked_client(address, variables, RETRIES)?)
    }

    /// A bucket that another client reaches.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn of(address: &Address, store: Arc<dyn ObjectStore>) -> Result<Bucket, ObjectError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("objects")
            .enable_all()
            .build()
            .map_err(|error| ObjectError::Settings {
                address: address.clone(),
                cause: format!("no thread can be started: {error}"),
            })?;
        Ok(Bucket {
            address: address.clone(),
            store,
            background: Arc::new(Background(Some(runtime))),
        })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A small object, if it is there; of a larger one the first `most` bytes.
    ///
    /// # Errors
    /// When the server does not say.
    pub fn read(&self, address: &Address, most: u64) -> Result<Option<Found>, ObjectError> {
        let (store, key) = (Arc::clone(&self.store), path(address)?);
        let read = async move {
            let found = store.get(&key).await?;
            let tag = found.meta.e_tag.clone();
            let mut bytes = Vec::new();
            let mut pieces = found.into_stream();
            while let Some(piece) = pieces.try_next().await? {
                bytes.extend_from_slice(&piece);
                if bytes.len() as u64 >= most {
                    break;
                }
            }
            Ok((tag, bytes))
        };
        match self.wait(address, ANSWER, read) {
            Ok((tag, bytes)) => Ok(Some(Found {
                tag: known(address, tag)?,
                bytes,
            })),
            Err(ObjectError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The state of an object, if it is there.
    ///
    /// # Errors
    /// When the server does not say.
    pub fn tag(&self, address: &Address) -> Result<Option<Tag>, ObjectError> {
        let (store, key) = (Arc::clone(&self.store), path(address)?);
        match self.wait(address, ANSWER, async move { store.head(&key).await }) {
            Ok(meta) => known(address, meta.e_tag).map(Some),
            Err(ObjectError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a small object.
    ///
    /// # Errors
    /// [`ObjectError::Changed`] when the condition does not hold; and when the server does not take it.
    pub fn write(
        &self,
        address: &Address,
        bytes: Vec<u8>,
        condition: &Condition,
    ) -> Result<Tag, ObjectError> {
        self.put_with(address, bytes, PutOptions::from(mode(condition)))
    }

    /// Writes an object by one request, with what readers are told of its form.
    ///
    /// # Errors
    /// Like [`Bucket::write`].
    pub fn put(
        &self,
        address: &Address,
        bytes: Vec<u8>,
        condition: &Condition,
        media_type: &'static str,
    ) -> Result<Tag, ObjectError> {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, media_type.into());
        let options = PutOptions {
            mode: mode(condition),
            attributes,
            ..PutOptions::default()
        };
        self.put_with(address, bytes, options)
    }

    fn put_with(
        &self,
        address: &Address,
        bytes: Vec<u8>,
        options: PutOptions,
    ) -> Result<Tag, ObjectError> {
        let (store, key) = (Arc::clone(&self.store), path(address)?);
        let most = match bytes.len() > SMALL {
            true => TAKEN,
            false => ANSWER,
        };
        let put = async move { store.put_opts(&key, bytes.into(), options).await };
        let written = self.wait(address, most, put)?;
        known(address, written.e_tag)
    }

    /// All objects whose keys begin with this address and a slash, with their states, page by page.
    ///
    /// # Errors
    /// When the address is none.
    pub fn states(&self, address: &Address) -> Result<Listing, ObjectError> {
        let listed = self.store.list(Some(&path(address)?));
        Ok(Listing::of(self.clone(), address.clone(), listed))
    }

    /// Begins an object that becomes visible once it is whole. `expected` are the bytes that it will have, about; 0 where
    /// nobody knows.
    ///
    /// # Errors
    /// When the address is none.
    pub fn upload(&self, address: &Address, expected: u64) -> Result<Upload, ObjectError> {
        path(address)?;
        Ok(Upload::begin(self.clone(), address.clone(), expected))
    }

    /// Opens an object of any size.
    ///
    /// # Errors
    /// When it is not there, or the server does not answer.
    pub fn download(&self, address: &Address) -> Result<Download, ObjectError> {
        let (store, key) = (Arc::clone(&self.store), path(address)?);
        let found: GetResult = self.wait(address, ANSWER, async move { store.get(&key).await })?;
        Ok(Download::of(self.clone(), address.clone(), found))
    }

    /// The keys that begin with this address and a slash, at most so many.
    ///
    /// # Errors
    /// When the server does not say.
    pub fn list(&self, address: &Address, most: usize) -> Result<Vec<Address>, ObjectError> {
        let (store, prefix) = (Arc::clone(&self.store), path(address)?);
        let list = async move {
            let mut keys = Vec::new();
            let mut listed = store.list(Some(&prefix));
            while let Some(meta) = listed.try_next().await? {
                keys.push(meta.location.to_string());
                if keys.len() >= most {
                    break;
                }
            }
            Ok(keys)
        };
        let keys = self.wait(address, ANSWER, list)?;
        let bucket = &address.bucket;
        Ok(keys
            .into_iter()
            .map(|key| Address {
                bucket: bucket.clone(),
                key,
            })
            .collect())
    }

    /// Removes an object.
    ///
    /// # Errors
    /// When the server does not remove it.
    pub fn delete(&self, address: &Address) -> Result<(), ObjectError> {
        let (store, key) = (Arc::clone(&self.store), path(address)?);
        self.wait(address, ANSWER, async move { store.delete(&key).await })
    }

    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Waits for an answer about an object, also where the caller is async.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        address: &Address,
        most: Duration,
        asked: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let silent = || ObjectError::silent(address);
        let runtime = self.background.0.as_ref().ok_or_else(silent)?;
        let (sender, answer) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            // Who does not wait any more needs no answer.
            let _ = sender.send(timeout(most, asked).await);
        });
        let answer = answer.recv().map_err(|_| silent())?;
        let answer = answer.map_err(|_| silent())?;
        answer.map_err(|error| ObjectError::of(address, &error))
    }

    /// Starts what is waited for later.
    pub(super) fn start(
        &self,
        address: &Address,
        most: Duration,
        asked: impl Future<Output = object_store::Result<()>> + Send + 'static,
    ) -> Result<mpsc::Receiver<Result<(), ObjectError>>, ObjectError> {
        let silent = ObjectError::silent(address);
        let runtime = self.background.0.as_ref().ok_or_else(|| silent.clone())?;
        let (sender, answer) = mpsc::sync_channel(1);
        let address = address.clone();
        runtime.spawn(async move {
            let answer = match timeout(most, asked).await {
                Ok(answer) => answer.map_err(|error| ObjectError::of(&address, &error)),
                Err(_) => Err(silent),
            };
            let _ = sender.send(answer);
        });
        Ok(answer)
    }
}

fn mode(condition: &Condition) -> PutMode {
    match condition {
        Condition::Absent => PutMode::Create,
        Condition::Unchanged(Tag(tag)) => PutMode::Update(UpdateVersion {
            e_tag: Some(tag.clone()),
            version: None,
        }),
    }
}

/// The key of an object, as the client has it.
pub(super) fn path(address: &Address) -> Result<Path, ObjectError> {
    let path = Path::parse(&address.key).map_err(|error| AddressError {
        address: address.to_string(),
        cause: error.to_string(),
    })?;
    Ok(path)
}

pub(super) fn known(address: &Address, tag: Option<String>) -> Result<Tag, ObjectError> {
    tag.map(Tag).ok_or_else(|| ObjectError::Unconditional {
        address: address.clone(),
        cause: "it names no state of an object".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use object_store::memory::InMemory;

    use super::*;

    fn bucket() -> (Bucket, Address) {
        let address = Address::parse("s3://shop/a").unwrap();
        (
            Bucket::of(&address, Arc::new(InMemory::new())).unwrap(),
            address,
        )
    }

    #[test]
    fn an_object_is_replaced_only_where_it_is_what_it_was() {
        let (bucket, address) = bucket();
        assert_eq!(bucket.read(&address, 9).unwrap(), None);
        assert_eq!(bucket.tag(&address).unwrap(), None);
        let first = bucket
            .write(&address, b"one".to_vec(), &Condition::Absent)
            .unwrap();
        let again = bucket.write(&address, b"two".to_vec(), &Condition::Absent);
        assert!(matches!(again, Err(ObjectError::Changed { .. })));
        let unchanged = Condition::Unchanged(first.clone());
        let second = bucket.write(&address, b"two".to_vec(), &unchanged).unwrap();
        assert_ne!(first, second);
        let late = bucket.write(&address, b"three".to_vec(), &unchanged);
        assert!(matches!(late, Err(ObjectError::Changed { .. })));
        let found = bucket.read(&address, 9).unwrap().unwrap();
        assert_eq!((found.tag, found.bytes), (second, b"two".to_vec()));
        assert_eq!(bucket.list(&address, 9).unwrap(), []);
        bucket.delete(&address).unwrap();
        assert_eq!(bucket.tag(&address).unwrap(), None);
    }

    #[test]
    fn a_large_object_is_seen_once_it_is_whole() {
        let (bucket, address) = bucket();
        let address = address.below("b");
        let bytes: Vec<u8> = (0..20_000_000_u32)
            .map(|place| (place % 251) as u8)
            .collect();
        let mut dropped = bucket.upload(&address, 0).unwrap();
        dropped.write_all(&bytes).unwrap();
        drop(dropped);
        assert_eq!(bucket.tag(&address).unwrap(), None);
        let mut upload = bucket.upload(&address, 0).unwrap();
        upload.write_all(&bytes).unwrap();
        assert_eq!(bucket.tag(&address).unwrap(), None);
        upload.finish(&Condition::Absent).unwrap();
        let mut read = Vec::new();
        let mut download = bucket.download(&address).unwrap();
        download.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        // Somebody else has written it meanwhile.
        let mut late = bucket.upload(&address, 0).unwrap();
        late.write_all(&bytes).unwrap();
        let late = late.finish(&Condition::Absent);
        assert!(matches!(late, Err(ObjectError::Changed { .. })));
        assert_eq!(
            bucket.list(&bucket.address().clone(), 9).unwrap(),
            [address]
        );
    }

    #[test]
    fn storage_that_says_nothing_is_given_up() {
        let (bucket, address) = bucket();
        let nothing = std::future::pending::<object_store::Result<()>>();
        let waited = bucket.wait(&address, Duration::from_millis(1), nothing);
        let error = waited.unwrap_err().to_string();
        assert!(error.contains("the server says nothing"), "{error}");
        let nothing = std::future::pending::<object_store::Result<()>>();
        let later = bucket.start(&address, Duration::from_millis(1), nothing);
        assert!(later.unwrap().recv().unwrap().is_err());
    }
}
