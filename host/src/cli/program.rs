//! The name of the program in help and hints. It is one name everywhere: `host` is the crate, and stays as a second name of
//! the binary.

/// The name that help and hints use.
pub(super) fn name() -> &'static str {
    "batchgen"
}
