//! The one constructor of the WASM engine. Every engine has these settings, so that what one
//! compiled another can load, and a guest has no source of chance.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::limits::TABLE_ELEMENTS;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy,
    PoolingAllocationConfig,
};

/// How often a running guest is interrupted to have its CPU time looked at.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Wasmtime refused the settings, or the machine.
    #[error(
        "cannot start the WASM engine: {cause}\nhint: batchgen runs plugins with wasmtime's compiler, which needs a 64-bit x86 or ARM machine"
    )]
    Engine {
        /// What wasmtime said.
        cause: String,
    },
    /// The compilation cache cannot be used.
    #[error(
        "cannot use the compilation cache {directory}: {cause}\nhint: make the directory writable or name another with BATCHGEN_CACHE_DIR"
    )]
    Cache {
        /// Where it should be.
        directory: String,
        /// What went wrong.
        cause: String,
    },
}

/// Makes the engine and its ticker. Compiled code is kept below `cache`.
///
/// # Errors
/// When the cache directory cannot be used or the machine is not supported.
pub fn engine(cache: &Path) -> Result<Engine, EngineError> {
    let cache_error = |cause: String| EngineError::Cache {
        directory: cache.display().to_string(),
        cause,
    };
    std::fs::create_dir_all(cache).map_err(|error| cache_error(error.to_string()))?;
    let directory = std::path::absolute(cache).map_err(|error| cache_error(error.to_string()))?;
    let mut cache_config = CacheConfig::new();
    cache_config.with_directory(directory);
    let cache = Cache::new(cache_config).map_err(|error| cache_error(format!("{error:#}")))?;

    let mut config = Config::new();
    config.cache(Some(cache));
    config.epoch_interruption(true);
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config.wasm_component_model(true);
    // Every suspension is a trap, and nobody reads where in the guest it was.
    config.wasm_backtrace_max_frames(None);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    let engine = Engine::new(&config).or_else(|error| {
        // A pool reserves address space, which the system may refuse; without one, instances cost more.
        tracing::warn!("no pool of instances: {error:#}");
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Engine::new(&config)
    });
    let engine = engine.map_err(|error| EngineError::Engine {
        cause: format!("{error:#}"),
    })?;
    start_ticker(&engine)?;
    Ok(engine)
}

/// Most instances that live at once: no more than there are threads that run them, with room for components
/// that are made of several modules.
const INSTANCES: u32 = 64;
/// Memory that a slot keeps for its next instance, reset page by page: to unmap it would stop all threads
/// of the process for a moment, and a fresh page costs a fault.
const KEEP: usize = 2 << 20;
/// Slots that are kept so.
const WARM: u32 = 16;

/// Slots for instances, made once. How much of its slot an instance may use is its own limit.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(4 * INSTANCES)
        .total_memories(INSTANCES)
        .total_tables(4 * INSTANCES)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP)
        .table_keep_resident(KEEP)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(WARM);
    pool
}

/// Raises the epoch for as long as the engine lives.
fn start_ticker(engine: &Engine) -> Result<(), EngineError> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .map(|_| ())
        .map_err(|error| EngineError::Engine {
            cause: error.to_string(),
        })
}
