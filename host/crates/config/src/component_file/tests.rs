//! What a component's own file may hold, and where its faults are told.

use super::*;

use crate::FILE_NAME;

/// A project with this configuration and these files.
fn project(config: &str, files: &[(&str, &str)]) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE_NAME);
    fs::write(&file, config).unwrap();
    fs::create_dir(directory.path().join(FOLDER)).unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(FOLDER).join(name), text).unwrap();
    }
    let folder = format!("{}/", directory.path().display());
    Config::read(&file).map_err(|error| error.to_string().replace(&folder, ""))
}

const NOTICE: &str = "---
# A notice.
input:
  record: [contaminants]
depends-on: [text]
options:
  min-words: 30
  required-words: ['{{ record.name }}', no, 007]
---

Write a notice
on {{ record.name }}.
";

fn prompt(component: &ComponentConfig) -> &str {
    match &component.prompts["write"] {
        PromptSource::Inline(prompt) => &prompt.text,
        PromptSource::File(file) => panic!("{}", file.display()),
    }
}

/// Such a file says nothing else than a section of the configuration.
#[test]
fn a_file_holds_what_a_section_holds() {
    let config = project("", &[("notice.md", NOTICE)]).unwrap();
    let section = "[component.notice]\nplugin = \"prompt\"\ninput = { record = [\"contaminants\"] }\ndepends-on = [\"text\"]
[component.notice.options]\nmin-words = 30\nrequired-words = [\"{{ record.name }}\", \"no\", \"007\"]
[component.notice.prompts.write]\ntext = \"\"\"\nWrite a notice\non {{ record.name }}.\n\"\"\"\n";
    let same = project(section, &[]).unwrap();
    let (mut one, other) = (
        config.component["notice"].clone(),
        &same.component["notice"],
    );
    assert!(one.origin.is_some() && other.origin.is_none());
    one.origin = None;
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}

#[test]
fn its_text_is_the_prompt_however_its_lines_end() {
    let windows = format!("\u{feff}{}", NOTICE.replace('\n', "\r\n"));
    let config = project(
        "",
        &[
            ("a.md", &windows),
            ("b.md", "---\n---\nWrite.\n\n---\n\nMore.\n"),
            (
                "c.md",
                "---\nplugin: text\nprompts: {other: prompts/other.md}\n---\nWrite.",
            ),
        ],
    )
    .unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| &config.component[name]);
    assert_eq!(prompt(a), "Write a notice\non {{ record.name }}.\n");
    assert_eq!(prompt(b), "Write.\n\n---\n\nMore.\n");
    assert_eq!(
        (b.plugin.as_deref(), c.plugin.as_deref()),
        (Some("prompt"), Some("text"))
    );
    let PromptSource::File(other) = &c.prompts["other"] else {
        panic!("{c:?}");
    };
    assert_eq!(*other, config.folder.join("prompts/other.md"));
}

#[test]
fn what_is_no_component_is_passed_over() {
    let config = project(
        "",
        &[
            ("README.md", "These are our components."),
            ("notice.md~", "--"),
            (".notice.md", "--"),
            ("notice.txt", "--"),
            ("notice.md", NOTICE),
        ],
    )
    .unwrap();
    assert_eq!(Vec::from_iter(config.component.keys()), ["notice"]);
}

#[test]
fn faults_are_told_with_file_and_line() {
    let twice = "model = \"offline\"\n[component.notice]\nplugin = \"prompt\"\n";
    for (config, text, expected) in [
        (
            "",
            "Write.\n",
            "components/notice.md:1: its settings do not stand between",
        ),
        (
            "",
            "---\ninput:\n",
            "components/notice.md:1: its settings do not stand between",
        ),
        (
            "",
            "---\n# None.\n---\n \n",
            "components/notice.md:4: there is no prompt below the settings",
        ),
        (
            "",
            "---\n\nmax-output-token: 5\n---\nWrite.\n",
            "components/notice.md:3: unknown field `max-output-token`",
        ),
        (
            "",
            "---\npriority: [\n---\nWrite.\n",
            "components/notice.md:",
        ),
        (
            "",
            "---\npriority: high\n---\nWrite.\n",
            "components/notice.md:2: `priority: high`: ",
        ),
        (
            "",
            "---\npriority: 1\npriority: 2\n---\nWrite.\n",
            "components/notice.md:3: ",
        ),
        (
            "",
            "---\nprompts:\n  write: {text: Write.}\n---\nWrite.\n",
            "components/notice.md:3: `prompts.write` is the text below the settings",
        ),
        (
            twice,
            NOTICE,
            "components/notice.md:1: `notice` is a component of batchgen.toml:2, too",
        ),
    ] {
        let error = project(config, &[("notice.md", text)]).unwrap_err();
        assert!(error.starts_with(expected), "{text}\n{error}");
        assert!(error.contains("\nhint: "), "{error}");
    }
    let error = project("", &[("a.md", "---\nmax-output-token: 5\n---\nWrite.\n")]).unwrap_err();
    assert!(
        error.ends_with("hint: did you mean `max-output-tokens`?"),
        "{error}"
    );
}

#[test]
fn a_setting_is_found_in_its_line() {
    let config = project(
        "",
        &[("notice.md", "---\ninput: {record: all}\n\"temperature\": 3\noptions:\n  # min-words is few\n  min-words: 5\n---\nWrite.\n")],
    )
    .unwrap();
    let origin = config.component["notice"].origin.clone().unwrap();
    for (setting, line) in [
        ("", 1),
        ("input", 2),
        ("input.record", 2),
        ("temperature", 3),
        ("options", 4),
        ("options.min-words", 6),
        ("options.max-words", 4),
        ("mode", 1),
    ] {
        assert_eq!(origin.line(setting), line, "{setting}");
    }
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(FILE_NAME);
    fs::write(&file, "").unwrap();
    fs::create_dir_all(directory.path().join("components/notice.md")).unwrap();
    let error = Config::read(&file).unwrap_err().to_string();
    assert!(
        error.contains("notice.md: it is not a regular file"),
        "{error}"
    );
}
