//! What is sent for a request about files and batches.

use std::fs::File;
use std::sync::Arc;

use serde_json::Value;

use crate::dialect::{Dialect, Headers};
use crate::problem::Problem;

/// What is to be sent.
#[derive(Debug)]
pub enum Reply {
    Json(u16, String),
    /// Status 200 with these headers and this.
    Headed(Headers, String),
    /// A file, of which so many bytes are sent.
    File {
        content: Arc<File>,
        bytes: u64,
        sent: Sent,
    },
    /// The connection is reset.
    Reset,
}

/// How much of a file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    All,
    /// So many bytes; then the connection breaks off.
    BreaksAt(u64),
    /// So many bytes; then nothing more comes.
    StopsAt(u64),
}

impl Reply {
    /// Status 200 and this.
    pub fn ok(body: &Value) -> Reply {
        Reply::Json(200, body.to_string())
    }

    /// An error in the words of the dialect.
    pub fn problem(dialect: Dialect, problem: &Problem) -> Reply {
        let error = dialect.error(problem, "req_batch");
        Reply::Json(error.status, error.body.to_string())
    }
}
