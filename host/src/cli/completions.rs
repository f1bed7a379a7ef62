//! `batchgen completions`: what a shell needs to complete subcommands and flags.

use clap::{Args, Command};
use clap_complete::Shell;

use super::display::say_raw;
use super::exit::Exit;
use super::program;

/// Print what a shell needs to complete subcommands and flags.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen completions bash > ~/.local/share/bash-completion/completions/batchgen
  batchgen completions zsh > ~/.zfunc/_batchgen           # with ~/.zfunc in $fpath
  batchgen completions fish > ~/.config/fish/completions/batchgen.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Runs the subcommand; `command` is the whole program's.
pub(super) fn perform(args: &CompletionsArgs, mut command: Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, program::name(), &mut script);
    say_raw(&String::from_utf8_lossy(&script));
    Exit::Done
}
