//! How many records of a run may be in work at once: as its window says, or as other machines have room for.

use tokio::sync::watch;

use super::context::Context;
use super::run::Window;

/// Records that are read and leased beyond what other machines have room for, so that none waits for its next one: one in so many.
const AHEAD: usize = 8;
/// Where they have room for few, these are soon done and each message should carry several: as many again.
const FEW: usize = 256;

/// The room for records.
pub(super) struct Room(Option<watch::Receiver<usize>>);

impl Room {
    /// Of a run.
    pub fn of(context: &Context) -> Room {
        Room(context.elsewhere.as_ref().map(|elsewhere| elsewhere.room()))
    }

    /// Whether there is room for one more.
    pub fn is_for(&self, window: Window, records: usize, text: u64) -> bool {
        match &self.0 {
            None => window.has_room(records, text),
            Some(room) => {
                let room = *room.borrow();
                records < room + (room / AHEAD).max(room.min(FEW))
            }
        }
    }

    /// Waits until there is another room; for ever where there is only the window's.
    pub async fn grows(&mut self) {
        if let Some(room) = &mut self.0
            && room.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// The same, but not once the run is being stopped.
    pub async fn changed(&mut self, context: &Context) {
        let mut stop = context.interrupt.subscribe();
        tokio::select! {
            () = self.grows() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}
