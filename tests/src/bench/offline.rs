//! The full run with the embedded provider: no network, no waiting, so all that is measured is the host.

use anyhow::Context;

use super::measure::measure;
use super::report::{Goal, Row, median};
use crate::scene::Scene;

/// Runs of which the median counts.
const RUNS: usize = 5;

/// All components over all materials from an empty state, then once more with nothing to do.
pub fn full_run() -> anyhow::Result<Vec<Row>> {
    let (mut first, mut again, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let scene = Scene::new().with_plugins("plugins");
        let run = || measure(scene.command(&["run", "--all", "--json"]));
        let made = run().context("the first run")?;
        first.push(made.wall.as_secs_f64());
        memory.push(made.ran.summary().peak_memory() as f64 / 1e6);
        again.push(run().context("the rerun")?.wall.as_secs_f64());
    }
    Ok(vec![
        Row::new(
            "all components, 109 materials, wall time",
            median(first),
            "s",
            Goal::AtMost(2.0),
        ),
        Row::new(
            "the same again, nothing to do, wall time",
            median(again),
            "s",
            Goal::AtMost(1.0),
        ),
        Row::new("peak memory", median(memory), "MB", Goal::AtMost(150.0)),
    ])
}
