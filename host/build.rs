//! Lists the sources of the crate for plugins, so that `batchgen plugins new` can give them out, and says where the
//! plugins lie that go into the program.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let sdk = root.join("../plugins/sdk/src");
    println!("cargo::rerun-if-changed={}", sdk.display());
    let mut files = Vec::new();
    collect(&sdk, &mut files)?;
    files.sort();
    let mut list = String::from("[\n");
    for file in &files {
        let name = file.strip_prefix(&sdk).unwrap_or(file);
        let _ = writeln!(list, "    ({:?}, include_str!({file:?})),", name);
    }
    list.push_str("]\n");
    let output = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(output.join("sdk_sources.rs"), list)?;
    for plugin in ["prompt", "judge"] {
        embedded_plugin(&root, plugin)?;
    }
    Ok(())
}

/// `cargo xtask build-plugins` writes the plugin there. Before that the file is empty, and the program does not have it. The
/// compiler itself sees when the file changes, and builds no more than the two small programs again.
fn embedded_plugin(root: &Path, plugin: &str) -> io::Result<()> {
    let folder = root.join("../target/embedded");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{plugin}.wasm"));
    if !file.exists() {
        fs::write(&file, "")?;
    }
    let variable = format!("EMBEDDED_{}", plugin.to_uppercase());
    println!("cargo::rustc-env={variable}={}", file.display());
    Ok(())
}

/// All sources but tests.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}
