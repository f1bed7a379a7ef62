//! Plugins that are published to a real registry, taken from it, locked, and fetched again elsewhere. ORAS, which knows nothing of
//! batchgen, publishes and fetches as well.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use types::digest::Digest;

use crate::core_guest::CoreGuest;
use crate::docker_registry::{DockerRegistry, NAME, PASSWORD};
use crate::scene::{Ran, Scene, root};
use crate::web::Web;

/// A plugin that writes `O`.
const NOTES: CoreGuest = CoreGuest::new("notes", "", "(call $put (i32.const 79)) (call $make)");
/// One that writes `P`, reads a field and wants more memory.
const GREEDY: CoreGuest = CoreGuest {
    manifest: |manifest| {
        manifest["plugin"]["version"] = json!("0.2.0");
        manifest["input"] = json!({"record": ["laser"]});
        manifest["limits"] = json!({"memory-mib": 64, "cpu-ms": 200});
    },
    ..CoreGuest::new("notes", "", "(call $put (i32.const 80)) (call $make)")
};
const RUN: [&str; 4] = ["run", "--component", "notes", "--limit"];

/// A project with homes of its own: what one person allowed and fetched, another has not.
fn scene() -> Scene {
    let scene = Scene::new();
    fs::create_dir(scene.path("none")).unwrap();
    let home = scene.path("home").display().to_string();
    let cache = scene.path("cache").display().to_string();
    scene
        .with("HOME", &home)
        .with("BATCHGEN_CACHE_DIR", &cache)
        .with("BATCHGEN_PLUGINS", "none")
}

/// The cache must lie outside of the project, so that the project has a folder of its own.
fn project() -> Scene {
    let scene = scene();
    fs::create_dir(scene.path("project")).unwrap();
    scene.write("project/batchgen.toml", &scene.read("batchgen.toml"));
    fs::rename(
        scene.path("materials.yaml"),
        scene.path("project/materials.yaml"),
    )
    .unwrap();
    fs::remove_file(scene.path("batchgen.toml")).unwrap();
    fs::create_dir(scene.path("project/none")).unwrap();
    scene
}

fn host(scene: &Scene, words: &[&str]) -> Ran {
    let mut command = scene.command(words);
    Ran::from(command.current_dir(scene.path("project")).output().unwrap())
}

fn run(scene: &Scene) -> Ran {
    host(scene, &[&RUN[..], &["1"]].concat())
}

/// What the plugin made of the first record.
fn made(scene: &Scene) -> String {
    let folder = scene.path("project/content/notes");
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    fs::read_to_string(file.path()).unwrap()
}

/// The project as somebody else gets it: without homes, caches and state.
fn cloned(from: &Scene) -> Scene {
    let scene = project();
    for file in ["batchgen.toml", "plugins.lock"] {
        let file = format!("project/{file}");
        fs::copy(from.path(&file), scene.path(&file)).unwrap();
    }
    scene
}

fn wrote(scene: &Scene, file: &str, guest: &CoreGuest) -> Vec<u8> {
    let bytes = guest.build();
    fs::write(scene.path("project").join(file), &bytes).unwrap();
    bytes
}

/// Runs ORAS, with a client of the registry in hand.
fn oras(registry: &DockerRegistry, folder: &Path, words: &str) -> String {
    let host = &registry.host;
    let script = format!(
        "import oras.client, json\nclient = oras.client.OrasClient(hostname='{host}', insecure=True)\n{words}"
    );
    let ran = Command::new(root().join("target/oras/bin/python"))
        .args(["-c", &script])
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    let ran = Ran::from(ran).ended(0);
    ran.stdout
}

#[test]
fn what_is_published_is_what_others_fetch_and_what_others_publish_can_be_taken() {
    let registry = DockerRegistry::start();
    let scene = project();
    let bytes = wrote(&scene, "notes.wasm", &NOTES);
    let place = format!("oci:{}/acme/notes", registry.host);
    let published = host(&scene, &["plugins", "publish", "notes.wasm", &place]).ended(0);
    let told = format!("published notes 0.1.0 as {place}:0.1.0, which is {place}@sha256:");
    assert!(published.stderr.starts_with(&told), "{}", published.stderr);

    // ORAS gets the same bytes, and sees a component.
    let image = format!("{}/acme/notes:0.1.0", registry.host);
    let words = format!(
        "print(json.dumps([client.pull(target='{image}', outdir='pulled'), client.get_manifest('{image}')]))"
    );
    let said = oras(&registry, &scene.path("project"), &words);
    let said: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let pulled = fs::read(scene.path("project").join(said[0][0].as_str().unwrap())).unwrap();
    assert_eq!(pulled, bytes);
    let manifest = &said[1];
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.version"],
        "0.1.0"
    );
    let config = manifest["config"]["digest"].as_str().unwrap();
    let url = format!("http://{}/v2/acme/notes/blobs/{config}", registry.host);
    let config = Web::new().json(&url);
    assert_eq!(config["os"], "wasip2");
    assert_eq!(
        config["layerDigests"],
        json!([format!("sha256:{}", Digest::of(&bytes))])
    );
    assert_eq!(config["component"]["exports"], json!(["generate"]));

    // The same again is no change, another one under the same version is refused, and a tag that is no version moves.
    let again = host(&scene, &["plugins", "publish", "notes.wasm", &place]).ended(0);
    assert!(
        again.stderr.contains("is there already, and is the same"),
        "{}",
        again.stderr
    );
    wrote(&scene, "greedy.wasm", &GREEDY);
    let version = format!("{place}:0.1.0");
    let refused = host(&scene, &["plugins", "publish", "greedy.wasm", &version]).ended(2);
    assert!(
        refused.stderr.contains("a version is never replaced"),
        "{}",
        refused.stderr
    );
    let next = format!("{place}:next");
    for file in ["notes.wasm", "greedy.wasm"] {
        host(&scene, &["plugins", "publish", file, &next]).ended(0);
    }

    // What ORAS publishes is taken.
    let words = format!(
        "client.push(target='{}/acme/pushed:1', files=['notes.wasm:application/wasm'])",
        registry.host
    );
    oras(&registry, &scene.path("project"), &words);
    let pushed = format!("oci:{}/acme/pushed:1", registry.host);
    let added = host(&scene, &["plugins", "add", &pushed]).ended(0);
    assert!(
        added.stderr.contains("added notes 0.1.0"),
        "{}",
        added.stderr
    );
    run(&scene).ended(0);
    assert_eq!(made(&scene), "O");
}

#[test]
fn what_is_locked_is_fetched_once_and_is_the_same_everywhere() {
    let registry = DockerRegistry::start();
    let scene = project();
    let bytes = wrote(&scene, "notes.wasm", &NOTES);
    let place = format!("oci:{}/acme/notes", registry.host);
    host(&scene, &["plugins", "publish", "notes.wasm", &place]).ended(0);
    let source = format!("{place}:0.1.0");
    let added = host(&scene, &["plugins", "add", &source]).ended(0);
    for line in [
        "notes 0.1.0: Misbehaves",
        "fields of a record    none",
        "asks a model          no",
        "runs                  in every run",
    ] {
        assert!(added.stderr.contains(line), "{}", added.stderr);
    }
    let lock = scene.read("project/plugins.lock");
    assert!(lock.contains("complete = false"), "{lock}");
    let digest = Digest::of(&bytes);
    assert!(
        lock.contains(&format!(
            "digest = \"{digest}\"\nfrom = {{ source = \"{source}\""
        )),
        "{lock}"
    );
    run(&scene).ended(0);

    // Somebody else has to allow the place, and gets the same.
    let other = cloned(&scene);
    let refused = run(&other).ended(2).stderr;
    let asked =
        format!("plugins.lock: the plugin `notes` is fetched from {place}, with your login");
    assert!(
        refused.contains(&asked) && refused.contains("`batchgen trust`"),
        "{refused}"
    );
    let doctor = host(&other, &["doctor"]).ended(2);
    assert!(doctor.stdout.contains(&place), "{}", doctor.stdout);
    host(&other, &["trust"]).ended(0);
    let ran = run(&other).ended(0);
    assert_eq!(made(&other), "O");
    let fetched = fs::read(other.path(&format!("cache/plugins/{digest}.wasm"))).unwrap();
    assert_eq!(fetched, bytes);
    assert!(
        !ran.stderr.contains("fetched"),
        "`trust` did: {}",
        ran.stderr
    );
    // In CI, for one command.
    let ci = cloned(&scene);
    let mut command = ci.command(&["plugins", "list", "--json"]);
    command
        .current_dir(ci.path("project"))
        .env("BATCHGEN_TRUST", "1");
    let listed = Ran::from(command.output().unwrap()).ended(0);
    let place_told = format!("fetched notes 0.1.0 from {place}@sha256:");
    assert!(listed.stderr.contains(&place_told), "{}", listed.stderr);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let plugins = listed["plugins"].as_array().unwrap();
    let notes = plugins.iter().find(|plugin| plugin["name"] == "notes");
    assert_eq!(notes.unwrap()["locked"], "yes");
    let judge = plugins.iter().find(|plugin| plugin["name"] == "judge");
    assert_eq!(judge.unwrap()["locked"], Value::Null);

    // Where it is in the cache, nobody is asked, and where it is not and may not be fetched, that is told.
    drop(registry);
    run(&other).ended(0);
    let alone = cloned(&scene);
    let mut words = RUN.to_vec();
    words.extend(["1", "--no-fetch"]);
    let missing = host(&alone, &words).ended(2).stderr;
    assert!(
        missing.contains("`notes` of plugins.lock is not in the cache, and nothing may be fetched"),
        "{missing}"
    );
    host(&other, &words).ended(0);
    // A file of the cache that is damaged counts as missing.
    fs::write(
        other.path(&format!("cache/plugins/{digest}.wasm")),
        "damaged",
    )
    .unwrap();
    let gone = run(&other).ended(2).stderr;
    assert!(gone.contains("cannot be fetched"), "{gone}");
}

#[test]
fn a_lock_of_all_plugins_keeps_where_they_come_from() {
    let registry = DockerRegistry::start();
    let scene = project();
    wrote(&scene, "notes.wasm", &NOTES);
    let place = format!("oci:{}/acme/notes:0.1.0", registry.host);
    host(&scene, &["plugins", "publish", "notes.wasm", &place]).ended(0);
    host(&scene, &["plugins", "add", &place]).ended(0);
    host(&scene, &["plugins", "lock"]).ended(0);
    let lock = scene.read("project/plugins.lock");
    assert!(
        lock.contains("complete = true") && lock.contains(&place),
        "{lock}"
    );
    // From then on no other one is used.
    let calm = CoreGuest::new("calm", "", "(call $put (i32.const 79)) (call $make)");
    wrote(&scene, "none/calm.wasm", &calm);
    let refused = run(&scene).ended(2).stderr;
    assert!(refused.contains("calm is not locked"), "{refused}");
    // One of the same name in the project's own folder is not taken silently.
    fs::remove_file(scene.path("project/none/calm.wasm")).unwrap();
    wrote(&scene, "none/notes.wasm", &GREEDY);
    let refused = run(&scene).ended(2).stderr;
    assert!(
        refused.contains("plugin `notes` comes from two files"),
        "{refused}"
    );
}

#[test]
fn an_update_is_taken_when_it_is_asked_for_and_what_it_may_do_is_agreed_to() {
    let registry = DockerRegistry::start();
    let scene = project();
    wrote(&scene, "notes.wasm", &NOTES);
    wrote(&scene, "greedy.wasm", &GREEDY);
    let place = format!("oci:{}/acme/notes:stable", registry.host);
    host(&scene, &["plugins", "publish", "notes.wasm", &place]).ended(0);
    host(&scene, &["plugins", "add", &place]).ended(0);
    let same = host(&scene, &["plugins", "update"]).ended(0);
    assert_eq!(same.stderr, "notes 0.1.0: nothing is new\n");
    host(&scene, &["plugins", "publish", "greedy.wasm", &place]).ended(0);
    run(&scene).ended(0);
    assert_eq!(
        made(&scene),
        "O",
        "nothing but an update changes what is locked"
    );

    let before = scene.read("project/plugins.lock");
    let refused = host(&scene, &["plugins", "update", "notes"])
        .ended(2)
        .stderr;
    let (_, told) = refused.split_once('\n').unwrap();
    insta::assert_snapshot!(told, @r"
      fields of a record    none
                            now: laser
      memory and CPU        32 MiB, 200 ms at once, 10000 ms for a record
                            now: 64 MiB, 200 ms at once, 10000 ms for a record
    error: nothing was changed, since nobody agreed to what `notes` may do now
    hint: say --yes if that is what you want
    ");
    assert_eq!(scene.read("project/plugins.lock"), before);
    let taken = host(&scene, &["plugins", "update", "notes", "--yes"]).ended(0);
    assert!(
        taken.stderr.contains("notes 0.1.0 -> 0.2.0 from oci:"),
        "{}",
        taken.stderr
    );
    run(&scene).ended(0);
    assert_eq!(made(&scene), "P");

    // What is named by its digest stays, and nobody is told of what does not exist.
    let lock = scene.read("project/plugins.lock");
    let pinned = lock
        .split("resolved = \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    host(&scene, &["plugins", "add", pinned]).ended(0);
    let pinned = host(&scene, &["plugins", "update"]).ended(0);
    assert!(
        pinned.stderr.contains("names it by a digest"),
        "{}",
        pinned.stderr
    );
    let unknown = host(&scene, &["plugins", "update", "note"]).ended(2);
    assert!(
        unknown.stderr.contains("did you mean `notes`?"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_private_registry_is_asked_with_the_logins_of_docker() {
    let registry = DockerRegistry::guarded();
    let scene = project();
    wrote(&scene, "notes.wasm", &NOTES);
    let place = format!("oci:{}/acme/notes:0.1.0", registry.host);
    let publish = ["plugins", "publish", "notes.wasm", &place];
    let refused = host(&scene, &publish).ended(2).stderr;
    assert!(
        refused.contains(&format!("`docker login {}`", registry.host)),
        "{refused}"
    );
    let auth = BASE64_STANDARD.encode(format!("{NAME}:{PASSWORD}"));
    let logins = json!({"auths": {&registry.host: {"auth": auth}}}).to_string();
    let with = |name: &str, value: &str, words: &[&str]| {
        let mut command = scene.command(words);
        command.current_dir(scene.path("project")).env(name, value);
        Ran::from(command.output().unwrap())
    };
    let wrong = logins.replace(&auth, &BASE64_STANDARD.encode("me:wrong"));
    let wrong = with("DOCKER_AUTH_CONFIG", &wrong, &publish).ended(2).stderr;
    assert!(!wrong.contains("wrong"), "{wrong}");
    with("DOCKER_AUTH_CONFIG", &logins, &publish).ended(0);
    let add = ["plugins", "add", &place];
    host(&scene, &add).ended(2);
    scene.write("home/.docker/config.json", &logins);
    let added = host(&scene, &add).ended(0);
    assert!(
        !added.stderr.contains(PASSWORD) && !scene.read("project/plugins.lock").contains(&auth)
    );

    // A program that keeps logins is asked as docker asks it.
    scene.write(
        "bin/docker-credential-tests",
        &format!(
            "#!/bin/sh\nread -r host\n[ \"$1 $host\" = \"get {}\" ] && echo '{{\"Username\": \"{NAME}\", \"Secret\": \"{PASSWORD}\"}}'\n",
            registry.host
        ),
    );
    let program = scene.path("bin/docker-credential-tests");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    scene.write("home/.docker/config.json", r#"{"credsStore": "tests"}"#);
    let path = format!("{}:/usr/bin:/bin", scene.path("bin").display());
    fs::remove_dir_all(scene.path("cache/plugins")).unwrap();
    with("PATH", &path, &add).ended(0);
}

#[test]
fn a_package_is_found_by_its_name_and_its_version() {
    let registry = DockerRegistry::start();
    let scene = project();
    wrote(&scene, "notes.wasm", &NOTES);
    wrote(&scene, "greedy.wasm", &GREEDY);
    let place = format!("oci:{}/all/acme/notes", registry.host);
    for file in ["notes.wasm", "greedy.wasm"] {
        host(&scene, &["plugins", "publish", file, &place]).ended(0);
    }
    let unknown = host(&scene, &["plugins", "add", "acme:notes"])
        .ended(2)
        .stderr;
    assert!(
        unknown.contains("home/.config/wasm-pkg/config.toml"),
        "{unknown}"
    );
    let settings = format!(
        "[namespace_registries]\nacme = {{ registry = \"acme.example\", metadata = {{ preferredProtocol = \"oci\", oci = {{ \
         registry = \"{}\", namespacePrefix = \"all/\" }} }} }}\n",
        registry.host
    );
    scene.write("home/.config/wasm-pkg/config.toml", &settings);
    let added = host(&scene, &["plugins", "add", "acme:notes@0.1"])
        .ended(0)
        .stderr;
    assert!(added.contains("added notes 0.1.0 from oci:"), "{added}");
    // A clone needs no such file, since the lock says where the package is.
    let other = cloned(&scene).with("BATCHGEN_TRUST", "1");
    run(&other).ended(0);
    let added = host(&scene, &["plugins", "add", "acme:notes", "--yes"])
        .ended(0)
        .stderr;
    assert!(added.contains("added notes 0.2.0 from oci:"), "{added}");
    host(&scene, &["plugins", "update"]).ended(0);
    // Where plugins make no component by themselves, it is said what does.
    scene.replace(
        "project/batchgen.toml",
        "[plugins]",
        "[plugins]\nimplicit = false",
    );
    fs::remove_file(scene.path("project/plugins.lock")).unwrap();
    let added = host(&scene, &["plugins", "add", "acme:notes"])
        .ended(0)
        .stderr;
    assert!(
        added.contains("where batchgen.toml makes a component of it"),
        "{added}"
    );
}

#[test]
fn another_file_at_an_address_is_refused_before_it_is_compiled() {
    let registry = DockerRegistry::start();
    let scene = project();
    let first = wrote(&scene, "notes.wasm", &NOTES);
    let place = format!("oci:{}/acme/notes:0.1.0", registry.host);
    host(&scene, &["plugins", "publish", "notes.wasm", &place]).ended(0);
    // Any file of a server will do.
    let url = format!(
        "http://{}/v2/acme/notes/blobs/sha256:{}",
        registry.host,
        Digest::of(&first)
    );
    host(&scene, &["plugins", "add", &url]).ended(0);
    run(&scene).ended(0);
    let second = wrote(&scene, "greedy.wasm", &GREEDY);
    host(
        &scene,
        &[
            "plugins",
            "publish",
            "greedy.wasm",
            &format!("oci:{}/acme/notes", registry.host),
        ],
    )
    .ended(0);
    let other = cloned(&scene).with("BATCHGEN_TRUST", "1");
    let lock = other.read("project/plugins.lock");
    let [first, second] = [&first, &second].map(|bytes| Digest::of(bytes).to_string());
    let turned = lock.replace(&format!("sha256:{first}"), &format!("sha256:{second}"));
    other.write("project/plugins.lock", &turned);
    let refused = run(&other).ended(2).stderr;
    assert!(
        refused.contains("gives another file than it should")
            && refused.contains(&first)
            && refused.contains(&second),
        "{refused}"
    );
    assert!(!other.path("cache/plugins").exists());
    // Who wants what is there now says so.
    host(&other, &["plugins", "update", "--yes"]).ended(0);
    run(&other).ended(0);
    assert_eq!(made(&other), "P");
}
