//! A file as lines and bytes that know their place, read from any offset through one shared handle.
//! Knows no format, and keeps no more than it is told to.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use memchr::memchr;

use super::DatasetError;

/// Where a record lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Bytes before the record.
    pub offset: u64,
    /// Bytes of the record.
    pub length: u64,
    /// Line of its first byte, from 1.
    pub line: u64,
}

const BUFFER: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A file that readers share. They do not move each other, since each keeps its own offset.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// Its text in UTF-8: the file itself, or a copy.
    pub file: Arc<File>,
    /// Bytes of that text.
    pub length: u64,
    /// The state of what the copy was made of, where it is one.
    pub state: Option<String>,
    pub path: PathBuf,
    /// How it is encoded, if not in UTF-8.
    pub encoding: Option<&'static str>,
}

/// A position in a file, before a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub offset: u64,
    pub line: u64,
}

impl Mark {
    pub const START: Self = Self { offset: 0, line: 1 };
}

/// The bytes of one record, and where they lie.
#[derive(Debug)]
pub(super) struct Chunk {
    pub place: Place,
    /// Cut off where the record is larger than it may be; the place tells its full length.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// An empty chunk at `mark`.
    pub fn at(mark: Mark) -> Self {
        Self {
            place: Place {
                offset: mark.offset,
                length: 0,
                line: mark.line,
            },
            bytes: Vec::new(),
        }
    }

    /// Appends a line; keeps `limit` bytes and one more, which shows that it is too large.
    pub fn push(&mut self, line: &Line, limit: usize) {
        self.place.length = line.end().saturating_sub(self.place.offset);
        let room = (limit + 1).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(head(&line.bytes, room));
    }

    /// Appends a byte; keeps as much as [`Chunk::push`].
    pub fn push_byte(&mut self, byte: u8, limit: usize) {
        self.place.length += 1;
        if self.bytes.len() <= limit {
            self.bytes.push(byte);
        }
    }
}

/// One line with its end of line.
#[derive(Debug)]
pub(super) struct Line {
    pub start: Mark,
    /// Bytes in the file, though `bytes` may hold fewer.
    pub length: u64,
    pub bytes: Vec<u8>,
}

impl Line {
    /// Offset of the byte after the line.
    pub fn end(&self) -> u64 {
        self.start.offset + self.length
    }

    /// The line without its end and without white space there.
    pub fn text(&self) -> &[u8] {
        self.bytes.trim_ascii_end()
    }

    /// Spaces before the first other byte.
    pub fn indent(&self) -> usize {
        self.bytes.iter().take_while(|byte| **byte == b' ').count()
    }

    /// The line without white space on either side.
    pub fn trimmed(&self) -> &[u8] {
        self.bytes.trim_ascii()
    }
}

/// Reads a file forwards from a mark.
pub(super) struct Input {
    reader: BufReader<Positioned>,
    path: PathBuf,
    mark: Mark,
}

impl Input {
    /// Starts at `mark`. A byte order mark at the start of the file is passed over.
    pub fn new(shared: &Shared, mark: Mark) -> Result<Self, DatasetError> {
        let positioned = Positioned {
            file: Arc::clone(&shared.file),
            offset: mark.offset,
        };
        let reader = BufReader::with_capacity(BUFFER, positioned);
        let mut input = Self {
            reader,
            path: shared.path.clone(),
            mark,
        };
        if mark == Mark::START {
            let head = input.fill()?;
            if head.starts_with(BYTE_ORDER_MARK) {
                input.consume(BYTE_ORDER_MARK.len());
            }
        }
        Ok(input)
    }

    /// Where the next byte is.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// The next byte, which stays the next one.
    pub fn peek(&mut self) -> Result<Option<u8>, DatasetError> {
        Ok(self.fill()?.first().copied())
    }

    /// Takes the next byte.
    pub fn next(&mut self) -> Result<Option<u8>, DatasetError> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.mark.line += u64::from(byte == b'\n');
            self.consume(1);
        }
        Ok(byte)
    }

    /// Takes the next line, of which it keeps `limit` bytes and one more.
    pub fn line(&mut self, limit: usize) -> Result<Option<Line>, DatasetError> {
        let mut line = Line {
            start: self.mark,
            length: 0,
            bytes: Vec::new(),
        };
        loop {
            let available = self.fill()?;
            if available.is_empty() {
                break;
            }
            let end = memchr(b'\n', available);
            let taken = end.map_or(available.len(), |end| end + 1);
            let room = (limit + 1).saturating_sub(line.bytes.len());
            line.bytes
                .extend_from_slice(head(available, taken.min(room)));
            line.length += taken as u64;
            self.consume(taken);
            if end.is_some() {
                self.mark.line += 1;
                break;
            }
        }
        Ok((line.length > 0).then_some(line))
    }

    fn fill(&mut self) -> Result<&[u8], DatasetError> {
        self.reader
            .fill_buf()
            .map_err(|source| DatasetError::io(&self.path, source))
    }

    fn consume(&mut self, bytes: usize) {
        self.reader.consume(bytes);
        self.mark.offset += bytes as u64;
    }
}

fn head(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(..length).unwrap_or(bytes)
}

/// Reads a shared file from an offset of its own.
pub(super) struct Positioned {
    file: Arc<File>,
    offset: u64,
}

impl Positioned {
    /// From the first byte on.
    pub fn start(file: &Arc<File>) -> Self {
        Self {
            file: Arc::clone(file),
            offset: 0,
        }
    }
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(content: &[u8]) -> (tempfile::TempDir, Shared) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        let told = crate::origin::Told {
            format: Some(crate::Format::Jsonl),
            ..Default::default()
        };
        let opened = crate::origin::open(path, &told, &crate::Copies::passing());
        (folder, opened.unwrap().0)
    }

    #[test]
    fn lines_know_their_place_and_two_readers_do_not_disturb_each_other() {
        let (_folder, shared) = shared("\u{feff}a\r\n\n  long".as_bytes());
        let mut one = Input::new(&shared, Mark::START).unwrap();
        let first = one.line(10).unwrap().unwrap();
        let mut two = Input::new(
            &shared,
            Mark {
                offset: first.end(),
                line: 2,
            },
        )
        .unwrap();
        for input in [&mut one, &mut two] {
            let blank = input.line(10).unwrap().unwrap();
            assert_eq!(
                (blank.start, blank.text()),
                (Mark { offset: 6, line: 2 }, &b""[..])
            );
            let last = input.line(3).unwrap().unwrap();
            assert_eq!(
                (last.start, last.length, last.indent()),
                (Mark { offset: 7, line: 3 }, 6, 2)
            );
            assert_eq!(last.bytes, b"  lo");
            assert!(input.line(3).unwrap().is_none());
        }
        assert_eq!((first.start.offset, first.text()), (3, &b"a"[..]));
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_one_line_of_which_little_is_kept() {
        let (_folder, shared) = shared(&[vec![b'x'; 3 * BUFFER], b"\ny".to_vec()].concat());
        let mut input = Input::new(&shared, Mark::START).unwrap();
        let line = input.line(8).unwrap().unwrap();
        assert_eq!((line.length, line.bytes.len()), (3 * BUFFER as u64 + 1, 9));
        assert_eq!(
            input.line(8).unwrap().unwrap().start,
            Mark {
                offset: line.length,
                line: 2
            }
        );
    }
}
