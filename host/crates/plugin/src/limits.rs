//! What one component may use, and the limiter that tells "out of memory" from any other trap.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

use super::manifest::LimitOverrides;

/// Limits of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of one instance, bytes.
    pub memory: usize,
    /// CPU time of one execution: not wall time, so that load does not change an outcome.
    pub cpu: Duration,
    /// CPU time of all executions of one task.
    pub task_cpu: Duration,
    /// Executions of one task.
    pub executions: u32,
    /// Completions of one task.
    pub calls: u32,
    /// Tokens of one task, in and out; beyond it nothing more is asked.
    pub tokens: Option<u64>,
    /// Cost of one task in micro-dollars; beyond it nothing more is asked.
    pub cost: Option<u64>,
    /// Size of an artifact, bytes.
    pub artifact: usize,
    /// Size of one question, of all its parts, bytes.
    pub request: usize,
    /// Size of all log lines of one execution, bytes.
    pub log: usize,
}

impl Limits {
    /// What the manifest wishes, or the host's default where it is silent; no more than any of `ceilings`, which the
    /// configuration sets, or than the host's own ceiling where the configuration sets none; and no more than what one
    /// machine can give to many components.
    pub fn new(wishes: &LimitOverrides, ceilings: &[&LimitOverrides]) -> Limits {
        type Field = fn(&LimitOverrides) -> Option<u32>;
        let least = |field: Field, default: u32, [ceiling, most]: [u32; 2]| {
            let set = ceilings.iter().filter_map(|ceiling| field(ceiling)).min();
            let wish = field(wishes).unwrap_or(default);
            wish.min(set.unwrap_or(ceiling)).min(most)
        };
        let bytes = |count: u32, unit: usize| (count as usize).saturating_mul(unit);
        let millis = |ms: u32| Duration::from_millis(u64::from(ms));
        let all = || ceilings.iter().copied().chain([wishes]);
        let cost = all().filter_map(|limits| limits.cost).reduce(f64::min);
        Limits {
            memory: bytes(least(|limits| limits.memory_mib, 64, [256, 1024]), 1 << 20),
            cpu: millis(least(|limits| limits.cpu_ms, 1_000, [2_000, 60_000])),
            task_cpu: millis(least(
                |limits| limits.task_cpu_ms,
                10_000,
                [20_000, 600_000],
            )),
            executions: least(|limits| limits.executions, 32, [100, 10_000]),
            calls: least(|limits| limits.calls, 64, [100, 100_000]),
            tokens: all().filter_map(|limits| limits.tokens).min(),
            cost: cost.map(|dollars| (dollars * 1e6).round() as u64),
            artifact: bytes(
                least(|limits| limits.artifact_kib, 1024, [4096, 64 << 10]),
                1 << 10,
            ),
            request: 1 << 20,
            log: bytes(least(|limits| limits.log_kib, 64, [64, 1024]), 1 << 10),
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
    /// Whether growth of a memory was refused.
    pub refused: bool,
    /// Whether growth of a table was.
    pub table_refused: bool,
    /// Why the machine refused growth that the limit allows.
    pub machine_refused: Option<String>,
}

impl MemoryLimiter {
    pub fn new(limit: usize) -> MemoryLimiter {
        MemoryLimiter {
            limit,
            total: 0,
            elements: 0,
            refused: false,
            table_refused: false,
            machine_refused: None,
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

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        let cause = error.root_cause();
        // It is also told where the module's own maximum was reached.
        if cause.is::<std::io::Error>() || cause.is::<rustix::io::Errno>() {
            self.machine_refused = Some(cause.to_string());
        }
        Ok(())
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
            self.table_refused = true;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_manifest_and_configuration_counts() {
        let limits = |memory, calls, tokens| LimitOverrides {
            memory_mib: memory,
            calls,
            tokens,
            ..LimitOverrides::default()
        };
        let wishes = limits(Some(200), Some(5), None);
        let all = limits(Some(100), Some(50), Some(9_000));
        let one = limits(None, None, Some(1_000));
        let found = Limits::new(&wishes, &[&all, &one]);
        assert_eq!(
            (found.memory, found.calls, found.tokens),
            (100 << 20, 5, Some(1_000))
        );
        let silent = LimitOverrides::default();
        let found = Limits::new(&silent, &[&limits(Some(100), Some(50), None)]);
        assert_eq!((found.memory, found.calls), (64 << 20, 50));
        let greedy = limits(Some(u32::MAX), Some(u32::MAX), None);
        let found = Limits::new(&greedy, &[&silent]);
        assert_eq!((found.memory, found.calls), (256 << 20, 100));
        let generous = limits(Some(512), Some(u32::MAX), None);
        let found = Limits::new(&greedy, &[&generous]);
        assert_eq!((found.memory, found.calls), (512 << 20, 100_000));
    }
}
