//! Stopping in order: what is under way is finished and kept, nothing new is begun.

use std::sync::Arc;

use tokio::sync::watch;

/// A switch that can be thrown once, and waited for.
#[derive(Clone, Debug)]
pub struct Interrupt {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Interrupt {
            sender: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Interrupt {
    /// Asks everybody to stop.
    pub fn throw(&self) {
        self.sender.send_replace(true);
    }

    /// Whether to stop.
    pub fn is_thrown(&self) -> bool {
        *self.sender.borrow()
    }

    /// Becomes true when it is thrown.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.sender.subscribe()
    }
}
