//! The commands of the documentation do what it says: blocks that are marked with ```` ```sh run ```` are run, all of
//! a page one after the other, in a folder like a fresh checkout. A block that is marked with
//! ```` ```toml append batchgen.toml ```` is appended to that file where it stands, and one that is marked with
//! ```` ```md write FILE ```` becomes that file. A real model is the simulator.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::scene::{Scene, program, root};
use simulator::{Config, Simulator};

/// In a checkout the host is started through cargo.
const CARGO: &str = "#!/bin/sh
case \"$1 $2\" in
    'xtask run') shift 2; exec batchgen run \"$@\" ;;
    'xtask build-plugins') ;;
    *) echo \"the test knows no cargo $*\" >&2; exit 1 ;;
esac
";

/// What a page takes for granted, and does not say how to come by.
const BEFORE: [(&str, &str); 6] = [
    ("docs/FAILURES.md", FAILURES),
    (
        "docs/PLUGINS.md",
        "cp target/example-plugins/summary.wasm safety-notes.wasm",
    ),
    ("docs/STATE.md", "batchgen run --quiet --record oak"),
    ("docs/how-to/export.md", "batchgen run --quiet --record oak"),
    ("docs/how-to/quality.md", "batchgen run --quiet --limit 8"),
    ("docs/how-to/site.md", "batchgen run --quiet --record oak"),
];

/// A run of which one task failed for its answers, and an edit by hand. Some tasks fail whatever the page says, so that exit code 3
/// is none of its commands' fault.
const FAILURES: &str = "
cat >> batchgen.toml <<'END-OF-BLOCK'
[component.question]
plugin = \"prompt\"
prompts = { write = { text = \"Ask a question.\" } }
options = { must-match = ['\\?$'] }
END-OF-BLOCK
batchgen() {
    command batchgen \"$@\" || test $? -eq 3
}
batchgen run --quiet --limit 1 --record oak
echo 'By hand.' >> content/text/oak-laser-cleaning.md
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
        } else if let Some(file) = mark.strip_prefix("md write ") {
            script.push_str(&format!(
                "mkdir -p $(dirname {file})\ncat > {file} <<'END-OF-BLOCK'\n{block}\nEND-OF-BLOCK\n"
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
    for built in ["plugins", "example-plugins"] {
        symlink(
            root().join("target").join(built),
            scene.path("target").join(built),
        )
        .unwrap();
    }
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
    found.push(root().join("README.md"));
    let simulator = Simulator::start(Config::default()).unwrap();
    let mut run = 0;
    for page in found {
        let blocks = script(&fs::read_to_string(&page).unwrap());
        if blocks.is_empty() {
            continue;
        }
        run += 1;
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        let before = BEFORE.iter().find(|(of, _)| *of == name);
        let script = format!("{}\n{blocks}", before.map_or("", |(_, before)| before));
        let scene = checkout();
        let path = format!("{}:/usr/bin:/bin", scene.path("bin").display());
        // Its plugins lie below target/, and not where scenes have them.
        let plugins = scene.path("target/plugins").display().to_string();
        let output = scene
            .command_of("sh".as_ref(), &["-ec", &script])
            .env("PATH", path)
            .env("BATCHGEN_PLUGINS", plugins)
            .env("OPENAI_BASE_URL", simulator.base_url())
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
    assert!(run >= 9, "only {run} pages have commands that are run");
}
