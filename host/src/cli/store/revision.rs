//! Revisions of a state at an address: each push makes one. An object of its own holds the state, compressed; one small object,
//! `latest.json`, names the newest and is replaced only where it still is what the pusher has seen.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::time::SystemTime;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::environment;
use super::super::exit::Failure;
use objects::{Address, Bucket, Condition, Download, ObjectError, Tag};
use store::HeldState;
use types::digest::Digest;

/// How `latest.json` is written. Raised when an older program must not read it.
const FORMAT: u32 = 1;
/// The object that names the newest revision.
const LATEST: &str = "latest.json";
/// Where the states are.
const STATES: &str = "states";
/// Largest `latest.json`, bytes.
const LARGEST: u64 = 64 << 20;
/// Revisions that are kept, the newest among them.
pub(super) const KEPT: u64 = 5;
/// Objects that are looked at to find old ones.
const LISTED: usize = 1000;
/// How hard zstd compresses.
const LEVEL: i32 = 3;

/// A state as it was pushed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Revision {
    format: u32,
    /// One more than the revision before.
    pub number: u64,
    /// Name of the object that holds the state, below the address.
    pub object: String,
    /// Of the object.
    pub packed_bytes: u64,
    /// Of the state.
    pub bytes: u64,
    pub sha256: Digest,
    /// Version of the tables.
    pub tables: i64,
    /// User and machine.
    pub by: String,
    pub at: String,
    pub program: String,
    /// Whether the last run ended in order.
    pub in_order: bool,
    /// Small files beside the state, by what stands behind its name.
    pub beside: BTreeMap<String, String>,
}

/// The content of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub bytes: u64,
    pub sha256: Digest,
}

impl Content {
    /// Of a state that is held.
    pub fn of(held: &HeldState) -> io::Result<Content> {
        Content::copy(&mut held.open()?, &mut io::sink())
    }

    /// Copies a state, and tells what it was.
    pub fn copy(from: &mut dyn Read, into: &mut dyn Write) -> io::Result<Content> {
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = from.read(&mut buffer)?;
            let piece = buffer.get(..read).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            hash.update(piece);
            into.write_all(piece)?;
            bytes += piece.len() as u64;
        }
        Ok(Content {
            bytes,
            sha256: hash.into(),
        })
    }
}

impl Revision {
    /// The one that follows, of a state with this content.
    pub fn next(number: u64, content: Content, held: &HeldState) -> Revision {
        Revision {
            format: FORMAT,
            number,
            object: format!("{STATES}/{number:08}-{:016x}.db.zst", content.sha256.seed()),
            packed_bytes: 0,
            bytes: content.bytes,
            sha256: content.sha256,
            tables: store::TABLES_VERSION,
            by: somebody(),
            at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            program: concat!("batchgen ", env!("CARGO_PKG_VERSION")).to_owned(),
            in_order: held.is_in_order(),
            beside: BTreeMap::new(),
        }
    }

    /// How it is told.
    pub fn told(&self) -> String {
        format!(
            "revision {}, pushed by {} at {}",
            self.number, self.by, self.at
        )
    }
}

/// Who pushes, for others to ask.
fn somebody() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| {
        let name = std::env::var(name).ok()?;
        (!name.is_empty()).then_some(name)
    });
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!(
        "{}@{}",
        user.as_deref().unwrap_or("somebody"),
        machine.trim()
    )
}

/// The newest revision at an address, and the state of the object that names it.
#[derive(Clone, Debug)]
pub(super) struct Latest {
    pub revision: Revision,
    tag: Tag,
}

/// An address with revisions of a state.
pub(super) struct Place {
    bucket: Bucket,
    latest: Address,
}

impl Place {
    /// The place at an address that a person typed.
    pub fn open(address: &str) -> Result<Place, Failure> {
        let address = Address::parse(address).map_err(Failure::usage)?;
        let bucket = Bucket::open(&address, &environment::storage_variables());
        let bucket = bucket.map_err(Failure::usage)?;
        let latest = address.below(LATEST);
        Ok(Place { bucket, latest })
    }

    /// The address.
    pub fn address(&self) -> &Address {
        self.bucket.address()
    }

    /// The newest revision, if there is one.
    pub fn latest(&self) -> Result<Option<Latest>, Failure> {
        let found = self.bucket.read(&self.latest, LARGEST);
        let Some(found) = found.map_err(Failure::usage)? else {
            return Ok(None);
        };
        let revision = self.understood(&found.bytes)?;
        Ok(Some(Latest {
            revision,
            tag: found.tag,
        }))
    }

    fn understood(&self, bytes: &[u8]) -> Result<Revision, Failure> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let foreign = |error: serde_json::Error| {
            Failure::usage(anyhow!(
                "{} is not what `batchgen store push` writes: {error}\nhint: name another address",
                self.latest
            ))
        };
        let Head { format } = serde_json::from_slice(bytes).map_err(foreign)?;
        if format > FORMAT {
            return Err(Failure::usage(anyhow!(
                "{} was written by a later batchgen\nhint: use that one, or name another address",
                self.latest
            )));
        }
        serde_json::from_slice(bytes).map_err(foreign)
    }

    /// Puts the state of a revision there, compressed. It is no revision yet.
    pub fn upload(&self, held: &HeldState, revision: &mut Revision) -> Result<(), Failure> {
        let address = self.address().below(&revision.object);
        let condition = match self.bucket.tag(&address).map_err(Failure::usage)? {
            None => Condition::Absent,
            // Left by a push of the same state that ended before its end.
            Some(tag) => Condition::Unchanged(tag),
        };
        let upload = self.bucket.upload(&address, revision.bytes);
        let counted = Counted {
            out: upload.map_err(Failure::usage)?,
            bytes: 0,
        };
        let (content, counted) = packed(held, counted).map_err(Failure::internal)?;
        if content.sha256 != revision.sha256 {
            return Err(Failure::internal(anyhow!(
                "the state changed while it was read\nhint: push it again"
            )));
        }
        revision.packed_bytes = counted.bytes;
        counted.out.finish(&condition).map_err(Failure::usage)?;
        Ok(())
    }

    /// Makes a revision the newest, where the newest is still the one that was seen. Whether it is.
    pub fn switch(&self, revision: &Revision, seen: Option<&Latest>) -> Result<bool, Failure> {
        let condition = match seen {
            None => Condition::Absent,
            Some(seen) => Condition::Unchanged(seen.tag.clone()),
        };
        let bytes = serde_json::to_vec_pretty(revision).map_err(Failure::internal)?;
        match self.bucket.write(&self.latest, bytes, &condition) {
            Ok(_) => Ok(true),
            Err(error) => {
                // The answer may have been lost, and not the write.
                let now = match self.latest() {
                    Ok(now) => now,
                    Err(_) => return Err(Failure::usage(error)),
                };
                let is_ours = now.is_some_and(|now| {
                    now.revision.object == revision.object && now.revision.at == revision.at
                });
                match (is_ours, error) {
                    (true, _) => Ok(true),
                    (false, ObjectError::Changed { .. }) => Ok(false),
                    (false, error) => Err(Failure::usage(error)),
                }
            }
        }
    }

    /// The state of a revision.
    pub fn download(&self, revision: &Revision) -> Result<Download, ObjectError> {
        self.bucket
            .download(&self.address().below(&revision.object))
    }

    /// Removes the states of revisions that are too old. What cannot be removed costs only its room.
    pub fn tidy(&self, newest: u64) -> Result<(), ObjectError> {
        let oldest = newest.saturating_sub(KEPT - 1);
        let states = self.address().below(STATES);
        for address in self.bucket.list(&states, LISTED)? {
            let name = address.key.rsplit('/').next().unwrap_or_default();
            let number = name.split('-').next().and_then(|word| word.parse().ok());
            if name.ends_with(".db.zst") && number.is_some_and(|number: u64| number < oldest) {
                self.bucket.delete(&address)?;
            }
        }
        Ok(())
    }
}

/// Writes a state, compressed.
fn packed<W: Write>(held: &HeldState, out: W) -> io::Result<(Content, W)> {
    let mut packed = zstd::stream::write::Encoder::new(out, LEVEL)?;
    packed.include_checksum(true)?;
    let content = Content::copy(&mut held.open()?, &mut packed)?;
    Ok((content, packed.finish()?))
}

/// Counts what is written.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.out.write(bytes)?;
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
