//! What batchgen's end-to-end tests and benchmarks share. Nothing here is part of the product.

pub mod bench;
pub mod bombs;
pub mod browser;
pub mod core_guest;
pub mod docker_registry;
pub mod fuzz;
pub mod moto;
pub mod nats;
pub mod ports;
pub mod scene;
pub mod watched;
pub mod web;

#[cfg(test)]
mod collector;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod dataset;
#[cfg(test)]
mod e2e;
#[cfg(test)]
mod parrot;
#[cfg(test)]
mod received;
#[cfg(test)]
mod waits;
