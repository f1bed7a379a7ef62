//! The workers, as people see them.

use tokio::time::Instant;

use super::Inner;
use engine::statistics::WorkerView;

impl Inner {
    /// Shows the workers of this moment.
    pub(super) fn view(&self, now: Instant) {
        let state = self.state();
        let views =
            state
                .workers
                .iter()
                .filter(|(_, worker)| worker.is_in)
                .map(|(name, worker)| WorkerView {
                    name: name.clone(),
                    slots: worker.slots as u64,
                    records: worker.records as u64,
                    calls: worker.calls,
                    made: worker.made,
                    failed: worker.failed,
                    memory: worker.memory,
                    unheard_seconds: now.duration_since(worker.heard).as_secs(),
                    drains: worker.drains,
                });
        let views = views.collect();
        drop(state);
        self.meter.workers_are(views);
    }
}
