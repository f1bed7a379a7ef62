//! Addresses of objects, as people write them.

use std::fmt;

/// Addresses begin so.
const SCHEME: &str = "s3://";

/// A text is no address of an object.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{address} {cause}\nhint: write s3://BUCKET/KEY")]
pub struct AddressError {
    pub address: String,
    pub cause: String,
}

/// A bucket, and a key or the beginning of keys in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub bucket: String,
    /// Without a slash at either end; empty for all of the bucket.
    pub key: String,
}

impl Address {
    /// Whether a text is meant as an address.
    pub fn is_one(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Reads `s3://BUCKET/KEY`.
    ///
    /// # Errors
    /// When it is no address, or its key cannot be one.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let wrong = |cause: &str| AddressError {
            address: text.to_owned(),
            cause: cause.to_owned(),
        };
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| wrong("is no address of S3"))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let key = key.trim_end_matches('/');
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if bucket.is_empty() || !bucket.bytes().all(is_name) {
            return Err(wrong("names no bucket"));
        }
        if key.starts_with('/') {
            return Err(wrong("has a key that begins with a slash"));
        }
        let parsed = object_store::path::Path::parse(key);
        parsed.map_err(|error| wrong(&format!("has a key that cannot be: {error}")))?;
        Ok(Address {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }

    /// The address of an object below this one.
    #[must_use]
    pub fn below(&self, name: &str) -> Address {
        let key = match self.key.as_str() {
            "" => name.to_owned(),
            key => format!("{key}/{name}"),
        };
        Address {
            bucket: self.bucket.clone(),
            key,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_bucket_and_perhaps_a_key() {
        let of = |text: &str| Address::parse(text).map(|address| (address.bucket, address.key));
        let pair = |bucket: &str, key: &str| (bucket.to_owned(), key.to_owned());
        assert_eq!(of("s3://shop").unwrap(), pair("shop", ""));
        assert_eq!(of("s3://shop/a/b.db/").unwrap(), pair("shop", "a/b.db"));
        for wrong in [
            "shop/a",
            "s3:///a",
            "s3://a b/c",
            "s3://shop/a//b",
            "s3://shop/../b",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let shop = Address::parse("s3://shop").unwrap();
        assert_eq!(shop.below("a").below("b").to_string(), "s3://shop/a/b");
    }
}
