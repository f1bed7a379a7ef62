//! What another program says, where it says it in time.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a program writes before it ends, with `input` on its standard input; nothing where it does not end in time. It is to read
/// and write little.
pub(super) fn answered(command: &mut Command, input: &str, within: Duration) -> Option<Output> {
    let command = command.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().ok()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who reads nothing may still answer.
        let _ = stdin.write_all(input.as_bytes());
    }
    let end = Instant::now() + within;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() >= end {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
    child.wait_with_output().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(60);

    #[test]
    fn what_a_program_says_is_read() {
        let said = answered(Command::new("echo").arg("1.0"), "", WITHIN).unwrap();
        assert_eq!(said.stdout, b"1.0\n");
        let said = answered(&mut Command::new("cat"), "ghcr.io", WITHIN).unwrap();
        assert_eq!(said.stdout, b"ghcr.io");
        assert!(answered(&mut Command::new("no-such-program"), "", WITHIN).is_none());
    }

    #[test]
    fn a_program_that_never_ends_counts_as_missing() {
        let within = Duration::from_millis(50);
        assert!(answered(Command::new("sleep").arg("100000"), "", within).is_none());
    }
}
