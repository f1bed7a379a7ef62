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

/// Refuses growth beyond the memory limit and remembers that it did.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: usize,
    total: usize,
    /// Whether growth was refused.
    pub refused: bool,
}

/// Most elements of one table: far beyond what a component's function table needs.
pub(super) const TABLE_ELEMENTS: usize = 100_000;

impl MemoryLimiter {
    pub fn new(limit: usize) -> MemoryLimiter {
        MemoryLimiter {
            limit,
            total: 0,
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
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}
