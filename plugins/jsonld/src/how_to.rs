//! The page as instructions: a step for each part of the front matter that says what to do.

use materials::page::{Measure, measures};
use sdk::markdown::listed;
use sdk::{Input, Value, json};

use crate::front_matter::FrontMatter;
use crate::node;

/// The instructions; none if the front matter has nothing to make a step of.
pub(crate) fn how_to(input: &Input, front: &FrontMatter) -> Option<Value> {
    let settings = measures(&front.machine_settings);
    let steps = [
        ("Check the surface", surface(front)),
        ("Set the laser", start(&settings)),
        ("Adjust the settings", window(&settings)),
        ("Clean", clean(front)),
        ("Check the result", result(front)),
    ];
    let steps = steps
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)));
    let steps: Vec<Value> = steps
        .zip(1..)
        .map(|((name, text), position)| {
            node(
                "HowToStep",
                [
                    ("position", json!(position)),
                    ("name", json!(name)),
                    ("text", json!(text)),
                ],
            )
        })
        .collect();
    let url = materials::page_url(input);
    let how_to = [
        ("@id", json!(format!("{url}#how-to"))),
        (
            "name",
            json!(format!("How to clean {} with a laser", input.name())),
        ),
        ("description", json!(front.description)),
        ("isPartOf", json!({ "@id": format!("{url}#article") })),
        ("step", json!(steps)),
    ];
    (!steps.is_empty()).then(|| node("HowTo", how_to))
}

/// What is known of the whole category, and says so.
fn surface(front: &FrontMatter) -> Option<String> {
    let known = &front.compatibility;
    let these = match &known.applies_to {
        Some(category) => format!("In the category {category}, these"),
        None => "These".to_owned(),
    };
    let suited = sentence(&known.suited, |items| {
        format!("{these} respond well: {items}.")
    });
    let caution = sentence(&known.caution, |items| format!("Take care with {items}."));
    together([suited, caution])
}

fn start(settings: &[Measure]) -> Option<String> {
    let typical = settings
        .iter()
        .filter_map(|setting| Some(format!("{} {}", setting.label, setting.typical_text()?)));
    sentence(&typical.collect::<Vec<_>>(), |items| {
        format!("Start from {items}.")
    })
}

fn window(settings: &[Measure]) -> Option<String> {
    let windows = settings
        .iter()
        .filter_map(|setting| Some(format!("{} {}", setting.label, setting.window_text()?)));
    sentence(&windows.collect::<Vec<_>>(), |items| {
        format!("Try on a small area, and stay within {items}.")
    })
}

fn clean(front: &FrontMatter) -> Option<String> {
    sentence(&front.contaminants, |items| {
        format!("Scan the surface to remove {items}.")
    })
}

fn result(front: &FrontMatter) -> Option<String> {
    let expected = front.outcomes.iter();
    let expected = expected.map(|outcome| format!("{} {}", outcome.outcome, outcome.metric));
    sentence(&expected.collect::<Vec<_>>(), |items| {
        format!("With the typical settings, expect these values: {items}.")
    })
}

/// A sentence about the items that say something; none without any.
fn sentence(items: &[String], with: impl Fn(String) -> String) -> Option<String> {
    let items = items.iter().map(|item| item.trim());
    let items: Vec<&str> = items.filter(|item| !item.is_empty()).collect();
    (!items.is_empty()).then(|| with(listed(&items)))
}

fn together<const PARTS: usize>(parts: [Option<String>; PARTS]) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
