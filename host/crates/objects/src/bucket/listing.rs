//! All objects below an address, page by page, so that memory is bounded.

use std::pin::Pin;

use futures_util::{Stream, TryStreamExt};
use object_store::ObjectMeta;

use super::{ANSWER, Bucket, Tag, known};
use crate::{Address, ObjectError};

/// Objects that are given at once: as many as a server names in one answer.
const PAGE: usize = 1000;

type Objects = Pin<Box<dyn Stream<Item = object_store::Result<ObjectMeta>> + Send>>;

/// Objects that are being listed.
pub struct Listing {
    bucket: Bucket,
    address: Address,
    /// Gone once there are no more.
    objects: Option<Objects>,
}

impl Listing {
    pub(super) fn of(bucket: Bucket, address: Address, objects: Objects) -> Listing {
        Listing {
            bucket,
            address,
            objects: Some(objects),
        }
    }

    /// The next objects with their states; nothing behind the last one.
    ///
    /// # Errors
    /// When the server does not say.
    pub fn next_page(&mut self) -> Result<Option<Vec<(Address, Tag)>>, ObjectError> {
        let Some(mut objects) = self.objects.take() else {
            return Ok(None);
        };
        let page = async move {
            let mut page = Vec::new();
            while page.len() < PAGE {
                match objects.try_next().await? {
                    Some(object) => page.push(object),
                    None => return Ok((page, None)),
                }
            }
            Ok((page, Some(objects)))
        };
        let (page, rest) = self.bucket.wait(&self.address, ANSWER, page)?;
        self.objects = rest;
        let states = page.into_iter().map(|object| {
            let address = Address {
                bucket: self.address.bucket.clone(),
                key: object.location.to_string(),
            };
            let tag = known(&address, object.e_tag)?;
            Ok((address, tag))
        });
        states.collect::<Result<_, _>>().map(Some)
    }
}
