//! What it imports and asks, held against its manifest. What it must not import was refused when it was loaded.

use super::{Fault, Subject, Verdict, verdict};
use plugin::load::Port;

const LLM: &str = "batchgen:component/llm@";

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let plugin = &subject.component.plugin;
    let mut faults = Vec::new();
    if plugin.package.manifest.llm.is_none() {
        return Verdict::Ok;
    }
    let imports = plugin.imports();
    let can_ask = |port: &Port| port.name.starts_with(LLM) && !port.functions.is_empty();
    if !imports.iter().any(can_ask) {
        faults.push(fault("it imports no function of `llm`".to_owned()));
    } else if subject.good().next().is_some()
        && subject
            .samples
            .iter()
            .all(|(_, trial)| trial.told.is_empty())
    {
        let count = subject.samples.len();
        faults.push(fault(format!("none of {count} records makes it ask")));
    }
    verdict(faults)
}

fn fault(found: String) -> Fault {
    Fault {
        expected: "a manifest with [llm] belongs to a component that asks a model".to_owned(),
        found,
        hint: "remove [llm] from plugin.toml, since nobody should need a key for it; or name a record of which it asks with \
               --record ID"
            .to_owned(),
    }
}
