//! The workflow of `docs/how-to/pull-requests.md`, step by step as a runner performs it: each time in a fresh checkout, with what the cache
//! has. On a change of one record it asks for that record alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use saphyr::{LoadableYamlNode, Yaml};
use simulator::{Config, Simulator};

use crate::scene::{Scene, program, root};

/// A step: its name or what it uses, and what it runs.
struct Step {
    what: String,
    run: Option<String>,
}

/// The steps of the page.
fn steps() -> Vec<Step> {
    let page = fs::read_to_string(root().join("docs/how-to/pull-requests.md")).unwrap();
    let workflow = page.split("```yaml\n").nth(1).unwrap();
    let workflow = workflow.split("\n```").next().unwrap();
    let workflow = Yaml::load_from_str(workflow).unwrap();
    let jobs = workflow[0].as_mapping_get("jobs").unwrap();
    let job = jobs.as_mapping_get("content").unwrap();
    let steps = job.as_mapping_get("steps").and_then(Yaml::as_vec).unwrap();
    let text = |step: &Yaml<'_>, key: &str| {
        let value = step.as_mapping_get(key)?;
        value.as_str().map(str::to_owned)
    };
    let read = |step: &Yaml<'_>| Step {
        what: text(step, "uses").or(text(step, "name")).unwrap(),
        run: text(step, "run"),
    };
    steps.iter().map(read).collect()
}

/// A repository with its cache, and what a runner has beside them.
struct Forge {
    scene: Scene,
    cache: PathBuf,
}

impl Forge {
    fn git(&self, folder: &Path, arguments: &[&str]) {
        let status = Command::new("git")
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.invalid"])
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    /// Performs the workflow in a fresh checkout. The summary of the job, and the checkout.
    fn perform(&self, job: &str) -> (String, PathBuf) {
        // It is the same place each time.
        let checkout = self.scene.path("checkout");
        let _ = fs::remove_dir_all(&checkout);
        let summary = self.scene.path(&format!("{job}.md"));
        for Step { what, run } in steps() {
            let kept = [".batchgen", "content"];
            match what.split('@').next().unwrap() {
                "actions/checkout" => {
                    let from = self.scene.path("origin");
                    let to = checkout.display().to_string();
                    self.git(&from, &["clone", "--quiet", ".", &to]);
                }
                "actions/cache/restore" => {
                    for name in kept {
                        copy(&self.cache.join(name), &checkout.join(name));
                    }
                }
                "actions/cache/save" => {
                    for name in kept {
                        copy(&checkout.join(name), &self.cache.join(name));
                    }
                }
                "actions/upload-artifact" | "Install" => {}
                _ => self.shell(&run.unwrap(), &checkout, &summary),
            }
        }
        (fs::read_to_string(summary).unwrap(), checkout)
    }

    fn shell(&self, command: &str, checkout: &Path, summary: &Path) {
        let folder = program("batchgen").parent().unwrap().display().to_string();
        let output = self
            .scene
            .command_of(Path::new("bash"), &["-e", "-c", command])
            .current_dir(checkout)
            .env("PATH", format!("{folder}:/usr/local/bin:/usr/bin:/bin"))
            .env("GITHUB_STEP_SUMMARY", summary)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
    }
}

fn copy(from: &Path, to: &Path) {
    if !from.exists() {
        return;
    }
    let _ = fs::remove_dir_all(to);
    // Times are kept, as a cache keeps them.
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_pull_request_that_changes_one_record_asks_for_that_record_alone() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = Scene::new().asking(&simulator);
    // Only what is in the program.
    let none = scene.path("none").display().to_string();
    let scene = scene.with("BATCHGEN_PLUGINS", &none);
    fs::create_dir(none).unwrap();
    let origin = scene.path("origin");
    fs::create_dir(&origin).unwrap();
    fs::write(
        origin.join("things.csv"),
        "sku,title,kind\na-1,Lamp,light\na-2,Torch,light\na-3,Chair,seat\n",
    )
    .unwrap();
    fs::write(
        origin.join("batchgen.toml"),
        "[dataset]\npath = \"things.csv\"\nid = \"sku\"\nname = \"title\"\ncategory = \"kind\"\n\
         [models.\"openai/sim\"]\nprice = { input = 1.0, output = 2.0 }\n",
    )
    .unwrap();
    fs::create_dir(origin.join("components")).unwrap();
    fs::write(
        origin.join("components/note.md"),
        "---\n---\n\nWrite a note on {{ record.name }}.\n",
    )
    .unwrap();
    fs::write(origin.join(".gitignore"), ".batchgen\ncontent\n").unwrap();
    let forge = Forge {
        cache: scene.path("cache"),
        scene,
    };
    fs::create_dir(&forge.cache).unwrap();
    forge.git(&origin, &["init", "--quiet", "--initial-branch", "main"]);
    forge.git(&origin, &["add", "."]);
    forge.git(&origin, &["commit", "--quiet", "--message", "Begin"]);

    let (summary, checkout) = forge.perform("first");
    let asked = simulator.totals().billed;
    assert_eq!(asked, 3, "{summary}");
    assert!(summary.contains("| artifacts made | 3 |"), "{summary}");
    let chair = fs::read_to_string(checkout.join("content/note/a-3.md")).unwrap();

    let things = fs::read_to_string(origin.join("things.csv")).unwrap();
    fs::write(
        origin.join("things.csv"),
        things.replace("Torch", "Lantern"),
    )
    .unwrap();
    forge.git(
        &origin,
        &["commit", "--quiet", "--all", "--message", "Rename"],
    );
    let (summary, checkout) = forge.perform("second");
    assert_eq!(simulator.totals().billed, asked + 1, "{summary}");
    assert!(summary.contains("| artifacts made | 1 |"), "{summary}");
    assert!(summary.contains("| artifacts kept | 2 |"), "{summary}");
    let same = fs::read_to_string(checkout.join("content/note/a-3.md")).unwrap();
    assert_eq!(same, chair);

    let (summary, _) = forge.perform("third");
    assert_eq!(simulator.totals().billed, asked + 1, "{summary}");
}
