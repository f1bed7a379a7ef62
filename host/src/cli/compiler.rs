//! The program as the compiler of one plugin, or as the reader of one file of rows: started by itself, before it reads any
//! configuration. It is not for people, so it is no subcommand and knows no help.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use plugin::compile;

/// Compiles or reads rows, if that is what the program was started for.
pub(super) fn perform() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let [_, dataset::READ_ROWS, rest @ ..] = words.as_slice() {
        return Some(read_rows(rest));
    }
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

fn read_rows(arguments: &[&str]) -> ExitCode {
    let input = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let output = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let (Ok(input), Ok(output)) = (input, output) else {
        return ExitCode::from(2);
    };
    match dataset::read_rows(arguments, &input, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, said)) => {
            // Who started it and is gone needs no answer.
            let _ = io::stderr().write_all(said.as_bytes());
            ExitCode::from(code)
        }
    }
}
