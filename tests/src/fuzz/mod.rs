//! What reads what others wrote, for a fuzzer: files of datasets, answers of providers, plugin files, states. Each target
//! has a corpus, `tests/corpus/<target>/`, which an ordinary test replays. `cargo xtask fuzz` looks for inputs that
//! reach code that no kept input reaches.

mod answers;
mod datasets;
mod plugins;
mod state;

use std::cell::RefCell;

use anyhow::Context;

/// Something that takes any bytes.
pub trait Target {
    /// Takes them. What it returns as an error is a broken promise; a panic is one too.
    fn take(&mut self, input: &[u8]) -> Result<(), String>;
}

type Make = fn() -> anyhow::Result<Box<dyn Target>>;

/// Every target by its name.
pub const TARGETS: [(&str, Make); 11] = [
    ("csv", || datasets::make("csv")),
    ("json", || datasets::make("json")),
    ("jsonl", || datasets::make("jsonl")),
    ("yaml", || datasets::make("yaml")),
    ("answer", answers::answer),
    ("stream", answers::stream),
    ("refusal", answers::refusal),
    ("limits", answers::limits),
    ("manifest", plugins::manifest),
    ("component", plugins::component),
    ("state", state::make),
];

/// The variable that names the target of a fuzzer.
pub const TARGET: &str = "FUZZ_TARGET";

thread_local! {
    static CHOSEN: RefCell<Option<Box<dyn Target>>> = const { RefCell::new(None) };
}

/// Gives an input to the target that the environment names.
///
/// # Errors
/// A broken promise, or a target that cannot be made.
pub fn take(input: &[u8]) -> anyhow::Result<()> {
    CHOSEN.with_borrow_mut(|chosen| {
        let target = match chosen {
            Some(target) => target,
            None => chosen.insert(make()?),
        };
        target.take(input).map_err(anyhow::Error::msg)
    })
}

fn make() -> anyhow::Result<Box<dyn Target>> {
    let name = std::env::var(TARGET).with_context(|| format!("{TARGET} names no target"))?;
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    let (_, make) = found.with_context(|| {
        let names = TARGETS.map(|(name, _)| name).join(", ");
        format!("there is no target `{name}`; the targets are {names}")
    })?;
    make()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::scene::root;

    /// Longest that one input may take.
    const PATIENCE: Duration = Duration::from_secs(10);

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

    #[test]
    fn no_kept_input_is_at_fault() {
        let mut faults = Vec::new();
        for (name, make) in TARGETS {
            let mut target = make().unwrap();
            let folder = root().join("tests/corpus").join(name);
            let files = fs::read_dir(folder).unwrap_or_else(|_| panic!("{name} has no corpus"));
            let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
            files.sort();
            assert!(!files.is_empty(), "{name} has no corpus");
            for file in files {
                let fault = attempt(&mut *target, &fs::read(&file).unwrap()).err();
                faults.extend(fault.map(|fault| format!("{}: {fault}", file.display())));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
