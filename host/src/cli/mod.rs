//! The command line: the only place that knows terminal, environment and exit codes. One file per
//! subcommand.

mod accept;
mod add;
mod answered;
mod args;
mod ask;
mod authors;
mod batches;
mod clean;
mod cluster;
mod compare;
mod compiler;
mod completions;
mod component_text;
mod config_file;
mod dev;
mod diff;
mod display;
mod doctor;
mod embedded;
mod environment;
mod execution;
mod exit;
mod export;
mod failures;
mod fetched;
mod file;
mod golden;
mod guard;
mod held_back;
mod hook;
mod init;
mod judge;
mod log;
mod mirrored;
mod missing_fields;
mod misspelt;
mod numbers;
mod paths;
mod pictures;
mod plan;
mod plugins;
mod profile;
mod program;
mod progress;
mod project;
mod publish;
mod real_paths;
mod reference;
mod registries;
mod replay;
mod report;
mod retry;
mod review;
mod run;
mod sameness;
mod scores;
mod screen;
mod secrets;
mod selector;
mod settings;
mod status;
mod store;
mod summary;
mod table;
mod telemetry;
mod thoughtless;
mod trust;
mod unreadable;
mod values;
mod verdict;
mod view;
mod watched;
mod why;
mod worker;
mod written;

use std::io::IsTerminal;
use std::process::ExitCode;

use ::telemetry::Telemetry;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing::Subscriber;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use exit::Exit;

use display::{Delivery, Display, Stdout};
use exit::Failure;

/// Turns a dataset of things into published content, by sandboxed components with rate-limited LLM access.
#[derive(Debug, Parser)]
#[command(
    name = program::name(),
    bin_name = program::name(),
    version,
    propagate_version = true,
    after_help = "Examples:
  batchgen init products.csv                  # a configuration for your own dataset
  batchgen run --limit 3                      # make three records
  batchgen plan                               # what a run would do, and what it would cost
  batchgen failures                           # what failed, and what to do

Keys of providers and variables of flags are also read from `.env` beside batchgen.toml; the environment wins."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print only what is wrong: no progress, no summary; commands that only show something show it
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Add(add::AddArgs),
    Doctor(doctor::DoctorArgs),
    Run(run::RunArgs),
    Dev(dev::DevArgs),
    Status(status::StatusArgs),
    View(view::ViewArgs),
    Report(report::ReportArgs),
    Sameness(sameness::SamenessArgs),
    Plan(plan::PlanArgs),
    Why(why::WhyArgs),
    Failures(failures::FailuresArgs),
    Retry(retry::RetryArgs),
    Replay(replay::ReplayArgs),
    Accept(accept::AcceptArgs),
    Review(review::ReviewArgs),
    Judge(judge::JudgeArgs),
    Compare(compare::CompareArgs),
    Golden(golden::GoldenArgs),
    Diff(diff::DiffArgs),
    Export(export::ExportArgs),
    Clean(clean::CleanArgs),
    Batches(batches::BatchesArgs),
    Worker(worker::WorkerArgs),
    Cluster(cluster::ClusterCommand),
    Store(store::StoreArgs),
    Plugins(plugins::PluginsArgs),
    Trust(trust::TrustArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Reference(reference::ReferenceArgs),
}

/// Open files that a run of one record needs, and some.
const LEAST_OPEN_FILES: u64 = 48;

/// Parses the arguments, runs the subcommand, and prints an error if there is one. `plugins` are the files of the
/// plugins in the program; each is empty where the program was built without it.
pub fn main(plugins: &[&'static [u8]]) -> ExitCode {
    if let Some(exit) = compiler::perform() {
        return exit;
    }
    embedded::provide(plugins);
    let environment = environment::load();
    secrets::look_up();
    let parsed = parsed();
    let (cli, ignored) = match (parsed, environment) {
        // Help and version are no errors, and need no environment.
        (Err(error), _) if !error.use_stderr() => {
            display::say_styled(&styled(&error, std::io::stdout().is_terminal()));
            let display = Display::new(std::io::stderr().is_terminal(), false);
            return delivered(Ok(Exit::Done), &display).into();
        }
        (_, Err(error)) => {
            Display::new(std::io::stderr().is_terminal(), false)
                .print(&format!("error: {error:#}"));
            return Exit::Usage.into();
        }
        (Err(error), _) => {
            let given: Vec<String> = std::env::args_os()
                .skip(1)
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            let error = misspelt::explained(error, &mut command(), &given);
            let text = styled(&error, std::io::stderr().is_terminal());
            Display::new(std::io::stderr().is_terminal(), false).print_styled(text.trim_end());
            return Exit::Usage.into();
        }
        (Ok(cli), Ok(ignored)) => (cli, ignored),
    };
    let display = Display::new(std::io::stderr().is_terminal(), cli.quiet);
    display.share();
    start_log(&display);
    if let Some(allowed) = engine::raise_open_files(LEAST_OPEN_FILES) {
        display.print(&format!(
            "error: the system allows {allowed} open files, and nothing can be done with less than {LEAST_OPEN_FILES}\n\
             hint: raise it with `ulimit -n 1024`"
        ));
        return Exit::Usage.into();
    }
    outlive_the_file_limit();
    leave_no_core();
    let unknown = environment::unknown(&variables());
    for warning in ignored.into_iter().chain(unknown) {
        display.print(&warning);
    }
    let exit = delivered(perform(cli.command, &display), &display);
    telemetry::finish(&display);
    exit.into()
}

/// What the command line says, with the flags of the profile that it names.
fn parsed() -> Result<Cli, clap::Error> {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let mut command = command();
    let matches = command.try_get_matches_from_mut(&words)?;
    // Without the usage, which has nothing to do with it.
    let with_profile = profile::applied(&command, &matches, &words).map_err(|error| {
        clap::Error::raw(
            clap::error::ErrorKind::ValueValidation,
            format!("{error:#}\n"),
        )
    })?;
    let matches = match with_profile {
        Some(words) => command.try_get_matches_from_mut(words)?,
        None => matches,
    };
    Cli::from_arg_matches(&matches)
}

/// Where a limit bounds the size of files (`ulimit -f`), a write beyond it fails like any other and is told. The system would
/// end the program without a word, unless the signal has a handler.
fn outlive_the_file_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    if let Ok(runtime) = runtime {
        let _within = runtime.enter();
        // A handler stays for as long as the program runs.
        let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
    }
}

/// A core dump would hold the keys of providers, so none is written. Where the system refuses that, what the user set stays.
fn leave_no_core() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    let _ = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum,
        },
    );
}

/// Says what went wrong, also with standard output: who reads only a part of it gets no message, but what is lost is told.
fn delivered(result: Result<Exit, Failure>, display: &Display) -> Exit {
    match (result, Stdout::end()) {
        (Err(failure), Delivery::Unwanted) if failure.is_of_broken_pipe() => Exit::Done,
        (Err(failure), _) => {
            display.print(&format!("error: {:#}", failure.error));
            failure.exit
        }
        (Ok(exit), Delivery::Lost(why)) => {
            display.print(&format!("error: {why}"));
            if exit == Exit::Done {
                Exit::Internal
            } else {
                exit
            }
        }
        (Ok(exit), Delivery::Whole | Delivery::Unwanted) => exit,
    }
}

fn perform(command: Command, display: &Display) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::perform(&args, display),
        Command::Add(args) => add::perform(&args, display),
        Command::Doctor(args) => doctor::perform(&args, display),
        Command::Run(args) => run::perform(&args, display),
        Command::Dev(args) => dev::perform(&args, display),
        Command::Status(args) => status::perform(&args),
        Command::View(args) => view::perform(&args, display),
        Command::Report(args) => report::perform(&args, display),
        Command::Sameness(args) => sameness::perform(&args, display),
        Command::Plan(args) => plan::perform(&args, display),
        Command::Why(args) => why::perform(&args, display),
        Command::Failures(args) => failures::perform(&args, display),
        Command::Retry(args) => retry::perform(&args, display),
        Command::Replay(args) => replay::perform(&args, display),
        Command::Accept(args) => accept::perform(&args, display),
        Command::Review(args) => review::perform(&args, display),
        Command::Judge(args) => judge::perform(&args, display),
        Command::Compare(args) => compare::perform(&args, display),
        Command::Golden(args) => golden::perform(&args, display),
        Command::Diff(args) => diff::perform(&args, display),
        Command::Export(args) => export::perform(&args, display),
        Command::Clean(args) => clean::perform(&args, display),
        Command::Batches(args) => batches::perform(&args, display),
        Command::Worker(args) => worker::perform(&args, display),
        Command::Cluster(args) => cluster::perform(&args, display),
        Command::Store(args) => store::perform(&args, display),
        Command::Reference(args) => {
            reference::perform(&args, Cli::command(), &environment::unflagged())
        }
        Command::Plugins(args) => plugins::perform(&args, display),
        Command::Trust(args) => trust::perform(&args, display),
        Command::Completions(args) => Ok(completions::perform(&args, self::command())),
    }
}

/// The whole command line. A negative number is refused as what it is, and not as a flag that nobody knows.
fn command() -> clap::Command {
    with_negative_numbers(Cli::command())
}

fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    let command = command.mut_args(|flag| {
        let takes_value = flag.get_action().takes_values() && !flag.is_positional();
        if takes_value {
            flag.allow_negative_numbers(true)
        } else {
            flag
        }
    });
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, with_negative_numbers)
    })
}

/// Help, or what is wrong with the arguments; with colours on a terminal that wants them.
fn styled(message: &clap::Error, on_terminal: bool) -> String {
    let text = message.render();
    if on_terminal && std::env::var_os("NO_COLOR").is_none() {
        text.ansi().to_string()
    } else {
        text.to_string()
    }
}

/// Variables of the environment that stand for flags.
fn variables() -> Vec<String> {
    fn collect(command: &clap::Command, names: &mut Vec<String>) {
        let of_flags = command.get_arguments().filter_map(clap::Arg::get_env);
        names.extend(of_flags.map(|name| name.to_string_lossy().into_owned()));
        for below in command.get_subcommands() {
            collect(below, names);
        }
    }
    let mut names = Vec::new();
    collect(&command(), &mut names);
    names.sort();
    names.dedup();
    names
}

/// `BATCHGEN_LOG` sets what is logged, as in `debug` or `batchgen=debug`; warnings by default. Spans go to a collector where one
/// is named.
fn start_log(display: &Display) {
    let filter = std::env::var("BATCHGEN_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let spans = telemetry::start(display).and_then(Telemetry::layer);
    match spans {
        // As a filter for all, it costs nothing where nothing is logged.
        None => tracing_subscriber::registry()
            .with(filter)
            .with(lines(display))
            .init(),
        Some(spans) => {
            let lines = lines(display).with_filter(filter);
            tracing_subscriber::registry()
                .with(spans)
                .with(lines)
                .init();
        }
    }
}

/// What writes the log.
fn lines<S>(display: &Display) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let display = display.clone();
    tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .event_format(log::Lines)
        .with_writer(move || display.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `visit` with the path of every command that does something, as in `batchgen store stats`.
    fn each(command: &clap::Command, path: &str, visit: &mut dyn FnMut(&clap::Command, &str)) {
        let mut below = command.get_subcommands().peekable();
        if below.peek().is_none() {
            visit(command, path);
        }
        for command in below.filter(|command| command.get_name() != "help") {
            each(command, &format!("{path} {}", command.get_name()), visit);
        }
    }

    /// An example that is refused would be worse than none.
    #[test]
    fn every_subcommand_has_examples_and_they_are_accepted() {
        let whole = Cli::command();
        each(&whole, "batchgen", &mut |command, path| {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let examples: Vec<&str> = help
                .lines()
                .skip_while(|line| *line != "Examples:")
                .skip(1)
                .map_while(|line| line.strip_prefix("  "))
                .collect();
            assert!(!examples.is_empty(), "`{path}` has no examples");
            for example in examples {
                assert!(example.starts_with(path), "`{path}`: {example}");
                let words = example
                    .split(['#', '>', '|'])
                    .next()
                    .unwrap_or_default()
                    .split_whitespace();
                let parsed = Cli::command().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        });
    }
}
