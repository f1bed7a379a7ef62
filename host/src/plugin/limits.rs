//! What one component may use, and the limiter that tells "out of memory" from any other trap.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use super::manifest::LimitOverrides;

/// Limits of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance, bytes.
    pub memory: usize,
    /// CPU time of one execution: not wall time, so that load does not change an outcome.
    pub cpu: Duration,
    /// Executions of one task.
    pub executions: u32,
    /// Completions of one task.
    pub calls: u32,
    /// Size of an artifact, bytes.
    pub artifact: usize,
    /// Size of one question, of all its parts, bytes.
    pub request: usize,
    /// Size of all log lines of one execution, bytes.
    pub log: usize,
}

impl Limits {
    /// The host's defaults with the manifest's wishes.
    pub fn new(wishes: &LimitOverrides) -> Limits {
        let mib = |value: u32| value as usize * 1024 * 1024;
        Limits {
            memory: mib(wishes.memory_mib.unwrap_or(64)),
            cpu: Duration::from_millis(u64::from(wishes.cpu_ms.unwrap_or(1000))),
            executions: wishes.executions.unwrap_or(32),
            calls: wishes.calls.unwrap_or(64),
            artifact: wishes.artifact_kib.unwrap_or(1024) as usize * 1024,
            request: mib(1),
            log: 64 * 1024,
        }
    }
}

/// Most core modules of one component that are alive at once: one from Python has some twenty.
pub(super) const CORE_INSTANCES: u32 = 64;
/// Most memories of one component.
pub(super) const MEMORIES: u32 = 4;
/// Most tables of one component.
pub(super) const TABLES: u32 = 16;
/// Most elements of all tables of one component: far beyond what its function table needs.
pub(super) const TABLE_ELEMENTS: usize = 100_000;
/// Most handles of resources of one component: it has no use for more than a few streams.
pub(super) const HANDLES: usize = 1_000;

/// Refuses growth beyond the memory limit and remembers that it did.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: usize,
    total: usize,
    elements: usize,
    /// Whether growth was refused.
    pub refused: bool,
}

impl MemoryLimiter {
    pub fn new(limit: usize) -> MemoryLimiter {
        MemoryLimiter {
            limit,
            total: 0,
            elements: 0,
            refused: false,
        }
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Counted over all memories of the component, or a guest could have many small ones.
        let total = self.total.saturating_add(desired.saturating_sub(current));
        if total > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.total = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        if elements > TABLE_ELEMENTS {
            self.refused = true;
            return Ok(false);
        }
        self.elements = elements;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}
