//! The part that `batchgen run` and `batchgen retry` share: lanes, progress, signals, the run itself, its summary and
//! its exit code.

mod ending;
mod signals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{anyhow, bail};
use serde_json::json;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::args::{BatchArgs, LimitArgs};
use super::cluster;
use super::display::Display;
use super::exit::{Exit, Failure};
use super::held_back;
use super::hook;
use super::mirrored::{self, Following, Mirrored};
use super::numbers::counted;
use super::paths;
use super::pictures;
use super::program;
use super::progress::{Progress, events};
use super::project::{Project, State};
use super::publish;
use super::settings::cannot_ask;
use super::summary;
use super::summary::{Shown, Told};
use super::telemetry;
use super::trust::{self, Chooser};
use config::SiteConfig;
use config::component::Component;
use engine::batches::{Batched, Batches};
use engine::{Interrupt, Meter, Run, RunError, Shared, Unreadable, Window};
use gateway::budget::LaneBudget;
use gateway::models;
use gateway::{Chain, Gateway};
use plugin::pool::{self, Pool};
use store::{Lease, OrphanCount, Store};
use watch::{About, Address, Evidence, RoundsPage, Watch, Watched};

use ending::{begun, cannot_go_on, end, exit, is_whole, not_stored, trace_end};
pub(super) use signals::watch_signals;

/// Most records in work beyond one for each request at once, unless a quarter of those is more. They back off, wait to
/// take the place of a call that ends, or are being made durable, which costs the less the more are written together.
const SPARE: usize = 512;

/// Records that cannot be read, of which those who watch are told one by one.
const NOTED: u64 = 50;

/// What is to be run, and how.
pub(super) struct Wanted<'a> {
    pub lease: Lease,
    /// How many records that are wanted cannot be read; nothing where none of those is wanted.
    pub unreadable: Option<u64>,
    /// Each behind what it depends on.
    pub components: Vec<Component>,
    pub limits: &'a LimitArgs,
    pub batches: &'a BatchArgs,
    /// The NATS server over which the run is shared, if it is.
    pub cluster: Option<&'a str>,
    /// Where the page is served, if it is.
    pub dashboard: Option<&'a Address>,
    /// The page of which this is a round, if it is one.
    pub rounds: Option<&'a RoundsPage>,
    /// Whether files that were edited by hand are replaced.
    pub overwrite_edited: bool,
    /// Whether a failed task runs only if it was chosen.
    pub only_chosen: bool,
    /// Whether the offline stand-in may replace what a real model wrote.
    pub stand_in_replaces: bool,
    /// Whether nothing may be asked.
    pub frozen: bool,
    /// Dollars that it may cost, beside those of the flags.
    pub most: Option<f64>,
    pub json: bool,
    /// Whether of the end only that is told which a person has to know.
    pub only_end: bool,
}

/// Runs it to its end, shows how it goes, and says how it went.
pub(super) async fn execute(
    project: &Project,
    state: &State,
    wanted: Wanted<'_>,
    display: &Display,
) -> Result<Exit, Failure> {
    paths::check(project, state, &wanted.components)?;
    trust::check_command(&project.settings, display).map_err(Failure::usage)?;
    let (events, receiver) = mpsc::unbounded_channel();
    let meter = Arc::new(Meter::new(events));
    let interrupt = Interrupt::default();
    let mirrored = Mirrored::look(project, state, display)?;
    let budget = budget(project, &wanted);
    let observer = telemetry::observing(Arc::clone(&meter) as Arc<_>);
    let shared = Shared {
        store: &state.store,
        budget: &budget,
        has_max_cost: project.settings.max_cost.is_some(),
        observer: Arc::clone(&observer),
        coordinator: None,
        interrupt: &interrupt,
        pictures: Some(pictures::loader(&project.dataset)),
    };
    let chains = chains(project, &wanted.components, &shared, display)?;
    let batches = batches(project, state, &wanted, &chains, &shared, &meter)?;
    let window = window(at_once(&chains), display);
    for line in held_back::at_start(chains.values().flat_map(Chain::lanes)) {
        display.note(&line);
    }
    let models: Vec<String> = chains.keys().cloned().collect();
    let meant = meant(project, &models);
    let gateway = Gateway::new(state.store.clone(), chains, observer);
    let gateway = Arc::new(match &batches {
        Some(batches) => gateway.with_desk(Arc::clone(batches) as Arc<_>),
        None => gateway,
    });
    if wanted.cluster.is_some() {
        let refused = not_for_workers(&wanted.components, batches.is_some());
        refused.map_err(Failure::usage)?;
    }
    let about = about(project, &models);
    let span = begun(&about);
    let trace = telemetry::begin(&span, None);
    let coordinator = match wanted.cluster {
        Some(url) => {
            let part = cluster::Part {
                project,
                state,
                components: &wanted.components,
                trace,
            };
            let started = part.coordinate(url, &gateway, &meter, &interrupt, display);
            Some(started.await?)
        }
        None => None,
    };
    let watched = Watched {
        meter: Arc::clone(&meter),
        gateway: Arc::clone(&gateway),
        budget,
        verdicts: (state.store.clone(), state.indexed.id),
        about: about.clone(),
    };
    let watch = start_watch(project, state, &wanted, watched, display).await?;
    telemetry::measure(watch.readings());
    let (frozen, only_end) = (wanted.frozen, wanted.only_end);
    let (json, noun) = (wanted.json, project.settings.dataset.records.clone());
    let elsewhere = coordinator.clone().map(|coordinator| coordinator as Arc<_>);
    let following = mirrored
        .as_ref()
        .map(|mirrored| mirrored.follow(&interrupt))
        .transpose()?;
    let run = Run {
        batches,
        elsewhere,
        written: following.as_ref().map(Following::queue),
        ..run(project, state, wanted, &gateway, &meter, &interrupt, window)?
    };
    let progress = Progress::start(
        display.clone(),
        meter,
        Arc::clone(&gateway),
        receiver,
        noun.clone(),
        json,
    );
    watch_signals(
        &interrupt,
        display,
        "stopping: answers that are under way are waited for and kept; once more to stop at once",
    );
    let began = Instant::now();
    // A task like those that it starts: on this thread, each of their ends would wake another one.
    let result = match tokio::spawn(engine::execute(run).instrument(span.clone())).await {
        Ok(result) => result,
        Err(error) => Err(RunError::Panic {
            cause: error.to_string(),
        }),
    };
    if let Some(coordinator) = &coordinator {
        cluster::end(coordinator, project, is_whole(&result)).await;
    }
    let stored = following.map(|following| following.finish(&interrupt));
    let stored = stored.transpose();
    progress.finish().await;
    let end = match &stored {
        Err(failure) if result.is_ok() => not_stored(failure),
        _ => end(&result, frozen),
    };
    trace_end(&span, &end);
    watch.finish(end).await;
    let lost = state.store.lost_answers();
    if lost > 0 {
        display.print(&format!(
            "warning: {} that had been paid for could not be kept, and will be asked for again",
            counted(lost, "answer")
        ));
    }
    let mut summary = result.map_err(cannot_go_on)?;
    // Nobody interrupted a run that stopped because its files find no room: the error at its end says so.
    summary.interrupted &= stored.is_ok();
    if frozen && summary.budget_reached {
        display.print(
            "error: --frozen lets nothing be asked, and there is something to ask\nhint: `batchgen plan` shows what; run without --frozen",
        );
    }
    let shown = match (json, only_end || display.is_quiet()) {
        (true, _) => Shown::Json,
        (false, true) => Shown::End,
        (false, false) => Shown::All,
    };
    summary::print(
        &summary,
        &noun,
        &mirrored::shown(&project.settings),
        &orphans(project, state)?,
        shown,
        &Told { frozen, meant },
        display,
    );
    if !json
        && !only_end
        && let Some(line) = held_back::at_end(&gateway.view(), began.elapsed())
    {
        display.note(&line);
    }
    stored?;
    let exit = match (
        publish::settle_all(project, state, display)?,
        exit(&summary),
    ) {
        (false, Exit::Done) => Exit::Partial,
        (_, exit) => exit,
    };
    Ok(hook::after_run(project, state, exit, &interrupt, display).await)
}

/// Refuses what workers cannot do.
fn not_for_workers(components: &[Component], has_batches: bool) -> anyhow::Result<()> {
    if has_batches {
        bail!(
            "questions that are asked in batches are not shared with workers\nhint: leave out --cluster (and [cluster] url), or ask one by \
             one with --mode online; `batches list` shows batches that are open, and what these have left is asked by one run \
             without --cluster"
        );
    }
    let is_compared = |component: &&Component| {
        let rules = component.rules.as_ref();
        rules.is_some_and(|rules| rules.max_similarity().is_some())
    };
    if let Some(compared) = components.iter().find(is_compared) {
        bail!(
            "the gate of `{}` has `max-similarity`, and a worker does not see the files of other records\nhint: leave out --cluster (and \
             [cluster] url), or remove the key and look at all files with `sameness --at-most` behind the run",
            compared.name
        );
    }
    Ok(())
}

/// What the run may spend.
fn budget(project: &Project, wanted: &Wanted<'_>) -> LaneBudget {
    let asking = wanted
        .components
        .iter()
        .filter(|component| component.parameters.is_some());
    let calls = asking.count() as u64;
    let most = wanted.most.map(|dollars| (dollars * 1e6).round() as u64);
    let max_cost = project.settings.max_cost.into_iter().chain(most).min();
    let max_tokens = if wanted.frozen {
        // No question has less than one.
        Some(0)
    } else {
        wanted.limits.max_tokens
    };
    LaneBudget::new(max_cost, max_tokens, calls)
}

/// The lanes of the models that the components ask.
pub(super) fn chains(
    project: &Project,
    components: &[Component],
    shared: &Shared<'_>,
    display: &Display,
) -> Result<BTreeMap<String, Chain>, Failure> {
    let asked = trust::models(&project.settings.config, components);
    trust::check(Chooser::of(&project.settings), &asked, display).map_err(Failure::usage)?;
    let models = project.settings.models();
    models.chains(components, shared).map_err(cannot_ask)
}

/// The batches of the run: where a model is asked in batches, or a question still is in one.
fn batches(
    project: &Project,
    state: &State,
    wanted: &Wanted<'_>,
    chains: &BTreeMap<String, Chain>,
    shared: &Shared<'_>,
    meter: &Arc<Meter>,
) -> Result<Option<Arc<Batches>>, Failure> {
    let resubmits = wanted.batches.resubmit_doubtful;
    let models = Models {
        components: &wanted.components,
        chains,
        others: of_open_batches(state)?,
    };
    let batches = desk(project, state, models, resubmits, shared, meter)?;
    let in_batches = state.store.lanes_in_batches().map_err(Failure::internal)?;
    let is_used = batches.has_lanes() || !in_batches.is_empty();
    Ok(is_used.then_some(batches))
}

/// Which models batches are of.
pub(super) struct Models<'a> {
    /// What these components ask.
    pub components: &'a [Component],
    /// How they ask it.
    pub chains: &'a BTreeMap<String, Chain>,
    /// Others whose batches are to be reached where that can be.
    pub others: BTreeSet<String>,
}

/// The models of which a batch is open.
pub(super) fn of_open_batches(state: &State) -> Result<BTreeSet<String>, Failure> {
    let open = state.store.open_batches().map_err(Failure::internal)?;
    Ok(open.into_iter().map(|batch| batch.lane).collect())
}

/// The batches of some models.
pub(super) fn desk(
    project: &Project,
    state: &State,
    models: Models<'_>,
    resubmits: bool,
    shared: &Shared<'_>,
    meter: &Arc<Meter>,
) -> Result<Arc<Batches>, Failure> {
    let known = project.settings.models();
    let mut lanes = known
        .batched(models.components, models.chains, shared)
        .map_err(cannot_ask)?;
    let mut unreached = BTreeMap::new();
    for model in models.others {
        if lanes.contains_key(&model) {
            continue;
        }
        match left_over(project, &model, shared) {
            Ok(found) => drop(lanes.insert(model, found)),
            Err(why) => drop(unreached.insert(model, format!("{why:#}"))),
        }
    }
    let batches = Batches::new(
        state.store.clone(),
        state.indexed.id,
        (lanes, unreached),
        Arc::clone(meter),
        shared.interrupt.clone(),
        resubmits,
    );
    batches.map(Arc::new).map_err(Failure::internal)
}

/// A model that no component asks any more and of which a batch is open: what was paid for is fetched still. Nobody is asked
/// to trust anything for it.
fn left_over(project: &Project, model: &str, shared: &Shared<'_>) -> anyhow::Result<Batched> {
    let chooser = Chooser::of(&project.settings);
    let untrusted = chooser.untrusted(&[model.to_owned()])?;
    if !untrusted.is_empty() {
        return Err(trust::refusal(&untrusted));
    }
    let shared = Shared {
        has_max_cost: false,
        observer: Arc::clone(&shared.observer),
        coordinator: None,
        pictures: None,
        ..*shared
    };
    let found = project.settings.models().left_over(model, &shared)?;
    found.ok_or_else(|| anyhow!("its provider takes no batches"))
}

/// A model with a known price that was probably meant by one without.
fn meant(project: &Project, models: &[String]) -> Option<&'static str> {
    let configured = &project.settings.config.models;
    models
        .iter()
        .filter(|model| gateway::settings::price(configured, model).is_none())
        .find_map(|model| models::closest(model))
}

/// Shows the run to others, on a page where one is wanted.
async fn start_watch(
    project: &Project,
    state: &State,
    wanted: &Wanted<'_>,
    watched: Watched,
    display: &Display,
) -> Result<Watch, Failure> {
    let page = wanted
        .dashboard
        .map(|address| (address, evidence(project, state)));
    let file = &project.settings.config.state.file;
    let watch = Watch::start(watched, file, page).await;
    let watch = watch.map_err(|error| not_served(wanted.dashboard, &error))?;
    if let Some(page) = watch.page() {
        announce(page, wanted.dashboard, wanted.json, display);
    }
    if let Some(rounds) = wanted.rounds {
        let evidence = evidence(project, state);
        if let Some(page) = rounds.follow(&watch, file, evidence) {
            announce(page, Some(rounds.address()), wanted.json, display);
        }
    }
    Ok(watch)
}

/// Everything that the engine needs.
fn run(
    project: &Project,
    state: &State,
    wanted: Wanted<'_>,
    gateway: &Arc<Gateway<Store>>,
    meter: &Arc<Meter>,
    interrupt: &Interrupt,
    window: Window,
) -> Result<Run, Failure> {
    let config = &project.settings.config;
    let State { store, indexed } = state;
    let unreadable = match wanted.unreadable {
        None => Unreadable::default(),
        Some(count) => Unreadable {
            count,
            first: store
                .bad_records(indexed, 0, NOTED)
                .map_err(Failure::internal)?,
        },
    };
    Ok(Run {
        dataset: Arc::clone(&project.dataset),
        indexed: indexed.clone(),
        lease: wanted.lease,
        components: wanted.components,
        site: config.site.clone(),
        output_root: config.output.directory.clone(),
        written: None,
        store: store.clone(),
        gateway: Arc::clone(gateway),
        batches: None,
        waits: !wanted.batches.no_wait,
        pool: Pool::new(pool::threads()).map_err(Failure::internal)?,
        elsewhere: None,
        meter: Arc::clone(meter),
        unreadable,
        interrupt: interrupt.clone(),
        window,
        overwrite_edited: wanted.overwrite_edited,
        only_chosen: wanted.only_chosen,
        stand_in_replaces: wanted.stand_in_replaces,
    })
}

/// What those who watch are told of a run before it begins. Keys are in no argument.
fn about(project: &Project, models: &[String]) -> About {
    let settings = &project.settings;
    let folder = std::env::current_dir().unwrap_or_default();
    let folder = folder.join(&settings.config.folder);
    let folder = folder.canonicalize().unwrap_or(folder);
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    let site = &settings.config.site.name;
    let is_named = *site != SiteConfig::default().name;
    let arguments = std::env::args_os()
        .skip(1)
        .map(|argument| quoted(&argument.to_string_lossy()));
    let words = std::iter::once(program::name().to_owned()).chain(arguments);
    About {
        records: settings.dataset.records.clone(),
        project: if is_named {
            site.clone()
        } else {
            folder.into_owned()
        },
        command: words.collect::<Vec<String>>().join(" "),
        models: models.to_vec(),
    }
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_=./:@,+%".contains(letter);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// Where those who watch look up single tasks.
pub(super) fn evidence(project: &Project, state: &State) -> Evidence {
    let config = &project.settings.config;
    Evidence {
        state: config.state.file.clone(),
        indexed: state.indexed.clone(),
        dataset: Arc::clone(&project.dataset),
        site: config.site.clone(),
        output_root: config.output.directory.clone(),
        components: project.components.clone(),
    }
}

fn announce(page: &str, address: Option<&Address>, json: bool, display: &Display) {
    if json {
        events::event("dashboard", json!({"url": page}));
    } else {
        display.print(&format!("dashboard: {page}"));
    }
    if address.is_some_and(Address::is_public) {
        display.print(
            "warning: who can reach this address sees prompts, answers and files\n\
             hint: --dashboard alone is for this machine only",
        );
    }
}

pub(super) fn not_served(address: Option<&Address>, error: &std::io::Error) -> Failure {
    let address = address.map(ToString::to_string).unwrap_or_default();
    Failure::usage(anyhow!(
        "the dashboard cannot be served at {address}: {error}\nhint: --dashboard alone takes a free port"
    ))
}

/// Counts files that no task makes any more.
pub(super) fn orphans(project: &Project, state: &State) -> Result<Vec<OrphanCount>, Failure> {
    let components = project.known_components();
    state
        .store
        .count_orphans(state.indexed.id, components.as_deref())
        .map_err(Failure::internal)
}

/// Requests that all lanes together may have under way, as far as that is limited.
fn at_once(chains: &BTreeMap<String, Chain>) -> u64 {
    let lanes = chains.values().flat_map(Chain::lanes);
    lanes
        .map(|lane| lane.view().allowed)
        .filter(|allowed| *allowed < u64::MAX)
        .fold(0, u64::saturating_add)
}

/// Records in work at once: enough to keep every allowed request busy.
fn window(at_once: u64, display: &Display) -> Window {
    let concurrency = usize::try_from(at_once).unwrap_or(usize::MAX);
    let window = Window {
        at_once: concurrency,
        most: concurrency.saturating_add(SPARE.max(concurrency / 4)),
    };
    let files = at_once.saturating_add(256);
    if let Some(limit) = engine::raise_open_files(files) {
        display.print(&format!(
            "warning: this run needs about {files} open files, and the system allows {limit}\n\
             hint: raise it with `ulimit -n {files}`, or lower --concurrency"
        ));
    }
    window
}
