//! The JSON Schema of the configuration, with which editors check it: what the program accepts is valid, and a misspelt key is not.

use serde_json::{Value, json};

use crate::scene::{Scene, root};

fn valid(configuration: &str) -> Vec<String> {
    let schema = std::fs::read_to_string(root().join("docs/batchgen.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let configuration: toml::Table = toml::from_str(configuration).unwrap();
    let configuration = json!(configuration);
    let errors = validator.iter_errors(&configuration);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn what_is_written_for_a_user_is_valid() {
    let own = std::fs::read_to_string(root().join("batchgen.toml")).unwrap();
    assert_eq!(valid(&own), [""; 0]);
    let scene = Scene::new().with_plugins("plugins");
    scene.write(
        "things.csv",
        "sku,title,kind\na,Lamp,light\nb,Torch,light\n",
    );
    scene
        .host(&["init", "things.csv", "--config", "made.toml"])
        .ended(0);
    assert_eq!(valid(&scene.read("made.toml")), [""; 0]);
    let rich = "model = \"openai/gpt-5-mini\"\n[dataset]\npath = [\"a.csv\", \"b.csv\"]\nrepeated = \"first\"\n\
        [matrix]\ntone = [\"dry\"]\n[profile.ci]\nmax-cost = 2\n[provider.mine]\nbase-url = \"http://localhost:1\"\n\
        [models.\"mine/x\"]\nmode = \"batch\"\nlimits = { concurrency = 3 }\n[component.text]\nfor-each = [\"tone\"]\n\
        [component.text.prompts.write]\ntext = \"x\"\n[component.text.limits]\ntokens = 3\n";
    assert_eq!(valid(rich), [""; 0]);
}

#[test]
fn what_the_program_refuses_is_not_valid() {
    for (wrong, said) in [
        ("[dataset]\npth = \"a.csv\"\n", "pth"),
        ("[dataset]\nrepeated = \"last\"\n", "last"),
        ("modle = \"x\"\n", "modle"),
        ("[models.\"a/b\"]\ntemprature = 1\n", "temprature"),
        ("[component.text]\nenabled = \"yes\"\n", "yes"),
    ] {
        let errors = valid(wrong);
        assert!(
            errors.iter().any(|error| error.contains(said)),
            "{wrong}: {errors:?}"
        );
    }
}
