//! `batchgen worker`: performs records of a run that another machine coordinates.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;

use super::cluster::{self, ClusterArgs, unconnected, unusable};
use super::display::Display;
use super::environment::variable;
use super::execution::watch_signals;
use super::exit::{Exit, Failure};
use super::numbers::counted;
use super::project::block_on;
use super::settings::{self, cannot_ask};
use super::telemetry;
use super::trust::{self, Chooser};
use ::cluster::bundle::Bundle;
use ::cluster::nats::{self, NatsWorker};
use ::cluster::worker::{self, Event, Settings, WorkerError};
use engine::{Interrupt, Models, Shared};
use gateway::Chain;
use gateway::budget::LaneBudget;
use gateway::lane::Observer;
use gateway::remote::Coordinator;
use gateway::settings::LimitsConfig;
use plugin::pool::{self, Pool};
use store::Store;

/// Work for a run that is shared over a NATS server: execute its components and call its models, with the keys of this machine.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen worker --cluster nats://10.0.0.1:4222
  batchgen worker --cluster nats://10.0.0.1:4222 --name gpu-7 --slots 1024
  batchgen worker --cluster nats://10.0.0.1:4222 --drain gpu-7   # ends that worker in order

The keys of providers come from the environment, as for `batchgen run`. Ctrl-C and SIGTERM end it in order: what it has in work is \
finished and handed in. It may be killed at any time: what it was answered lies in its spool, and its records go to others.")]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Records in work at once
    #[arg(long, value_name = "N", default_value_t = 256)]
    slots: u32,
    /// What it is called; the name of the machine and a number where absent
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where answers lie until the coordinator has them
    #[arg(long, value_name = "DIR", default_value = ".batchgen-worker")]
    spool: PathBuf,
    /// Do not work, but end the worker of this name in order
    #[arg(long, value_name = "NAME", conflicts_with_all = ["slots", "name", "spool"])]
    drain: Option<String>,
}

/// Runs the subcommand.
pub(super) fn perform(args: &WorkerArgs, display: &Display) -> Result<Exit, Failure> {
    let access = args.cluster.access()?;
    if let Some(name) = &args.drain {
        let name = checked(name)?;
        return block_on(async {
            let client = nats::connect(&access, "batchgen")
                .await
                .map_err(unconnected)?;
            if !nats::drain(&client, &name).await.map_err(unusable)? {
                return Err(Failure::usage(anyhow!(
                    "there is no worker `{name}`\nhint: `batchgen cluster status` lists those of each run"
                )));
            }
            display.note(&format!("{name} was told to finish what it has in work"));
            Ok(Exit::Done)
        });
    }
    if args.slots == 0 {
        return Err(Failure::usage(anyhow!("--slots must be at least 1")));
    }
    let name = match &args.name {
        Some(name) => checked(name)?,
        None => machine(),
    };
    // Held until the process ends.
    let (spool, _held) = match &args.name {
        Some(name) => (args.spool.join(name), None),
        None => free_spool(&args.spool)?,
    };
    let cache = settings::cache_directory(None).map_err(Failure::usage)?;
    let shown = display.clone();
    let worker = Settings {
        name: name.clone(),
        slots: args.slots as usize,
        spool: spool.clone(),
        open: Store::open,
        build: cluster::build()?,
        engine: settings::engine(&cache)?,
        pool: Pool::new(pool::threads()).map_err(Failure::internal)?,
        chains: Box::new(move |bundle, store, observer, coordinator, interrupt| {
            let made = chains(bundle, store, observer, coordinator, interrupt, &shown);
            made.map_err(|failure| format!("{:#}", failure.error))
        }),
        span: Box::new({
            let name = name.clone();
            move |run, trace| {
                let span = tracing::debug_span!("work", worker = name, run);
                telemetry::begin(&span, trace);
                span
            }
        }),
    };
    block_on(async {
        let connected = nats::connect(&access, &format!("batchgen worker {name}")).await;
        let client = connected.map_err(unconnected)?;
        let drained = nats::drained(&client, &name).await.map_err(unusable)?;
        let bus = NatsWorker::new(client).await.map_err(unusable)?;
        let interrupt = Interrupt::default();
        watch_signals(
            &interrupt,
            display,
            "leaving: what is in work is finished and handed in; once more to stop at once",
        );
        let told = interrupt.clone();
        tokio::spawn(async move {
            drained.await;
            told.throw();
        });
        let tell = |event: Event| display.note(&words(&name, &event));
        let worked = worker::work(Arc::new(bus), &worker, interrupt.subscribe(), &tell).await;
        worked.map(|()| Exit::Done).map_err(cannot_go_on)
    })
}

fn cannot_go_on(error: WorkerError) -> Failure {
    match error {
        WorkerError::Refused { .. } | WorkerError::Models { .. } | WorkerError::Bundle(_) => {
            Failure::usage(error)
        }
        WorkerError::Spool { .. } => Failure::usage(anyhow!(
            "{error}\nhint: see that there is room and that no other worker uses it, or name another folder with --spool DIR; answers that lie \
             there are handed in by the next worker that is started with it"
        )),
        WorkerError::Closed => unusable(error),
    }
}

/// The lanes of a run's models, with the keys of this machine.
fn chains(
    bundle: &Bundle,
    store: &Store,
    observer: Arc<dyn Observer>,
    coordinator: Arc<dyn Coordinator>,
    interrupt: &Interrupt,
    display: &Display,
) -> Result<BTreeMap<String, Chain>, Failure> {
    let chooser = Chooser {
        config: &bundle.config,
        file: None,
    };
    let asked = trust::models(&bundle.config, &bundle.components);
    trust::check(chooser, &asked, display).map_err(Failure::usage)?;
    let explicit = LimitsConfig::default();
    let models = Models {
        config: &bundle.config,
        explicit: &explicit,
        variables: &variable,
        mode: None,
    };
    // The coordinator keeps limits and budget.
    let budget = LaneBudget::new(None, None, 1);
    let shared = Shared {
        store,
        budget: &budget,
        has_max_cost: false,
        observer: telemetry::observing(observer),
        coordinator: Some(coordinator),
        interrupt,
        pictures: None,
    };
    models
        .chains(&bundle.components, &shared)
        .map_err(cannot_ask)
}

/// A name that can stand in a subject and in a path.
fn checked(name: &str) -> Result<String, Failure> {
    let is_safe = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_safe) {
        return Err(Failure::usage(anyhow!(
            "`{name}` is no name for a worker\nhint: letters, digits, `-` and `_`, 64 at most"
        )));
    }
    Ok(name.to_owned())
}

/// The spool of a worker without a name: the first of this machine that no other process has, so that what a killed one left is
/// handed in by the next.
fn free_spool(spools: &Path) -> Result<(PathBuf, Option<File>), Failure> {
    for number in 1_u32.. {
        let folder = spools.join(format!("{}-{number}", node()));
        let cannot = |error: io::Error| {
            Failure::usage(anyhow!(
                "the spool {}: {error}\nhint: name another folder with --spool DIR",
                folder.display()
            ))
        };
        fs::create_dir_all(&folder).map_err(cannot)?;
        let lock = File::create(folder.join("lock")).map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => return Ok((folder, Some(lock))),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
    }
    Err(Failure::internal(anyhow!("every spool is in use")))
}

/// The name of this machine, and of this process on it.
fn machine() -> String {
    format!("{}-{}", node(), std::process::id())
}

/// The name of this machine.
fn node() -> String {
    let node = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let node = node.map_or_else(|_| "worker".to_owned(), |node| node.trim().to_owned());
    let safe = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    node.chars().take(40).map(safe).collect()
}

fn words(name: &str, event: &Event) -> String {
    match event {
        Event::Waits => format!("{name} waits for a run"),
        Event::Joined { run } => format!("{name} works for {run}"),
        Event::Coordinator { is_there: false } => {
            "the coordinator is not heard of: calls under way are finished and kept here, and nothing new is begun".to_owned()
        }
        Event::Coordinator { is_there: true } => "the coordinator is heard of again".to_owned(),
        Event::Spooled { answers } => format!(
            "{} that the coordinator may not have {} handed in",
            counted(*answers as u64, "answer"),
            if *answers == 1 { "is" } else { "are" }
        ),
        Event::Ended { run, records } => format!(
            "{run} has ended for {name}, which performed {}",
            counted(*records, "record")
        ),
        Event::Drains { records } => format!(
            "{name} takes no more records, and has {} in work",
            counted(*records as u64, "record")
        ),
    }
}
