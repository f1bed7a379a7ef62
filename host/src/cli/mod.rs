//! The command line: the only place that knows terminal, environment and exit codes. One file per
//! subcommand.

mod accept;
mod args;
mod clean;
mod execution;
mod exit;
mod export;
mod failures;
mod file;
mod lanes;
mod plan;
mod plugins;
mod progress;
mod project;
mod providers;
mod replay;
mod retry;
mod run;
mod settings;
mod store;
mod summary;
mod why;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// Turns a dataset of things into published content, by sandboxed components with rate-limited LLM access.
#[derive(Debug, Parser)]
#[command(name = "host", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Clean(clean::CleanArgs),
    Store(store::StoreArgs),
    Plan(plan::PlanArgs),
    Why(why::WhyArgs),
    Failures(failures::FailuresArgs),
    Retry(retry::RetryArgs),
    Accept(accept::AcceptArgs),
    Replay(replay::ReplayArgs),
    Export(export::ExportArgs),
    Plugins(plugins::PluginsArgs),
}

/// Parses the arguments, runs the subcommand, and prints an error if there is one.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors.
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            // Nothing can be said if the terminal is gone.
            let _ = error.print();
            return code.into();
        }
    };
    let display = progress::Display::new(std::io::stderr().is_terminal());
    start_log(&display);
    let result = match cli.command {
        Command::Run(args) => run::perform(&args, &display),
        Command::Clean(args) => clean::perform(&args, &display),
        Command::Store(args) => store::perform(&args, &display),
        Command::Plan(args) => plan::perform(&args, &display),
        Command::Why(args) => why::perform(&args, &display),
        Command::Failures(args) => failures::perform(&args, &display),
        Command::Retry(args) => retry::perform(&args, &display),
        Command::Accept(args) => accept::perform(&args, &display),
        Command::Replay(args) => replay::perform(&args, &display),
        Command::Export(args) => export::perform(&args, &display),
        Command::Plugins(args) => plugins::perform(&args, &display),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            display.print(&format!("error: {:#}", failure.error));
            failure.exit.into()
        }
    }
}

/// `BATCHGEN_LOG` sets what is logged, as in `debug` or `host=debug`; warnings by default.
fn start_log(display: &progress::Display) {
    let filter = std::env::var("BATCHGEN_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let display = display.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(move || display.clone())
        .init();
}
