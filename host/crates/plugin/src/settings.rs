//! What code is compiled for: the same in the process that compiles and in the one that runs it, or the code would be
//! refused.

use wasmtime::Config;

/// The guest's stack of calls. A thread of the host has four times as much.
const STACK: usize = 512 << 10;

/// An engine that compiles and runs nothing: it has no pool, cache or ticker.
pub(super) fn compiling() -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&settings())
}

/// What code is compiled for.
pub(super) fn settings() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config.wasm_component_model(true);
    config.max_wasm_stack(STACK);
    // Every suspension is a trap, and nobody reads where in the guest it was.
    config.wasm_backtrace_max_frames(None);
    config
}
