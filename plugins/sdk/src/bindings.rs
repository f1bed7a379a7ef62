//! The contract as Rust: generated from `wit/`, used through the rest of this crate.

#![allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "component",
    pub_export_macro: true,
});
