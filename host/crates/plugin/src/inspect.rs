//! What stands in a plugin file, read without running or compiling anything.

use serde::{Deserialize, Serialize};
use wasmparser::{BinaryReaderError, ComponentTypeRef, Encoding, Parser, Payload, Validator};

use super::manifest::SECTION;

/// What the host has to know of a file before it compiles it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Contents {
    /// The manifest's section, as it stands there.
    pub package: Option<Vec<u8>>,
    /// Names of all that it imports, other than types.
    pub imports: Vec<String>,
    /// Names of all that it exports.
    pub exports: Vec<String>,
}

/// Validates the whole file. Done before compiling, because a compiler given invalid bytes may panic.
pub(super) fn validate(bytes: &[u8]) -> Result<(), String> {
    Validator::new()
        .validate_all(bytes)
        .map(drop)
        .map_err(invalid)
}

/// Largest manifest with its prompts, bytes.
const MANIFEST: usize = 2 << 20;
/// Deepest nesting of components and modules. A plugin has two or three levels.
const DEPTH: u32 = 32;

/// Bytes of a file that a compiler has to work on: the bodies of all functions. What else is in a file, a plugin that
/// is not hostile has little of, or it costs little.
pub(super) fn code_size(bytes: &[u8]) -> u64 {
    let bodies = Parser::new(0).parse_all(bytes);
    bodies
        .filter_map(|payload| match payload.ok()? {
            Payload::CodeSectionStart { size, .. } => Some(u64::from(size)),
            _ => None,
        })
        .sum()
}

fn invalid(error: BinaryReaderError) -> String {
    format!("it is not valid WASM: {error}")
}

/// Reads what lies in the outermost component of a file. The code in it is passed over.
pub(super) fn inspect(bytes: &[u8]) -> Result<Contents, String> {
    if !Parser::is_component(bytes) {
        return Err("it is not a WASM component".to_owned());
    }
    let mut contents = Contents::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version {
                encoding: Encoding::Component | Encoding::Module,
                ..
            } => {
                depth += 1;
                if depth > DEPTH {
                    return Err(format!(
                        "its components lie in one another, more than {DEPTH} deep"
                    ));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 1 && section.name() == SECTION => {
                if contents.package.is_some() {
                    return Err(format!("it has two `{SECTION}` sections"));
                }
                let size = section.data().len();
                if size > MANIFEST {
                    return Err(format!(
                        "its manifest and prompts have {size} bytes, and {MANIFEST} are allowed"
                    ));
                }
                contents.package = Some(section.data().to_vec());
            }
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for import in imports {
                    let import = import.map_err(invalid)?;
                    // A type brings nothing in: the world names those that its export uses.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        contents.imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(exports) if depth == 1 => {
                for export in exports {
                    contents
                        .exports
                        .push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(contents)
}
