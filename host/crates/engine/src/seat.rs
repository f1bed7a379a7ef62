//! The part of a run that a worker does: it performs leased records with the same code as a run on one machine, and gives back what the
//! coordinator is to write down. It writes no output and no checkpoint.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::context::{Context, Leased};
use super::held::Held;
use super::interrupt::Interrupt;
use super::leased::{LeasedFiles, LeasedRecord, Performed, Terms};
use super::ledger::Ledger;
use super::meter::Meter;
use super::pass::End;
use super::record::{self, Reference};
use super::repeated::RepeatedFailures;
use super::staleness::Facts;
use config::SiteConfig;
use config::component::Component;
use dataset::Fields;
use gateway::Gateway;
use plugin::pool::Pool;
use store::{Store, StoreError};
use types::class::FailureClass;

/// What a worker performs records with.
pub struct Seat {
    /// The components of the run, in its order.
    pub components: Arc<[Component]>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
    /// Where answers are durable before a component sees them.
    pub spool: Store,
    /// It asks the coordinator before it asks a model.
    pub gateway: Arc<Gateway<Store>>,
    pub pool: Pool,
    /// Stops the part in order.
    pub interrupt: Interrupt,
    /// The span to which those of tasks are linked.
    span: tracing::Span,
    terms: Terms,
    held: Arc<Held>,
    repeated: Arc<RepeatedFailures>,
}

/// The parts of a seat that whoever makes it gives.
pub struct SeatParts {
    pub components: Arc<[Component]>,
    pub site: SiteConfig,
    pub spool: Store,
    pub gateway: Arc<Gateway<Store>>,
    pub pool: Pool,
    pub interrupt: Interrupt,
    pub span: tracing::Span,
    pub terms: Terms,
    /// Records in work at once.
    pub slots: usize,
}

impl Seat {
    /// A seat on these terms.
    pub fn new(parts: SeatParts) -> Seat {
        let names = parts.components.iter();
        let names = names.map(|component| component.name.as_str());
        Seat {
            repeated: Arc::new(RepeatedFailures::new(names)),
            held: Held::new(parts.slots),
            components: parts.components,
            site: parts.site,
            spool: parts.spool,
            gateway: parts.gateway,
            pool: parts.pool,
            interrupt: parts.interrupt,
            span: parts.span,
            terms: parts.terms,
        }
    }

    /// No task of this component is run any more, for this cause.
    pub fn hold(&self, component: &str, class: FailureClass, cause: &str) {
        self.repeated.hold(component, class, cause);
    }

    /// Performs a record.
    ///
    /// # Errors
    /// When answers cannot be made durable on this machine.
    pub async fn perform(&self, leased: LeasedRecord) -> Result<Performed, StoreError> {
        self.ends(leased, None).await
    }

    /// Performs no task of a record: all of them fail for this cause.
    ///
    /// # Errors
    /// When this machine can keep nothing.
    pub async fn give_up(
        &self,
        leased: LeasedRecord,
        cause: String,
    ) -> Result<Performed, StoreError> {
        self.ends(leased, Some(cause)).await
    }

    /// In a box, so that the compiler builds it here.
    fn ends(
        &self,
        leased: LeasedRecord,
        deadly: Option<String>,
    ) -> BoxFuture<'_, Result<Performed, StoreError>> {
        Box::pin(self.ends_of(leased, deadly))
    }

    async fn ends_of(
        &self,
        leased: LeasedRecord,
        deadly: Option<String>,
    ) -> Result<Performed, StoreError> {
        let interrupted = || Performed {
            ends: vec![End::Interrupted; self.components.len()],
            notes: Vec::new(),
            reports: Vec::new(),
            worker: None,
        };
        let (pass, place) = (leased.pass, leased.place);
        let Some(record) = leased.record.record() else {
            return Ok(interrupted());
        };
        let category = leased.category.as_deref().and_then(Fields::of_json);
        let ledger = Arc::new(Ledger::new(leased.transcripts));
        let context = Arc::new(Context::leased(Leased {
            dataset: self.terms.dataset,
            rules: self.terms.rules,
            recipes: self.terms.recipes.as_slice().into(),
            facts: Arc::new(OfCategory(category)),
            files: Arc::new(LeasedFiles::new(leased.files)),
            ledger: Arc::clone(&ledger),
            meter: Arc::new(Meter::reporting()),
            components: Arc::clone(&self.components),
            samples: self.terms.samples.clone(),
            site: self.site.clone(),
            spool: self.spool.clone(),
            gateway: Arc::clone(&self.gateway),
            pool: self.pool.clone(),
            interrupt: self.interrupt.clone(),
            held: Arc::clone(&self.held),
            repeated: Arc::clone(&self.repeated),
            deadly,
            span: self.span.clone(),
        }));
        let reference = Reference {
            seen: leased.seen,
            checkpoints: &leased.checkpoints,
            verdicts: &leased.verdicts,
        };
        let tasks = record::perform_tasks(&context, &record, reference, place, pass);
        let ends = AssertUnwindSafe(tasks).catch_unwind().await;
        let Ok(ends) = ends else {
            return Ok(interrupted());
        };
        Ok(Performed {
            ends: ends?,
            notes: ledger.take(),
            reports: context.meter.take_reports(),
            worker: None,
        })
    }
}

/// The facts of the one category that a leased record has.
struct OfCategory(Option<Fields>);

impl Facts for OfCategory {
    fn of_category(&self, _id: &str) -> Option<&Fields> {
        self.0.as_ref()
    }
}
