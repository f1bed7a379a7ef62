//! Everything between a question and its durable answer.
//!
//! It owns lanes (one model at one endpoint of its provider under one key) with their limits, retries, breaker and budget, and the dialects of
//! the providers behind them. The trait `journal::Journal` keeps the answers; whoever uses the gateway implements it.
//!
//! It does not know that a component, a plugin or a database exists.

#![warn(missing_docs)]

pub mod adaptation;
mod back_off;
pub mod batch;
pub mod budget;
mod builder;
pub mod efforts;
pub mod error;
pub mod found;
mod gateway;
pub mod hold;
pub mod journal;
pub mod lane;
pub mod lane_view;
pub mod learned;
mod limiter;
pub mod limits;
pub mod models;
pub mod pictures;
pub mod pool;
pub mod prefix;
pub mod prices;
pub mod provider;
pub mod providers;
pub mod reasoning;
pub mod remote;
pub mod settings;
mod streak;

pub use self::builder::GatewayBuilder;
pub use self::gateway::{Chain, Gateway};
