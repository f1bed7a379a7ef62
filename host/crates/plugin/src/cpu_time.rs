//! CPU time of one execution. Most end before the engine's first tick, and for these a clock that takes no call of the
//! system is near enough: reading the thread's own clock takes longer than some of what a component does.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::engine::TICK;

/// Measures on the thread that it was started on.
#[derive(Debug)]
pub(super) struct CpuTime {
    started: Instant,
    /// The thread's clock at the first tick.
    first_tick: Option<Duration>,
}

impl CpuTime {
    pub fn start() -> CpuTime {
        CpuTime {
            started: Instant::now(),
            first_tick: None,
        }
    }

    /// Time since the first tick, which this may be. A guest that was preempted has not used its time, and what came
    /// before that tick is a gift to it: so load does not change how it ends.
    pub fn since_first_tick(&mut self) -> Duration {
        let now = of_thread();
        now.saturating_sub(*self.first_tick.get_or_insert(now))
    }

    /// All of it, up to a tick too much or too little.
    pub fn total(&self) -> Duration {
        match self.first_tick {
            None => self.started.elapsed().min(TICK),
            Some(tick) => TICK + of_thread().saturating_sub(tick),
        }
    }
}

fn of_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_after_the_first_tick_is_held_against_the_limit() {
        let mut time = CpuTime::start();
        assert!(time.total() <= TICK);
        assert_eq!(time.since_first_tick(), Duration::ZERO);
        let mut work = 0_u64;
        while time.since_first_tick() < 2 * TICK {
            work = std::hint::black_box(work + 1);
        }
        assert!(time.total() >= 3 * TICK);
    }
}
