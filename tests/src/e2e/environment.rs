//! Variables, from the environment and from `.env`, and what the program prints with few or other words.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::scene::{KEY, Scene};
use simulator::{Config, Simulator};

#[test]
fn keys_and_settings_are_read_from_env_beside_the_configuration() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new();
    let url = simulator.base_url();
    scene.write(
        ".env",
        &format!("# for tests\nexport OPENAI_API_KEY='{KEY}'\nBATCHGEN_MODEL=openai/sim\n"),
    );
    scene.configure(&format!("[provider.openai]\nbase-url = '{url}'\n"));
    let run = ["--record", "oak", "--component", "frontmatter"];
    scene.run(&run).ended(0);
    assert!(simulator.ledger().requests > 0);
    // From another directory, too: it lies beside the configuration.
    scene.write("other/place/x", "");
    let config = scene.path("batchgen.toml").display().to_string();
    let mut command = scene.command(&["plan", "--config", &config, "--json"]);
    let output = command
        .current_dir(scene.path("other/place"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("openai/sim"));
    // The environment wins.
    let before = simulator.ledger().requests;
    let scene = scene.with("BATCHGEN_MODEL", "offline");
    scene
        .run(&["--record", "ash", "--component", "frontmatter"])
        .ended(0);
    assert_eq!(simulator.ledger().requests, before);
}

#[test]
fn a_bad_line_of_env_is_named_and_its_value_is_not_shown() {
    let scene = Scene::new();
    scene.write(".env", "BATCHGEN_MODEL=offline\nOPENAI_API_KEY sk-secret\n");
    let ran = scene.host(&["run"]).ended(2);
    assert!(
        ran.stderr
            .contains(".env:2: the line is not NAME=value\nhint:"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    scene.host(&["run", "--help"]).ended(0);
}

/// What a project from elsewhere may not decide by itself. Nothing is sent before a person allowed it.
#[test]
fn a_project_sends_no_key_of_its_own_choice_before_a_person_allowed_it() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let scene = Scene::new()
        .with("AWS_SECRET_ACCESS_KEY", "a-secret-of-somebody")
        .with("BATCHGEN_MODEL", "there/sim")
        .with("HOME", &home.path().display().to_string());
    let url = simulator.base_url();
    scene.configure(&format!(
        "[provider.there]\nbase-url = '{url}'\napi-key-env = 'AWS_SECRET_ACCESS_KEY'\n"
    ));
    let run = ["--record", "oak", "--component", "frontmatter"];
    for ran in [scene.run(&run), scene.host(&["doctor"])] {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for words in [
            "[provider.there]",
            "AWS_SECRET_ACCESS_KEY",
            "batchgen.toml:",
            "batchgen trust",
        ] {
            assert!(said.contains(words), "{said}");
        }
        ran.ended(2);
    }
    assert_eq!(simulator.ledger().requests, 0);
    let once = scene
        .command(&[&["run"], &run[..]].concat())
        .env("BATCHGEN_TRUST", "1")
        .output();
    assert_eq!(once.unwrap().status.code(), Some(0));
    let after_one = simulator.ledger().requests;
    assert!(after_one > 0);
    // It counted for that command alone.
    let other = ["--record", "ash", "--component", "frontmatter"];
    scene.run(&other).ended(2);
    scene.host(&["trust"]).ended(0);
    scene.run(&other).ended(0);
    assert!(simulator.ledger().requests > after_one);
    // Another key is another choice.
    let scene = scene.with("ANOTHER_SECRET", "another-secret");
    scene.replace("batchgen.toml", "AWS_SECRET_ACCESS_KEY", "ANOTHER_SECRET");
    let ran = scene.run(&["--record", "birch", "--component", "frontmatter"]);
    assert!(ran.ended(2).stderr.contains("ANOTHER_SECRET"));
}

#[test]
fn a_project_cannot_set_what_steers_the_program() {
    for line in [
        "BATCHGEN_CACHE_DIR=cache",
        "BATCHGEN_TRUST=1",
        "HTTPS_PROXY=http://127.0.0.1:1",
        "SSL_CERT_FILE=ca.pem",
        "OPENAI_BASE_URL=http://127.0.0.1:1/${AWS_SECRET_ACCESS_KEY}",
    ] {
        let scene = Scene::new();
        scene.write(".env", &format!("OPENAI_API_KEY=x\n{line}\n"));
        let ran = scene.host(&["plugins", "list"]).ended(2);
        let (name, _) = line.split_once('=').unwrap();
        let words = format!(".env:2: a project may not set {name}");
        assert!(ran.stderr.contains(&words), "{}", ran.stderr);
        assert!(!scene.path("cache").exists());
    }
    let scene = Scene::new().with("BATCHGEN_CACHE_DIR", "cache");
    let ran = scene.host(&["plugins", "list"]).ended(2);
    assert!(
        ran.stderr.contains("which lies in the project"),
        "{}",
        ran.stderr
    );
    let scene = Scene::new();
    scene.write(".env", "DATABASE_URL=x\n");
    let ran = scene.host(&["plugins", "list"]).ended(0);
    assert!(ran.stderr.contains("DATABASE_URL"), "{}", ran.stderr);
}

#[test]
fn a_key_that_everybody_can_read_is_told() {
    let scene = Scene::new();
    scene.write(".env", "OPENAI_API_KEY=x\n");
    for (mode, told) in [(0o644, true), (0o600, false)] {
        let mode = Permissions::from_mode(mode);
        fs::set_permissions(scene.path(".env"), mode).unwrap();
        let ran = scene.host(&["plugins", "list"]).ended(0);
        let said = ran.stderr.contains("every user of this machine can read");
        assert_eq!(said, told, "{}", ran.stderr);
    }
}

#[test]
fn a_misspelt_variable_is_told() {
    let scene = Scene::new().with("BATCHGEN_MODLE", "openai/gpt-4o");
    let ran = scene.host(&["run", "--record", "oak"]).ended(0);
    assert!(
        ran.stderr.contains("did you mean `BATCHGEN_MODEL`?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_quiet_run_prints_only_what_is_wrong() {
    let scene = Scene::new();
    let ran = scene
        .host(&["run", "--quiet", "--category", "stone"])
        .ended(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    scene.write("plugins/broken.wasm", "no plugin");
    let ran = scene.host(&["-q", "run"]).ended(0);
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.starts_with("warning: plugin ") && ran.stderr.lines().count() == 2,
        "{}",
        ran.stderr
    );
}

/// What was done is not said, and neither is what is well.
#[test]
fn every_command_that_does_something_can_be_quiet() {
    let scene = Scene::new();
    scene.write("shop/shop.csv", "id,name,category\nlamp,Lamp,light\n");
    scene.run(&["--category", "stone"]).ended(0);
    scene.write("content/text/granite-laser-cleaning.md", "Edited.\n");
    for command in [
        "init shop/shop.csv --config shop/batchgen.toml",
        "doctor --model offline",
        "accept",
        "clean --deleted --moved --dropped",
        "export rows.jsonl",
        "failures --export failures.jsonl",
        "report",
        "retry",
        "replay granite tags",
        "store verify",
        "store prune",
        "store export tasks --to tasks.jsonl",
        "store recover .batchgen/state.db new.db",
        "plugins lock",
        "plugins check plugins/tags.wasm",
        "plugins new quiet-notes --lang python",
        "run --category stone",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["-q"]).collect();
        let ran = scene.host(&words).ended(0);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("", ""),
            "{command}"
        );
    }
}

#[test]
fn a_negative_number_is_refused_as_a_number() {
    let scene = Scene::new();
    for flag in ["--limit", "--max-cost", "--concurrency"] {
        let ran = scene.host(&["run", flag, "-1"]).ended(2);
        assert!(
            ran.stderr.contains("invalid value '-1'"),
            "{flag}: {}",
            ran.stderr
        );
    }
}

#[test]
fn completions_are_there_for_every_shell() {
    let scene = Scene::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = scene.host(&["completions", shell]).ended(0);
        assert!(ran.stdout.contains("failures"), "{shell}");
    }
    scene.host(&["completions", "tcsh"]).ended(2);
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let scene = Scene::new();
    scene.host(&["reference", "--man", "man/man1"]).ended(0);
    let reference = scene.host(&["reference"]).ended(0).stdout;
    let commands = reference
        .lines()
        .filter_map(|line| line.strip_prefix("## batchgen"));
    let names: Vec<String> = commands
        .map(|rest| format!("batchgen{rest}").replace(' ', "-"))
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let page = scene.read(&format!("man/man1/{name}.1"));
        assert!(page.contains(&format!("\n.TH {name} 1")), "{page}");
    }
    let hidden = scene.path("man/man1/batchgen-reference.1");
    assert!(!hidden.exists(), "a command that nobody types has a page");
    let run = scene.read("man/man1/batchgen-run.1");
    assert!(run.contains("\\-\\-max\\-cost"), "{run}");
}

/// `host` is a second name of the program; help and hints know one name.
#[test]
fn help_and_hints_use_one_name_under_whichever_the_program_was_started() {
    let scene = Scene::new();
    let second = crate::scene::program("host");
    let said = |arguments: &[&str]| {
        let output = scene.command_of(&second, arguments).output().unwrap();
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    };
    for (arguments, words) in [
        (&["run", "--help"][..], "\n  batchgen run --limit 3"),
        (&["--version"], "batchgen "),
        (&["status"], "`batchgen run` starts a run"),
        (&["run", "--modle", "x"], "Usage: batchgen run"),
    ] {
        let said = said(arguments);
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("host "), "{said}");
    }
}

/// Log lines come from several crates, whose names all begin like the program's.
#[test]
fn the_name_of_the_program_selects_the_log_of_all_its_crates() {
    let scene = Scene::new().with("BATCHGEN_LOG", "batchgen=debug");
    let run = ["--record", "oak", "--component", "frontmatter"];
    let log = scene.run(&run).ended(0).stderr;
    for span in ["task{", "chat{"] {
        assert!(log.contains(span), "{log}");
    }
}
