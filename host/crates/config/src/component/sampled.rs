//! Components that are made for a sample of the records: what needs their files for other records, too, is refused.

use super::Component;
use crate::ConfigError;

/// Checks that each component finds all files that it needs.
pub(super) fn check(components: &[Component]) -> Result<(), ConfigError> {
    for component in components {
        let sampled = |name: &String| {
            let mut others = components.iter().filter(|other| other.name == *name);
            others.find(|other| other.sample.is_some() && other.sample != component.sample)
        };
        let judge = component.gate.as_ref().and_then(|gate| gate.judge.as_ref());
        if let Some(judge) = judge.and_then(sampled) {
            return Err(ConfigError::Value {
                key: format!("component.{}.gate.judge", component.name),
                cause: format!(
                    "`{}` judges only a sample of the records, so the gate would hold all other files",
                    judge.name
                ),
                hint: format!(
                    "remove `sample` from `{}`, or give `{}` the same sample",
                    judge.name, component.name
                ),
            });
        }
        if let Some(upstream) = component.depends_on.iter().find_map(sampled) {
            return Err(ConfigError::Value {
                key: format!("component.{}.sample", upstream.name),
                cause: format!(
                    "`{}` depends on its files, and needs them for other records, too",
                    component.name
                ),
                hint: format!(
                    "give `{}` the same sample, or remove this one",
                    component.name
                ),
            });
        }
    }
    Ok(())
}
