//! Comparisons of models whose quality is known: how often the better one is named, and how often one of two equals is.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::online::simulator;
use super::report::{Goal, Row};
use crate::scene::{Ran, Scene};
use simulator::{Config, Quality};

const ROUNDS: u64 = 100;
/// Wrong texts of the worse model.
const WRONG: f64 = 0.2;
/// Verdicts that the judge gives by lot.
const BY_LOT: f64 = 0.02;

const DESCRIPTION: &str = "---
input: {record: all}
options: {min-words: 40, numbers-from-facts: false}
---

Describe {{ record.name }}.
";

/// A hundred times: 50 records with an equally good model, and with one that writes wrong facts in a fifth of its texts.
pub fn known_quality() -> anyhow::Result<Vec<Row>> {
    let (mut equal, mut named) = (0, 0);
    for seed in 0..ROUNDS {
        let simulator = simulator(Config {
            seed,
            quality: Quality {
                wrong: BTreeMap::from([("bad".to_owned(), WRONG)]),
                judged_by_lot: BY_LOT,
            },
            ..Config::default()
        })?;
        let scene = Scene::new().with_plugins("plugins").asking(&simulator);
        scene.write("components/description.md", DESCRIPTION);
        scene
            .configure("[component.quality]\nplugin = \"judge\"\ndepends-on = [\"description\"]\n");
        scene.replace("batchgen.toml", "[plugins]", "[plugins]\nimplicit = false");
        equal += u64::from(better(&scene, "openai/other")? == "neither");
        named += u64::from(better(&scene, "openai/bad")? == "first");
    }
    Ok(vec![
        Row::new(
            "100 comparisons of two equal models, 50 records each: no difference is claimed in",
            equal as f64,
            "",
            Goal::AtLeast(95.0),
        ),
        Row::new(
            "100 comparisons with a model whose facts are wrong in 20 % of its texts: the better one is named in",
            named as f64,
            "",
            // In some rounds chance makes hardly a text wrong.
            Goal::None,
        ),
    ])
}

fn better(scene: &Scene, model: &str) -> anyhow::Result<String> {
    let with = format!("model={model}");
    let mut command = scene.command(&[
        "compare",
        "--json",
        "--component",
        "description",
        "--with",
        &with,
    ]);
    let ran = Ran::from(command.output()?);
    ensure!(ran.code == Some(0), "{ran:?}");
    let found: Value = serde_json::from_str(ran.stdout.trim())?;
    let better = found.pointer("/against/0/better").and_then(Value::as_str);
    Ok(better.context("nothing was compared")?.to_owned())
}
