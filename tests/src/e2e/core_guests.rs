//! Plugins that attack the host below what Rust can express. Each ends as one failed task or one refused plugin,
//! within its limits, with a cause that a person understands; the others run.

use std::sync::Arc;
use std::time::Duration;

use plugin::limits::Limits;
use plugin::sandbox::{Executed, Execution, Input, Outcome, Site, execute};
use plugin::{engine, load};
use serde_json::{Value, json};
use types::key::{KeyContext, Parameters};

use crate::core_guest::CoreGuest;
use crate::scene::{Scene, root};

const LOG: &str =
    r#"(import "batchgen:component/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
const COMPLETE: &str =
    r#"(import "batchgen:component/llm@0.1.0" "complete" (func $complete (param i32 i32)))"#;
const SLEEP: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;

fn with_llm(manifest: &mut Value) {
    manifest["llm"] = json!({"max-output-tokens": 100});
}

/// Those that load, and fail when they run.
fn failing() -> Vec<CoreGuest> {
    vec![
        CoreGuest::new("loop", "", "(loop $again (br $again)) (unreachable)"),
        CoreGuest::new(
            "loop-before-it-begins",
            "(func $begin (loop $again (br $again))) (start $begin)",
            "(call $make)",
        ),
        CoreGuest::new("recurse", "(func $down (call $down) (call $down))", "(call $down) (call $make)"),
        CoreGuest::new("memory-at-start", r#"(memory (export "memory") 1024)"#, "(call $make)"),
        CoreGuest::new(
            "memory-without-end",
            "",
            "(loop $more
                (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
                (memory.fill (i32.const 1048576) (i32.const 1)
                    (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1048576)))
                (br $more)) (unreachable)",
        ),
        CoreGuest::new(
            "table-without-end",
            "(table $table 1 funcref) (func $any) (elem declare func $any)",
            "(loop $more
                (if (i32.eq (table.grow $table (ref.func $any) (i32.const 1000)) (i32.const -1)) (then (unreachable)))
                (br $more)) (unreachable)",
        ),
        CoreGuest::new(
            "fill-without-end",
            r#"(memory (export "memory") 256)"#,
            "(loop $again (memory.fill (i32.const 1024) (i32.const 7) (i32.const 16000000)) (br $again)) (unreachable)",
        ),
        CoreGuest::new(
            "text-of-a-gigabyte",
            "",
            "(i32.store (i32.const 516) (i32.const 1024)) (i32.store (i32.const 520) (i32.const 1073741824)) (i32.const 512)",
        ),
        CoreGuest::new(
            "text-of-16-mib",
            r#"(memory (export "memory") 300)"#,
            "(i32.store (i32.const 516) (i32.const 1024)) (i32.store (i32.const 520) (i32.const 16777216)) (i32.const 512)",
        ),
        CoreGuest::new(
            "text-beyond-memory",
            "",
            "(i32.store (i32.const 516) (i32.const -16)) (i32.store (i32.const 520) (i32.const 4)) (i32.const 512)",
        ),
        CoreGuest::new(
            "text-not-utf-8",
            "",
            "(call $put (i32.const 255)) (call $put (i32.const 254)) (call $make)",
        ),
        CoreGuest::new("result-beyond-memory", "", "(i32.const -4)"),
        CoreGuest::new(
            "result-of-no-kind",
            "",
            "(i32.store8 (i32.const 512) (i32.const 7)) (i32.const 512)",
        ),
        CoreGuest::new(
            "violations-without-end",
            r#"(memory (export "memory") 64)"#,
            // failure { kind, message, violations: 100,000 empty strings }
            "(i32.store (i32.const 512) (i32.const 1)) (i32.store (i32.const 528) (i32.const 1024))
             (i32.store (i32.const 532) (i32.const 100000)) (i32.const 512)",
        ),
        CoreGuest {
            manifest: |manifest| manifest["output"]["media-type"] = json!("application/json"),
            ..CoreGuest::new("invalid-json", "", "(call $put (i32.const 123)) (call $make)")
        },
        CoreGuest::new(
            "asks-and-said-it-would-not",
            COMPLETE,
            "(call $complete (i32.const 4096) (i32.const 512)) (call $make)",
        ),
        CoreGuest {
            manifest: with_llm,
            ..CoreGuest::new(
                "asks-nothing",
                COMPLETE,
                "(call $complete (i32.const 4096) (i32.const 512)) (call $make)",
            )
        },
        CoreGuest::new(
            "log-without-end",
            LOG,
            "(loop $again (call $log (i32.const 1) (i32.const 0) (i32.const 0)) (br $again)) (unreachable)",
        ),
        CoreGuest::new(
            "log-of-no-level",
            LOG,
            "(call $log (i32.const 9) (i32.const 0) (i32.const 0)) (call $make)",
        ),
        CoreGuest {
            imports: &["wasi:clocks/monotonic-clock@0.2.0", "wasi:io/poll@0.2.0"],
            ..CoreGuest::new(
                "sleeps-without-end",
                SLEEP,
                "(local $timer i32) (local.set $timer (call $subscribe (i64.const 3600000000000)))
                 (loop $again (call $block (local.get $timer)) (br $again)) (unreachable)",
            )
        },
        CoreGuest {
            imports: &["wasi:clocks/monotonic-clock@0.2.0", "wasi:io/poll@0.2.0"],
            ..CoreGuest::new(
                "handles-without-end",
                SLEEP,
                "(loop $again (drop (call $subscribe (i64.const 1))) (br $again)) (unreachable)",
            )
        },
        CoreGuest {
            imports: &["wasi:random/random@0.2.0"],
            ..CoreGuest::new(
                "random-without-end",
                r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))"#,
                "(call $random (i64.const 1073741824) (i32.const 512)) (call $make)",
            )
        },
        CoreGuest {
            imports: &["wasi:cli/exit@0.2.0"],
            ..CoreGuest::new(
                "exits",
                r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#,
                "(call $exit (i32.const 0)) (call $make)",
            )
        },
    ]
}

/// Those that the host does not load.
fn refused() -> Vec<CoreGuest> {
    vec![
        CoreGuest {
            imports: &["wasi:http/outgoing-handler@0.2.0"],
            ..CoreGuest::new(
                "imports-http",
                r#"(import "wasi:http/outgoing-handler@0.2.0" "handle" (func))"#,
                "(call $make)",
            )
        },
        CoreGuest {
            imports: &["wasi:cli/stdout@0.3.0"],
            ..CoreGuest::new(
                "imports-later-wasi",
                r#"(import "wasi:cli/stdout@0.3.0" "write-via-stream" (func (param i32)))"#,
                "(call $make)",
            )
        },
        CoreGuest {
            imports: &["evil:host/shell@1.0.0"],
            ..CoreGuest::new(
                "imports-a-shell",
                r#"(import "evil:host/shell@1.0.0" "execute" (func (param i32 i32)))"#,
                "(call $make)",
            )
        },
        CoreGuest {
            manifest: |manifest| manifest["limits"]["cpu-ms"] = json!(1),
            ..CoreGuest::new("wants-no-time", "", "(call $make)")
        },
        CoreGuest {
            manifest: |manifest| manifest["secrets"] = json!(true),
            ..CoreGuest::new("manifest-of-another-shape", "", "(call $make)")
        },
        CoreGuest {
            manifest: |manifest| manifest["plugin"]["name"] = json!("../../etc"),
            ..CoreGuest::new("name-that-leaves-the-folder", "", "(call $make)")
        },
    ]
}

/// Gives what WASI gives it as letters: two random numbers, clock, environment, folders, and whether it got a socket.
fn curious() -> CoreGuest {
    CoreGuest {
        imports: &[
            "wasi:random/random@0.2.0",
            "wasi:clocks/monotonic-clock@0.2.0",
            "wasi:io/poll@0.2.0",
            "wasi:cli/environment@0.2.0",
            "wasi:filesystem/preopens@0.2.0",
            "wasi:sockets/tcp-create-socket@0.2.0",
        ],
        ..CoreGuest::new(
            "curious",
            r#"
            (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
            (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
            (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))
            (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
            (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
            (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
            (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))
            (func $show (param i64)
                (call $put (i32.add (i32.const 97) (i32.wrap_i64 (i64.and (local.get 0) (i64.const 15))))))"#,
            "(call $show (call $random)) (call $show (call $random))
             (call $block (call $subscribe (i64.const 3600000000000)))
             (call $show (call $now))
             (call $environment (i32.const 4096)) (call $show (i64.load32_u (i32.const 4100)))
             (call $directories (i32.const 4096)) (call $show (i64.load32_u (i32.const 4100)))
             (call $socket (i32.const 0) (i32.const 4096)) (call $show (i64.load8_u (i32.const 4096)))
             (call $make)",
        )
    }
}

/// A scene whose plugins are this one and another that is good.
fn beside_a_good_one(name: &str, bytes: &[u8]) -> Scene {
    let scene = Scene::new();
    let plugins = scene.path("guests");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::write(plugins.join(format!("{name}.wasm")), bytes).unwrap();
    let good = root().join("target/test-plugins/hostile.wasm");
    std::os::unix::fs::symlink(good, plugins.join("hostile.wasm")).unwrap();
    scene.configure("[component.hostile.options]\nrecord = \"nobody\"\n");
    let plugins = plugins.display().to_string();
    scene.with("BATCHGEN_PLUGINS", &plugins)
}

const RECORDS: [&str; 4] = ["--record", "oak", "--record", "iron"];
/// Most memory that one guest may make the host take.
const GROWTH: u64 = 64 << 20;

#[test]
fn each_costs_its_own_tasks_and_little_memory() {
    let baseline = {
        let calm = CoreGuest::new("calm", "", "(call $put (i32.const 79)) (call $make)");
        let ran = beside_a_good_one("calm", &calm.build())
            .run(&RECORDS)
            .ended(0);
        assert_eq!(ran.summary().count("made"), 4);
        ran.summary().peak_memory()
    };
    let mut causes = Vec::new();
    for guest in failing() {
        let name = guest.name;
        let ran = beside_a_good_one(name, &guest.build())
            .run(&RECORDS)
            .ended(3);
        let summary = ran.summary();
        assert_eq!(summary.of("hostile", "made"), 2, "{name}");
        let growth = summary.peak_memory().saturating_sub(baseline);
        assert!(
            growth < GROWTH,
            "{name} made the host grow by {growth} bytes"
        );
        let event = ran
            .events()
            .into_iter()
            .find(|event| event["event"] == "failure" && event["record"] == "oak")
            .unwrap_or_else(|| panic!("{name}: no failure in {}", ran.stdout));
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        causes.push(format!("{name}: {}: {}", text("class"), text("cause")));
    }
    insta::assert_snapshot!(causes.join("\n"));
}

/// Those that take as much as the host gives without being asked, task after task, and make their files. With each stands how
/// much memory is its own, bytes.
fn greedy() -> Vec<(CoreGuest, u64)> {
    let with = |name, definitions, generate| CoreGuest {
        manifest: |manifest| manifest["limits"] = json!({}),
        ..CoreGuest::new(name, definitions, generate)
    };
    vec![
        (
            with(
                "long-logs",
                LOG,
                "(local $left i32) (local.set $left (i32.const 100))
                 (memory.fill (i32.const 1024) (i32.const 97) (i32.const 65536))
                 (loop $again
                    (call $log (i32.const 1) (i32.const 1024) (i32.const 16384))
                    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                    (br_if $again (local.get $left)))
                 (call $put (i32.const 79)) (call $make)",
            ),
            4 << 16,
        ),
        (
            with(
                "large-memory",
                r#"(memory (export "memory") 960)"#,
                "(memory.fill (i32.const 131072) (i32.const 1) (i32.const 62000000))
                 (call $put (i32.const 79)) (call $make)",
            ),
            960 << 16,
        ),
        (
            with(
                "large-table",
                "(table $table 1 funcref) (func $any) (elem declare func $any)",
                "(if (i32.eq (table.grow $table (ref.func $any) (i32.const 99000)) (i32.const -1))
                    (then (unreachable)))
                 (call $put (i32.const 79)) (call $make)",
            ),
            4 << 16,
        ),
    ]
}

/// Each runs on all records, so that what the host does not give back would add up.
#[test]
fn what_guests_may_take_does_not_add_up() {
    let peak = |guest: &CoreGuest| {
        let scene = beside_a_good_one(guest.name, &guest.build());
        let ran = scene.run(&["--component", guest.name]).ended(0);
        assert_eq!(ran.summary().of(guest.name, "made"), 109, "{}", guest.name);
        ran.summary().peak_memory()
    };
    let calm = CoreGuest::new("calm", "", "(call $put (i32.const 79)) (call $make)");
    let baseline = peak(&calm);
    let threads = plugin::pool::threads() as u64;
    for (guest, own) in greedy() {
        let growth = peak(&guest).saturating_sub(baseline);
        assert!(
            growth < GROWTH + threads * own,
            "{} made the host grow by {} MB",
            guest.name,
            growth >> 20
        );
    }
}

#[test]
fn what_may_not_be_loaded_is_refused_and_the_others_run() {
    let mut causes = Vec::new();
    for guest in refused() {
        let scene = beside_a_good_one(guest.name, &guest.build());
        let ran = scene.run(&RECORDS).ended(0);
        assert_eq!(ran.summary().of("hostile", "made"), 2, "{}", guest.name);
        causes.push(shown(&scene, &ran.stderr));
    }
    // A world of its own.
    let module = wat::parse_str(r#"(module (func (export "run")))"#).unwrap();
    let world = "package test:guest;\nworld guest { export run: func(); }";
    let mut other = crate::core_guest::componentize(module, world, "another-world");
    let manifest = json!({
        "plugin": {"name": "another-world", "version": "1", "description": ""},
        "output": {"extension": "md", "media-type": "text/markdown"},
    });
    let package = json!({"manifest": manifest, "prompts": {}}).to_string();
    crate::core_guest::append_section(&mut other, "batchgen:plugin", package.as_bytes());
    let scene = beside_a_good_one("another-world", &other);
    causes.push(shown(&scene, &scene.run(&RECORDS).ended(0).stderr));
    // It begins like a component.
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let noise = [b"\0asm\x0d\0\x01\0", noise.as_slice()].concat();
    let scene = beside_a_good_one("noise", &noise);
    causes.push(shown(&scene, &scene.run(&RECORDS).ended(0).stderr));
    // Larger than any plugin may be.
    let scene = beside_a_good_one("huge", b"");
    let huge = std::fs::File::create(scene.path("guests/huge.wasm")).unwrap();
    huge.set_len(1 << 40).unwrap();
    causes.push(shown(&scene, &scene.run(&RECORDS).ended(0).stderr));
    insta::assert_snapshot!(causes.join("\n"));
}

fn shown(scene: &Scene, stderr: &str) -> String {
    let folder = scene.path("").display().to_string();
    let lines = stderr.lines().filter(|line| !line.contains("materials"));
    lines.collect::<Vec<_>>().join("\n").replace(&folder, "")
}

/// Runs a guest in this process, on this thread.
fn run(engine: &engine::Engine, guest: &CoreGuest, folder: &std::path::Path) -> (Executed, Limits) {
    execute_here(&loaded(engine, guest, folder))
}

fn loaded(engine: &engine::Engine, guest: &CoreGuest, folder: &std::path::Path) -> load::Plugin {
    let file = folder.join(format!("{}.wasm", guest.name));
    std::fs::write(&file, guest.build()).unwrap();
    load::load(engine, &file).unwrap_or_else(|error| panic!("{error}"))
}

fn execute_here(plugin: &load::Plugin) -> (Executed, Limits) {
    let manifest = &plugin.package.manifest;
    let limits = Limits::new(&manifest.limits, &[]);
    let parameters = |tokens| Parameters {
        model: "offline".to_owned(),
        temperature: 0.6,
        max_output_tokens: tokens,
        extra_body: None,
        reasoning: None,
    };
    let context = manifest.llm.as_ref().map(|llm| {
        Arc::new(KeyContext {
            parameters: parameters(llm.max_output_tokens),
            generation: 0,
        })
    });
    let input = Input {
        id: "oak".to_owned(),
        name: "Oak".to_owned(),
        category: "wood".to_owned(),
        fields: "{}".to_owned(),
        category_fields: "{}".to_owned(),
        site: Site {
            base_url: String::new(),
            name: String::new(),
            locale: String::new(),
            output_path: String::new(),
        },
        options: "{}".to_owned(),
        prompts: Vec::new(),
        upstreams: Vec::new(),
        images: Vec::new(),
    };
    let execution = Execution {
        input: Arc::new(input),
        pictures: Arc::default(),
        context,
        answers: Vec::new(),
        feedback: None,
        limits,
    };
    (execute(plugin, execution), limits)
}

#[test]
fn no_execution_takes_twice_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine::engine(&root().join("target/wasm-cache")).unwrap();
    for guest in failing() {
        let (executed, limits) = run(&engine, &guest, folder.path());
        // Its own time, so that a busy machine changes nothing.
        assert!(
            executed.cpu < 2 * limits.cpu,
            "{} took {:?} of {:?}",
            guest.name,
            executed.cpu,
            limits.cpu
        );
        let lines: usize = executed.log.len();
        assert!(lines <= 64 * 1024 + 1, "{} kept {lines} lines", guest.name);
    }
}

#[test]
fn wasi_is_empty_still_and_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine::engine(&root().join("target/wasm-cache")).unwrap();
    let [first, again] = [(); 2].map(|()| run(&engine, &curious(), folder.path()).0);
    assert!(first.cpu < Duration::from_millis(100), "{:?}", first.cpu);
    let text = |executed: Executed| match executed.outcome {
        Outcome::Done { text } => text,
        other => panic!("{other:?}"),
    };
    let first = text(first);
    // Two random letters, no time, no variable, no folder; `b` is an error.
    assert_eq!(first.get(2..), Some("aaab"));
    assert_eq!(first, text(again));
}

/// Runs a guest on many threads at once, in an engine that was made for another number of threads. Each execution takes
/// longer than it takes to start all threads. Gives how many did not make their artifact.
fn failed_at_once(made_for: usize, threads: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine::engine_for(&root().join("target/wasm-cache"), made_for).unwrap();
    let guest = CoreGuest::new(
        "busy",
        "(global $left (mut i32) (i32.const 30000000))",
        "(loop $again
            (global.set $left (i32.sub (global.get $left) (i32.const 1)))
            (br_if $again (global.get $left)))
         (call $make)",
    );
    let plugin = loaded(&engine, &guest, folder.path());
    let start = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = || {
            start.wait();
            let (executed, _) = execute_here(&plugin);
            let made = matches!(executed.outcome, Outcome::Done { .. });
            if !made {
                eprintln!("{:?}", executed.outcome);
            }
            made
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let ended = running.into_iter().map(|thread| thread.join().unwrap());
        ended.filter(|made| !made).count()
    })
}

#[test]
fn a_machine_with_many_cores_has_room_for_all_its_threads() {
    assert_eq!(failed_at_once(96, 96), 0);
}

#[test]
fn an_instance_waits_where_all_slots_are_taken() {
    assert_eq!(failed_at_once(1, 40), 0);
}
