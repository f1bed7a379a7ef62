//! Ports for servers that cannot choose their own.

#![expect(
    clippy::expect_used,
    reason = "a machine without a free port leaves a test nothing to go on with"
)]

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first port that is given away. The system gives those from 32768 to clients.
const FIRST: u32 = 10_000;
/// How many ports are given away.
const COUNT: u32 = 20_000;
/// Ports that one process is likely to need.
const EACH: u32 = 32;

/// A port of this machine that no process listens on. No client is given it either, so it stays free while its server starts or is
/// down.
///
/// # Panics
/// When all ports are taken.
pub fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = process::id().wrapping_mul(EACH);
    let ports = (0..COUNT).map(|_| {
        let next = own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + next % COUNT).unwrap_or(u16::MAX)
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut free = ports.filter(is_free);
    free.next().expect("a free port")
}
