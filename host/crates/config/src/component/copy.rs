//! Copies of a component under other names, which stand beside it in one run: to compare what its changes do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::Component;
use plan::gate::Otherwise;
use types::digest::Digest;

/// What a comparison calls the two texts that one judge holds against each other.
pub const COMPARED: [&str; 2] = ["first", "second"];

impl Component {
    /// The same component as `NAME@TAG`, whose files lie below a folder of that name. It reads the copies of those in `among`, and calls
    /// them what it calls them now. Its gate refuses nothing: what its rules and its judge say is what is wanted.
    pub fn copied(&self, tag: &str, among: &BTreeSet<String>) -> Component {
        let name_of = |name: &str| match among.contains(name) {
            true => tagged(name, tag),
            false => name.to_owned(),
        };
        let mut copy = self.clone();
        copy.name = tagged(&self.name, tag);
        copy.depends_on = self.depends_on.iter().map(|name| name_of(name)).collect();
        copy.aliases = self
            .depends_on
            .iter()
            .map(|name| (name_of(name), self.called(name).to_owned()))
            .collect();
        copy.judges = self.judges.as_deref().map(name_of);
        if let Some(gate) = &mut copy.gate {
            gate.judge = gate.judge.as_deref().map(name_of);
            gate.otherwise = Otherwise::Warn;
        }
        copy.output = self.output.below(tag);
        // The records of a comparison are a sample themselves.
        copy.sample = None;
        copy.remade()
    }

    /// Of a judge: the component that holds what `first` and `second` made against each other, in this order.
    pub fn comparing(&self, first: &Component, second: &Component, tag: &str) -> Component {
        let mut copy = self.clone();
        copy.name = tagged(&self.name, tag);
        copy.depends_on = vec![first.name.clone(), second.name.clone()];
        let called = COMPARED.map(str::to_owned);
        copy.aliases = copy.depends_on.iter().cloned().zip(called).collect();
        copy.judges = None;
        copy.sample = None;
        copy.gate = None;
        copy.rules = None;
        // Both are judged by the same facts, whatever each was asked for.
        let own: BTreeSet<&String> = self.plugin.package.prompts.keys().collect();
        copy.prompts.retain(|(name, _)| own.contains(name));
        copy.recipe.prompts.retain(|name, _| own.contains(name));
        copy.output = self.output.below(tag);
        copy.remade()
    }

    /// The same component, which makes nothing: its files are these texts, by the id of their record. What goes beside them, as
    /// its gate, stays.
    pub fn with_texts(mut self, texts: Arc<BTreeMap<String, String>>) -> Component {
        let digest = Value::String(Digest::of_json(&*texts).to_string());
        self.recipe.options.insert("texts".to_owned(), digest);
        self.depends_on = Vec::new();
        self.aliases = BTreeMap::new();
        self.parameters = None;
        self.recipe.parameters = None;
        self.texts = Some(texts);
        self.remade()
    }

    /// With a recipe that says what it is now.
    fn remade(mut self) -> Component {
        self.recipe.output = self.output.pattern();
        self.recipe.upstreams = self
            .depends_on
            .iter()
            .map(|name| match self.aliases.get(name) {
                Some(alias) => format!("{alias}={name}"),
                None => name.clone(),
            })
            .collect();
        self.recipe_digest = self.recipe.digest();
        self
    }
}

/// Name of a copy.
fn tagged(name: &str, tag: &str) -> String {
    format!("{name}@{tag}")
}
