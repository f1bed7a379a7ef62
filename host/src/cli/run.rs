//! `host run`: makes what is missing or out of date, and says how it went.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use tokio::sync::mpsc;

use super::exit::{Exit, Failure};
use super::progress::{Display, Progress};
use super::settings::Settings;
use super::{lanes, settings, summary};
use crate::component::{self, Component};
use crate::config::closest;
use crate::core::graph;
use crate::dataset::Dataset;
use crate::llm::gateway::{Chain, Gateway};
use crate::llm::purse::Purse;
use crate::plugin::pool::Pool;
use crate::plugin::{engine, load};
use crate::run::{self, Interrupt, Meter, Run, RunError};
use crate::store::{IndexError, IndexedDataset, Lease, Selection, Store};

/// Make what is missing or out of date: enabled components over all records, unless told otherwise.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 internal error, 2 usage or configuration, 3 some tasks failed, \
    4 budget reached, 5 provider cannot go on (key, quota, model), 130 interrupted. Run again to go on after any of them."
)]
pub(super) struct RunArgs {
    /// Run every component, enabled or not
    #[arg(long)]
    all: bool,
    /// Run this component and what it depends on (repeatable)
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    component: Vec<String>,
    /// Only records of this category (repeatable)
    #[arg(long, value_name = "ID")]
    category: Vec<String>,
    /// Only this record (repeatable)
    #[arg(long, value_name = "ID")]
    record: Vec<String>,
    /// At most N records
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// N records, spread over the categories
    #[arg(long, value_name = "N")]
    sample: Option<u64>,
    /// Say what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Model to ask, as provider/model; `offline` needs no key
    #[arg(
        long,
        value_name = "MODEL",
        env = "BATCHGEN_MODEL",
        hide_env_values = true
    )]
    pub model: Option<String>,
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
    /// Dollars that this run may cost; it then ends in order, and can be gone on with
    #[arg(long, value_name = "USD", value_parser = settings::dollars)]
    pub max_cost: Option<f64>,
    /// Tokens, in and out, that this run may take
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u64>,
    /// Dataset: .yaml, .json, .jsonl or .csv
    #[arg(
        long,
        value_name = "FILE",
        env = "BATCHGEN_DATA",
        hide_env_values = true
    )]
    pub data: Option<PathBuf>,
    /// Output directory
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHGEN_OUTPUT",
        hide_env_values = true
    )]
    pub output: Option<PathBuf>,
    /// State: index, journal and checkpoints
    #[arg(
        long,
        value_name = "FILE",
        env = "BATCHGEN_STATE",
        hide_env_values = true
    )]
    pub state: Option<PathBuf>,
    /// Directory of plugins
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHGEN_PLUGINS",
        hide_env_values = true
    )]
    pub plugins: Option<PathBuf>,
    /// Configuration, instead of the nearest batchgen.toml upwards
    #[arg(
        long,
        value_name = "FILE",
        env = "BATCHGEN_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// Print events and summary as JSON Lines
    #[arg(long)]
    pub json: bool,
}

/// Records in work at once where no limit on requests says more.
const WINDOW: usize = 128;
/// Records beyond those that are asked for: they back off, are being written, or wait to take the place of a call
/// that ends.
const SPARE: usize = 512;

/// Runs the subcommand.
pub(super) fn perform(args: &RunArgs, display: &Display) -> Result<Exit, Failure> {
    let settings = Settings::resolve(args).map_err(Failure::usage)?;
    let dataset = Arc::new(Dataset::open(settings.dataset.clone()).map_err(Failure::usage)?);
    let engine = engine::engine(&settings.cache).map_err(Failure::usage)?;
    let (plugins, broken) =
        load::load_all(&engine, &settings.config.plugins.directory).map_err(Failure::usage)?;
    for error in &broken {
        display.print(&format!("warning: {error}"));
    }
    let components = component::resolve(&plugins, &settings.config, args.model.as_deref())
        .map_err(Failure::usage)?;
    let components = wanted(components, args).map_err(Failure::usage)?;
    let store = Store::open(&settings.config.state.file).map_err(Failure::internal)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    let result = runtime.block_on(start(args, display, settings, dataset, components, store));
    // What a second Ctrl-C or an error left behind must not keep the program.
    runtime.shutdown_background();
    let exit = result?;
    // A plugin that could not be loaded is a component that is missing.
    Ok(if exit == Exit::Done && !broken.is_empty() && args.all {
        Exit::Partial
    } else {
        exit
    })
}

async fn start(
    args: &RunArgs,
    display: &Display,
    settings: Settings,
    dataset: Arc<Dataset>,
    components: Vec<Component>,
    store: Store,
) -> Result<Exit, Failure> {
    let source = source_name(&settings.config.state.file, &dataset.config().path);
    let indexed =
        store
            .index(&source, Arc::clone(&dataset))
            .await
            .map_err(|error| match error {
                IndexError::Dataset(error) => Failure::usage(error),
                IndexError::Store(error) => Failure::internal(error),
            })?;
    let selection = selection(args);
    let lease = select(&store, &indexed, &selection)?;
    let output_root = settings.config.output.directory.clone();
    let site = settings.config.site.clone();
    if args.dry_run {
        let surveys = run::survey(
            &store,
            dataset,
            &indexed,
            lease,
            &components,
            site,
            output_root,
        )
        .map_err(Failure::internal)?;
        summary::print_survey(&surveys, args.json);
        return Ok(Exit::Done);
    }
    let (events, receiver) = mpsc::unbounded_channel();
    let meter = Arc::new(Meter::new(events));
    let interrupt = Interrupt::default();
    let purse = Purse::new(settings.max_cost, args.max_tokens);
    let making = lanes::Making {
        store: &store,
        purse: &purse,
        meter: &meter,
        interrupt: &interrupt,
    };
    let chains = lanes::make(&settings, &components, &making).map_err(Failure::usage)?;
    let at_once = at_once(&chains);
    let window = window(at_once, display);
    let gateway = Arc::new(Gateway::new(
        store.clone(),
        chains,
        Arc::clone(&meter) as Arc<_>,
    ));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let run = Run {
        dataset,
        indexed,
        lease,
        components,
        site,
        output_root: output_root.clone(),
        store,
        gateway: Arc::clone(&gateway),
        pool: Pool::new(threads).map_err(Failure::internal)?,
        meter: Arc::clone(&meter),
        interrupt: interrupt.clone(),
        window,
    };
    let noun = settings.dataset.records.clone();
    let progress = Progress::start(
        display.clone(),
        meter,
        gateway,
        receiver,
        noun.clone(),
        args.json,
    );
    watch_signals(&interrupt, display);
    let result = run::execute(run).await;
    progress.finish().await;
    let summary = result.map_err(|error| match error {
        RunError::Output { .. } | RunError::Store(_) | RunError::Panic { .. } => {
            Failure::internal(error)
        }
    })?;
    summary::print(&summary, &noun, &output_root, args.json);
    Ok(match &summary.stopped {
        Some(error) if error.class.stops_lane() => Exit::Provider,
        _ if summary.budget_reached => Exit::Budget,
        _ if summary.interrupted => Exit::Interrupted,
        _ if summary.view.complete < summary.view.records => Exit::Partial,
        _ => Exit::Done,
    })
}

/// Name that the state knows the dataset by: its path from the state's directory, so that a project can
/// be moved as a whole and entered from anywhere.
fn source_name(state: &Path, dataset: &Path) -> String {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (state, dataset) = (real(state), real(dataset));
    let base: Vec<_> = state
        .parent()
        .map(|parent| parent.components().collect())
        .unwrap_or_default();
    let path: Vec<_> = dataset.components().collect();
    let shared = base.iter().zip(&path).take_while(|(a, b)| a == b).count();
    let up = base.iter().skip(shared).map(|_| "..".to_owned());
    let down = path
        .iter()
        .skip(shared)
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// The components that are wanted, each behind what it depends on.
fn wanted(components: Vec<Component>, args: &RunArgs) -> anyhow::Result<Vec<Component>> {
    let nodes: Vec<graph::Node> = components.iter().map(Component::node).collect();
    for name in &args.component {
        if !nodes.iter().any(|node| node.name == *name) {
            let names = || nodes.iter().map(|node| node.name.as_str());
            let meant = closest(name, names())
                .map(|meant| format!("did you mean `{meant}`? "))
                .unwrap_or_default();
            return Err(anyhow!(
                "there is no component `{name}`\nhint: {meant}The components are: {}",
                names().collect::<Vec<_>>().join(", ")
            ));
        }
    }
    let asked = components
        .iter()
        .filter(|component| {
            args.all
                || args.component.contains(&component.name)
                || (args.component.is_empty() && component.enabled)
        })
        .map(|component| component.name.clone());
    let wanted = graph::with_dependencies(&nodes, asked)?;
    let nodes: Vec<graph::Node> = nodes
        .into_iter()
        .filter(|node| wanted.contains(&node.name))
        .collect();
    let order = graph::order(&nodes)?;
    if order.is_empty() {
        return Err(anyhow!(
            "no component is enabled\nhint: run with --all, or name one with --component NAME"
        ));
    }
    let mut components: Vec<Component> = components
        .into_iter()
        .filter(|component| wanted.contains(&component.name))
        .collect();
    components.sort_by_key(|component| order.iter().position(|name| *name == component.name));
    Ok(components)
}

fn selection(args: &RunArgs) -> Selection {
    Selection {
        categories: args.category.clone(),
        records: args.record.clone(),
        limit: args.limit,
        sample: args.sample,
    }
}

/// Names that are not in the dataset are errors, with what was probably meant.
fn select(
    store: &Store,
    dataset: &IndexedDataset,
    selection: &Selection,
) -> Result<Lease, Failure> {
    let (categories, records) = store
        .unknown(dataset, selection)
        .map_err(Failure::internal)?;
    for (what, unknown, of_categories) in [
        ("category", categories.first(), true),
        ("record", records.first(), false),
    ] {
        let Some(name) = unknown else { continue };
        let names = store
            .names(dataset, of_categories, 10_000)
            .map_err(Failure::internal)?;
        let hint = match closest(name, names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if of_categories => format!("the categories are: {}", names.join(", ")),
            None => "ids are those of the dataset, as `aluminum`".to_owned(),
        };
        return Err(Failure::usage(anyhow!(
            "there is no {what} `{name}` in the dataset\nhint: {hint}"
        )));
    }
    store.select(dataset, selection).map_err(Failure::internal)
}

/// Requests that all lanes together may have under way, as far as that is limited.
fn at_once(chains: &BTreeMap<String, Chain>) -> u64 {
    let lanes = chains.values().flat_map(|chain| &chain.lanes);
    lanes
        .map(|lane| lane.view().allowed)
        .filter(|allowed| *allowed < u64::MAX)
        .fold(0, u64::saturating_add)
}

/// Records in work at once: enough to keep every allowed request busy.
fn window(at_once: u64, display: &Display) -> usize {
    let concurrency = usize::try_from(at_once).unwrap_or(WINDOW);
    let spare = (concurrency / 4).max(concurrency.saturating_mul(3).min(SPARE));
    let window = WINDOW.max(concurrency.saturating_add(spare));
    let files = at_once.saturating_add(256);
    if let Some(limit) = run::raise_open_files(files) {
        display.print(&format!(
            "warning: {at_once} requests at once need about {files} open files, and the system allows {limit}\n\
             hint: raise it with `ulimit -n {files}`, or lower --concurrency"
        ));
    }
    window
}

/// The first signal drains, the second ends at once.
fn watch_signals(interrupt: &Interrupt, display: &Display) {
    let interrupt = interrupt.clone();
    let display = display.clone();
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut keyboard), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return;
        };
        for round in 0.. {
            tokio::select! {
                _ = keyboard.recv() => {}
                _ = terminate.recv() => {}
            }
            if round > 0 {
                std::process::exit(i32::from(Exit::Interrupted as u8));
            }
            interrupt.throw();
            display.print(
                "stopping: answers that are under way are waited for and kept; once more to stop at once",
            );
        }
    });
}
