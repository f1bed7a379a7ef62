//! The program under its second name, the one of its crate: `main.rs` is `batchgen`.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// As in `main.rs`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    host::cli::main(&[
        include_bytes!(env!("EMBEDDED_PROMPT")),
        include_bytes!(env!("EMBEDDED_JUDGE")),
    ])
}
