//! A command that writes a file under a name that the user gives never takes the place of what a project is made of.

use std::fs;

use crate::scene::Scene;

/// Every command that writes a file whose name is given, with `FILE` in its place, and the endings that it asks for.
const COMMANDS: [(&str, &str); 6] = [
    ("export FILE --format csv", "csv"),
    ("export FILE --format jsonl", "jsonl"),
    ("report -o FILE", "html"),
    ("report --markdown -o FILE", "md"),
    ("failures --export FILE", "jsonl"),
    ("store export tasks --to FILE", "jsonl"),
];

/// What a project is made of, some of it behind a link or another way to write it.
const PARTS: [&str; 9] = [
    "materials.yaml",
    "./content/../materials.yaml",
    "link.yaml",
    "kinds.yaml",
    "batchgen.toml",
    ".env",
    "write.md",
    "content/tags/oak-laser-cleaning.txt",
    ".batchgen/state.db",
];

fn project() -> Scene {
    let scene = Scene::new();
    scene.configure("[component.tags.prompts]\nwrite = \"write.md\"\n");
    scene.replace(
        "batchgen.toml",
        "records = \"materials\"\n",
        "records = \"materials\"\ncategories-file = \"kinds.yaml\"\n",
    );
    scene.write("kinds.yaml", "categories:\n- {id: wood}\n");
    scene.write(
        "materials.yaml",
        "materials:\n- {id: oak, name: Oak, category: wood}\n",
    );
    scene.write(".env", "A_VARIABLE=value\n");
    scene.write("write.md", "Write tags.\n");
    scene.run(&["--component", "tags"]).ended(0);
    std::os::unix::fs::symlink("materials.yaml", scene.path("link.yaml")).unwrap();
    scene
}

fn arguments<'a>(command: &'a str, file: &'a str) -> Vec<&'a str> {
    let word = |word: &'a str| if word == "FILE" { file } else { word };
    command.split(' ').map(word).collect()
}

#[test]
fn no_command_overwrites_a_part_of_the_project_even_by_force() {
    let scene = project();
    for (command, _) in COMMANDS {
        for part in PARTS {
            let before = fs::read(scene.path(part)).unwrap();
            for force in [&[][..], &["--force"]] {
                let ran = scene.host(&[&arguments(command, part)[..], force].concat());
                assert_eq!(ran.code, Some(2), "{command} {part}: {}", ran.stderr);
                assert!(ran.stderr.contains(part), "{command}: {}", ran.stderr);
                let after = fs::read(scene.path(part)).unwrap();
                assert!(after == before, "{command} overwrote {part}");
            }
        }
    }
    scene.host(&["run", "--component", "tags"]).ended(0);
}

#[test]
fn another_file_is_replaced_on_request_and_an_own_one_at_once() {
    let scene = project();
    for (command, ending) in COMMANDS {
        let file = format!("other.{ending}");
        scene.write(&file, "somebody's\n");
        let arguments = arguments(command, &file);
        let refused = scene.host(&arguments).ended(2).stderr;
        assert!(refused.contains("--force"), "{command}: {refused}");
        assert_eq!(scene.read(&file), "somebody's\n", "{command}");
        scene
            .host(&[&arguments[..], &["--force"]].concat())
            .ended(0);
        assert_ne!(scene.read(&file), "somebody's\n", "{command}");
        scene.host(&arguments).ended(0);
        // What a person did to it since is not lost either.
        let edited = format!("{}\nedited\n", scene.read(&file));
        scene.write(&file, &edited);
        scene.host(&arguments).ended(2);
        assert_eq!(scene.read(&file), edited, "{command}");
    }
}

#[test]
fn neither_init_nor_a_new_state_takes_the_place_of_a_file() {
    let scene = project();
    for part in PARTS {
        let before = fs::read(scene.path(part)).unwrap();
        for command in [
            "init materials.yaml --config FILE",
            "store recover .batchgen/state.db FILE",
        ] {
            scene.host(&arguments(command, part)).ended(2);
            let after = fs::read(scene.path(part)).unwrap();
            assert!(after == before, "{command} overwrote {part}");
        }
    }
}
