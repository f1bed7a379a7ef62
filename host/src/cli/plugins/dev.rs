//! `batchgen plugins dev`: one record through one plugin, shown as it goes. It has a journal of its own, which is
//! thrown away: nothing is stored in the project.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use clap::Args;
use tokio::sync::mpsc;

use super::super::config_file;
use super::super::display::{Display, say};
use super::super::environment::variable;
use super::super::exit::{Exit, Failure};
use super::super::numbers::counted;
use super::super::replay::{answer as shown_answer, question};
use super::super::settings::cannot_ask;
use super::super::store::bytes;
use super::super::trust::{self, Chooser};
use super::super::watched::{LOOK, WatchedFiles};
use super::engine;
use super::workbench::{Workbench, WorkbenchArgs};
use ::engine::{Asking, Interrupt, Meter, Models, Replay, Shared, replay_input};
use config::component::Component;
use conformance::Recorded;
use gateway::Gateway;
use gateway::budget::LaneBudget;
use gateway::lane::Caller;
use gateway::settings::{LimitsConfig, Mode};
use plugin::load;
use plugin::sandbox::Question;
use store::Store;
use types::request::Answer;

/// Run a plugin on one record, and show what it asks, what it is answered, what it logs and what it makes, or why it
/// fails. Nothing is stored: neither the file nor the answers.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins dev safety-notes.wasm --record oak
  batchgen plugins dev safety-notes.wasm --model openai/gpt-4o-mini
  batchgen plugins dev safety-notes.wasm --watch

Exit codes: 0 done, 2 usage or configuration, 3 it failed, 5 provider cannot go on.")]
pub(super) struct DevArgs {
    /// Model to ask, as provider/model; `offline` needs no key
    #[arg(
        long,
        value_name = "MODEL",
        env = "BATCHGEN_MODEL",
        hide_env_values = true
    )]
    model: Option<String>,
    /// Run it again each time that the file is built again, until Ctrl-C
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    workbench: WorkbenchArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &DevArgs, display: &Display) -> Result<Exit, Failure> {
    if !args.watch {
        return once(args, display);
    }
    // While it is gone, it is being built.
    let mut watched = WatchedFiles::new(vec![args.workbench.file.clone()], Vec::new());
    loop {
        if let Err(failure) = once(args, display) {
            say(&format!("error: {:#}\n", failure.error));
        }
        let file = args.workbench.file.display();
        say(&format!(
            "\nwaiting until {file} is built again; Ctrl-C ends\n\n"
        ));
        while !watched.have_changed() {
            thread::sleep(LOOK);
        }
    }
}

/// One round over the records.
fn once(args: &DevArgs, display: &Display) -> Result<Exit, Failure> {
    let plugin = load::load(
        &engine(args.workbench.folder.config.as_deref())?,
        &args.workbench.file,
    )
    .map_err(Failure::usage)?;
    let mut workbench = Workbench::new(&args.workbench, plugin, args.model.as_deref(), display)?;
    if args.workbench.record.is_empty() {
        workbench.records.truncate(1);
    }
    let file = config_file::find(args.workbench.folder.config.as_deref());
    let chooser = Chooser {
        config: &workbench.config,
        file: file.as_deref(),
    };
    let models = trust::models(&workbench.config, &workbench.components);
    trust::check(chooser, &models, display).map_err(Failure::usage)?;
    let answers = Answers::new(&workbench)?;
    let mut exit = Exit::Done;
    for component in &workbench.components {
        for sample in workbench.samples(component, &Recorded::default())? {
            say(&format!("{} of {}\n\n", component.name, sample.record));
            let mut number = 0;
            let replay = replay_input(
                component,
                (&sample.input, sample.pictures()),
                Asking::PLAIN,
                Vec::new(),
                |asked| {
                    number += 1;
                    answers.show(component, asked, number)
                },
            )?;
            if !show_end(&replay) {
                exit = Exit::Partial;
            }
        }
    }
    Ok(exit)
}

/// What it logged, and its end; whether that was an artifact.
fn show_end(replay: &Replay) -> bool {
    if !replay.log.is_empty() {
        say("=== log\n");
        for line in &replay.log {
            say(&format!("{:5} {}\n", line.level, line.message));
        }
        say("\n");
    }
    let effort = format!(
        "{}, {}",
        counted(replay.executions.into(), "execution"),
        counted(replay.told.len() as u64, "completion")
    );
    match &replay.artifact {
        Ok(text) => {
            let size = bytes(text.len() as u64);
            say(&format!("=== {}: {size}, {effort}\n{text}\n", replay.path));
            true
        }
        Err(failure) => {
            say(&format!("=== failed: {effort}\n{failure}\n\n"));
            false
        }
    }
}

/// Somebody who answers, with a journal that is thrown away.
struct Answers {
    gateway: Gateway<Store>,
    runtime: tokio::runtime::Runtime,
    folder: PathBuf,
    /// Never thrown; without it, lanes end.
    _interrupt: Interrupt,
}

impl Answers {
    fn new(workbench: &Workbench) -> Result<Answers, Failure> {
        let folder = env::temp_dir().join(format!("batchgen-dev-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(Failure::internal)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(Failure::internal)?;
        let entered = runtime.enter();
        let store = Store::open(&folder.join("state.db")).map_err(Failure::internal)?;
        // Nobody listens: questions and answers are shown here.
        let (events, _) = mpsc::unbounded_channel();
        let meter = Arc::new(Meter::new(events));
        let interrupt = Interrupt::default();
        let shared = Shared {
            store: &store,
            budget: &LaneBudget::new(None, None, 1),
            has_max_cost: false,
            observer: Arc::clone(&meter) as Arc<_>,
            coordinator: None,
            interrupt: &interrupt,
            pictures: None,
        };
        let models = Models {
            config: &workbench.config,
            explicit: &LimitsConfig::default(),
            variables: &variable,
            // Who tries a plugin wants its answers at once.
            mode: Some(Mode::Online),
        };
        let chains = models
            .chains(&workbench.components, &shared)
            .map_err(cannot_ask)?;
        drop(entered);
        Ok(Answers {
            gateway: Gateway::new(store, chains, meter),
            runtime,
            folder,
            _interrupt: interrupt,
        })
    }

    /// Shows a question, gets its answer and shows that.
    fn show(
        &self,
        component: &Component,
        asked: &Question,
        number: u32,
    ) -> Result<Answer, Failure> {
        let mut text = format!("=== question {number}\n");
        question(&mut text, &asked.request);
        say(&text);
        let Some(parameters) = &component.parameters else {
            return Ok(Answer::ContentFiltered("it asks no model".to_owned()));
        };
        let answer = self.runtime.block_on(self.gateway.answer(
            parameters,
            asked.key,
            &asked.request,
            Caller {
                record: "",
                mode: None,
                component: &component.name,
                task: &component.name,
                place: 0,
                fingerprint: asked.key,
                generation: 0,
                cancelled: &AtomicBool::new(false),
            },
            &mut Vec::new(),
        ));
        let (_, answer, _) = answer.map_err(|error| Failure {
            exit: Exit::Provider,
            error: error.into(),
        })?;
        let mut text = String::new();
        shown_answer(&mut text, &answer);
        say(&text);
        Ok(answer)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // What is left of it lies among temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
