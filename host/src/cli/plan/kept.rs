//! A plan in a file: what `run --plan FILE` may do, and no more.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};

use super::super::args::SelectionArgs;
use super::super::exit::Failure;
use super::super::guard::Guard;
use super::super::numbers::{counted, dollars};
use super::super::project::Project;
use super::super::selector::Selector;
use config::component::Component;
use types::digest::Digest;
use types::request::Usage;

/// How the file is written. Raised when an older one could not be used.
const FORMAT: u32 = 1;

/// What a plan said, for the run that follows it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct KeptPlan {
    format: u32,
    /// Hash of every task that was to run, and of what it was to be made from.
    tasks: Digest,
    /// How many these were.
    files: u64,
    /// What they were to cost, millionths of a dollar; absent where that is not known.
    cost_micros: Option<u64>,
    /// What was selected.
    all: bool,
    components: Vec<String>,
    categories: Vec<String>,
    records: Vec<String>,
    limit: Option<u64>,
    sample: Option<u64>,
    pub overwrite_edited: bool,
}

impl KeptPlan {
    /// What a plan of this selection said.
    pub fn new(
        selection: &SelectionArgs,
        overwrite_edited: bool,
        tasks: Digest,
        files: u64,
        cost_micros: Option<u64>,
    ) -> KeptPlan {
        KeptPlan {
            format: FORMAT,
            tasks,
            files,
            cost_micros,
            all: selection.all,
            components: selection
                .component
                .iter()
                .map(ToString::to_string)
                .collect(),
            categories: selection.category.clone(),
            records: selection.record.clone(),
            limit: selection.limit,
            sample: selection.sample,
            overwrite_edited,
        }
    }

    /// Writes it to a file that no one else wrote.
    pub fn write(&self, file: &Path, guard: &Guard) -> Result<(), Failure> {
        let mut out = guard.begin(Some(file)).map_err(Failure::usage)?;
        let text = serde_json::to_string_pretty(self).map_err(Failure::internal)?;
        writeln!(out, "{text}").map_err(Failure::internal)?;
        out.publish().map_err(Failure::internal)
    }

    /// Reads a file.
    pub fn read(file: &Path) -> Result<KeptPlan, Failure> {
        let hint = "`batchgen plan --out FILE` writes one";
        let shown = file.display();
        let text = fs::read(file).map_err(|error| {
            Failure::usage(anyhow!(
                "cannot read the plan {shown}: {error}\nhint: {hint}"
            ))
        })?;
        let plan: KeptPlan = serde_json::from_slice(&text).map_err(|error| {
            Failure::usage(anyhow!("{shown} is no plan: {error}\nhint: {hint}"))
        })?;
        if plan.format != FORMAT {
            return Err(Failure::usage(anyhow!(
                "{shown} was written by another version of batchgen\nhint: {hint}"
            )));
        }
        Ok(plan)
    }

    /// What it selected.
    pub fn selection(&self) -> Result<SelectionArgs, Failure> {
        let selectors = self.components.iter().map(|text| {
            let selector = text.parse::<Selector>();
            selector.map_err(|cause| Failure::usage(anyhow!("the plan names `{text}`: {cause}")))
        });
        Ok(SelectionArgs {
            all: self.all,
            component: selectors.collect::<Result<_, _>>()?,
            category: self.categories.clone(),
            record: self.records.clone(),
            limit: self.limit,
            sample: self.sample,
        })
    }

    /// Dollars that a run of these components may cost, where that is known. The plan is an estimate, of few files a rough one: so it may cost a
    /// quarter more, or what three more files cost. Before the first call starts, there must be room for the longest answer that it may
    /// have.
    pub fn most(&self, project: &Project, components: &[Component]) -> Option<f64> {
        let planned = self.cost_micros? as f64;
        let more = (3.0 / self.files.max(1) as f64).max(0.25);
        let models = &project.settings.config.models;
        let longest = components.iter().filter_map(|component| {
            let parameters = component.parameters.as_ref()?;
            let price = gateway::settings::price(models, &parameters.model)?;
            let tokens = u64::from(gateway::reasoning::likely_cap(parameters));
            Some(price.cost(&Usage::new(0, tokens)))
        });
        let longest = longest.max().unwrap_or(0) as f64;
        Some((planned * (1.0 + more) + longest) / 1e6)
    }

    /// Passes a plan that is made now, if it is the same.
    ///
    /// # Errors
    /// When something has changed since.
    pub fn check(&self, file: &Path, tasks: Digest, files: u64) -> Result<(), Failure> {
        if self.tasks == tasks {
            return Ok(());
        }
        let cost = self.cost_micros.map_or_else(String::new, |micros| {
            format!(", for about {}", dollars(micros))
        });
        Err(Failure::usage(anyhow!(
            "{} is out of date: it was to make {}{cost}, and now {} would be made or others than then\nhint: look at a new one, \
             `batchgen plan --out {}`",
            file.display(),
            counted(self.files, "file"),
            counted(files, "file"),
            file.display(),
        )))
    }
}
