//! The program as the compiler of one plugin: started by itself, before it reads any configuration. It is not for people, so it is
//! no subcommand and knows no help.

use std::io;
use std::process::ExitCode;

use plugin::compile;

/// Compiles, if that is what the program was started for.
pub(super) fn perform() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let [_, command, memory, cpu] = arguments.as_slice() else {
        return None;
    };
    if command != compile::COMMAND {
        return None;
    }
    Some(
        match compile::child([memory, cpu], io::stdin().lock(), io::stdout().lock()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(_) => ExitCode::from(2),
        },
    )
}
