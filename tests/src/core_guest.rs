//! Plugins written as core WASM text, for what Rust cannot express: wrong pointers, invalid UTF-8, imports of WASI.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a guest that cannot be made leaves a test nothing to go on with"
)]

use std::path::Path;

use serde_json::{Value, json};
use wasm_encoder::{ComponentSection as _, CustomSection};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::scene::root;

/// The parts of WASI that guests here ask for.
const WASI: &str = r#"
package wasi:io@0.2.0 {
    interface poll { resource pollable { block: func(); } }
}
package wasi:clocks@0.2.0 {
    interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
    }
    interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
}
package wasi:random@0.2.0 {
    interface random { get-random-u64: func() -> u64; get-random-bytes: func(len: u64) -> list<u8>; }
}
package wasi:cli@0.2.0 {
    interface environment { get-environment: func() -> list<tuple<string, string>>; get-arguments: func() -> list<string>; }
    interface exit { exit: func(status: result); }
}
package wasi:filesystem@0.2.0 {
    interface types { resource descriptor; }
    interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
    }
}
package wasi:sockets@0.2.0 {
    interface tcp { resource tcp-socket; }
    interface tcp-create-socket {
        use tcp.{tcp-socket};
        enum family { ipv4, ipv6 }
        enum error-code { unknown, access-denied }
        create-tcp-socket: func(family: family) -> result<tcp-socket, error-code>;
    }
}
package wasi:http@0.2.0 {
    interface outgoing-handler { handle: func(); }
}
package wasi:cli@0.3.0 {
    interface stdout { write-via-stream: func(data: stream<u8>); }
}
package evil:host@1.0.0 {
    interface shell { execute: func(command: string); }
}
"#;

/// A guest. Its text is a function body that leaves a pointer to `result<artifact, failure>`: `$make` makes one of
/// the bytes that `$put` was given.
pub struct CoreGuest {
    /// Name of the plugin.
    pub name: &'static str,
    /// Interfaces that it imports beside the contract's.
    pub imports: &'static [&'static str],
    /// Core imports, and definitions beside those of the frame.
    pub definitions: &'static str,
    /// What `generate` does; the input lies at `$input`.
    pub generate: &'static str,
    /// Changes to the manifest.
    pub manifest: fn(&mut Value),
}

impl CoreGuest {
    /// One that imports the contract alone.
    pub const fn new(
        name: &'static str,
        definitions: &'static str,
        generate: &'static str,
    ) -> CoreGuest {
        CoreGuest {
            name,
            imports: &[],
            definitions,
            generate,
            manifest: |_| {},
        }
    }

    /// The plugin file.
    pub fn build(&self) -> Vec<u8> {
        let memory = if self.definitions.contains("(memory") {
            ""
        } else {
            "(memory (export \"memory\") 4)"
        };
        let text = format!(
            r#"(module
                {definitions}
                {memory}
                (global $next (mut i32) (i32.const 65536))
                (global $length (mut i32) (i32.const 0))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                    (global.set $next (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                (func $put (param i32)
                    (i32.store8 (i32.add (i32.const 1024) (global.get $length)) (local.get 0))
                    (global.set $length (i32.add (global.get $length) (i32.const 1))))
                (func $make (result i32)
                    (i32.store (i32.const 512) (i32.const 0))
                    (i32.store (i32.const 516) (i32.const 1024))
                    (i32.store (i32.const 520) (global.get $length))
                    (i32.const 512))
                (func (export "generate") (param $input i32) (result i32) {generate}))"#,
            definitions = self.definitions,
            generate = self.generate,
        );
        let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let imports: String = self
            .imports
            .iter()
            .map(|import| format!("import {import};"))
            .collect();
        let world = format!(
            "package test:guest;\nworld guest {{ include batchgen:component/component@0.1.0; {imports} }}\n{WASI}"
        );
        let mut component = componentize(module, &world, self.name);
        let mut manifest = json!({
            "plugin": {"name": self.name, "version": "0.1.0", "description": "Misbehaves"},
            "component": {"enabled": true},
            "output": {"extension": "md", "media-type": "text/markdown"},
            "limits": {"memory-mib": 32, "cpu-ms": 200},
        });
        (self.manifest)(&mut manifest);
        append_section(
            &mut component,
            "batchgen:plugin",
            json!({"manifest": manifest, "prompts": {}})
                .to_string()
                .as_bytes(),
        );
        component
    }
}

/// Makes a component of a core module, of the world `guest` in `world`.
pub fn componentize(mut module: Vec<u8>, world: &str, name: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve
        .push_dir(root().join("wit/0.1.0"))
        .expect("the contract");
    let package = resolve
        .push_str(Path::new("guest.wit"), world)
        .unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let world = resolve
        .select_world(&[package], Some("guest"))
        .expect("a world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

/// Appends a custom section.
pub fn append_section(binary: &mut Vec<u8>, name: &str, content: &[u8]) {
    let section = CustomSection {
        name: name.into(),
        data: content.into(),
    };
    section.append_to_component(binary);
}
