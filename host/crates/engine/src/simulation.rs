//! The real gateway, scheduler, sandbox and store on tokio's paused clock, against a provider that goes wrong
//! by a seed, crashes included. Each seed is one history; what must hold in all of them is checked at its end.
//!
//! `SIMULATION_SEED=7 cargo xtask test simulation` runs one, `SIMULATION_SEEDS=1000000` many.

mod batch_provider;
mod provider;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

use self::batch_provider::FaultyBatches;
use self::provider::{Faulty, Plan};
use super::batches::{Batched, Batches};
use super::{Interrupt, Meter, Run, RunSummary, Window, execute};
use config::component::{self, Component};
use config::{ComponentConfig, Config};
use dataset::{Dataset, DatasetConfig};
use gateway::Gateway;
use gateway::budget::LaneBudget;
use gateway::lane::{BatchLane, LaneSettings};
use gateway::settings::Mode;
use plugin::load::Plugin;
use plugin::pool::Pool;
use plugin::{engine, load};
use store::{Most, Selection, Store};
use types::digest::Digest;
use types::limit::{Amount, Limit};

/// Histories in CI.
const SEEDS: u64 = 1000;
const RECORDS: u64 = 8;
const MODEL: &str = "sim/model";
/// No history takes longer, on its own clock.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

#[test]
fn whatever_goes_wrong_every_task_ends_and_nothing_is_paid_for_twice() {
    each_seed("SIMULATION_SEED", history);
}

/// Runs the history of every seed, or of the one that a variable names.
fn each_seed(variable: &str, history: fn(u64)) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a person repeats a history by its seed"
    )]
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if let Some(seed) = number(variable) {
        return history(seed);
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                for seed in (first..seeds).step_by(threads as usize) {
                    let failed = std::panic::catch_unwind(|| history(seed)).is_err();
                    assert!(
                        !failed,
                        "run it again with: {variable}={seed} cargo xtask test simulation"
                    );
                }
            });
        }
    });
}

/// The same in batches: a kill at any moment of a batch's life.
#[test]
fn batches_lose_no_answer_and_pay_for_none_twice() {
    each_seed("SIMULATION_BATCH_SEED", batch_history);
}

#[test]
fn a_panic_costs_its_task_and_a_rerun_makes_it() {
    const PANICS: u64 = 3;
    let plan = Plan::panicking(PANICS);
    let world = World::new(plan, 0);
    let view = life(async {
        let ended = timeout(PATIENCE, execute(world.run())).await;
        ended.expect("every task ends").expect("the run goes on")
    });
    let totals = view.view.totals();
    assert_eq!((totals.failed, totals.made), (PANICS, RECORDS * 2 - PANICS));
    assert_eq!(view.view.done, RECORDS);
    let cause = &view.failures[0].cause;
    assert!(cause.contains("a defect that the test has made"), "{cause}");
    let again = life(execute(world.run())).expect("the state works");
    assert_eq!(again.view.complete, RECORDS);
}

/// The example plugin, loaded once.
fn plugin() -> Arc<Plugin> {
    static PLUGIN: OnceLock<Arc<Plugin>> = OnceLock::new();
    let load = || {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target");
        let engine = engine::engine(&target.join("wasm-cache")).expect("an engine");
        let file = target.join("example-plugins/summary.wasm");
        Arc::new(load::load(&engine, &file).expect("`cargo xtask test` builds it"))
    };
    Arc::clone(PLUGIN.get_or_init(load))
}

/// In memory where the system has such a place: a thousand histories sync many files.
fn folder() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a folder")
}

struct World {
    folder: TempDir,
    provider: Arc<Faulty>,
    plan: Plan,
}

fn history(seed: u64) {
    let world = World::new(Plan::of(seed), seed);
    // A kill, at any moment of the history, as often as the plan has it.
    for crash in &world.plan.crashes() {
        life(async {
            let _ = timeout(*crash, execute(world.run())).await;
        });
        world.provider.crashed(world.journaled());
    }
    let summary = life(async {
        let run = world.run();
        let gateway = Arc::clone(&run.gateway);
        let ended = timeout(PATIENCE, execute(run)).await;
        let summary = ended.expect("every task ends").expect("the state works");
        for lane in gateway.view() {
            assert_eq!((lane.in_flight, lane.waiting), (0, 0), "a permit leaked");
        }
        summary
    });
    world.check(&summary);
}

fn batch_history(seed: u64) {
    let world = World::new(Plan::of(seed), seed);
    let provider = Arc::new(FaultyBatches::new(seed));
    for crash in &world.plan.crashes() {
        life(async {
            let run = world.batch_run(&provider, false);
            let _ = timeout(*crash, execute(run)).await;
        });
        provider.crashed();
    }
    let summary = life(async {
        // Where it was killed between the note of a creation and the creation, a person says that it is to be made again.
        let ended = timeout(PATIENCE, execute(world.batch_run(&provider, true))).await;
        ended.expect("every task ends").expect("the state works")
    });
    assert_eq!(summary.view.complete, RECORDS);
    assert_eq!(summary.waiting, 0);
    provider.check(world.journaled());
}

/// The life of one process, on a clock of its own. What it left running dies with it.
fn life<T>(process: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(process)
}

impl World {
    fn new(plan: Plan, seed: u64) -> World {
        let folder = folder();
        let records: Vec<String> = (0..RECORDS)
            .map(|number| {
                format!(
                    r#"{{"id": "r{number}", "name": "R{number}", "category": "c{}"}}"#,
                    number % 3
                )
            })
            .collect();
        std::fs::write(folder.path().join("records.jsonl"), records.join("\n")).expect("a dataset");
        World {
            folder,
            provider: Arc::new(Faulty::new(seed, plan)),
            plan,
        }
    }

    fn components(&self) -> Vec<Component> {
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
        component::resolve(&[plugin()], &config, None).expect("components")
    }

    /// One run on what earlier ones left behind.
    fn run(&self) -> Run {
        let path = |name: &str| self.folder.path().join(name);
        let store = Store::open_inline(&path("state.db")).expect("a state");
        let dataset = Dataset::open(DatasetConfig::new(path("records.jsonl")));
        let dataset = Arc::new(dataset.expect("a dataset"));
        let indexed =
            futures_util::FutureExt::now_or_never(store.index("records", Arc::clone(&dataset)));
        let indexed = indexed.expect("done at once").expect("an index");
        let lease = store
            .select(&indexed, &Selection::default())
            .expect("a selection");
        let (events, _) = unbounded_channel();
        let meter = Arc::new(Meter::new(events));
        let interrupt = Interrupt::default();
        let settings = LaneSettings {
            limits: vec![Limit {
                amount: Amount::Requests,
                span: Duration::from_secs(60),
                most: self.plan.told,
            }],
            concurrency: Some(self.plan.at_once),
            ..LaneSettings::default()
        };
        let gateway = Gateway::builder(store.clone())
            .observer(Arc::clone(&meter) as Arc<_>)
            .stopped_by(interrupt.subscribe())
            .lane(MODEL, Arc::clone(&self.provider) as Arc<_>, settings, None)
            .build();
        Run {
            dataset,
            indexed,
            lease,
            components: self.components(),
            site: Config::default().site,
            output_root: path("content"),
            written: None,
            store,
            gateway: Arc::new(gateway),
            batches: None,
            waits: true,
            pool: Pool::inline(),
            elsewhere: None,
            meter,
            unreadable: super::Unreadable::default(),
            interrupt,
            window: Window {
                at_once: 5,
                most: 5,
            },
            overwrite_edited: false,
            only_chosen: false,
            stand_in_replaces: false,
        }
    }

    /// One run in batches on what earlier ones left behind.
    fn batch_run(&self, provider: &Arc<FaultyBatches>, resubmits: bool) -> Run {
        let run = self.run();
        let lanes = run.gateway.chain(MODEL).expect("its chain").lanes();
        let lane = BatchLane::new(
            Arc::clone(lanes.last().expect("its lane")),
            Arc::clone(provider) as Arc<_>,
            LaneBudget::new(None, None, 1),
        );
        let batched = Batched {
            lane,
            account: Digest::of(b"account"),
            others: Vec::new(),
            mode: Mode::Batch,
            forced: None,
            patience: None,
            falls_back_on: Vec::new(),
            most: Most {
                lines: 5,
                bytes: 1 << 20,
                input_tokens: u64::MAX,
            },
            min_lines: 3,
            alone: [].into(),
            primer_from: provider.primer_from(),
            hands_in: true,
            kept_days: None,
        };
        let batches = Batches::new(
            run.store.clone(),
            run.indexed.id,
            ([(MODEL.to_owned(), batched)].into(), [].into()),
            Arc::clone(&run.meter),
            run.interrupt.clone(),
            resubmits,
        );
        let batches = Arc::new(batches.expect("the state works"));
        let gateway = Arc::into_inner(run.gateway).expect("nobody else has it");
        Run {
            gateway: Arc::new(gateway.with_desk(Arc::clone(&batches) as Arc<_>)),
            batches: Some(batches),
            ..run
        }
    }

    /// Good answers in the journal: neither cut off nor refused.
    fn journaled(&self) -> u64 {
        let state = rusqlite::Connection::open(self.folder.path().join("state.db"));
        let sql = "SELECT count(*) FROM completion WHERE stop = 'stop'";
        let count = state.and_then(|state| state.query_row(sql, [], |row| row.get(0)));
        count.expect("a journal")
    }

    fn check(&self, summary: &RunSummary) {
        let view = &summary.view;
        assert_eq!(view.done, RECORDS, "every record ends");
        let totals = view.totals();
        let there = totals.made + totals.kept;
        assert_eq!(
            there + totals.failed + totals.not_begun,
            RECORDS * 2,
            "every task ends in one state"
        );
        self.provider.check(self.journaled());
        // What is said to be done is there, and what is not complete is not said to be.
        let files = walk(&self.folder.path().join("content"));
        assert_eq!(files, there);
        if self.provider.is_well() {
            assert_eq!(
                view.complete, RECORDS,
                "a provider that recovers leaves nothing undone"
            );
        }
    }
}

fn walk(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| {
            if entry.path().is_dir() {
                walk(&entry.path())
            } else {
                1
            }
        })
        .sum()
}
