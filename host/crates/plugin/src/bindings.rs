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
