//! The components of a comparison: a copy for each variant of what is compared, of what that depends on, and of its judge.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use anyhow::anyhow;

use super::change::{Change, Variant};
use crate::cli::args::SelectionArgs;
use crate::cli::exit::Failure;
use crate::cli::project::{Project, is_called};
use config::component::Component;
use config::{Config, InlinePrompt, PromptSource};

/// What is compared, and by whom.
pub(crate) struct Subject<'a> {
    /// The judge that the command line names.
    pub judge: Option<&'a str>,
    pub variants: Vec<Variant>,
}

/// The components of a comparison.
pub(crate) struct Copies {
    pub variants: Vec<Variant>,
    pub compared: Vec<Compared>,
    /// All that run, each behind what it depends on.
    pub components: Vec<Component>,
}

/// One component with its copies.
pub(crate) struct Compared {
    pub component: String,
    /// Its copy for each variant.
    pub copies: Vec<Component>,
    pub judge: Option<Judging>,
}

/// The copies of a judge.
pub(crate) struct Judging {
    pub judge: String,
    /// For each variant, the one that scores its texts.
    pub scoring: Vec<Component>,
    /// For each variant but the first: those that hold it against the first, which comes first for one and second for the other.
    pub comparing: Vec<[Component; 2]>,
}

impl Subject<'_> {
    /// Makes the copies.
    pub fn copies(self, project: &Project, selection: &SelectionArgs) -> Result<Copies, Failure> {
        let compared = self.compared(project, selection)?;
        let mut judges: BTreeMap<&String, String> = BTreeMap::new();
        for name in &compared {
            if let Some(judge) = self.judge_of(project, name)? {
                judges.insert(name, judge);
            }
        }
        if let Some(judge) = self.judge.filter(|_| judges.is_empty()) {
            return Err(Failure::usage(anyhow!(
                "`{judge}` judges none of the components that are compared: {}\nhint: its depends-on names what it judges",
                compared.join(", ")
            )));
        }
        let mut components = Vec::new();
        let mut by_variant = Vec::new();
        // As the first variant has them.
        let mut originals: Vec<Component> = Vec::new();
        for variant in &self.variants {
            let changed = self.changed(project, variant, &compared)?;
            let asked = compared.iter().chain(judges.values()).cloned();
            let wanted = project.with_dependencies_among(&changed, asked)?;
            if originals.is_empty() {
                originals.clone_from(&wanted);
            }
            let names: BTreeSet<String> = wanted.iter().map(|one| one.name.clone()).collect();
            let copy = |one: &Component| {
                let copy = one.copied(&variant.tag, &names);
                match variant.texts().filter(|_| compared.contains(&one.name)) {
                    Some(texts) => copy.with_texts(Arc::clone(texts)),
                    None => copy,
                }
            };
            let copies: Vec<Component> = wanted.iter().map(copy).collect();
            components.extend(copies.iter().cloned());
            let by_name: BTreeMap<String, Component> =
                wanted.into_iter().map(|one| one.name).zip(copies).collect();
            by_variant.push(by_name);
        }
        let of = |name: &str| -> Vec<Component> {
            let copies = by_variant.iter();
            copies
                .filter_map(|copies| copies.get(name).cloned())
                .collect()
        };
        let compared: Vec<Compared> = compared
            .iter()
            .map(|name| {
                let copies = of(name);
                let judge = originals
                    .iter()
                    .find(|one| judges.get(name) == Some(&one.name));
                let judging = judge.map(|judge| Judging {
                    judge: judge.name.clone(),
                    scoring: of(&judge.name),
                    comparing: comparing(judge, &copies, &self.variants),
                });
                Compared {
                    component: name.clone(),
                    judge: judging,
                    copies,
                }
            })
            .collect();
        let comparing = compared.iter().filter_map(|one| one.judge.as_ref());
        components.extend(comparing.flat_map(|judge| judge.comparing.iter().flatten().cloned()));
        Ok(Copies {
            variants: self.variants,
            compared,
            components,
        })
    }

    /// Names of what is compared: what the command line names, else what prompts are changed of, else every enabled component that asks a
    /// model and judges nobody.
    fn compared(
        &self,
        project: &Project,
        selection: &SelectionArgs,
    ) -> Result<Vec<String>, Failure> {
        let mut named = project.named(&selection.component)?;
        let changes = || self.variants.iter().flat_map(|variant| &variant.changes);
        if named.is_empty() && !selection.all {
            let of_prompts: Vec<String> = changes()
                .filter_map(|change| match change {
                    Change::Prompt { component, .. } => Some(component.clone()),
                    Change::Model(_) | Change::Texts(_) => None,
                })
                .collect();
            for name in of_prompts {
                named.extend(project.called(&name)?);
            }
        }
        let asks =
            |component: &&Component| component.parameters.is_some() && component.judges.is_none();
        if named.is_empty() {
            let wanted = |one: &&Component| one.enabled || selection.all;
            let components = project.components.iter().filter(asks).filter(wanted);
            named.extend(components.map(|one| one.name.clone()));
        }
        if named.is_empty() {
            return Err(Failure::usage(anyhow!(
                "no enabled component asks a model\nhint: name one with --component NAME"
            )));
        }
        let mut seen = BTreeSet::new();
        named.retain(|name| seen.insert(name.clone()));
        for name in &named {
            if let Some(judged) = &project.component(name)?.judges {
                return Err(Failure::usage(anyhow!(
                    "`{name}` judges `{judged}`, and a judge is not compared\nhint: `batchgen judge check` holds its verdicts against those of persons"
                )));
            }
        }
        Ok(named)
    }

    /// The judge of a component, if there is one: the one that is named, that of its gate, or the only one.
    fn judge_of(&self, project: &Project, name: &str) -> Result<Option<String>, Failure> {
        if let Some(judge) = self.judge {
            project.called(judge)?;
        }
        let gate = project.component(name)?.gate.as_ref();
        let of_gate = gate.and_then(|gate| gate.judge.as_deref());
        let judging = project.components.iter().filter(|one| {
            one.judges.as_deref() == Some(name)
                && self.judge.is_none_or(|judge| is_called(one, judge))
        });
        let judging: Vec<&str> = judging.map(|one| one.name.as_str()).collect();
        match (judging.as_slice(), of_gate) {
            ([], _) => Ok(None),
            ([only], _) => Ok(Some((*only).to_owned())),
            (several, Some(judge)) if several.contains(&judge) => Ok(Some(judge.to_owned())),
            (several, _) => Err(Failure::usage(anyhow!(
                "several components judge `{name}`: {}\nhint: name one with --judge NAME",
                several.join(", ")
            ))),
        }
    }

    /// The components of the project as a variant has them.
    fn changed(
        &self,
        project: &Project,
        variant: &Variant,
        compared: &[String],
    ) -> Result<Vec<Component>, Failure> {
        let mut config = project.usable_config();
        if let Some(model) = &project.model {
            config.model = Some(model.clone());
            for settings in config.component.values_mut() {
                settings.model = Some(model.clone());
            }
        }
        for change in &variant.changes {
            match change {
                Change::Model(model) => {
                    for name in compared {
                        let settings = config.component.entry(name.clone()).or_default();
                        settings.model = Some(model.clone());
                    }
                }
                // It is the copy that has them.
                Change::Texts(_) => {}
                Change::Prompt {
                    component,
                    name,
                    file,
                } => {
                    let text = fs::read_to_string(file).map_err(|error| {
                        Failure::usage(anyhow!(
                            "cannot read the prompt {}: {error}\nhint: it counts from the folder that you are in",
                            file.display()
                        ))
                    })?;
                    for component in project.called(component)? {
                        let known = project.component(&component)?;
                        let prompt = prompt_of(known, name.as_deref())?;
                        give_prompt(&mut config, &component, prompt, (file, &text));
                    }
                }
            }
        }
        project.resolved(&config).map_err(Failure::usage)
    }
}

/// Puts a prompt in the place of another one.
fn give_prompt(
    config: &mut Config,
    component: &str,
    prompt: String,
    (file, text): (&std::path::Path, &str),
) {
    let settings = config.component.entry(component.to_owned()).or_default();
    let body = quality::without_front_matter(text);
    let source = if body.len() == text.len() {
        PromptSource::File(std::path::absolute(file).unwrap_or_else(|_| file.to_owned()))
    } else {
        // A copy of the component's file, of which the text is meant.
        PromptSource::Inline(InlinePrompt {
            text: body.trim_start().to_owned(),
        })
    };
    settings.prompts.insert(prompt, source);
    // It is not that file's any more.
    settings.origin = None;
}

/// The prompt that is meant.
fn prompt_of(component: &Component, name: Option<&str>) -> Result<String, Failure> {
    let known: Vec<&str> = component
        .prompts
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let unclear = |cause: String| {
        Failure::usage(anyhow!(
            "{cause}\nhint: its prompts are {}; name one as in prompt:{}.NAME=FILE",
            known.join(", "),
            component.name
        ))
    };
    match (name, known.as_slice()) {
        (Some(name), known) if known.contains(&name) => Ok(name.to_owned()),
        (Some(name), _) => Err(unclear(format!(
            "`{}` has no prompt `{name}`",
            component.name
        ))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(Failure::usage(anyhow!(
            "`{}` has no prompt\nhint: compare a component that asks a model",
            component.name
        ))),
        (None, _) => Err(unclear(format!("`{}` has several prompts", component.name))),
    }
}

/// For each variant but the first, the two that hold it against the first.
fn comparing(judge: &Component, copies: &[Component], variants: &[Variant]) -> Vec<[Component; 2]> {
    let (Some((first, others)), Some((base, tags))) =
        (copies.split_first(), variants.split_first())
    else {
        return Vec::new();
    };
    let pair = |(copy, variant): (&Component, &Variant)| {
        let tag = |one: &Variant, other: &Variant| format!("{}-{}", one.tag, other.tag);
        [
            judge.comparing(first, copy, &tag(base, variant)),
            judge.comparing(copy, first, &tag(variant, base)),
        ]
    };
    others.iter().zip(tags).map(pair).collect()
}
