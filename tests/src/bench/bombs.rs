//! What the worst plugin files cost whoever has them in a folder, and everybody else.

use std::time::Duration;

use super::report::{Goal, Row};
use crate::bombs::{CPU, MEMORY, Trial, kinds};

/// Both sizes of every kind, each beside another project of the same user. What each took goes to standard error.
pub fn all() -> anyhow::Result<Vec<Row>> {
    let trial = Trial::new()?;
    let (mut tried, mut faults) = (0_usize, 0_usize);
    let (mut cpu, mut memory, mut other) = (Duration::ZERO, 0, Duration::ZERO);
    for kind in kinds() {
        for size in kind.sizes {
            let (cost, took) = trial.load_beside_another(&kind.file(size), tried)?;
            let fault = cost.fault();
            eprintln!(
                "{} of {size}: {:.2} s, {} MB, exit code {:?}, another project {:.2} s{}: {}",
                kind.name,
                cost.cpu.as_secs_f64(),
                cost.memory / 1_000_000,
                cost.ran.code,
                took.as_secs_f64(),
                fault
                    .as_ref()
                    .map(|fault| format!(": {fault}"))
                    .unwrap_or_default(),
                cost.ran
                    .stderr
                    .lines()
                    .find(|line| line.contains("calm"))
                    .unwrap_or_default(),
            );
            tried += 1;
            faults += usize::from(fault.is_some());
            (cpu, memory, other) = (cpu.max(cost.cpu), memory.max(cost.memory), other.max(took));
        }
    }
    Ok(vec![
        Row::new(
            "hostile plugin files and manifests tried",
            tried as f64,
            "",
            Goal::AtLeast(40.0),
        ),
        Row::new(
            "neither refused nor run within the limits",
            faults as f64,
            "",
            Goal::AtMost(0.0),
        ),
        Row::new(
            "most CPU time for one",
            cpu.as_secs_f64(),
            "s",
            Goal::AtMost(CPU.as_secs_f64()),
        ),
        Row::new(
            "most memory of one process",
            memory as f64 / 1e6,
            "MB",
            Goal::AtMost(MEMORY as f64 / 1e6),
        ),
        Row::new(
            "longest run of another project meanwhile",
            other.as_secs_f64(),
            "s",
            Goal::None,
        ),
    ])
}
