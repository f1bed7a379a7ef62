//! An object that is read piece by piece.

use std::io::{self, Read};
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use object_store::GetResult;

use super::{Bucket, Tag, known};
use crate::{Address, ObjectError};
use types::pace::{Pace, TRICKLES};

/// As long is waited for the next piece.
const NEXT: Duration = Duration::from_secs(60);

type Pieces = Pin<Box<dyn Stream<Item = object_store::Result<Bytes>> + Send>>;

/// An object that is being read.
pub struct Download {
    bucket: Bucket,
    address: Address,
    /// Gone once there is no more.
    pieces: Option<Pieces>,
    piece: Bytes,
    tag: Option<String>,
    /// Bytes that the server says there are, and that have come.
    expected: u64,
    come: u64,
    began: Instant,
    pace: Pace,
}

impl Download {
    pub(super) fn of(bucket: Bucket, address: Address, found: GetResult) -> Download {
        Download {
            bucket,
            address,
            expected: found.meta.size,
            tag: found.meta.e_tag.clone(),
            pieces: Some(Box::pin(found.into_stream())),
            piece: Bytes::new(),
            come: 0,
            began: Instant::now(),
            pace: Pace::default(),
        }
    }

    /// Which state of the object is read.
    ///
    /// # Errors
    /// When the server has not named it.
    pub fn tag(&self) -> Result<Tag, ObjectError> {
        known(&self.address, self.tag.clone())
    }

    fn next(&mut self) -> Result<(), ObjectError> {
        let Some(mut pieces) = self.pieces.take() else {
            return Ok(());
        };
        let next = async move {
            let piece = pieces.next().await.transpose()?;
            Ok((piece, pieces))
        };
        let (piece, pieces) = self.bucket.wait(&self.address, NEXT, next)?;
        match piece {
            Some(piece) => {
                self.come += piece.len() as u64;
                if !self.pace.holds(self.began.elapsed(), piece.len()) {
                    return Err(ObjectError::Unreachable {
                        address: self.address.clone(),
                        cause: TRICKLES.to_owned(),
                    });
                }
                self.piece = piece;
                self.pieces = Some(pieces);
                Ok(())
            }
            None if self.come == self.expected => Ok(()),
            None => Err(ObjectError::Unreachable {
                address: self.address.clone(),
                cause: format!("it was cut off after {} bytes", self.come),
            }),
        }
    }
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && self.pieces.is_some() {
            self.next().map_err(io::Error::other)?;
        }
        let taken = self.piece.len().min(into.len());
        if let Some(into) = into.get_mut(..taken) {
            self.piece.copy_to_slice(into);
        }
        Ok(taken)
    }
}
