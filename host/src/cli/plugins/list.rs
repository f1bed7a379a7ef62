//! `batchgen plugins list`: every plugin of the folder, a line each; what is broken and what is not as it was locked.

use clap::Args;
use serde_json::{Value, json};

use super::super::display::{Display, emit, say, width};
use super::super::exit::{Exit, Failure};
use super::super::settings;
use super::super::store::bytes;
use super::super::table::Table;
use super::{Folder, FolderArgs};
use config::ComponentConfig;
use plugin::limits::Limits;
use plugin::load::Plugin;
use plugin::lock::{Difference, Lock, LockError};

/// Say what plugins there are, whether and when each runs, and what it needs. `inspect` says more of one, and --json all of
/// each.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins list
  batchgen plugins list --plugins elsewhere --json

Exit codes: 0 done, 2 usage or configuration, or plugins are not as plugins.lock says.")]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &ListArgs, display: &Display) -> Result<Exit, Failure> {
    let folder = Folder::open(&args.folder, display)?;
    let lock = folder.lock.as_ref();
    let differences = lock
        .map(|lock| lock.differences(&settings::of_project(&folder.plugins, &folder.config)))
        .unwrap_or_default();
    let rows: Vec<Row<'_>> = folder
        .plugins
        .iter()
        .map(|plugin| Row::new(plugin, &folder, lock, &differences))
        .collect();
    if args.json {
        let broken = folder.broken.iter().map(ToString::to_string);
        emit(&json!({
            "plugins": rows.iter().map(Row::json).collect::<Vec<Value>>(),
            "broken": broken.collect::<Vec<String>>(),
            "missing": missing(&differences),
        }));
    } else {
        let mut table = Table::new(HEADINGS);
        for row in &rows {
            table.row(row.cells());
        }
        say(&table
            .without_empty_columns(&["priority", "locked", "needs"])
            .wrapping_last()
            .render(width()));
        for error in &folder.broken {
            display.print(&format!("warning: {error}"));
        }
        let unused: Vec<&str> = rows
            .iter()
            .filter(|row| !row.used && row.plugin.origin.file().is_some())
            .map(|row| row.plugin.package.manifest.plugin.name.as_str())
            .collect();
        if !unused.is_empty() {
            display.note(&format!(
                "no component uses {}\nhint: [component.NAME] in batchgen.toml makes a component of the plugin NAME",
                unused.join(", ")
            ));
        }
    }
    if differences.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Failure::usage(LockError::Differs {
        file: folder.lock_file,
        directory: folder.places.directory,
        differences,
    }))
}

/// One plugin as the configuration lets it be.
struct Row<'a> {
    plugin: &'a Plugin,
    enabled: bool,
    /// Whether a component uses it, of the configuration or of its own name.
    used: bool,
    priority: i64,
    limits: Limits,
    /// Whether it is as it was locked; `None` where nothing is.
    locked: Option<&'static str>,
}

impl<'a> Row<'a> {
    fn new(
        plugin: &'a Plugin,
        folder: &Folder,
        lock: Option<&Lock>,
        differences: &[Difference],
    ) -> Row<'a> {
        let manifest = &plugin.package.manifest;
        let name = &manifest.plugin.name;
        let of_name = folder.config.component.get(name);
        let settings = of_name
            .filter(|settings| settings.plugin.as_ref().is_none_or(|plugin| plugin == name))
            .cloned()
            .unwrap_or_else(ComponentConfig::default);
        let ceilings = [&folder.config.plugins.limits, &settings.limits];
        Row {
            plugin,
            enabled: settings.enabled.unwrap_or(manifest.component.enabled),
            used: settings::is_named(plugin, &folder.config)
                || folder.config.plugins.implicit && !manifest.component.configured,
            priority: settings.priority.unwrap_or(manifest.component.priority),
            limits: Limits::new(&manifest.limits, &ceilings),
            locked: lock
                .filter(|lock| {
                    settings::is_of_project(plugin, &folder.config) && lock.governs(name)
                })
                .map(|_| standing(name, differences)),
        }
    }

    fn json(&self) -> Value {
        let manifest = &self.plugin.package.manifest;
        let limits = &self.limits;
        json!({
            "name": manifest.plugin.name,
            "version": manifest.plugin.version,
            "description": manifest.plugin.description,
            "contract": self.plugin.contract,
            "enabled": self.enabled,
            "configured": manifest.component.configured,
            "priority": self.priority,
            "depends_on": manifest.component.depends_on,
            "llm": manifest.llm.is_some(),
            "limits": {
                "memory_bytes": limits.memory,
                "cpu_ms": limits.cpu.as_millis(),
                "task_cpu_ms": limits.task_cpu.as_millis(),
                "executions": limits.executions,
                "calls": limits.calls,
                "tokens": limits.tokens,
                "cost_micros": limits.cost,
                "artifact_bytes": limits.artifact,
                "log_bytes": limits.log,
            },
            "size_bytes": self.plugin.size,
            "digest": self.plugin.digest,
            "file": self.plugin.origin.file(),
            "locked": self.locked,
        })
    }

    /// The line's cells, as [`HEADINGS`] names them. `inspect` and `--json` say the rest.
    fn cells(&self) -> [String; 7] {
        let manifest = &self.plugin.package.manifest;
        let enabled = match (self.used, manifest.component.configured, self.enabled) {
            (false, ..) => "no component",
            (true, true, _) => "by configuration",
            (true, false, true) => "yes",
            (true, false, false) => "no",
        };
        [
            manifest.plugin.name.clone(),
            manifest.plugin.version.clone(),
            enabled.to_owned(),
            self.priority.to_string(),
            bytes(self.plugin.size),
            self.locked.unwrap_or_default().to_owned(),
            manifest.component.depends_on.join(", "),
        ]
    }
}

const HEADINGS: [&str; 7] = [
    "plugin", "version", "enabled", "priority", "size", "locked", "needs",
];

fn standing(name: &str, differences: &[Difference]) -> &'static str {
    let standing = differences.iter().find_map(|difference| match difference {
        Difference::Changed { found, .. } if found.name == name => Some("changed"),
        Difference::New(found) if found.name == name => Some("new"),
        _ => None,
    });
    standing.unwrap_or("yes")
}

fn missing(differences: &[Difference]) -> Vec<&str> {
    differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Missing(locked) => Some(locked.name.as_str()),
            _ => None,
        })
        .collect()
}
