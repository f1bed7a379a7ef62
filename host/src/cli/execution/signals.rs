//! Signals that end a run: the first drains it, the second ends the program at once.

use std::time::{Duration, Instant};

use crate::cli::display::Display;
use crate::cli::exit::Exit;
use engine::Interrupt;

/// Programs that start others, as `timeout`, send a signal to the process and then to its group. Both are one wish.
const ONE_WISH: Duration = Duration::from_millis(200);

/// Throws the interrupt at the first signal to end, and says what that means; ends the program at the second.
pub(in crate::cli) fn watch_signals(
    interrupt: &Interrupt,
    display: &Display,
    meaning: &'static str,
) {
    let interrupt = interrupt.clone();
    let display = display.clone();
    // Looked at before the signal has a handler, which is in the place of what the system did.
    let may_hang_up = !ignores_hang_up();
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut keyboard), Ok(mut terminate), Ok(mut hang_up)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
            // The terminal was closed.
            signal(SignalKind::hangup()),
        ) else {
            return;
        };
        let mut told: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = keyboard.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv(), if may_hang_up => {}
            }
            match told {
                Some(at) if at.elapsed() < ONE_WISH => {}
                Some(_) => std::process::exit(i32::from(Exit::Interrupted as u8)),
                None => {
                    interrupt.throw();
                    display.print(meaning);
                    told = Some(Instant::now());
                }
            }
        }
    });
}

/// Whether the program was started by `nohup` or the like, to live longer than its terminal.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let ignored = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|signals| u64::from_str_radix(signals.trim(), 16).ok())
        .is_some_and(|signals| signals & 1 == 1)
}
