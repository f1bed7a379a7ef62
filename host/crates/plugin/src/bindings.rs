//! The contract of `wit/` as Rust types. Host functions may trap: that is how a component is suspended.

#![allow(
    missing_docs,
    clippy::all,
    reason = "generated from wit/, where the documentation is"
)]

wasmtime::component::bindgen!({
    path: "../../../wit",
    world: "component",
    imports: { default: trappable },
});

/// Version 0.1.0, which is offered for ever.
pub mod first {
    wasmtime::component::bindgen!({
        path: "../../../wit/0.1.0",
        world: "component",
        imports: { default: trappable },
    });
}
