//! What is to be done with a call.

use super::ledger::Bill;
use super::limits::Receipt;
use super::pieces::Pieces;

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With all that is to be sent.
    Sent,
    /// The connection is reset then.
    Reset,
    /// Nothing more comes then.
    Hang,
}

/// What is to be done with a call.
#[derive(Debug)]
pub struct Plan {
    /// What to send, and how long to wait before each piece.
    pub pieces: Pieces,
    pub end: End,
    /// The status that is sent, if one is.
    pub status: Option<u16>,
    /// What is entered for it.
    pub bill: Option<Bill>,
    /// It was let through, and is in flight until `Provider::end`.
    pub admitted: Option<Receipt>,
}
