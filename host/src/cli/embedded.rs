//! The plugin in the program itself, so that the program alone can make a first configuration and run it.

use std::sync::OnceLock;

/// Its name.
pub(super) const NAME: &str = "prompt";

static PLUGIN: OnceLock<&'static [u8]> = OnceLock::new();

/// Says what the program was built with; nothing, where the plugin was not built before the program.
pub(super) fn provide(plugin: &'static [u8]) {
    let _ = PLUGIN.set(plugin);
}

/// The plugin, if there is one.
pub(super) fn plugin() -> Option<&'static [u8]> {
    PLUGIN.get().copied().filter(|plugin| !plugin.is_empty())
}
