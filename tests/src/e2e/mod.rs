//! End-to-end tests: the real binary and the real plugins, against the LLM simulator over HTTP.

mod authoring;
mod clean;
mod cli;
mod conformance;
mod contract;
mod core_guests;
mod crash;
mod determinism;
mod edits;
mod export;
mod failures;
mod faults;
mod full_disk;
mod full_run;
mod hostile;
mod incremental;
mod interrupt;
mod large;
mod plan;
mod plugins;
mod policy;
mod power;
mod prompt;
mod published;
mod replay;
mod store;
