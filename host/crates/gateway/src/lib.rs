//! Everything between a component's question and a durable answer: lanes with limits, retries and a
//! breaker, and the providers behind them. Nothing here knows that a component exists.

#![warn(missing_docs)]

pub mod adaptation;
mod back_off;
pub mod budget;
mod builder;
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
pub mod prices;
pub mod provider;
pub mod providers;
pub mod settings;
mod streak;

pub use self::builder::GatewayBuilder;
pub use self::gateway::{Chain, Gateway};
