//! Coordinator and workers, each as a process of its own on a paused clock, over a bus in memory that goes wrong by a seed. Messages are
//! lost, doubled, late and out of order; processes are killed, stopped, cut off and started again; the bus forgets all it has. Each seed is
//! one history; what must hold in all of them is checked at its end.
//!
//! `SIMULATION_CLUSTER_SEED=7 cargo xtask test simulation` runs one, `SIMULATION_SEEDS=1000000` many.

mod bus;
mod plan;
mod process;
mod provider;
mod world;

use std::time::Duration;

use self::plan::Plan;
use self::world::World;

/// Histories in CI, and those of somebody who waits for the tests.
const SEEDS_OF_CI: u64 = 1000;
const SEEDS: u64 = 200;
const RECORDS: u64 = 10;
const MODEL: &str = "sim/model";
/// The name of the coordinator, as the bus and the provider know it.
const COORDINATOR: &str = "the coordinator";
/// A process works for so long at a time. No message is faster.
const TICK: Duration = Duration::from_millis(10);
/// No history takes longer.
const PATIENCE: Duration = Duration::from_secs(300);
/// Histories in CI whose kills never end.
const STORMS: u64 = 20;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[test]
fn whatever_happens_to_machines_and_messages_the_run_ends_right() {
    if let Some(seed) = number("SIMULATION_CLUSTER_SEED") {
        return history(seed);
    }
    let usual = if variable("CI").is_some() {
        SEEDS_OF_CI
    } else {
        SEEDS
    };
    let seeds = number("SIMULATION_SEEDS").unwrap_or(usual);
    in_threads(seeds, history, "SIMULATION_CLUSTER_SEED");
}

#[test]
fn kills_that_never_end_do_not_keep_the_run_from_its_end() {
    if let Some(seed) = number("SIMULATION_STORM_SEED") {
        return storm(seed);
    }
    in_threads(STORMS, storm, "SIMULATION_STORM_SEED");
}

#[test]
fn a_record_that_is_the_end_of_workers_is_given_up_by_name() {
    let mut world = World::new(Plan::deadly());
    world.plays();
    world.check_deadly();
}

fn in_threads(seeds: u64, history: fn(u64), variable: &str) {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                for seed in (first..seeds).step_by(threads as usize) {
                    let failed = std::panic::catch_unwind(|| history(seed)).is_err();
                    assert!(
                        !failed,
                        "run it again with: {variable}={seed} cargo xtask test simulation"
                    );
                }
            });
        }
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "a person repeats a history by its seed"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name)?.parse().ok()
}

fn storm(seed: u64) {
    let mut world = World::new(Plan::storm(seed));
    world.plays();
    world.check();
}

fn history(seed: u64) {
    let mut world = World::new(Plan::of(seed));
    world.plays();
    world.check();
}
