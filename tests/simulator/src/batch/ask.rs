//! A request about files and batches, and who makes it.

use std::sync::Arc;

use super::desk::Desk;
use super::fault::BatchFaultKind;
use crate::http::Head;

/// Who asks, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub desk: &'a Arc<Desk>,
    /// The key.
    pub owner: &'a str,
    pub head: &'a Head,
    pub body: &'a [u8],
    /// What befalls the request.
    pub fault: Option<BatchFaultKind>,
}
