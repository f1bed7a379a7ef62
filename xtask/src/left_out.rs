//! What becomes of tests that need something that cannot be had: they are left out, and it is said why. In CI none is.

use std::env;

use anyhow::{Result, bail};

/// Says that the tests whose names begin so are left out, since they lack something.
///
/// # Errors
/// In CI.
pub fn leave_out(tests: &'static str, lack: &str) -> Result<&'static str> {
    if env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        bail!("{lack}");
    }
    let shown = tests.trim_end_matches("::");
    eprintln!("the tests `{shown}` are left out, since {lack}");
    Ok(tests)
}
