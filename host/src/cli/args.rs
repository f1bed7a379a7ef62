//! Flags that several subcommands share: where the project lies, what of it is wanted, and what may be used.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::selector::{self, Selector};
use super::{profile, values};
use gateway::providers::offline;
use gateway::settings::Mode;
use store::{FailureFilter, Selection};
use types::class::FailureClass;
use watch::Address;

/// Where the project lies. What is absent comes from the configuration.
#[derive(Debug, Args)]
#[command(next_help_heading = "Project")]
pub(super) struct ProjectArgs {
    /// Dataset: a file (.csv, .jsonl, .yaml, .parquet, .xlsx and others, also packed), an address, or `-`
    #[arg(
        long,
        value_name = "FILE",
        env = "BATCHGEN_DATA",
        hide_env_values = true
    )]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub place: StateArgs,
    /// Flags of [profile.NAME] in the configuration
    #[arg(
        long,
        value_name = "NAME",
        env = "BATCHGEN_PROFILE",
        hide_env_values = true
    )]
    pub profile: Option<String>,
    /// Directory of plugins
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHGEN_PLUGINS",
        hide_env_values = true
    )]
    pub plugins: Option<PathBuf>,
    /// Fetch no plugin: those that plugins.lock has from elsewhere must be in the cache
    #[arg(long)]
    pub no_fetch: bool,
    #[command(flatten)]
    pub model: ModelArgs,
}

/// The model to ask, and whether the command line itself names it.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelArgs {
    name: Option<String>,
    is_on_command_line: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Project")]
struct ModelFlag {
    /// Model to ask, as provider/model; `offline` needs no key, and writes placeholders
    #[arg(
        long,
        value_name = "MODEL",
        env = "BATCHGEN_MODEL",
        hide_env_values = true
    )]
    model: Option<String>,
}

impl ModelArgs {
    /// The model, wherever it was named.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether the offline stand-in was asked for by name on this command line.
    pub fn asks_for_stand_in(&self) -> bool {
        self.is_on_command_line && self.name.as_deref() == Some(offline::NAME)
    }
}

impl Args for ModelArgs {
    fn augment_args(command: Command) -> Command {
        ModelFlag::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        ModelFlag::augment_args_for_update(command)
    }
}

impl FromArgMatches for ModelArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<ModelArgs, clap::Error> {
        Ok(ModelArgs {
            name: ModelFlag::from_arg_matches(matches)?.model,
            // A project may bring a profile, and has not typed it.
            is_on_command_line: matches.value_source("model") == Some(ValueSource::CommandLine)
                && !profile::gives("model"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = ModelArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Where state and output lie, for what needs nothing else. What is absent comes from the configuration.
#[derive(Debug, Args)]
#[command(next_help_heading = "Project")]
pub(super) struct StateArgs {
    /// State: index, journal and checkpoints
    #[arg(
        long,
        value_name = "FILE",
        env = "BATCHGEN_STATE",
        hide_env_values = true
    )]
    pub state: Option<PathBuf>,
    /// Output directory, or an address s3://BUCKET/PATH
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHGEN_OUTPUT",
        hide_env_values = true
    )]
    pub output: Option<PathBuf>,
    /// Configuration file, instead of the nearest batchgen.toml in this folder or above
    #[arg(
        long,
        value_name = "FILE",
        env = "BATCHGEN_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
}

/// Whether a file that is there may be replaced.
#[derive(Debug, Default, Args)]
pub(super) struct ForceArgs {
    /// Replace the file even if something else wrote it; a part of the project is never replaced
    #[arg(long)]
    pub force: bool,
}

/// Which components of which records.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    /// Every component, enabled or not
    #[arg(long)]
    pub all: bool,
    /// This component and what it depends on; NAME+ also brings all that depend on it. state:failed and category:ID limit the records
    /// (repeatable)
    #[arg(long, value_name = "SELECTOR")]
    pub component: Vec<Selector>,
    /// Only records of this category (repeatable)
    #[arg(long, value_name = "ID")]
    pub category: Vec<String>,
    /// Only this record (repeatable)
    #[arg(long, value_name = "ID")]
    pub record: Vec<String>,
    /// At most N records
    #[arg(long, value_name = "N", value_parser = values::at_least_one)]
    pub limit: Option<u64>,
    /// N records, spread over the categories
    #[arg(long, value_name = "N", value_parser = values::at_least_one)]
    pub sample: Option<u64>,
}

/// Which failed tasks.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct FailureArgs {
    /// Only those that failed with this class (repeatable)
    #[arg(long, value_name = "CLASS", value_parser = values::class)]
    pub class: Vec<FailureClass>,
    /// Only this component; NAME+ and +NAME bring those around it. state:blocked and category:ID limit the tasks (repeatable)
    #[arg(long, value_name = "SELECTOR")]
    pub component: Vec<Selector>,
    /// Only records of this category (repeatable)
    #[arg(long, value_name = "ID")]
    pub category: Vec<String>,
    /// Only this record (repeatable)
    #[arg(long, value_name = "ID")]
    pub record: Vec<String>,
}

impl FailureArgs {
    /// As the state is asked, where the selectors stand for these components.
    pub fn filter(&self, components: Vec<String>) -> FailureFilter {
        FailureFilter {
            classes: self.class.clone(),
            states: selector::states(&self.component),
            components,
            categories: selector::categories(&self.component, &self.category),
            records: self.record.clone(),
            samples: Vec::new(),
        }
    }

    /// The records that are named.
    pub fn records(&self) -> Selection {
        Selection {
            categories: selector::categories(&self.component, &self.category),
            records: self.record.clone(),
            ..Selection::default()
        }
    }
}

/// Who may watch.
#[derive(Debug, Args)]
#[command(next_help_heading = "Watching")]
pub(super) struct WatchArgs {
    /// Serve a page to watch the run, and its metrics for Prometheus at /metrics; the address is printed
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    pub dashboard: Option<Address>,
}

/// How batches are used.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Batches")]
pub(super) struct BatchArgs {
    /// Ask one by one (online), in batches at half the price (batch), or in batches but for repairs and small rests (auto)
    #[arg(long, value_name = "MODE", value_parser = values::mode)]
    pub mode: Option<Mode>,
    /// Do not wait for batches: hand them in, end with code 6, and let the next run collect them
    #[arg(long)]
    pub no_wait: bool,
    /// Hand in again what may have been handed in before, and may be paid for twice
    #[arg(long)]
    pub resubmit_doubtful: bool,
}

/// What may be used.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Requests in any minute, for each model
    #[arg(
        long,
        value_name = "N",
        env = "BATCHGEN_REQUESTS_PER_MINUTE",
        hide_env_values = true
    )]
    pub requests_per_minute: Option<u64>,
    /// Tokens in any minute, for each model
    #[arg(
        long,
        value_name = "N",
        env = "BATCHGEN_TOKENS_PER_MINUTE",
        hide_env_values = true
    )]
    pub tokens_per_minute: Option<u64>,
    /// Requests at once, for each model
    #[arg(
        long,
        value_name = "N",
        env = "BATCHGEN_CONCURRENCY",
        hide_env_values = true
    )]
    pub concurrency: Option<u64>,
    /// Stop cleanly after spending this many dollars; rerun to resume
    #[arg(long, value_name = "USD", value_parser = values::dollars)]
    pub max_cost: Option<f64>,
    /// Stop cleanly after this many tokens, in and out; rerun to resume
    #[arg(long, value_name = "N", value_parser = values::at_least_one)]
    pub max_tokens: Option<u64>,
}
