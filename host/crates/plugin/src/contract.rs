//! The versions of the contract that are offered, and how a component of each is linked and called. The rest of the host knows
//! the types of the newest one alone.

mod first;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Result, Store};

use super::bindings::batchgen::component::types::{Artifact, Failure, Input};
use super::bindings::{self, ComponentPre};
use super::state::State;

/// Where the names of the contract's interfaces begin.
const PACKAGE: &str = "batchgen:component/";
/// The interfaces of the contract.
const INTERFACES: [&str; 3] = ["types", "llm", "log"];
/// The first version. Released ones are offered for ever (docs/CONTRACT.md).
const FIRST: &str = "0.1.0";
/// The newest version.
const NEWEST: &str = "0.2.0";
/// All of them, in words.
pub(super) const OFFERED: &str = "0.1.0 and 0.2.0";

/// Name and version of an interface of the contract.
fn interface(import: &str) -> Option<(&str, &str)> {
    import.strip_prefix(PACKAGE)?.split_once('@')
}

/// Versions of the contract that these imports name.
pub(super) fn versions(imports: &[String]) -> impl Iterator<Item = &str> {
    imports
        .iter()
        .filter_map(|import| interface(import))
        .map(|(_, version)| version)
}

/// A version that is named and not offered.
pub(super) fn unknown(imports: &[String]) -> Option<&str> {
    versions(imports).find(|version| ![FIRST, NEWEST].contains(version))
}

/// Whether an interface is one of the contract's. Its version is another matter.
pub(super) fn has(import: &str) -> bool {
    interface(import).is_some_and(|(name, _)| INTERFACES.contains(&name))
}

/// The code of a component that was built against one version.
pub(super) enum Code {
    First(bindings::first::ComponentPre<State>),
    Newest(ComponentPre<State>),
}

/// Adds what the contract of a version has, for a component to import.
pub(super) fn add_to_linker(version: &str, linker: &mut Linker<State>) -> Result<()> {
    if version == FIRST {
        bindings::first::Component::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
    } else {
        bindings::Component::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
    }
}

impl Code {
    /// The code of a component whose imports are there.
    pub fn new(version: &str, pre: InstancePre<State>) -> Result<Code> {
        Ok(if version == FIRST {
            Code::First(bindings::first::ComponentPre::new(pre)?)
        } else {
            Code::Newest(ComponentPre::new(pre)?)
        })
    }

    /// The component itself.
    pub fn component(&self) -> &Component {
        match self {
            Code::First(code) => code.instance_pre().component(),
            Code::Newest(code) => code.instance_pre().component(),
        }
    }

    /// A fresh instance.
    pub fn instantiate(&self, store: &mut Store<State>) -> Result<Instance> {
        Ok(match self {
            Code::First(code) => Instance::First(code.instantiate(store)?),
            Code::Newest(code) => Instance::Newest(code.instantiate(store)?),
        })
    }
}

/// A running component.
pub(super) enum Instance {
    First(bindings::first::Component),
    Newest(bindings::Component),
}

impl Instance {
    /// Runs it.
    pub fn generate(
        &self,
        store: &mut Store<State>,
        input: &Input,
    ) -> Result<std::result::Result<Artifact, Failure>> {
        match self {
            Instance::First(component) => {
                let made = component.call_generate(store, &first::input(input))?;
                Ok(made.map(first::artifact).map_err(first::failure))
            }
            Instance::Newest(component) => component.call_generate(store, input),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_offered_by_their_whole_number() {
        let imports = |version: &str| {
            ["types", "llm"].map(|name| format!("batchgen:component/{name}@{version}"))
        };
        assert_eq!(unknown(&imports("0.1.0")), None);
        assert_eq!(unknown(&imports("0.2.0")), None);
        assert_eq!(unknown(&imports("0.2.1")), Some("0.2.1"));
        assert!(has("batchgen:component/log@0.2.0") && !has("batchgen:component/clock@0.2.0"));
        assert_eq!(OFFERED, format!("{FIRST} and {NEWEST}"));
    }
}
