//! Which tasks there are: a component with a sample is made for the records of its sample, and any other one for all. The sample is
//! one of the dataset, whichever records a run looks at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use config::component::Component;
use plan::sample::{Bound, Sample};
use store::{Lease, Store, StoreError};

/// The samples of the components that have one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Samples(Vec<(String, Bound)>);

/// Records of a category for which a component is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotSampled {
    pub component: String,
    pub category: String,
    pub records: u64,
}

/// Where the sample of each of these components ends that has one, over the records that the dataset has now.
///
/// # Errors
/// When the state cannot be read.
pub fn sample_bounds(
    components: &[Component],
    store: &Store,
    dataset: i64,
) -> Result<Vec<(String, Bound)>, StoreError> {
    let mut samples = Vec::new();
    let mut known: Vec<(u64, Bound)> = Vec::new();
    for component in components {
        let bound = match component.sample {
            None => continue,
            Some(Sample::Percent(percent)) => Bound::of_percent(percent),
            Some(Sample::Records(most)) => match known.iter().find(|(other, _)| *other == most) {
                Some((_, bound)) => *bound,
                None => {
                    let bound = store.sample_bound(dataset, most)?;
                    known.push((most, bound));
                    bound
                }
            },
        };
        samples.push((component.name.clone(), bound));
    }
    Ok(samples)
}

impl Samples {
    /// Those of these components, over the records that the dataset has now.
    pub fn of(
        components: &[Component],
        store: &Store,
        dataset: i64,
    ) -> Result<Samples, StoreError> {
        sample_bounds(components, store, dataset).map(Samples)
    }

    /// Whether a component is made for a record.
    pub fn include(&self, component: &str, record: &str) -> bool {
        let mut samples = self.0.iter();
        let own = samples.find(|(name, _)| name == component);
        own.is_none_or(|(_, bound)| bound.includes(record))
    }

    /// Of the records of a selection, those for which components are not made.
    pub fn left_out(&self, store: &Store, lease: &Lease) -> Result<Vec<NotSampled>, StoreError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let mut left_out: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        store.each_selected(lease, |category, id| {
            if !left_out.contains_key(category) {
                left_out.insert(category.to_owned(), vec![0; self.0.len()]);
            }
            let counts = left_out.get_mut(category).into_iter().flatten();
            for ((_, bound), count) in self.0.iter().zip(counts) {
                *count += u64::from(!bound.includes(id));
            }
        })?;
        let of_category = |(category, counts): (String, Vec<u64>)| {
            let counts = self.0.iter().zip(counts);
            counts.map(move |((component, _), records)| NotSampled {
                component: component.clone(),
                category: category.clone(),
                records,
            })
        };
        Ok(left_out.into_iter().flat_map(of_category).collect())
    }

    /// Whether files are there that no run looks at, since their records are not in a sample any more.
    pub fn leave_files(&self, store: &Store, dataset: i64) -> Result<bool, StoreError> {
        for (component, bound) in &self.0 {
            if store.has_files_outside(dataset, component, *bound)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
