//! `batchgen plugins check`: the conformance kit, reported like a test run.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::super::display::{Display, say};
use super::super::exit::{Exit, Failure};
use super::super::numbers::counted;
use super::engine;
use super::workbench::{Workbench, WorkbenchArgs};
use conformance::{self, Fault, Finding, NAME_WIDTH, Recorded, Verdict};
use gateway::providers::offline;
use plugin::load::{self, PluginError};

/// Faults of one check that are shown one by one.
const SHOWN: usize = 5;

/// Check that a plugin, in whatever language, keeps to the contract and to its manifest. Nothing is asked of a
/// model, and nothing is written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins check safety-notes.wasm
  batchgen plugins check safety-notes.wasm --record oak
  batchgen plugins check safety-notes.wasm --answers good-answers.toml

Exit codes: 0 all checks passed, 2 usage or configuration, 3 a check failed.")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    workbench: WorkbenchArgs,
    /// Answers to use in place of the stand-in's; answers.toml beside the plugin where absent, if that is there
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
}

struct Count<'a> {
    display: &'a Display,
    ok: u32,
    failed: u32,
    skipped: u32,
}

/// Runs the subcommand.
pub(super) fn perform(args: &CheckArgs, display: &Display) -> Result<Exit, Failure> {
    let file = &args.workbench.file;
    if !file.exists() {
        return Err(Failure::usage(anyhow!(
            "there is no file {}\nhint: check its path",
            file.display()
        )));
    }
    let mut count = Count {
        display,
        ok: 0,
        failed: 0,
        skipped: 0,
    };
    let plugin = match load::load(&engine(args.workbench.folder.config.as_deref())?, file) {
        Ok(plugin) => plugin,
        Err(PluginError::Refused { cause, hint, .. }) => {
            say(&format!("{}\n", file.display()));
            count.show(&refused(cause, hint));
            return Ok(count.end());
        }
        Err(error) => return Err(Failure::usage(error)),
    };
    let about = &plugin.package.manifest.plugin;
    display.say(&format!(
        "{}: {} {}, contract {}\n",
        file.display(),
        about.name,
        about.version,
        plugin.contract
    ));
    let recorded =
        Recorded::read(args.answers.as_deref(), file, &about.name).map_err(Failure::usage)?;
    if let Some((answers, count)) = recorded.about() {
        let count = counted(count as u64, "recorded answer");
        display.say(&format!("{}: {count}\n", answers.display()));
    }
    let workbench = Workbench::new(&args.workbench, plugin, Some(offline::NAME), display)?;
    let mut tried = Vec::new();
    for component in &workbench.components {
        let samples = workbench.samples(component, &recorded)?;
        let records: Vec<&str> = samples
            .iter()
            .map(|sample| sample.record.as_str())
            .collect();
        display.say(&format!(
            "component {} with {}\n",
            component.name,
            records.join(", ")
        ));
        tried.extend(samples.iter().map(|sample| sample.record.clone()));
        conformance::check(component, samples, &recorded, |finding| count.show(finding));
    }
    for place in recorded.unused(&tried) {
        display.print(&format!(
            "warning: {place}: this answer fits no question that was asked, or one above it fits all of them"
        ));
    }
    Ok(count.end())
}

/// What cannot be loaded fails the first check, and leaves nothing for the others.
fn refused(cause: String, hint: String) -> Finding {
    Finding {
        check: "contract",
        about: "it is a plugin that can be loaded",
        verdict: Verdict::Failed(vec![Fault {
            expected: "a component of the contract, with its manifest in it".to_owned(),
            found: cause,
            hint,
        }]),
    }
}

impl Count<'_> {
    fn show(&mut self, finding: &Finding) {
        let Finding {
            check,
            about,
            verdict,
        } = finding;
        let (word, about) = match verdict {
            Verdict::Ok => {
                self.ok += 1;
                ("ok", *about)
            }
            Verdict::Failed(_) => {
                self.failed += 1;
                ("FAILED", *about)
            }
            Verdict::Skipped(why) => {
                self.skipped += 1;
                ("skipped", why.as_str())
            }
        };
        let line = format!("  {word:7}  {check:NAME_WIDTH$}  {about}\n");
        let Verdict::Failed(faults) = verdict else {
            self.display.say(&line);
            return;
        };
        say(&line);
        for fault in faults.iter().take(SHOWN) {
            for (what, text) in [
                ("expected", &fault.expected),
                ("found", &fault.found),
                ("hint", &fault.hint),
            ] {
                let text = text.replace('\n', "\n                      ");
                say(&format!("           {what:8}  {text}\n"));
            }
        }
        if let Some(more) = faults.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            say(&format!("           and {more} more\n"));
        }
    }

    fn end(&self) -> Exit {
        let Count {
            display,
            ok,
            failed,
            skipped,
        } = self;
        display.say(&format!("{ok} ok, {failed} failed, {skipped} skipped\n"));
        if *failed == 0 {
            Exit::Done
        } else {
            Exit::Partial
        }
    }
}
