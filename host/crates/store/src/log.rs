//! Reads SQLite's write-ahead log as it lies there after a kill. SQLite itself passes in silence over everything behind the
//! first frame whose checksum is wrong, and over a log that is not there.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes of the header, and of the header of each frame.
const HEADER: usize = 32;
const FRAME: usize = 24;
/// The header begins with it; the last bit tells in which order the bytes of numbers are summed.
const MAGIC: u32 = 0x377f_0682;
/// Largest page of SQLite, bytes.
const LARGEST_PAGE: u32 = 65536;
/// A log that was begun anew has a larger number, which may have wrapped around.
const LATER: u32 = 1 << 31;

/// Where the log of a state stood after a commit: nothing of it may be missing later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Tell one log from the next; the first is a number that grows by one each time.
    pub salts: [u32; 2],
    /// Frames up to that commit; none where everything is in the file of the state.
    pub frames: u32,
    /// Sums over everything up to there.
    pub sums: [u32; 2],
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not there, or another one lies in its place.
    Gone,
    /// It ends, or cannot be read, behind so many of its frames, the first that are lost.
    Cut { frames: u32 },
}

/// The file of the log of a state.
pub(super) fn file(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Where the log stands after a commit of this process. It is in the file that SQLite shares between its connections.
pub(super) fn mark(shared: &[u8]) -> Option<Mark> {
    let bytes = |at: usize| shared.get(at..at + 4)?.try_into().ok();
    let native = |at: usize| bytes(at).map(u32::from_ne_bytes);
    let frames = native(16)?;
    // Pages that were copied into the file of the state already.
    let copied = native(96)?;
    Some(Mark {
        salts: [
            bytes(32).map(u32::from_be_bytes)?,
            bytes(36).map(u32::from_be_bytes)?,
        ],
        frames: if copied >= frames { 0 } else { frames },
        sums: [native(24)?, native(28)?],
    })
}

/// Holds the log of a state against the mark; without one, against itself.
///
/// # Errors
/// When it is there and cannot be read.
pub(super) fn check(state: &Path, mark: Option<Mark>) -> std::io::Result<Option<Fault>> {
    let needed = mark.filter(|mark| mark.frames > 0);
    let file = match File::open(file(state)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(needed.map(|_| Fault::Gone));
        }
        Err(error) => return Err(error),
    };
    let is_empty = file.metadata()?.len() == 0;
    let mut log = Log {
        bytes: BufReader::with_capacity(1 << 20, file),
        is_big: false,
        sums: [0; 2],
    };
    if is_empty {
        return Ok(needed.map(|_| Fault::Cut { frames: 0 }));
    }
    log.check(needed)
}

struct Log {
    bytes: BufReader<File>,
    /// Whether numbers are summed with their first byte as the largest.
    is_big: bool,
    sums: [u32; 2],
}

impl Log {
    fn check(&mut self, needed: Option<Mark>) -> std::io::Result<Option<Fault>> {
        let mut header = [0; HEADER];
        if !self.fill(&mut header)? {
            return Ok(Some(Fault::Cut { frames: 0 }));
        }
        self.is_big = number(&header, 0) == MAGIC | 1;
        let page = number(&header, 8);
        self.add(header.get(..24).unwrap_or_default());
        let is_header = number(&header, 0) & !1 == MAGIC
            && (page.is_power_of_two() && (512..=LARGEST_PAGE).contains(&page))
            && self.sums == [number(&header, 24), number(&header, 28)];
        if !is_header {
            return Ok(Some(Fault::Cut { frames: 0 }));
        }
        let salts = [number(&header, 16), number(&header, 20)];
        if let Some(mark) = needed
            && mark.salts != salts
        {
            let [now, before] = [salts, mark.salts].map(|[first, _]| first);
            let is_later = (1..LATER).contains(&now.wrapping_sub(before));
            return if is_later {
                self.frames(salts, page, None)
            } else {
                Ok(Some(Fault::Gone))
            };
        }
        self.frames(salts, page, needed)
    }

    /// Reads frame by frame. What a kill leaves behind the last commit is no fault.
    fn frames(
        &mut self,
        salts: [u32; 2],
        page: u32,
        needed: Option<Mark>,
    ) -> std::io::Result<Option<Fault>> {
        let mut frame = vec![0; FRAME + page as usize];
        let (mut frames, mut reaches) = (0_u32, needed.is_none());
        loop {
            if !self.fill(&mut frame)? {
                return Ok((!reaches).then_some(Fault::Cut { frames }));
            }
            let (head, body) = frame.split_at(FRAME);
            let before = self.sums;
            self.add(head.get(..8).unwrap_or_default());
            self.add(body);
            let is_whole = [number(head, 8), number(head, 12)] == salts
                && self.sums == [number(head, 16), number(head, 20)];
            if !is_whole {
                self.sums = before;
                break;
            }
            frames += 1;
            if let Some(mark) = needed
                && mark.frames == frames
            {
                if mark.sums != self.sums {
                    return Ok(Some(Fault::Gone));
                }
                reaches = true;
            }
        }
        if !reaches {
            return Ok(Some(Fault::Cut { frames }));
        }
        // What follows belongs to an earlier log, unless a frame of this one is damaged.
        while self.fill(&mut frame)? {
            let is_commit = number(&frame, 4) != 0;
            if is_commit && [number(&frame, 8), number(&frame, 12)] == salts {
                return Ok(Some(Fault::Cut { frames }));
            }
        }
        Ok(None)
    }

    /// Whether there were so many bytes.
    fn fill(&mut self, bytes: &mut [u8]) -> std::io::Result<bool> {
        match self.bytes.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The checksum of SQLite's file format.
    fn add(&mut self, bytes: &[u8]) {
        let [mut one, mut two] = self.sums;
        let words = bytes.as_chunks::<4>().0;
        let is_big = self.is_big;
        let word = |bytes: &[u8; 4]| {
            if is_big {
                u32::from_be_bytes(*bytes)
            } else {
                u32::from_le_bytes(*bytes)
            }
        };
        for [first, second] in words.as_chunks::<2>().0 {
            one = one.wrapping_add(word(first)).wrapping_add(two);
            two = two.wrapping_add(word(second)).wrapping_add(one);
        }
        self.sums = [one, two];
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_be_bytes)
}
