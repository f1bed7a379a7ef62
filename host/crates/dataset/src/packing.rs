//! How a file is packed, by its first bytes: what is unpacked here, and what cannot be read.

use std::io::{self, BufReader, Read};

use super::input::Positioned;

/// Most memory that an unpacked zstd file may take, as a power of two: what `zstd --long` makes.
const ZSTD_WINDOW: u32 = 27;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// By the first bytes.
    pub fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(&[0x1f, 0x8b]) {
            Some(Self::Gzip)
        } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Some(Self::Zstd)
        } else {
            None
        }
    }

    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What a file holds, all of its parts behind one another.
pub(super) fn unpacked(file: Positioned, packing: Option<Packing>) -> io::Result<Box<dyn Read>> {
    let file = BufReader::with_capacity(64 * 1024, file);
    Ok(match packing {
        None => Box::new(file),
        Some(Packing::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Some(Packing::Zstd) => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
    })
}

/// What a file is that holds no text, if its first bytes tell.
pub(super) fn no_text(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 10] = [
        (
            b"PK\x03\x04",
            "is a ZIP archive or a workbook; call it .xlsx if it is one, or unpack the archive",
        ),
        (&[0xff, 0xfe, 0, 0], "is in UTF-32; save it as UTF-8"),
        (&[0, 0, 0xfe, 0xff], "is in UTF-32; save it as UTF-8"),
        (b"PAR1", "is in Parquet; call it .parquet"),
        (b"ARROW1", "is in Arrow IPC; call it .arrow"),
        (
            &[0xd0, 0xcf, 0x11, 0xe0],
            "is an old spreadsheet or document; save the table as .xlsx or CSV",
        ),
        (
            b"SQLite format 3\0",
            "is a database; set `sql` and `url = \"sqlite:FILE\"` in place of `path`",
        ),
        (&[0x1f, 0x8b], "is packed twice; unpack it once"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "is packed twice; unpack it once"),
        (b"BZh", "is packed by bzip2; unpack it first"),
    ];
    // Where an archive of `tar` tells what it is.
    let is_tar = head.get(257..262) == Some(b"ustar");
    let kind = KINDS.iter().find(|(magic, _)| head.starts_with(magic));
    kind.map(|(_, kind)| *kind)
        .or(is_tar.then_some("is an archive of files; unpack it first"))
}
