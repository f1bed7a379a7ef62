//! The name that the program was started under. It is `host` in the repository and `batchgen` where it is
//! installed, since `host` is a DNS tool on many systems.

use std::borrow::Cow;
use std::env;
use std::path::Path;
use std::sync::LazyLock;

const IN_REPOSITORY: &str = "host";
const INSTALLED: &str = "batchgen";

static NAME: LazyLock<&str> = LazyLock::new(|| {
    let started = env::args_os().next().unwrap_or_default();
    let stem = Path::new(&started).file_stem().unwrap_or_default();
    if stem == INSTALLED {
        INSTALLED
    } else {
        IN_REPOSITORY
    }
});

/// The name that help and hints use.
pub(super) fn name() -> &'static str {
    &NAME
}

/// A text in which commands are called `host ...`, with the name that the program has here.
pub(super) fn named(text: &str) -> Cow<'_, str> {
    with_name(text, name())
}

fn with_name<'a>(text: &'a str, name: &str) -> Cow<'a, str> {
    if name == IN_REPOSITORY || !text.contains(IN_REPOSITORY) {
        return Cow::Borrowed(text);
    }
    // As they are quoted in sentences, and as they stand in lists of examples.
    let text = text.replace("`host ", &format!("`{name} "));
    Cow::Owned(text.replace("\n  host ", &format!("\n  {name} ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_the_name_that_the_program_has() {
        let text = "hint: `host run` on this host\nExamples:\n  host run --all\n";
        assert_eq!(with_name(text, "host"), text);
        assert_eq!(
            with_name(text, "batchgen"),
            "hint: `batchgen run` on this host\nExamples:\n  batchgen run --all\n"
        );
    }
}
