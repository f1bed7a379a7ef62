//! As much of HTTP/1.1 as a provider's server needs: requests with a length, answers with a length
//! or in chunks, connections that are kept.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Largest request that is read.
const LARGEST: usize = 32 << 20;
/// The same where a whole batch is sent: more than the most that any provider takes in one request.
const LARGEST_BATCH: usize = 300 << 20;
/// A read buffer that has grown beyond this is given back after its request.
const KEPT: usize = 64 << 10;
/// Most headers of a request.
const HEADERS: usize = 64;

/// The headers that say who asks, in all dialects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `authorization`
    pub authorization: Option<String>,
    /// `x-api-key`
    pub x_api_key: Option<String>,
    /// `api-key`
    pub api_key: Option<String>,
    /// `x-goog-api-key`
    pub x_goog_api_key: Option<String>,
    /// `anthropic-version`
    pub anthropic_version: Option<String>,
}

impl Credentials {
    fn named(&mut self, name: &str) -> Option<&mut Option<String>> {
        let fields = [
            ("authorization", &mut self.authorization),
            ("x-api-key", &mut self.x_api_key),
            ("api-key", &mut self.api_key),
            ("x-goog-api-key", &mut self.x_goog_api_key),
            ("anthropic-version", &mut self.anthropic_version),
        ];
        let mut fields = fields.into_iter();
        fields
            .find(|(field, _)| name.eq_ignore_ascii_case(field))
            .map(|(_, value)| value)
    }
}

/// The head of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Upper case.
    pub method: String,
    pub path: String,
    /// Behind the `?`.
    pub query: String,
    /// What says who asks.
    pub credentials: Credentials,
    pub content_type: Option<String>,
    /// The server that the client thinks it speaks to.
    pub host: Option<String>,
    /// `x-goog-upload-command`: what to do with an upload that has several steps.
    pub upload_command: Option<String>,
    /// `x-goog-upload-offset`: where its bytes belong.
    pub upload_offset: Option<u64>,
    /// The client will send nothing more.
    pub close: bool,
    length: usize,
}

/// Why a request could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no HTTP, or asks for what this server does not do.
    #[error("status {status}: {reason}")]
    Refused {
        /// The status to answer with.
        status: u16,
        reason: String,
    },
    /// The connection failed or ended.
    #[error(transparent)]
    Lost(#[from] io::Error),
}

/// One client's connection.
#[derive(Debug)]
pub struct Connection {
    /// Where answers are written.
    pub stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    /// Takes over an accepted connection.
    pub fn new(stream: TcpStream) -> Connection {
        Connection {
            stream,
            unread: Vec::new(),
        }
    }

    /// The next request with its body, or `None` if the client has closed.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn next(&mut self) -> Result<Option<(Head, Vec<u8>)>, ReadError> {
        let (head, start) = loop {
            if let Some(found) = parse(&self.unread)? {
                break found;
            }
            if self.read().await? == 0 {
                return if self.unread.is_empty() {
                    Ok(None)
                } else {
                    Err(closed().into())
                };
            }
        };
        let end = start + head.length;
        self.unread.reserve(end.saturating_sub(self.unread.len()));
        while self.unread.len() < end {
            if self.read().await? == 0 {
                return Err(closed().into());
            }
        }
        let rest = self.unread.split_off(end);
        let mut body = std::mem::replace(&mut self.unread, rest);
        body.drain(..start);
        if self.unread.capacity() > KEPT {
            self.unread.shrink_to(KEPT);
        }
        Ok(Some((head, body)))
    }

    /// Ends when the client has closed; what it sends meanwhile is kept.
    pub async fn gone(&mut self) {
        loop {
            match self.read().await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        if self.unread.len() > LARGEST_BATCH {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // `read_buf` reads into what is reserved: a page is enough for most requests.
        if self.unread.capacity() == self.unread.len() {
            self.unread.reserve(4096);
        }
        self.stream.read_buf(&mut self.unread).await
    }
}

fn closed() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

/// The head at the start of these bytes and where its body starts, once it is all there.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, ReadError> {
    let refuse = |status, reason: String| Err(ReadError::Refused { status, reason });
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let start = match request.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return refuse(400, format!("this is no HTTP request: {error}")),
    };
    let path = request.path.unwrap_or_default();
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: path.split('?').next().unwrap_or(path).to_owned(),
        query: path
            .split_once('?')
            .map_or("", |(_, query)| query)
            .to_owned(),
        close: request.version == Some(0),
        ..Head::default()
    };
    let largest = largest(&head.path);
    let mut length = None;
    for header in request.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        if header.name.eq_ignore_ascii_case("content-length") {
            length = value
                .trim()
                .parse::<usize>()
                .ok()
                .filter(|length| *length <= largest);
            if length.is_none() {
                return refuse(
                    413,
                    format!("content-length {value:?} is more than {largest} bytes or no number"),
                );
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return refuse(411, "send a content-length instead of chunks".to_owned());
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.close |= value.eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("x-goog-upload-command") {
            head.upload_command = Some(value.into_owned());
        } else if header.name.eq_ignore_ascii_case("x-goog-upload-offset") {
            head.upload_offset = value.trim().parse().ok();
        } else if header.name.eq_ignore_ascii_case("host") {
            head.host = Some(value.into_owned());
        } else if header.name.eq_ignore_ascii_case("content-type") {
            head.content_type = Some(value.into_owned());
        } else if let Some(field) = head.credentials.named(header.name) {
            *field = Some(value.into_owned());
        }
    }
    head.length = length.unwrap_or(0);
    Ok(Some((head, start)))
}

/// Largest request that is read for an address.
fn largest(path: &str) -> usize {
    let holds_batch = ["/files", "/batches", ":batchGenerateContent"];
    if holds_batch.iter().any(|end| path.ends_with(end)) {
        LARGEST_BATCH
    } else {
        LARGEST
    }
}

/// The head of an answer; without a length it is sent in chunks.
pub fn answer_head(
    status: u16,
    content_type: &str,
    headers: &[(&'static str, String)],
    length: Option<usize>,
) -> String {
    let mut head = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: {content_type}\r\n",
        reason(status)
    );
    for (name, value) in headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    match length {
        Some(length) => head.push_str(&format!("content-length: {length}\r\n\r\n")),
        None => head.push_str("transfer-encoding: chunked\r\n\r\n"),
    }
    head
}

/// One chunk of an answer in chunks.
pub fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// What ends an answer in chunks.
pub const LAST_CHUNK: &str = "0\r\n\r\n";

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let bytes = b"POST /v1/models?x=1 HTTP/1.1\r\nContent-Length: 3\r\nAuthorization: Bearer k\r\n\r\nabc";
        for end in 0..bytes.len() - 3 {
            assert!(parse(&bytes[..end]).unwrap().is_none());
        }
        let (head, start) = parse(bytes).unwrap().unwrap();
        assert_eq!(
            (head.method.as_str(), head.path.as_str(), head.length),
            ("POST", "/v1/models", 3)
        );
        assert_eq!(head.query, "x=1");
        assert_eq!(head.credentials.authorization.as_deref(), Some("Bearer k"));
        assert_eq!(&bytes[start..], b"abc");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (bytes, expected) in [
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", 411),
            (
                "POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n",
                413,
            ),
            ("\u{1}\r\n\r\n", 400),
        ] {
            let refused = parse(bytes.as_bytes());
            assert!(
                matches!(refused, Err(ReadError::Refused { status, .. }) if status == expected),
                "{bytes:?}"
            );
        }
    }
}
