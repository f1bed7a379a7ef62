//! Two tasks never write one file: that is found before anything is asked.

use crate::scene::Scene;

#[test]
fn two_records_whose_paths_come_out_equal_are_refused_by_name() {
    let scene = Scene::new();
    scene.write(
        "data.jsonl",
        "{\"id\": \"sheet-steel\", \"name\": \"A\", \"category\": \"metal\"}\n\
         {\"id\": \"steel\", \"name\": \"B\", \"category\": \"metal-sheet\"}\n",
    );
    let configure = |path: &str, more: &str| {
        scene.write(
            "batchgen.toml",
            &format!("[dataset]\npath = 'data.jsonl'\n[plugins]\nimplicit = false\n[output]\npath = '{path}'\n{more}"),
        );
    };
    let note = |name: &str| {
        format!(
            "[component.{name}]\nplugin = 'prompt'\nenabled = true\ninput = {{ record = 'all' }}\n\
             prompts = {{ write = {{ text = 'Write two sentences on {{{{ record.name }}}}.' }} }}\n"
        )
    };
    configure("{category}-{id}.{extension}", &note("text"));
    for command in ["run", "plan"] {
        let said = scene.host(&[command]).ended(2).stderr;
        for words in [
            "metal-sheet-steel.md",
            "`sheet-steel`",
            "`steel`",
            "nothing was asked",
        ] {
            assert!(said.contains(words), "{command}: {said}");
        }
    }
    let said = scene.host(&["doctor"]).ended(2).stdout;
    assert!(said.contains("metal-sheet-steel.md"), "{said}");
    assert!(!scene.path("content").exists());
    // Components whose names run into ids.
    scene.write(
        "data.jsonl",
        "{\"id\": \"fr-oak\", \"name\": \"A\", \"category\": \"c\"}\n{\"id\": \"oak\", \"name\": \"B\", \"category\": \"c\"}\n",
    );
    configure(
        "{component}-{id}.{extension}",
        &[note("text"), note("text-fr")].concat(),
    );
    let said = scene.host(&["run"]).ended(2).stderr;
    assert!(said.contains("text-fr-oak.md"), "{said}");
    assert!(
        said.contains("`text-fr`") && said.contains("`fr-oak`"),
        "{said}"
    );
    // The same pattern is fine where nothing comes out equal.
    scene.write(
        "data.jsonl",
        "{\"id\": \"oak\", \"name\": \"B\", \"category\": \"c\"}\n",
    );
    scene.host(&["doctor"]).ended(0);
    scene.host(&["run"]).ended(0);
    assert_eq!(scene.content().len(), 2);
}
