//! Other machines that perform records, as a run sees them.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::watch;

use super::leased::{LeasedRecord, Performed, Terms};
use types::class::FailureClass;

/// What [`Elsewhere::perform`] returns.
pub type Performing<'a> = Pin<Box<dyn Future<Output = Option<Performed>> + Send + 'a>>;

/// Other machines that perform records.
pub trait Elsewhere: Send + Sync {
    /// The run begins, on these terms.
    fn begins(&self, terms: Terms);

    /// How many records they can have in work at once. It changes as they come and go.
    fn room(&self) -> watch::Receiver<usize>;

    /// Performs a record on one of them, for as long as it takes. `None` where the run is stopped before that.
    fn perform(&self, record: LeasedRecord) -> Performing<'_>;

    /// No task of this component is run any more, for this cause.
    fn hold(&self, component: &str, class: FailureClass, cause: &str);

    /// All that will be performed is performed.
    fn ends(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
