//! `batchgen reference`: the page of the documentation that lists every command, flag, variable and exit code, made from the
//! code; and the manual pages. It is hidden: `cargo xtask docs` and `cargo xtask dist` ask for them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::{Arg, Args, Command};

use super::display::say;
use super::exit::{Exit, Failure};

/// Print the page of the documentation on commands, flags, variables and exit codes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen reference
  batchgen reference --man share/man/man1")]
pub(super) struct ReferenceArgs {
    /// Write the manual pages, one for each command, into this folder instead
    #[arg(long, value_name = "DIR")]
    man: Option<PathBuf>,
}

/// Runs the subcommand; `command` is the whole program's, and `unflagged` the variables that no flag stands for.
pub(super) fn perform(
    args: &ReferenceArgs,
    mut command: Command,
    unflagged: &[(&str, &str)],
) -> Result<Exit, Failure> {
    if let Some(folder) = &args.man {
        fs::create_dir_all(folder).map_err(Failure::usage)?;
        clap_mangen::generate_to(command, folder).map_err(Failure::usage)?;
        return Ok(Exit::Done);
    }
    command.build();
    let mut page = String::from(
        "# Commands\n\nThis page is made from the code by `cargo xtask docs`. Flags beat variables of the environment, which beat \
         `batchgen.toml`.\n",
    );
    describe(&command, "batchgen", &mut page);
    page.push_str(
        "\n## Exit codes\n\nThey are part of the interface: scripts go by them. A command that uses some of them otherwise says so \
         above.\n\n| code | meaning |\n|---|---|\n",
    );
    for (exit, meaning) in Exit::ALL {
        let _ = writeln!(page, "| {} | {meaning} |", exit as u8);
    }
    page.push_str("\n## Other variables\n\n| variable | meaning |\n|---|---|\n");
    for (name, meaning) in unflagged {
        let _ = writeln!(page, "| `{name}` | {meaning} |");
    }
    say(&page);
    Ok(Exit::Done)
}

fn describe(command: &Command, path: &str, page: &mut String) {
    let below = || {
        command
            .get_subcommands()
            .filter(|below| below.get_name() != "help" && !below.is_hide_set())
    };
    let _ = writeln!(page, "\n## {path}\n");
    if let Some(about) = command.get_about() {
        let _ = writeln!(page, "{about}\n");
    }
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(page, "```text\n{}\n```", usage.trim());
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| {
            !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
        })
        .collect();
    if !arguments.is_empty() && (below().next().is_none() || path == "batchgen") {
        page.push_str("\n| argument | variable | meaning |\n|---|---|---|\n");
        for argument in arguments {
            let _ = writeln!(page, "{}", row(argument));
        }
    }
    if let Some(more) = command.get_after_help() {
        let _ = writeln!(page, "\n```text\n{more}\n```");
    }
    for command in below() {
        describe(command, &format!("{path} {}", command.get_name()), page);
    }
}

/// A row of the table of arguments.
fn row(argument: &Arg) -> String {
    let takes_value = argument.get_action().takes_values();
    let names: Vec<String> = argument
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(|name| format!("<{name}>"))
        .collect();
    let value = if takes_value && argument.get_long().is_some() {
        format!(" {}", names.join(" "))
    } else {
        String::new()
    };
    let shown = match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}{value}"),
        (None, Some(long)) => format!("--{long}{value}"),
        (Some(short), None) => format!("-{short}{value}"),
        (None, None) => names.join(" "),
    };
    let variable = argument
        .get_env()
        .map(|name| format!("`{}`", name.to_string_lossy()))
        .unwrap_or_default();
    let mut meaning = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| takes_value)
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !possible.is_empty() {
        let _ = write!(meaning, ": {}", possible.join(", "));
    }
    if takes_value && let [default] = argument.get_default_values() {
        let _ = write!(meaning, " (default `{}`)", default.to_string_lossy());
    }
    format!(
        "| `{}` | {variable} | {} |",
        shown,
        meaning.replace('|', "\\|")
    )
}
