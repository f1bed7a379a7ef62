//! Questions to a person at a terminal.

use std::io::{self, IsTerminal, Write};

use super::display::Display;
use types::shown::harmless;

/// Whether there is a person who can answer.
pub(super) fn is_possible(display: &Display) -> bool {
    !display.is_quiet() && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks. Enter and the end of the input leave it open.
///
/// # Errors
/// When the input cannot be read.
pub(super) fn ask(question: &str) -> anyhow::Result<Option<String>> {
    let line = line(question)?.unwrap_or_default();
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// Asks, and gives the line as it was typed; nothing at the end of the input.
///
/// # Errors
/// When the input cannot be read.
pub(super) fn line(question: &str) -> anyhow::Result<Option<String>> {
    let mut out = io::stderr();
    // A terminal that is gone gives no answer either.
    let _ = write!(out, "{}", harmless(question));
    let _ = out.flush();
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        // The end of the input leaves the cursor behind the question.
        let _ = writeln!(out);
        return Ok(None);
    }
    Ok(Some(line))
}
