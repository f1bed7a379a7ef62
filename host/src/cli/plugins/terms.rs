//! What a plugin may read, spend and do: what a person has to know who takes one from elsewhere.

use super::super::settings;
use config::Config;
use plugin::limits::Limits;
use plugin::load::Plugin;
use plugin::manifest::Fields;

/// Each with what it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Terms(Vec<(&'static str, String)>);

impl Terms {
    /// What a plugin says of itself, as far as the project's limits let it.
    pub fn of(plugin: &Plugin, config: &Config) -> Terms {
        let manifest = &plugin.package.manifest;
        let component = &manifest.component;
        let limits = Limits::new(&manifest.limits, &[&config.plugins.limits]);
        let upstream = match (component.depends_on.as_slice(), component.upstream_prompts) {
            ([], false) => "none".to_owned(),
            ([], true) => "those that the configuration says, and their prompts".to_owned(),
            (files, false) => named(files),
            (files, true) => format!("{}, and their prompts", named(files)),
        };
        let model = match &manifest.llm {
            None => "no".to_owned(),
            Some(llm) => format!(
                "yes, up to {} times for a record, answers of up to {} tokens{}{}",
                limits.calls,
                llm.max_output_tokens,
                limits
                    .tokens
                    .map_or_else(String::new, |most| format!(", {most} tokens in all")),
                limits.cost.map_or_else(String::new, |most| format!(
                    ", ${} in all",
                    most as f64 / 1e6
                )),
            ),
        };
        let is_used = config.plugins.implicit && !component.configured;
        let runs = match (
            is_used || settings::is_named(plugin, config),
            component.enabled,
        ) {
            (false, _) => "where batchgen.toml makes a component of it: [component.NAME]",
            (true, true) => "in every run",
            (true, false) => "with --all, or where it is named",
        };
        let mut terms = vec![
            (
                "fields of a record",
                fields(&manifest.input.record, component.configured),
            ),
            (
                "fields of a category",
                fields(&manifest.input.category, component.configured),
            ),
            ("files of", upstream),
            ("asks a model", model),
            (
                "memory and CPU",
                format!(
                    "{} MiB, {} ms at once, {} ms for a record",
                    limits.memory >> 20,
                    limits.cpu.as_millis(),
                    limits.task_cpu.as_millis()
                ),
            ),
            ("runs", runs.to_owned()),
        ];
        if !manifest.input.images.is_empty() {
            let shown = named(&manifest.input.images);
            terms.insert(2, ("pictures of fields", shown));
        }
        Terms(terms)
    }

    /// A line for each.
    pub fn lines(&self) -> String {
        let lines = self.0.iter().map(|(what, is)| format!("  {what:20}  {is}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A line for each that is not as it was.
    pub fn changes(&self, before: &Terms) -> Vec<String> {
        let of = |terms: &Terms, what: &str| {
            let mut known = terms.0.iter().filter(|(other, _)| *other == what);
            known.next().map_or("none", |(_, is)| is).to_owned()
        };
        let mut all: Vec<&str> = self.0.iter().map(|(what, _)| *what).collect();
        let gone = before.0.iter().map(|(what, _)| *what);
        let is_here = |what: &&str| self.0.iter().any(|(other, _)| other == what);
        all.extend(gone.filter(|what| !is_here(what)));
        all.into_iter()
            .map(|what| (what, of(self, what), of(before, what)))
            .filter(|(_, is, was)| is != was)
            .map(|(what, is, was)| format!("  {what:20}  {was}\n  {:20}  now: {is}", ""))
            .collect()
    }
}

fn fields(fields: &Fields, configured: bool) -> String {
    match fields {
        Fields::All(_) => "all".to_owned(),
        Fields::Named(names) if names.is_empty() && configured => {
            "those that the configuration says".to_owned()
        }
        Fields::Named(names) if names.is_empty() => "none".to_owned(),
        Fields::Named(names) => named(names),
    }
}

/// Names that somebody else wrote, each as one word.
fn named(names: &[String]) -> String {
    let words = names
        .iter()
        .map(|name| name.replace(char::is_whitespace, " "));
    words.collect::<Vec<_>>().join(", ")
}
