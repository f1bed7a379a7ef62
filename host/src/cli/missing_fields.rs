//! Fields that a component was configured to be given and that no record seems to have: most likely they are misspelt. It
//! is told and no error, since a field may be rare.

use std::collections::BTreeSet;

use super::display::Display;
use super::project::Project;
use config::component::Component;
use plugin::manifest::Fields;
use types::suggest::closest;

/// Records that are looked at. Most datasets show all of their fields in the first few.
const LOOKED_AT: usize = 100;

/// Says which fields that the configuration gives to these components are in none of the first records.
pub(super) fn tell(project: &Project, components: &[Component], display: &Display) {
    let config = &project.settings.config;
    let mut asked: Vec<(&str, &str, &String)> = Vec::new();
    for component in components {
        let name = component.name.as_str();
        let Some(configured) = config.component.get(name) else {
            continue;
        };
        if let Some(Fields::Named(names)) = configured.input.as_ref().map(|input| &input.record) {
            asked.extend(names.iter().map(|field| (name, "input", field)));
        }
        let images = configured.images.iter().flatten();
        asked.extend(images.map(|field| (name, "images", field)));
    }
    let mut seen = BTreeSet::new();
    // What is wrong with a record is told when it is indexed.
    let mut records = project.dataset.entries().take(LOOKED_AT).flatten();
    while asked.iter().any(|(_, _, name)| !seen.contains(*name)) {
        let Some((_, record)) = records.next() else {
            break;
        };
        seen.extend(record.fields.keys().cloned());
    }
    // Where no record can be read, that is what is wrong, and it is told when they are indexed.
    if seen.is_empty() {
        return;
    }
    let noun = &project.settings.dataset.records;
    for (component, key, name) in asked {
        if seen.contains(name) {
            continue;
        }
        let hint = closest(name, seen.iter().map(String::as_str))
            .map(|meant| format!("; did you mean `{meant}`?"))
            .unwrap_or_default();
        let place = config.component.get(component);
        let place = place.map_or_else(String::new, |settings| settings.place(component, key));
        display.print(&format!(
            "warning: {place} names the field `{name}`, which none of the first {LOOKED_AT} {noun} \
             has{hint}"
        ));
    }
}
