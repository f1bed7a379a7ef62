//! The commands of the documentation do what it says: blocks that are marked with ```` ```sh run ```` are run, all of
//! a page one after the other, in a folder like a fresh checkout. A block that is marked with
//! ```` ```toml append batchgen.toml ```` is appended to that file where it stands.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::scene::{Scene, program, root};

/// In a checkout the host is started through cargo.
const CARGO: &str = "#!/bin/sh
case \"$1 $2\" in
    'xtask run') shift 2; exec batchgen run \"$@\" ;;
    *) echo \"the test knows no cargo $*\" >&2; exit 1 ;;
esac
";

/// A page's blocks as one script; empty where none is marked.
fn script(page: &str) -> String {
    let mut script = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        let Some(mark) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .collect();
        let block = block.join("\n");
        if mark == "sh run" {
            script.push_str(&format!("{block}\n"));
        } else if let Some(file) = mark.strip_prefix("toml append ") {
            script.push_str(&format!(
                "cat >> {file} <<'END-OF-BLOCK'\n{block}\nEND-OF-BLOCK\n"
            ));
        }
    }
    script
}

/// A folder like a fresh checkout, and the programs that a page starts.
fn checkout() -> Scene {
    let scene = Scene::new();
    fs::remove_dir_all(scene.path("plugins")).unwrap();
    let shipped = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    scene.write("data/materials.yaml", &shipped("data/materials.yaml"));
    // Without components that someone who follows the tutorial here has added.
    let configuration = shipped("batchgen.toml");
    let end = configuration
        .find("\n[component.")
        .map_or(configuration.len(), |end| end + 1);
    scene.write("batchgen.toml", &configuration[..end]);
    fs::create_dir_all(scene.path("target")).unwrap();
    symlink(root().join("target/plugins"), scene.path("target/plugins")).unwrap();
    fs::create_dir_all(scene.path("bin")).unwrap();
    symlink(program("batchgen"), scene.path("bin/batchgen")).unwrap();
    scene.write("bin/cargo", CARGO);
    fs::set_permissions(scene.path("bin/cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    scene
}

fn pages(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

#[test]
fn the_commands_of_the_documentation_work() {
    let mut found = Vec::new();
    pages(&root().join("docs"), &mut found);
    let mut run = 0;
    for page in found {
        let script = script(&fs::read_to_string(&page).unwrap());
        if script.is_empty() {
            continue;
        }
        run += 1;
        let scene = checkout();
        let path = format!("{}:/usr/bin:/bin", scene.path("bin").display());
        // Its plugins lie below target/, and not where scenes have them.
        let plugins = scene.path("target/plugins").display().to_string();
        let output = scene
            .command_of("sh".as_ref(), &["-ec", &script])
            .env("PATH", path)
            .env("BATCHGEN_PLUGINS", plugins)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}\n{script}\n--\n{}{}",
            page.display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert!(run >= 3, "only {run} pages have commands that are run");
}
