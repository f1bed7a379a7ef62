//! What can go wrong with objects.

use super::{Address, AddressError};

/// An object cannot be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ObjectError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is nothing.
    #[error("{address}: there is no such object\nhint: check bucket and key")]
    Missing { address: Address },
    /// There is no bucket.
    #[error(
        "{address}: there is no such bucket\nhint: make it, or check its name and AWS_ENDPOINT_URL"
    )]
    NoBucket { address: Address },
    /// The keys do not allow it.
    #[error(
        "{address}: the server refuses it with these keys\nhint: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, and that the keys may read, write, list and delete there"
    )]
    Refused { address: Address },
    /// There are no keys.
    #[error(
        "{address}: there are no keys in the environment, and this machine has no role of its own\nhint: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    NoKeys { address: Address },
    /// What the environment says cannot be used.
    #[error("{address}: {cause}\nhint: check the variables AWS_*")]
    Settings { address: Address, cause: String },
    /// It is not what it was, so it is not replaced.
    #[error(
        "{address} was written by somebody else meanwhile, and is not replaced\nhint: look at it, and try again"
    )]
    Changed { address: Address },
    /// The server cannot replace an object only if it is what it was.
    #[error(
        "{address}: the server does not know conditional writes ({cause})\nhint: use storage that knows `If-Match` and `If-None-Match`, such as Amazon S3"
    )]
    Unconditional { address: Address, cause: String },
    /// It is larger than the storage takes.
    #[error("{address}: it would have more than {most} parts\nhint: write a file, and copy that")]
    TooLarge { address: Address, most: usize },
    /// The server does not answer, or says that it cannot.
    #[error(
        "{address} is out of reach: {cause}\nhint: see whether AWS_ENDPOINT_URL is right and the server runs, and try again"
    )]
    Unreachable { address: Address, cause: String },
    /// The program has no client.
    #[error(
        "{address}: this program is built without what reaches S3\nhint: use a released program"
    )]
    NotBuilt { address: Address },
}

/// A machine asks there for the keys of its role.
const ROLES: &str = "169.254.169.254";

impl ObjectError {
    /// What a client says about an object.
    pub(super) fn of(address: &Address, error: &object_store::Error) -> ObjectError {
        use object_store::Error;
        let address = address.clone();
        let said = chain(error);
        match error {
            _ if said.contains(ROLES) => ObjectError::NoKeys { address },
            _ if said.contains("NoSuchBucket") => ObjectError::NoBucket { address },
            // A list that is refused has no class of its own.
            Error::Generic { .. } if said.contains("403 Forbidden") => {
                ObjectError::Refused { address }
            }
            Error::NotFound { .. } => ObjectError::Missing { address },
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                ObjectError::Refused { address }
            }
            Error::AlreadyExists { .. } | Error::Precondition { .. } => {
                ObjectError::Changed { address }
            }
            Error::NotImplemented { .. } => {
                let cause = innermost(error);
                ObjectError::Unconditional { address, cause }
            }
            Error::UnknownConfigurationKey { .. } => {
                let cause = innermost(error);
                ObjectError::Settings { address, cause }
            }
            error => {
                let cause = innermost(error);
                ObjectError::Unreachable { address, cause }
            }
        }
    }

    /// The server says nothing.
    pub(super) fn silent(address: &Address) -> ObjectError {
        ObjectError::Unreachable {
            address: address.clone(),
            cause: "the server says nothing".to_owned(),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
        said.push_str(&inner.to_string());
    }
    said
}

/// What is at the bottom of an error: what stands around it only says that there is one.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
