//! Makes the one file that is a plugin: a component with its manifest and prompts in it.
//!
//! The same bytes in give the same bytes out. Does not read or write files.

use anyhow::{Context, Result, ensure};

use wasm_encoder::{ComponentSection as _, CustomSection};
use wit_component::{ComponentEncoder, DecodedWasm};

/// The custom section that holds manifest and prompts as JSON.
pub const SECTION: &str = "batchgen:plugin";

/// What the contract says that a component exports.
const EXPORT: &str = "generate";

/// Encodes `module`, as rustc made it for `wasm32-unknown-unknown`, and embeds `manifest` in it.
///
/// # Errors
/// When the module does not export what the contract says, or imports what the contract does not have.
pub fn encode(module: &[u8], manifest: &str) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .context("it cannot be made a component; does it import more than the contract has?")?;
    // A module that says nothing of the contract encodes well, to a component that is good for nothing.
    ensure!(
        exports(&component)?,
        "it does not export `{EXPORT}`; does its lib.rs call the SDK's `export!` macro?"
    );
    Ok(embed(component, manifest))
}

/// Embeds `manifest` in a component that was made in any language.
pub fn embed(mut component: Vec<u8>, manifest: &str) -> Vec<u8> {
    let section = CustomSection {
        name: SECTION.into(),
        data: manifest.as_bytes().into(),
    };
    section.append_to_component(&mut component);
    component
}

fn exports(component: &[u8]) -> Result<bool> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        return Ok(false);
    };
    let world = resolve.worlds.get(world);
    Ok(world.is_some_and(|world| {
        world
            .exports
            .keys()
            .any(|key| resolve.name_world_key(key) == EXPORT)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_no_guest_is_refused_with_what_to_do() {
        let error = encode(b"\0asm\x01\0\0\0", "{}").unwrap_err();
        assert!(
            format!("{error:#}").contains("`export!` macro"),
            "{error:#}"
        );
    }
}
