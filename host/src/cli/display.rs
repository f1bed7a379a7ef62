//! What the program prints: messages and log lines on standard error, above the progress block where there is
//! one; results on standard output.

use std::env;
use std::io::{self, Write};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::progress::Screen;

/// Standard error, shared by messages, log lines and the progress block.
#[derive(Clone, Debug)]
pub(super) struct Display {
    block: MultiProgress,
    terminal: Option<Term>,
    quiet: bool,
}

impl Display {
    /// A display; the block is drawn only on a terminal. A quiet one shows neither it nor notes.
    pub fn new(terminal: bool, quiet: bool) -> Display {
        let target = if terminal && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Display {
            block: MultiProgress::with_draw_target(target),
            terminal: terminal.then(Term::stderr),
            quiet,
        }
    }

    /// The terminal as it is now; `None` where standard error is none, or one that cannot be drawn on.
    pub fn screen(&self) -> Option<Screen> {
        let (height, width) = self.terminal.as_ref()?.size();
        let is_dumb = env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        (!is_dumb).then(|| Screen {
            width: usize::from(width),
            height: usize::from(height),
            colour: colours(),
        })
    }

    /// Whether only what is wrong is printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Draws a bar from now on.
    pub fn add(&self, bar: ProgressBar) -> ProgressBar {
        self.block.add(bar)
    }

    /// Prints a line above the block: what is wrong.
    pub fn print(&self, text: &str) {
        // A closed standard error is no reason to stop working.
        self.block.suspend(|| {
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    /// Prints a line above the block that nobody needs to act on; a quiet display does not.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.print(text);
        }
    }
}

/// Whether colours are wanted (https://no-color.org).
fn colours() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Write for Display {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Prints one JSON line on standard output.
pub(super) fn emit(value: &serde_json::Value) {
    // A reader that went away is no reason to stop working.
    let _ = writeln!(io::stdout(), "{value}");
}

/// Prints a result on standard output, as it is.
pub(super) fn say(text: &str) {
    // A closed standard output is no reason to fail.
    let _ = write!(io::stdout(), "{}", text);
}
