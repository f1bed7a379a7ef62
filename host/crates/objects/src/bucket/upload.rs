//! An object that is written piece by piece, and becomes visible once it is whole.
//!
//! One that fits into a part is written by one request. A larger one is handed in by parts: a few are under way while the next
//! one is filled, so that memory is bounded. What is dropped before its end is taken back.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use object_store::{MultipartUpload, PutResult};

use super::{Bucket, Condition, Tag, known, path};
use crate::{Address, ObjectError};

/// Bytes of a part, at least.
const PART: usize = 8 << 20;
/// Parts that an object may have.
const MOST_PARTS: usize = 10_000;
/// Parts under way.
const UNDER_WAY: usize = 3;
/// As long is waited for the server to take a part, or to put the parts together.
const TAKEN: Duration = Duration::from_secs(300);
/// As long is waited until parts are taken back.
const TAKEN_BACK: Duration = Duration::from_secs(10);

/// An object in the making.
pub struct Upload {
    bucket: Bucket,
    address: Address,
    /// All parts but the last one are of this size: some servers want that.
    part: usize,
    buffer: Vec<u8>,
    /// There once the first part is full.
    parts: Option<Parts>,
}

struct Parts {
    upload: Box<dyn MultipartUpload>,
    under_way: VecDeque<Receiver<Result<(), ObjectError>>>,
    count: usize,
}

impl Upload {
    pub(super) fn begin(bucket: Bucket, address: Address, expected: u64) -> Upload {
        let even = usize::try_from(expected).unwrap_or(usize::MAX) / (MOST_PARTS / 2);
        Upload {
            bucket,
            address,
            part: PART.max(even.next_multiple_of(1 << 20)),
            buffer: Vec::new(),
            parts: None,
        }
    }

    /// Puts the object in its place, if the condition holds.
    ///
    /// # Errors
    /// When the condition does not hold, or the server does not take it: then there is nothing new to see.
    pub fn finish(mut self, condition: &Condition) -> Result<Tag, ObjectError> {
        if self.parts.is_none() {
            let bytes = mem::take(&mut self.buffer);
            return self.bucket.write(&self.address, bytes, condition);
        }
        if !self.buffer.is_empty() {
            self.hand_in()?;
        }
        // A server does not hold parts against a condition, so the moment before has to do.
        let found = self.bucket.tag(&self.address)?;
        let holds = match condition {
            Condition::Absent => found.is_none(),
            Condition::Unchanged(tag) => found.as_ref() == Some(tag),
        };
        if !holds {
            let address = self.address.clone();
            return Err(ObjectError::Changed { address });
        }
        if let Some(parts) = &mut self.parts {
            parts.settle(&self.address, 0)?;
        }
        let Some(parts) = self.parts.take() else {
            return Err(ObjectError::silent(&self.address));
        };
        known(&self.address, self.complete(parts)?.e_tag)
    }

    fn complete(&self, mut parts: Parts) -> Result<PutResult, ObjectError> {
        let complete = async move {
            let completed = parts.upload.complete().await;
            if completed.is_err() {
                // The first error says more.
                let _ = parts.upload.abort().await;
            }
            completed
        };
        self.bucket.wait(&self.address, TAKEN, complete)
    }

    /// Hands in what was gathered as the next part.
    fn hand_in(&mut self) -> Result<(), ObjectError> {
        let bytes = mem::take(&mut self.buffer);
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => self.first()?,
        };
        let handed = self.add(&mut parts, bytes);
        self.parts = Some(parts);
        handed
    }

    fn first(&self) -> Result<Parts, ObjectError> {
        let (store, key) = (self.bucket.store(), path(&self.address)?);
        let begin = async move { store.put_multipart_opts(&key, Default::default()).await };
        Ok(Parts {
            upload: self.bucket.wait(&self.address, TAKEN, begin)?,
            under_way: VecDeque::new(),
            count: 0,
        })
    }

    fn add(&self, parts: &mut Parts, bytes: Vec<u8>) -> Result<(), ObjectError> {
        parts.settle(&self.address, UNDER_WAY - 1)?;
        parts.count += 1;
        if parts.count > MOST_PARTS {
            return Err(ObjectError::TooLarge {
                address: self.address.clone(),
                most: MOST_PARTS,
            });
        }
        let part = parts.upload.put_part(bytes.into());
        let taken = self.bucket.start(&self.address, TAKEN, part)?;
        parts.under_way.push_back(taken);
        Ok(())
    }
}

impl Parts {
    /// Waits until so many are under way.
    fn settle(&mut self, address: &Address, most: usize) -> Result<(), ObjectError> {
        while self.under_way.len() > most {
            let Some(first) = self.under_way.pop_front() else {
                break;
            };
            let taken = first.recv();
            taken.map_err(|_| ObjectError::silent(address))??;
        }
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= self.part {
            self.hand_in().map_err(io::Error::other)?;
        }
        let room = self.part - self.buffer.len();
        let taken = room.min(bytes.len());
        self.buffer
            .extend_from_slice(bytes.get(..taken).unwrap_or(bytes));
        Ok(taken)
    }

    /// A part is handed in once it is full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            let abort = async move { parts.upload.abort().await };
            // What cannot be taken back is seen by nobody.
            let _ = self.bucket.wait(&self.address, TAKEN_BACK, abort);
        }
    }
}
