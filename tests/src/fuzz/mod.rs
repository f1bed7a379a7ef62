//! Random input for whatever reads what others wrote: plugin files, manifests, datasets, answers of providers. Inputs
//! are mutations of a kept corpus, `tests/corpus/<target>/`, which an ordinary test replays. What goes wrong is
//! written there, to be kept once it is mended.

mod mutate;
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::scene::root;
use mutate::Mutator;
use targets::{TARGETS, Target};

/// Longest that one input may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries mutations of a target's corpus for so long. `seed` makes them the same again.
///
/// # Errors
/// When there is no such target, or an input panicked, broke a promise or took too long: it was written down.
pub fn run(name: &str, time: Duration, seed: u64) -> anyhow::Result<()> {
    let names = TARGETS.map(|(name, _)| name).join(", ");
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    let (_, make) = found.with_context(|| format!("the targets are: {names}"))?;
    let mut target = make()?;
    let corpus: Vec<Vec<u8>> = corpus(name)?.into_iter().map(|(_, bytes)| bytes).collect();
    ensure!(!corpus.is_empty(), "the corpus of `{name}` is empty");
    let mut mutator = Mutator::new(corpus, seed);
    let start = Instant::now();
    let (mut count, mut shown) = (0_u64, start);
    while start.elapsed() < time {
        let input = mutator.next()?;
        if let Err(fault) = attempt(&mut *target, &input) {
            let file = folder(name).join(format!("fault-{seed}-{count}"));
            fs::write(&file, &input)?;
            bail!("{fault}\nthe input is {}", file.display());
        }
        count += 1;
        if shown.elapsed() > Duration::from_secs(30) {
            shown = Instant::now();
            eprintln!("{name}: {count} inputs in {} s", start.elapsed().as_secs());
        }
    }
    eprintln!("{name}: {count} inputs, none of them at fault (seed {seed})");
    Ok(())
}

fn folder(target: &str) -> PathBuf {
    root().join("tests/corpus").join(target)
}

/// The kept inputs of a target, by name.
fn corpus(target: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder(target)).with_context(|| format!("no corpus of `{target}`"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        inputs.push((name, fs::read(entry.path())?));
    }
    inputs.sort();
    Ok(inputs)
}

/// What is wrong with how a target took an input.
fn attempt(target: &mut dyn Target, input: &[u8]) -> Result<(), String> {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| target.take(input)));
    let took = start.elapsed();
    match result {
        Err(_) => Err("it panicked, as shown above".to_owned()),
        Ok(Err(broken)) => Err(broken),
        Ok(Ok(())) if took > PATIENCE => Err(format!("it took {took:?}")),
        Ok(Ok(())) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kept_input_is_at_fault() {
        for (name, make) in TARGETS {
            let mut target = make().unwrap();
            let corpus = corpus(name).unwrap();
            assert!(!corpus.is_empty(), "{name} has no corpus");
            for (file, input) in corpus {
                if let Err(fault) = attempt(&mut *target, &input) {
                    panic!("{name}/{file}: {fault}");
                }
            }
        }
    }

    #[test]
    fn a_few_mutations_of_each_are_not_at_fault_either() {
        for (name, make) in TARGETS {
            let mut target = make().unwrap();
            let corpus = corpus(name).unwrap();
            let corpus = corpus.into_iter().map(|(_, bytes)| bytes).collect();
            let mut mutator = Mutator::new(corpus, 1);
            for number in 0..50 {
                if let Err(fault) = attempt(&mut *target, &mutator.next().unwrap()) {
                    panic!("{name}, mutation {number}: {fault}");
                }
            }
        }
    }
}
