//! End-to-end tests: the real binary and the real plugins, against the LLM simulator over HTTP.

mod cli;
mod core_guests;
mod crash;
mod determinism;
mod faults;
mod full_run;
mod hostile;
mod incremental;
mod interrupt;
