//! The one constructor of the WASM engine. Every engine has these settings, so that what one
//! compiled another can load, and a guest has no source of chance.

use std::path::Path;
use std::thread;
use std::time::Duration;

use wasmtime::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::cache::{CacheError, CodeCache};
use super::compile::Compiler;
use super::limits::{CORE_INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};
use super::pool;
use super::settings::settings;

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
        "cannot use the compilation cache {directory}: {cause}\nhint: name a directory of your own with BATCHGEN_CACHE_DIR"
    )]
    Cache {
        /// Where it should be.
        directory: String,
        /// What went wrong.
        cause: CacheError,
    },
}

/// Compiles and runs plugins.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) cache: CodeCache,
    /// Who compiles; without it, this process does, which is for plugins that are trusted.
    pub(super) compiler: Option<Compiler>,
}

/// Makes the engine and its ticker, with room for all sandbox threads of this machine. Compiled code is kept below `cache`.
///
/// # Errors
/// When the cache directory cannot be used or the machine is not supported.
pub fn engine(cache: &Path) -> Result<Engine, EngineError> {
    engine_for(cache, pool::threads())
}

/// The same with room for the instances of `threads` sandbox threads.
///
/// # Errors
/// As [`engine`].
pub fn engine_for(cache: &Path, threads: usize) -> Result<Engine, EngineError> {
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(slots(threads)));
    let engine = wasmtime::Engine::new(&config).or_else(|error| {
        // A pool reserves address space, which the system may refuse; without one, instances cost more.
        tracing::warn!("no pool of instances: {error:#}");
        wasmtime::Engine::new(&settings())
    });
    let wasmtime = engine.map_err(|error| EngineError::Engine {
        cause: format!("{error:#}"),
    })?;
    let cache = CodeCache::open(cache, &wasmtime).map_err(|cause| EngineError::Cache {
        directory: cache.display().to_string(),
        cause,
    })?;
    start_ticker(&wasmtime)?;
    Ok(Engine {
        wasmtime,
        cache,
        compiler: None,
    })
}

impl Engine {
    /// The same, but plugins are compiled by another process and under limits.
    pub fn compiling_with(self, compiler: Compiler) -> Engine {
        Engine {
            compiler: Some(compiler),
            ..self
        }
    }
}

/// Instances beside those of the sandbox threads: the page of a run, for one, replays tasks on threads of its own.
const SPARE: usize = 8;
/// Memory that a slot keeps for its next instance, reset page by page: to unmap it would stop all threads
/// of the process for a moment, and a fresh page costs a fault.
const KEEP: usize = 2 << 20;
/// Slots that are kept so.
const WARM: u32 = 16;

/// Slots for instances, made once: every thread can hold an instance of the largest component that the limits allow.
/// A slot that is not used is address space and no memory. How much of its slot an instance may use is its own limit.
fn slots(threads: usize) -> PoolingAllocationConfig {
    let instances = u32::try_from(threads.saturating_add(SPARE)).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP)
        .table_keep_resident(KEEP)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(WARM);
    pool
}

/// Raises the epoch for as long as the engine lives.
fn start_ticker(engine: &wasmtime::Engine) -> Result<(), EngineError> {
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
