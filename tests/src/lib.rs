//! What batchgen's end-to-end tests share. Nothing here is part of the product.

pub mod simulator;

#[cfg(test)]
mod dataset;
#[cfg(test)]
mod e2e;
