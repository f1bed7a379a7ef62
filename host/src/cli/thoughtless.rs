//! Models that are to think, and are not known to. It is told and no error: the table of models may lag behind, and a server
//! that refuses says so itself.

use std::collections::BTreeSet;

use super::display::Display;
use config::component::Component;
use gateway::models;
use types::key::Reasoning;

/// Says which of these components ask such a model.
pub(super) fn tell(components: &[Component], display: &Display) {
    let asked = components.iter().filter_map(|component| {
        let parameters = component.parameters.as_ref()?;
        let level = parameters.reasoning?;
        let facts = models::facts(&parameters.model)?;
        let is_in_vain = level != Reasoning::None && !facts.reasons;
        is_in_vain.then_some((parameters.model.as_str(), level.as_str()))
    });
    for (model, level) in asked.collect::<BTreeSet<_>>() {
        display.print(&format!(
            "warning: `{model}` is asked with reasoning = \"{level}\", and was not known to reason on {}",
            models::date()
        ));
    }
}
