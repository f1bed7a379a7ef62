//! What else a project asks for, in a run on several machines: it is as on one machine, or it is refused before anything is paid for.

use std::collections::BTreeMap;

use super::farm::{ARGUMENTS, Farm, Process};
use crate::moto::Moto;
use crate::scene::{KEY, Ran, Scene};

/// The run of a scene that is shared with one worker, until its end.
fn shared(farm: &Farm, scene: &Scene, more: &[&str]) -> Ran {
    let url = farm.nats.url();
    let arguments = [&["--cluster", &url], more].concat();
    let run = Process(scene.start(&arguments));
    let _worker = farm.worker("one");
    run.ended()
}

/// So many tasks were performed by the worker.
fn by_the_worker(scene: &Scene) -> u64 {
    scene.query("SELECT count(*) FROM task WHERE worker = 'one'")
}

#[test]
fn batches_are_refused_before_anything_is_paid_for() {
    let farm = Farm::new(1, 1);
    let url = farm.nats.url();
    for more in [&["--mode", "batch"][..], &["--mode", "batch", "--no-wait"]] {
        let arguments = [&["--cluster", &url], more, &ARGUMENTS[..]].concat();
        let refused = farm.coordinator.run(&arguments).ended(2).stderr;
        assert!(refused.contains("not shared with workers"), "{refused}");
        assert!(refused.contains("--mode online"), "{refused}");
    }
    farm.coordinator.configure(&format!(
        "[cluster]\nurl = \"{url}\"\n[models.\"openai/sim\"]\nmode = \"batch\"\n"
    ));
    let refused = farm.coordinator.run(&ARGUMENTS).ended(2).stderr;
    assert!(refused.contains("not shared with workers"), "{refused}");
    let ledger = farm.simulator.ledger();
    assert!(ledger.calls.is_empty(), "{} calls", ledger.calls.len());
    let status = farm
        .coordinator
        .host(&["cluster", "status", "--cluster", &url]);
    assert_eq!(
        status.ended(0).stdout.trim_end(),
        "no run is on this server"
    );
}

#[test]
fn a_component_for_each_locale_is_made_by_workers() {
    let farm = Farm::new(1, 1);
    let scene = || {
        let scene = Scene::new().with_plugins("plugins").asking(&farm.simulator);
        scene.write(
            "components/description.md",
            "---\nfor-each: locale\n---\n\nDescribe {{ record.name }} for {{ site.locale }}, which is {{ variant.locale }}.\n",
        );
        scene.configure("[matrix]\nlocale = [\"en_US\", \"de_DE\"]\n");
        scene.replace("batchgen.toml", "[plugins]", "[plugins]\nimplicit = false");
        scene.replace(
            "batchgen.toml",
            "path = \"{component}/{id}-laser-cleaning.{extension}\"",
            "path = \"{locale}/{component}/{id}.{extension}\"",
        );
        scene
    };
    let (together, alone) = (scene(), scene());
    let summary = shared(&farm, &together, &ARGUMENTS).ended(0).summary();
    assert_eq!(by_the_worker(&together), summary.records() * 2);
    alone.run(&ARGUMENTS).ended(0);
    assert_eq!(together.content(), alone.content());
}

#[test]
fn files_in_storage_are_those_of_one_machine() {
    if !Moto::is_there() {
        eprintln!("skipped: moto, which speaks the API of S3, is not here");
        return;
    }
    let moto = Moto::start();
    let farm = Farm::new(1, 1);
    let known = |scene: Scene| {
        let scene = moto.known_to(scene.asking(&farm.simulator));
        scene.configure("");
        scene.with("BATCHGEN_OUTPUT", "s3://team/site")
    };
    let together = known(Scene::new());
    shared(&farm, &together, &ARGUMENTS).ended(0);
    assert!(by_the_worker(&together) > 0);
    let there = moto.keys().into_iter().filter_map(|key| {
        let path = key.strip_prefix("site/")?.to_owned();
        Some((path, String::from_utf8(moto.object(&key)).unwrap()))
    });
    let there: BTreeMap<String, String> = there.collect();
    assert_eq!(there, farm.undisturbed());
}

/// Pictures lie on the machine of the coordinator, which makes what shows some.
#[test]
fn records_with_pictures_are_made_by_the_coordinator() {
    let farm = Farm::new(1, 1);
    let scene = Scene::new()
        .with_plugin("plugins/prompt")
        .asking(&farm.simulator)
        .with("OPENAI_API_KEY", KEY);
    let picture = crate::scene::root().join("tests/fixtures/pictures/chair.png");
    std::fs::copy(picture, scene.path("chair.png")).unwrap();
    scene.write(
        "products.csv",
        "id,name,category,photo\nchair,chair,furniture,chair.png\n",
    );
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"products.csv\"\n[component.alt-text]\nplugin = \"prompt\"\nimages = [\"photo\"]\n\
         prompts.write = { text = \"Say what is to be seen.\" }\noptions = { numbers-from-facts = false }\n",
    );
    let summary = shared(&farm, &scene, &[]).ended(0).summary();
    assert_eq!((summary.complete(), by_the_worker(&scene)), (1, 0));
    let calls = farm.simulator.ledger().calls;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].pictures.len(), 1);
}
