//! `batchgen diff`: two builds of a plugin over the same completions. It asks nobody, and changes nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;
use similar::TextDiff;

use super::args::{ProjectArgs, SelectionArgs};
use super::display::{Display, emit, say, width};
use super::exit::{Exit, Failure};
use super::numbers::counted;
use super::project::{Project, State};
use super::settings;
use super::table::Table;
use super::values;
use config::component::Component;
use dataset::Record;
use engine::{Place, RecordedEnd, recorded};
use plugin::load::{self, Plugin};

/// Show what another build of a plugin would make of the answers that were paid for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen diff target/plugins/text.wasm                # against the one that the project uses
  batchgen diff new.wasm old.wasm --sample 100
  batchgen diff new.wasm --shown 50 | less
  batchgen diff new.wasm --json | jq 'select(.event == \"changed\")'

Only tasks that are done are looked at, with what they were told. A build that asks something else is told as such: what the model would \
answer, nobody knows.

Exit codes: 0 both make the same, 3 something differs.")]
pub(super) struct DiffArgs {
    /// The plugin file that is new
    #[arg(value_name = "NEW.wasm")]
    new: PathBuf,
    /// The plugin file that it is held against, in place of the project's
    #[arg(value_name = "OLD.wasm")]
    old: Option<PathBuf>,
    /// Show at most N differences
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = values::at_least_one)]
    shown: u64,
    /// Print a line of JSON for each difference, and one for each component
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Records that are read at once.
const BATCH: u64 = 256;

/// Runs the subcommand.
pub(super) fn perform(args: &DiffArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let new = plugin(&project, &args.new)?;
    let old = match &args.old {
        Some(file) => Some(plugin(&project, file)?),
        None => None,
    };
    let name = new.package.manifest.plugin.name.clone();
    if let (Some(old), Some(file)) = (&old, &args.old)
        && old.package.manifest.plugin.name != name
    {
        return Err(Failure::usage(anyhow!(
            "{} is the plugin `{name}`, and {} is `{}`\nhint: name two builds of one plugin",
            args.new.display(),
            file.display(),
            old.package.manifest.plugin.name
        )));
    }
    let built = |plugin: Arc<Plugin>| project.with_plugin(plugin).map_err(Failure::usage);
    let before = match old {
        Some(old) => built(old)?,
        None => project.components.clone(),
    };
    let after = built(new)?;
    let wanted = project.named(&args.selection.component)?;
    let is_wanted = |one: &Component| {
        let is_of_plugin = one.plugin.package.manifest.plugin.name == name;
        is_of_plugin && (wanted.is_empty() || wanted.contains(&one.name))
    };
    let mut compared: Vec<Compared<'_>> = before
        .iter()
        .filter(|one| is_wanted(one))
        .filter_map(|one| {
            let after = after.iter().find(|other| other.name == one.name)?;
            Some(Compared::new(one, after))
        })
        .collect();
    if compared.is_empty() {
        return Err(Failure::usage(anyhow!(
            "no component that is meant uses the plugin `{name}`\nhint: the components are: {}",
            before
                .iter()
                .map(|one| one.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        )));
    }
    let state = State::read(&project)?;
    let mut left = args.shown;
    each_record(&project, &state, &args.selection, |record| {
        for one in &mut compared {
            let place = |components| Place {
                store: state.store.clone(),
                indexed: &state.indexed,
                dataset: Arc::clone(&project.dataset),
                site: project.settings.config.site.clone(),
                output_root: project.settings.config.output.directory.clone(),
                components,
            };
            let was = recorded(place(&before), one.before, record).map_err(Failure::internal)?;
            let Some(was) = was else { continue };
            let RecordedEnd::Made(was) = was.end else {
                continue;
            };
            let now = recorded(place(&after), one.after, record).map_err(Failure::internal)?;
            let Some(now) = now else { continue };
            let difference = one.count(&was, now.end);
            if let Some(difference) = difference {
                difference.tell(record, one.before, args.json, &mut left);
            }
        }
        Ok(())
    })?;
    if args.json {
        compared.iter().for_each(|one| emit(&one.as_json()));
    } else {
        say(&table(&compared).render(width()));
    }
    let is_same = compared.iter().all(|one| one.differing() == 0);
    Ok(if is_same { Exit::Done } else { Exit::Partial })
}

/// A build in a file.
fn plugin(project: &Project, file: &Path) -> Result<Arc<Plugin>, Failure> {
    let engine = settings::engine(&project.settings.cache)?;
    let plugin = load::load(&engine, file).map_err(Failure::usage)?;
    Ok(Arc::new(plugin))
}

fn each_record(
    project: &Project,
    state: &State,
    selection: &SelectionArgs,
    mut visit: impl FnMut(&Record) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut lease = state.select(&project.selection(selection)?)?;
    loop {
        let records = state.store.lease(&mut lease, BATCH);
        let records = records.map_err(Failure::internal)?;
        if records.is_empty() {
            return Ok(());
        }
        for reference in &records {
            if let Ok(record) = project.dataset.read(reference.place) {
                visit(&record)?;
            }
        }
    }
}

/// A component with both builds, and how often they differ.
struct Compared<'a> {
    before: &'a Component,
    after: &'a Component,
    same: u64,
    changed: u64,
    asks: u64,
    fails: u64,
}

/// How the new build differs.
enum Difference {
    /// The lines that do.
    Changed(String),
    /// It asks something else, or more.
    Asks,
    /// Why it fails.
    Fails(String),
}

impl<'a> Compared<'a> {
    fn new(before: &'a Component, after: &'a Component) -> Compared<'a> {
        Compared {
            before,
            after,
            same: 0,
            changed: 0,
            asks: 0,
            fails: 0,
        }
    }

    fn count(&mut self, was: &str, now: RecordedEnd) -> Option<Difference> {
        match now {
            RecordedEnd::Made(now) if now == was => {
                self.same += 1;
                None
            }
            RecordedEnd::Made(now) => {
                self.changed += 1;
                let diff = TextDiff::from_lines(was, now.as_str());
                let diff = diff.unified_diff().context_radius(2).to_string();
                Some(Difference::Changed(diff))
            }
            RecordedEnd::Unanswered(_) | RecordedEnd::Differs(_) => {
                self.asks += 1;
                Some(Difference::Asks)
            }
            RecordedEnd::Failed(failure) => {
                self.fails += 1;
                Some(Difference::Fails(failure.to_string()))
            }
        }
    }

    fn differing(&self) -> u64 {
        self.changed + self.asks + self.fails
    }

    fn as_json(&self) -> serde_json::Value {
        json!({
            "event": "diff", "component": self.before.name, "same": self.same, "changed": self.changed, "asks": self.asks,
            "fails": self.fails,
        })
    }
}

impl Difference {
    /// Shows it, as long as there are some to show.
    fn tell(&self, record: &Record, component: &Component, json: bool, left: &mut u64) {
        let (event, text) = match self {
            Difference::Changed(diff) => ("changed", diff.as_str()),
            Difference::Asks => ("asks", "it asks what was not asked then\n"),
            Difference::Fails(cause) => ("fails", cause.as_str()),
        };
        if json {
            emit(&json!({
                "event": event, "record": record.id, "component": component.name, "difference": text,
            }));
        } else if *left > 0 {
            *left -= 1;
            let path = component.output.path(&record.id, &record.category);
            let mut shown = String::new();
            let _ = writeln!(shown, "=== {path}: {event}\n{}\n", text.trim_end());
            say(&shown);
        }
    }
}

fn table(compared: &[Compared<'_>]) -> Table {
    let mut table = Table::new([
        "component",
        "looked at",
        "same",
        "changed",
        "asks anew",
        "fails",
    ]);
    for one in compared {
        let count = one.same + one.differing();
        table.row([
            one.before.name.clone(),
            counted(count, "file"),
            one.same.to_string(),
            one.changed.to_string(),
            one.asks.to_string(),
            one.fails.to_string(),
        ]);
    }
    table
}
