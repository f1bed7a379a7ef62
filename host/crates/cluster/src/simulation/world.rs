//! The processes of a history, what happens to them, and what must hold at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tempfile::TempDir;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio::time::sleep;

use super::bus::{OfCoordinator, OfWorker, Server};
use super::plan::{Event, Plan};
use super::process::{Main, Process};
use super::provider::{Book, Desk, at_first, question_of};
use super::{COORDINATOR, MODEL, PATIENCE, RECORDS, TICK};
use crate::bundle;
use crate::bus::CoordinatorBus;
use crate::coordinator::{Conditions, Coordinator};
use crate::worker::{self, Settings, WorkerError};
use config::component::{self, Component};
use config::{ComponentConfig, Config};
use dataset::{Dataset, DatasetConfig};
use engine::{Elsewhere, Interrupt, Meter, Run, RunSummary, Unreadable, Window, execute};
use gateway::budget::LaneBudget;
use gateway::lane::{Lane, LaneSettings};
use gateway::pool::Pool as Lanes;
use gateway::{Chain, Gateway};
use plugin::engine::Engine;
use plugin::load;
use plugin::load::Plugin;
use plugin::pool::Pool;
use store::{Selection, Store};
use types::digest::Digest;

const RUN: &str = "run-of-history";
const BUILD: &str = "this build";
/// A call of a lost worker may be under way for so long.
const CALL_TIMEOUT: Duration = Duration::from_secs(12);
/// No worker takes longer to leave.
const TO_LEAVE: Duration = Duration::from_secs(60);
/// So long after an accident its consequences may show.
const AFTERMATH: Duration = Duration::from_secs(12);
/// A question is not asked so long after its answer is in the journal, for whatever reason.
const KNOWN: Duration = Duration::from_secs(12);

/// Something because of which calls of a worker may be paid for again.
struct Accident {
    /// All, where it is none.
    worker: Option<String>,
    from: Duration,
    to: Duration,
}

struct Seat {
    name: String,
    process: Option<Process<Result<(), WorkerError>>>,
    drain: watch::Sender<bool>,
    /// When it is started.
    starts: Option<Duration>,
    still_until: Duration,
}

pub(super) struct World {
    plan: Plan,
    folder: TempDir,
    server: Arc<Server>,
    book: Arc<Book>,
    now: Duration,
    coordinator: Option<Process<RunSummary>>,
    coordinator_starts: Option<Duration>,
    coordinator_still_until: Duration,
    interrupt: Interrupt,
    epoch: u64,
    seats: Vec<Seat>,
    accidents: Vec<Accident>,
    /// When each question was in the journal.
    journaled: BTreeMap<u64, Duration>,
    summary: Option<RunSummary>,
}

impl World {
    pub fn new(plan: Plan) -> World {
        let server = Server::new(&plan);
        let seats = (0..plan.workers).map(|number| Seat {
            name: format!("worker-{number}"),
            process: None,
            drain: watch::Sender::new(false),
            starts: Some(Duration::from_millis(700 * number as u64)),
            still_until: Duration::ZERO,
        });
        World {
            folder: folder(),
            book: Book::new(&plan),
            server,
            now: Duration::ZERO,
            coordinator: None,
            coordinator_starts: Some(Duration::ZERO),
            coordinator_still_until: Duration::ZERO,
            interrupt: Interrupt::default(),
            epoch: 0,
            seats: seats.collect(),
            accidents: Vec::new(),
            journaled: BTreeMap::new(),
            summary: None,
            plan,
        }
    }

    /// Lets time go by until the run has ended and its workers have left.
    pub fn plays(&mut self) {
        let mut events = self.plan.events.clone().into_iter().peekable();
        while self.summary.is_none() {
            assert!(self.now < PATIENCE, "the run does not end: {:?}", self.plan);
            while let Some((_, event)) = events.next_if(|(at, _)| *at <= self.now) {
                self.happens(event);
            }
            self.tick();
        }
        let until = self.now + TO_LEAVE;
        for seat in &mut self.seats {
            seat.starts = None;
            seat.drain.send_replace(true);
        }
        while self.seats.iter().any(|seat| seat.process.is_some()) {
            assert!(self.now < until, "a worker does not leave");
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.now += TICK;
        self.server.is_at(self.now);
        if self
            .coordinator_starts
            .is_some_and(|starts| starts <= self.now)
        {
            self.coordinator_starts = None;
            self.coordinator = Some(Process::start(self.coordinate()));
        }
        if let Some(coordinator) = &mut self.coordinator {
            if self.coordinator_still_until > self.now {
                coordinator.stands_still(TICK);
            } else if let Some(summary) = coordinator.works(TICK) {
                self.coordinator = None;
                match summary.interrupted {
                    true => assert!(self.coordinator_starts.is_some(), "nobody interrupted it"),
                    false => self.summary = Some(summary),
                }
            }
        }
        for number in 0..self.seats.len() {
            self.works(number);
        }
        if self.now.as_millis().is_multiple_of(100) {
            self.look_at_journal();
        }
    }

    fn works(&mut self, number: usize) {
        let is_due = self.seats[number]
            .starts
            .is_some_and(|starts| starts <= self.now);
        if is_due && self.seats[number].process.is_none() {
            let (drain, told) = watch::channel(false);
            let process = Process::start(self.work(number, told));
            let seat = &mut self.seats[number];
            (seat.starts, seat.drain, seat.process) = (None, drain, Some(process));
        }
        let (now, seat) = (self.now, &mut self.seats[number]);
        let Some(process) = &mut seat.process else {
            return;
        };
        if seat.still_until > now {
            process.stands_still(TICK);
        } else if let Some(ended) = process.works(TICK) {
            seat.process = None;
            ended.unwrap_or_else(|error| panic!("{} fails: {error}", seat.name));
            assert!(*seat.drain.borrow(), "nobody told {} to leave", seat.name);
        } else if self.book.is_dead(&seat.name) {
            (seat.process, seat.starts) = (None, Some(now + TICK));
        }
    }

    /// What can be done to a process that is there.
    fn happens(&mut self, event: Event) {
        let (now, silence) = (self.now, self.plan.ack_wait - Duration::from_millis(1_500));
        let mut accident = |worker: Option<String>, span: Duration| {
            self.accidents.push(Accident {
                worker,
                from: now,
                to: now + span + AFTERMATH,
            });
        };
        match event {
            Event::WorkerIsKilled {
                worker,
                down,
                loses_spool,
            } => {
                let seat = &mut self.seats[worker];
                if seat.process.take().is_none() {
                    return;
                }
                accident(Some(seat.name.clone()), down);
                seat.starts = Some(now + down);
                seat.still_until = now;
                if loses_spool {
                    let _ = std::fs::remove_dir_all(spool(self.folder.path(), &seat.name));
                }
            }
            Event::WorkerStandsStill { worker, span } => {
                let seat = &mut self.seats[worker];
                seat.still_until = now + span;
                if span >= silence {
                    accident(Some(seat.name.clone()), span);
                }
            }
            Event::WorkerIsCutOff { worker, span } => {
                let name = self.seats[worker].name.clone();
                self.server.cuts_off(&name, span);
                if span >= silence {
                    accident(Some(name), span);
                }
            }
            Event::WorkerLeaves { worker, down } => {
                let seat = &mut self.seats[worker];
                if seat.process.is_some() {
                    seat.drain.send_replace(true);
                    seat.starts = Some(now + down);
                }
            }
            Event::CoordinatorIsKilled { down } => {
                if self.coordinator.take().is_none() {
                    return;
                }
                self.coordinator_starts = Some(now + down);
                self.coordinator_still_until = now;
                if !self.plan.keeps_messages() {
                    accident(None, down);
                }
            }
            Event::CoordinatorStandsStill { span } => self.coordinator_still_until = now + span,
            Event::CoordinatorIsCutOff { span } => {
                self.server.cuts_off(COORDINATOR, span);
                if span >= silence {
                    accident(None, span);
                }
            }
            Event::CoordinatorIsInterrupted { down } => {
                if self.coordinator.is_none() {
                    return;
                }
                self.interrupt.throw();
                self.coordinator_starts = Some(now + down);
                accident(None, down);
            }
            Event::BusIsEmptied => self.server.is_emptied(),
            Event::ServerIsKilled { down, forgets } => {
                self.server.is_killed(down, forgets);
                // What was on its way is lost with it, as when messages are lost.
                accident(None, down);
            }
        }
    }

    /// The coordinator, as `batchgen run --cluster` makes it.
    fn coordinate(&mut self) -> Main<RunSummary> {
        self.epoch += 1;
        self.interrupt = Interrupt::default();
        let (server, interrupt, epoch) =
            (Arc::clone(&self.server), self.interrupt.clone(), self.epoch);
        let (ack_wait, root) = (self.plan.ack_wait, self.folder.path().to_owned());
        let desk = self.desk(COORDINATOR);
        let concurrency = Some(self.plan.at_once);
        Box::pin(async move {
            let bus: Arc<dyn CoordinatorBus> = Arc::new(OfCoordinator::new(&server));
            let (bundle, digest) = packed();
            while bus.prepare().await.is_err()
                || bus
                    .publish(&digest.to_string(), bundle.clone())
                    .await
                    .is_err()
            {
                sleep(TICK).await;
            }
            bus.withdraw().await;
            let mut run = run(&root, &interrupt);
            let settings = LaneSettings {
                concurrency,
                is_proven: true,
                ..LaneSettings::default()
            };
            let gateway = Gateway::builder(run.store.clone())
                .observer(Arc::clone(&run.meter) as Arc<_>)
                .stopped_by(interrupt.subscribe())
                .lane(MODEL, Arc::new(desk), settings, None)
                .build();
            run.gateway = Arc::new(gateway);
            let conditions = Conditions {
                run: RUN.to_owned(),
                epoch,
                build: BUILD.to_owned(),
                bundle: digest,
                ack_wait,
                call_timeout: CALL_TIMEOUT,
                trace: None,
            };
            let (store, meter) = (run.store.clone(), Arc::clone(&run.meter));
            let gateway = Arc::clone(&run.gateway);
            let coordinator = Coordinator::start(bus, conditions, store, gateway, meter, bundle);
            let (stopping, mut stop) = (Arc::clone(&coordinator), interrupt.subscribe());
            tokio::spawn(async move {
                if stop.wait_for(|stop| *stop).await.is_ok() {
                    stopping.stop();
                }
            });
            run.elsewhere = Some(Arc::clone(&coordinator) as Arc<dyn Elsewhere>);
            let summary = execute(run).await.expect("the state works");
            coordinator.close().await;
            summary
        })
    }

    /// A worker, as `batchgen worker` makes it.
    fn work(&self, number: usize, drain: watch::Receiver<bool>) -> Main<Result<(), WorkerError>> {
        let name = self.seats[number].name.clone();
        let (server, desk) = (Arc::clone(&self.server), Arc::new(self.desk(&name)));
        let settings = Settings {
            spool: spool(self.folder.path(), &name),
            open: Store::open_inline,
            name: name.clone(),
            slots: self.plan.slots,
            build: BUILD.to_owned(),
            engine: plugin().0.clone(),
            pool: Pool::inline(),
            span: Box::new(|_, _| tracing::Span::none()),
            chains: Box::new(move |_, _, observer, coordinator, interrupt| {
                let budget = LaneBudget::new(None, None, 1);
                let lane = Lane::new(
                    MODEL,
                    None,
                    Arc::clone(&desk) as Arc<_>,
                    LaneSettings::default(),
                    budget,
                    Arc::clone(&observer),
                    interrupt.subscribe(),
                );
                let lane = lane.with_coordinator(Some(Arc::clone(&coordinator)));
                let lanes = Lanes::new(vec![Arc::new(lane)], observer);
                let chain = Chain {
                    pools: vec![Arc::new(lanes.with_coordinator(Some(coordinator), MODEL))],
                    fall_back_on: Vec::new(),
                };
                Ok([(MODEL.to_owned(), chain)].into())
            }),
        };
        Box::pin(async move {
            let bus = Arc::new(OfWorker::new(&server, &name));
            worker::work(bus, &settings, drain, &|_| ()).await
        })
    }

    fn desk(&self, by: &str) -> Desk {
        Desk {
            book: Arc::clone(&self.book),
            server: Arc::clone(&self.server),
            by: by.to_owned(),
        }
    }

    fn look_at_journal(&mut self) {
        for text in self.journal() {
            self.journaled.entry(question_of(&text)).or_insert(self.now);
        }
    }

    /// The texts of the answers in the coordinator's journal.
    fn journal(&self) -> BTreeSet<String> {
        let Ok(state) = rusqlite::Connection::open(self.folder.path().join("state.db")) else {
            return BTreeSet::new();
        };
        let Ok(mut texts) = state.prepare("SELECT text FROM completion") else {
            return BTreeSet::new();
        };
        let rows = texts.query_map([], |row| row.get(0));
        rows.and_then(Iterator::collect).unwrap_or_default()
    }

    /// What must hold at the end of every history.
    pub fn check(&self) {
        let view = &self.summary.as_ref().expect("it has ended").view;
        let totals = view.totals();
        assert_eq!((view.done, view.complete), (RECORDS, RECORDS), "{view:?}");
        assert_eq!(
            totals.made + totals.kept,
            2 * RECORDS,
            "each task ends once"
        );
        let files = files(&self.folder.path().join("content"));
        let at_first: BTreeMap<_, _> = files
            .iter()
            .map(|(path, text)| (path.clone(), at_first(text)))
            .collect();
        assert_eq!(
            &at_first,
            undisturbed(),
            "the files are those of one machine"
        );
        let journal = self.journal();
        for (path, text) in &files {
            let is_told = journal.contains(text.trim_end());
            assert!(
                is_told,
                "{path} is not made of what the journal has: {text}"
            );
        }
        assert_eq!(journal.len() as u64, 2 * RECORDS);
        self.check_bills();
    }

    /// What must hold where one record is deadly: its tasks have failed, and all others are done.
    pub fn check_deadly(&self) {
        let view = &self.summary.as_ref().expect("it has ended").view;
        let totals = view.totals();
        assert_eq!((view.complete, totals.failed), (RECORDS - 1, 2), "{view:?}");
        let state = rusqlite::Connection::open(self.folder.path().join("state.db"));
        let state = state.expect("a state");
        let named = "SELECT count(*) FROM task WHERE record = 'r3' AND class = 'machine'";
        let named: u64 = state
            .query_row(named, [], |row| row.get(0))
            .expect("a count");
        assert_eq!(named, 2, "they are named");
    }

    fn check_bills(&self) {
        for (question, calls) in self.book.calls() {
            for again in calls.windows(2) {
                let [before, again] = again else { continue };
                let known = self.journaled.get(&question);
                assert!(
                    known.is_none_or(|known| again.began <= *known + KNOWN),
                    "{again:?} although the journal had it at {known:?}"
                );
                // It was taken for lost before it could say that it had the answer, or before it made a call that it was granted.
                let is_explained = self.accidents.iter().any(|accident| {
                    let is_of =
                        |who: &str| accident.worker.as_ref().is_none_or(|worker| worker == who);
                    accident.from <= again.began
                        && (is_of(&before.by) && before.began <= accident.to
                            || is_of(&again.by) && again.began <= accident.to)
                });
                assert!(
                    is_explained,
                    "{again:?} after {before:?} for no reason; {:?}",
                    self.plan
                );
            }
        }
        if self.accidents.is_empty() {
            let most = self.book.most_at_once();
            assert!(most as u64 <= self.plan.at_once, "{most} calls at once");
        }
    }
}

fn spool(folder: &Path, worker: &str) -> PathBuf {
    folder.join("spools").join(worker)
}

/// A run on what earlier ones left behind, without what asks models.
fn run(root: &Path, interrupt: &Interrupt) -> Run {
    let store = Store::open_inline(&root.join("state.db")).expect("a state");
    let dataset = Dataset::open(DatasetConfig::new(root.join("records.jsonl")));
    let dataset = Arc::new(dataset.expect("a dataset"));
    let indexed = store.index("records", Arc::clone(&dataset)).now_or_never();
    let indexed = indexed.expect("done at once").expect("an index");
    let lease = store
        .select(&indexed, &Selection::default())
        .expect("a selection");
    let (events, _) = unbounded_channel();
    Run {
        dataset,
        indexed,
        lease,
        components: components(),
        site: Config::default().site,
        output_root: root.join("content"),
        written: None,
        gateway: Arc::new(Gateway::builder(store.clone()).build()),
        store,
        batches: None,
        waits: true,
        pool: Pool::inline(),
        elsewhere: None,
        meter: Arc::new(Meter::new(events)),
        unreadable: Unreadable::default(),
        interrupt: interrupt.clone(),
        window: Window {
            at_once: 8,
            most: 8,
        },
        overwrite_edited: false,
        only_chosen: false,
        stand_in_replaces: false,
    }
}

/// In memory where the system has such a place, with the dataset.
fn folder() -> TempDir {
    let folder = TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a folder");
    let record = |number| {
        format!(
            r#"{{"id": "r{number}", "name": "R{number}", "category": "c{}"}}"#,
            number % 3
        )
    };
    let records: Vec<String> = (0..RECORDS).map(record).collect();
    std::fs::write(folder.path().join("records.jsonl"), records.join("\n")).expect("a dataset");
    folder
}

/// The example plugin, loaded once.
fn plugin() -> &'static (Engine, Arc<Plugin>) {
    static PLUGIN: OnceLock<(Engine, Arc<Plugin>)> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target");
        let engine = plugin::engine::engine(&target.join("wasm-cache")).expect("an engine");
        let file = target.join("example-plugins/summary.wasm");
        let plugin = load::load(&engine, &file).expect("`cargo xtask test` builds it");
        (engine, Arc::new(plugin))
    })
}

fn components() -> Vec<Component> {
    let mut config = Config {
        model: Some(MODEL.to_owned()),
        ..Config::default()
    };
    for name in ["chatty", "quiet"] {
        let settings = ComponentConfig {
            plugin: Some("summary".to_owned()),
            // Another question, so that the two share no answer.
            max_output_tokens: Some(if name == "quiet" { 100 } else { 300 }),
            ..ComponentConfig::default()
        };
        config.component.insert(name.to_owned(), settings);
    }
    component::resolve(&[Arc::clone(&plugin().1)], &config, None).expect("components")
}

/// What workers need of the project, packed once.
fn packed() -> (Bytes, Digest) {
    static PACKED: OnceLock<(Bytes, Digest)> = OnceLock::new();
    let pack = || {
        let bundle = bundle::pack(&components(), &Config::default().site, "");
        let bundle = bundle.expect("a bundle");
        let digest = Digest::of(&bundle);
        (bundle, digest)
    };
    PACKED.get_or_init(pack).clone()
}

/// What a run on one machine makes of the same records, if nothing goes wrong.
fn undisturbed() -> &'static BTreeMap<String, String> {
    static FILES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    FILES.get_or_init(|| {
        let plan = Plan::of(0);
        let folder = folder();
        let root = folder.path().to_owned();
        let desk = Desk {
            book: Book::new(&plan),
            server: Server::new(&plan),
            by: COORDINATOR.to_owned(),
        };
        let mut process = Process::start(Box::pin(async move {
            let mut run = run(&root, &Interrupt::default());
            let gateway = Gateway::builder(run.store.clone());
            let gateway = gateway.lane(MODEL, Arc::new(desk), LaneSettings::default(), None);
            run.gateway = Arc::new(gateway.build());
            execute(run).await.expect("the state works")
        }));
        while process.works(TICK).is_none() {}
        files(&folder.path().join("content"))
    })
}

/// All files below a folder, with their texts.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .unwrap_or(&path)
                    .display()
                    .to_string();
                found.insert(name, std::fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    found
}
