//! Everything between a component's question and a durable answer: lanes with limits, retries and a
//! breaker, and the providers behind them. Nothing here knows that a component exists.

mod back_off;
pub mod error;
pub mod gateway;
pub mod hold;
pub mod journal;
pub mod lane;
pub mod lane_view;
pub mod learned;
pub mod mend;
pub mod prices;
pub mod provider;
pub mod providers;
pub mod purse;
pub mod render;
pub mod request;
pub mod settings;
mod streak;
mod turnstile;
pub mod writer;
