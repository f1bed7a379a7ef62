//! Makes the one file that is a plugin: a component with its manifest and prompts in it. What a compiler made for
//! `wasm32-unknown-unknown` is made a component first. Reads and writes no files.

use std::collections::BTreeMap;

use wasm_encoder::{ComponentSection as _, CustomSection};
use wasmparser::Parser;
use wit_component::ComponentEncoder;

use super::inspect::{inspect, validate};
use super::load::accepted;
use super::manifest::{Manifest, Package, SECTION};

/// Something that cannot become a plugin.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The manifest is not one.
    #[error("{cause}")]
    Manifest {
        /// Line, column and what is wrong there.
        cause: String,
    },
    /// The module says nothing of the contract.
    #[error(
        "it cannot be made a component: {cause}\nhint: build it against wit/component.wit, and import nothing else"
    )]
    Encode {
        /// Why.
        cause: String,
    },
    /// The host would not load it.
    #[error("{cause}\nhint: {hint}")]
    Refused {
        /// Why.
        cause: String,
        /// What to do.
        hint: String,
    },
}

/// Packs a component, or a module that is to become one, with `manifest`, the text of a `plugin.toml`, and prompts
/// by name. The same input gives the same bytes.
///
/// # Errors
/// When it would not be a plugin that the host loads. It is not compiled, so a wrong world shows only when it is loaded.
pub fn pack(
    binary: &[u8],
    manifest: &str,
    prompts: BTreeMap<String, String>,
) -> Result<(Package, Vec<u8>), PackError> {
    let manifest: Manifest = toml::from_str(manifest).map_err(|error| PackError::Manifest {
        cause: error.to_string().trim_end().to_owned(),
    })?;
    let refused = |cause: String, hint: &str| PackError::Refused {
        cause,
        hint: hint.to_owned(),
    };
    let mut plugin = if Parser::is_core_wasm(binary) {
        encode(binary)?
    } else {
        binary.to_owned()
    };
    let inspected = inspect(&plugin).and_then(|contents| validate(&plugin).map(|()| contents));
    let mut contents = inspected.map_err(|cause| {
        refused(
            cause,
            "name the module or component that your compiler made",
        )
    })?;
    if contents.package.is_some() {
        return Err(refused(
            "it has a manifest already".to_owned(),
            "name what your compiler made, which has none yet",
        ));
    }
    let package = Package { manifest, prompts };
    let section = serde_json::to_vec(&package).map_err(|error| PackError::Manifest {
        cause: error.to_string(),
    })?;
    let embedded = CustomSection {
        name: SECTION.into(),
        data: (&section).into(),
    };
    embedded.append_to_component(&mut plugin);
    contents.package = Some(section);
    accepted(&contents).map_err(|(cause, hint)| refused(cause, hint))?;
    Ok((package, plugin))
}

/// The name of the plugin that a file is; nothing where it is none.
pub fn name_of(plugin: &[u8]) -> Option<String> {
    let package = inspect(plugin).ok()?.package?;
    let package: Package = serde_json::from_slice(&package).ok()?;
    Some(package.manifest.plugin.name)
}

fn encode(module: &[u8]) -> Result<Vec<u8>, PackError> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| PackError::Encode {
            cause: format!("{error:#}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[plugin]\nname = \"a\"\nversion = \"1\"\ndescription = \"\"\n[output]\nextension = \"md\"\nmedia-type = \"text/markdown\"\n";
    /// A component that exports something called `generate`.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0\x07\x02\x01\x73\x0b\x0e\x01\0\x08generate\x03\0\0";

    fn error(binary: &[u8], manifest: &str) -> String {
        pack(binary, manifest, BTreeMap::new())
            .map(drop)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_was_packed_is_read_back() {
        let prompts: BTreeMap<_, _> = [("write".to_owned(), "x".repeat(300))].into();
        let (package, plugin) = pack(COMPONENT, MANIFEST, prompts).unwrap();
        let contents = inspect(&plugin).unwrap();
        let read: Package = serde_json::from_slice(&contents.package.unwrap()).unwrap();
        assert_eq!(read, package);
        assert!(error(&plugin, MANIFEST).contains("it has a manifest already"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(error(COMPONENT, "[plugin]\nnam = 1\n").contains("line 2"));
        let bad = MANIFEST.replace("\"a\"", "\"A b\"");
        assert!(error(COMPONENT, &bad).contains("name `A b` must be"));
        assert!(error(b"no wasm", MANIFEST).contains("not a WASM component"));
        assert!(error(b"\0asm\x01\0\0\0\0", MANIFEST).contains("cannot be made a component"));
    }
}
