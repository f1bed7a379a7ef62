//! The plugins in the program itself, so that the program alone can make a first configuration, run it, and judge what it made.

use std::sync::OnceLock;

/// Name of the one that a first configuration needs.
pub(super) const NAME: &str = "prompt";

static PLUGINS: OnceLock<Vec<&'static [u8]>> = OnceLock::new();

/// Says what the program was built with. A file is empty where the plugin was not built before the program.
pub(super) fn provide(plugins: &[&'static [u8]]) {
    let there = plugins.iter().filter(|plugin| !plugin.is_empty());
    let _ = PLUGINS.set(there.copied().collect());
}

/// The plugins that there are.
pub(super) fn plugins() -> Vec<&'static [u8]> {
    PLUGINS.get().cloned().unwrap_or_default()
}
