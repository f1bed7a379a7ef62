//! What a person sees when something is wrong with what they typed or wrote.

use crate::scene::Scene;

/// The error of a command that must fail with exit code 2.
fn error(scene: &Scene, arguments: &[&str]) -> String {
    let ran = scene.host(&[&["run"], arguments].concat()).ended(2);
    assert_eq!(ran.stdout, "");
    let folder = scene.path("").display().to_string();
    ran.stderr.replace(&folder, "")
}

#[test]
fn wrong_arguments() {
    let scene = Scene::new();
    let cases: [&[&str]; 12] = [
        &["--modle", "offline"],
        &["--model", "ofline"],
        &["--model", "foo/bar"],
        &["--model", "openai/gpt-4o-mini"],
        &["--component", "txt"],
        &["--component", "text", "--all"],
        &["--category", "metl"],
        &["--record", "alumnum"],
        &["--concurrency", "0"],
        &["--limit", "many"],
        &["--data", "nowhere.yaml"],
        &["--config", "nowhere.toml"],
    ];
    let shown: Vec<String> = cases
        .iter()
        .map(|case| format!("$ batchgen run {}\n{}", case.join(" "), error(&scene, case)))
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn wrong_configuration() {
    let scene = Scene::new();
    let cases = [
        "modle = 1\n",
        "[component.text]\nmax-words = 5\n",
        "[component.text.options]\nmax-words = \"many\"\n",
        "[component.text.options]\nmax-word = 300\n",
        "[component.text]\nprompts = { wirte = \"x.md\" }\n",
        "[component.text]\nprompts = { write = \"nowhere.md\" }\n",
        "[component.text]\noutput = \"../{id}.md\"\n",
        "[component.article]\nplugin = \"txet\"\n",
        "[component.text]\noutput = \"same/{id}.md\"\n[component.table]\noutput = \"same/{id}.md\"\n",
        "[component.text]\ntemperature = 7.0\n",
        "[component.tags]\nmodel = \"local/llama\"\n",
    ];
    let shown: Vec<String> = cases
        .iter()
        .map(|case| {
            scene.configure(case);
            format!("{case}--\n{}", error(&scene, &[]))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn wrong_data() {
    let scene = Scene::new();
    let record = "- id: iron\n  name: Iron\n  category: metal\n";
    let cases = [
        ("empty", String::new()),
        (
            "unsafe id",
            format!("materials:\n{}", record.replace("iron", "../../etc/passwd")),
        ),
        (
            "missing name",
            "materials:\n- id: iron\n  category: metal\n".to_owned(),
        ),
        (
            "wrong type",
            "materials:\n- id: iron\n  name: [1]\n  category: metal\n".to_owned(),
        ),
        ("no list", "things:\n- id: iron\n".to_owned()),
        (
            "not yaml",
            "materials:\n- id: iron\n  name: \"open\n".to_owned(),
        ),
    ];
    let shown: Vec<String> = cases
        .iter()
        .map(|(name, text)| {
            scene.write("materials.yaml", text);
            format!("{name}: {}", error(&scene, &[]))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_yaml_bomb_is_an_error() {
    let scene = Scene::new();
    let mut bomb = "materials:\n- id: iron\n  name: Iron\n  category: metal\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        bomb.push_str(&format!(
            "  a{level}: &a{level} [{}]\n",
            [below.as_str(); 9].join(", ")
        ));
    }
    scene.write("materials.yaml", &bomb);
    let shown = error(&scene, &[]);
    assert!(shown.contains("materials.yaml:"), "{shown}");
}

#[test]
fn help_says_what_there_is() {
    insta::assert_snapshot!(Scene::new().host(&["run", "--help"]).ended(0).stdout);
}

/// Away from a terminal: a line every ten records, and the summary.
#[test]
fn a_run_tells_how_it_goes() {
    let scene = Scene::new();
    let ran = scene.host(&["run", "--category", "stone"]).ended(0);
    insta::with_settings!({filters => vec![
        (r"\d+/18 materials \(\d+ %\)", "[n]/18 materials ([n] %)"),
        (r"\d+:\d\d elapsed, eta (unknown|\d+:\d\d)", "[time] elapsed, eta [time]"),
        (r"made \d+, kept", "made [n], kept"),
        (r"[\d.]+[kM]? materials/h, ", ""),
        (r"(tokens in|out) [\d.]+k?( \([\d.]+[kM]?/s\))?,", "$1 [n],"),
        (r"in [\d.]+ s", "in [time]"),
        (r"[\d.]+k tokens in and [\d.]+k out", "[n] tokens in and [n] out"),
        (r"memory \d+ MB", "memory [n] MB"),
        (r"files are in .*", "files are in [folder]"),
        (r"offline, \d+ in flight", "offline, [n] in flight"),
    ]}, {
        insta::assert_snapshot!(format!("{}\n{}", ran.stderr.lines().next().unwrap_or_default(), ran.stdout));
    });
}

#[test]
fn every_command_outside_a_project_names_init() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path("batchgen.toml")).unwrap();
    for command in [
        "run",
        "plan",
        "failures",
        "export",
        "why a b",
        "status",
        "view",
        "report",
        "retry",
        "replay a b",
        "accept",
        "clean",
        "store stats",
        "store verify",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let said = scene.host(&words).ended(2).stderr;
        assert!(
            said.contains("`batchgen init YOUR-FILE`"),
            "{command}: {said}"
        );
    }
    let doctor = scene.host(&["doctor"]).stdout;
    assert!(doctor.contains("`batchgen init YOUR-FILE`"), "{doctor}");
}

#[test]
fn an_id_as_the_dataset_has_it_is_understood() {
    let scene = Scene::new();
    scene.write("shop.csv", "id,name,category\nSKU-1,Lamp,x\n");
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"shop.csv\"\nsafe-ids = true\n[plugins]\ndirectory = \"plugins\"\n",
    );
    let said = scene.host(&["plan", "--record", "SKU-1"]).ended(2).stderr;
    assert!(said.contains("did you mean `sku-1`?"), "{said}");
    let said = scene
        .host(&["plan", "--record", "of another kind"])
        .ended(2)
        .stderr;
    assert!(said.contains("as `sku-1`"), "{said}");
}
