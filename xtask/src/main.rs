//! The repository's own tasks, run as `cargo xtask <task>`. One file per task.
//!
//! This crate does not depend on `host`: it is built in the dev profile, and wasmtime is built once, in release.

mod bench;
mod build_plugins;
mod ci;
mod component;
mod deb;
mod dist;
mod docs;
mod foreign;
mod fuzz;
mod guest_toolchain;
mod left_out;
mod models;
mod new_plugin;
mod npm;
mod plugin_folder;
mod pypi;
mod run;
mod runner;
mod snapshot_files;
mod snapshots;
mod test;
mod test_tools;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The repository's own tasks.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    BuildPlugins(build_plugins::Args),
    Run(run::Args),
    Test(test::Args),
    Snapshots(snapshots::Args),
    NewPlugin(new_plugin::Args),
    Tidy(tidy::Args),
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    Docs(docs::Args),
    Models(models::Args),
    Dist(dist::Args),
    Ci(ci::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match perform(cli.task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    match task {
        Task::BuildPlugins(args) => build_plugins::perform(&workspace, &args),
        Task::Run(args) => run::perform(&workspace, &args),
        Task::Test(args) => test::perform(&workspace, &args),
        Task::Snapshots(args) => snapshots::perform(&workspace, &args),
        Task::NewPlugin(args) => new_plugin::perform(&workspace, &args),
        Task::Tidy(args) => tidy::perform(&workspace, &args),
        Task::Bench(args) => bench::perform(&workspace, &args),
        Task::Fuzz(args) => fuzz::perform(&workspace, &args),
        Task::Docs(args) => docs::perform(&workspace, &args),
        Task::Models(args) => models::perform(&workspace, &args),
        Task::Dist(args) => dist::perform(&workspace, &args),
        Task::Ci(args) => ci::perform(&workspace, &args),
    }
}
