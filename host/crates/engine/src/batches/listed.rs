//! One look at many batches: the list of their provider says how they stand, as often as each of them would be looked at.

use std::collections::HashMap;

use tokio::time::Instant;

use super::{Batched, Batches, may_pass};
use gateway::batch::protocol::BatchStatus;
use store::{Batch, BatchState};
use types::digest::Digest;

/// From so many batches on that are looked at together, the list is read.
const TOGETHER: usize = 3;

impl Batches {
    /// Reads the lists of providers that have several batches to be looked at. What a list does not say is asked for by the name
    /// of the batch.
    pub(super) async fn read_lists(&self, open: &[Batch]) {
        self.now().listed.clear();
        let mut accounts: HashMap<Digest, Vec<&Batch>> = HashMap::new();
        for batch in open.iter().filter(|batch| self.is_looked_at_soon(batch)) {
            accounts.entry(batch.account).or_default().push(batch);
        }
        for (account, batches) in accounts {
            let is_time = batches.iter().any(|batch| self.is_due(batch));
            let is_listed = !self.now().unlisted.contains(&account);
            if batches.len() < TOGETHER || !is_time || !is_listed || self.interrupt.is_thrown() {
                continue;
            }
            self.read_list(account, &batches).await;
        }
    }

    async fn read_list(&self, account: Digest, batches: &[&Batch]) {
        let mut first = batches.iter();
        let Some(batched) = first.find_map(|batch| self.reached(batch)) else {
            return;
        };
        let ids: Vec<String> = batches
            .iter()
            .filter_map(|batch| batch.remote.clone())
            .collect();
        let since = batches.iter().filter_map(|batch| batch.sent_at).min();
        let listed = batched.lane.protocol.list(&ids, since.unwrap_or(0)).await;
        let mut now = self.now();
        match listed {
            Err(error) => {
                tracing::debug!("the list of batches cannot be read: {error}");
                if !may_pass(error.error.class) {
                    now.unlisted.insert(account);
                }
            }
            Ok(listed) => {
                for remote in listed {
                    let is_it = |batch: &&&Batch| batch.remote.as_deref() == Some(&remote.id);
                    let Some(batch) = batches.iter().find(is_it) else {
                        continue;
                    };
                    if let Some(look) = now.looks.get_mut(&batch.id) {
                        look.at = Instant::now();
                    }
                    // The end of a batch is believed only if it says so itself.
                    if remote.status == BatchStatus::Working {
                        now.listed.insert(batch.id, remote);
                    }
                }
            }
        }
    }

    /// Whether its provider has it, and it is looked at now, or before half of its wait is over.
    fn is_looked_at_soon(&self, batch: &Batch) -> bool {
        let soon = |look: &super::Look| look.at <= Instant::now() + look.wait / 2;
        batch.state == BatchState::Open
            && self.reached(batch).is_some()
            && self.now().looks.get(&batch.id).is_none_or(soon)
    }

    /// The lane of a batch with the endpoint that has it.
    fn reached(&self, batch: &Batch) -> Option<Batched> {
        self.lanes.get(&batch.lane)?.with_account(batch.account)
    }
}
