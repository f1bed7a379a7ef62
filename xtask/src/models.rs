//! Writes the table of facts about models that the gateway has with it, from the list that LiteLLM publishes in its package for
//! Python. Only facts are taken, and only of the providers that the gateway knows.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::workspace::{self, Workspace};

/// Write what is known of models (prices, abilities) anew, from LiteLLM's package
#[derive(clap::Args)]
pub struct Args {
    /// The package, a wheel, where it lies already; else pip downloads the newest
    wheel: Option<PathBuf>,
}

const LIST: &str = "litellm/model_prices_and_context_window_backup.json";
const TABLE: &str = "host/crates/gateway/src/models.json";
/// A provider in the list, what its models' names begin with there, and its preset in the gateway.
const PROVIDERS: [(&str, &str, &str); 9] = [
    ("anthropic", "", "anthropic"),
    ("azure", "azure/", "azure"),
    ("deepseek", "deepseek/", "deepseek"),
    ("gemini", "gemini/", "gemini"),
    ("groq", "groq/", "groq"),
    ("mistral", "mistral/", "mistral"),
    ("openai", "", "openai"),
    ("together_ai", "together_ai/", "together"),
    ("xai", "xai/", "xai"),
];

/// Writes the table.
///
/// # Errors
/// When the package cannot be had or read.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let wheel = match &args.wheel {
        Some(wheel) => wheel.clone(),
        None => download(&workspace.root().join("target/xtask/models"))?,
    };
    let list = read(&wheel).with_context(|| format!("reading {}", wheel.display()))?;
    let models = models(&list);
    ensure!(
        !models.is_empty(),
        "{}: its list has no model of a known provider: has its form changed?",
        wheel.display()
    );
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let date = date.split('T').next().unwrap_or_default();
    let path = workspace.root().join(TABLE);
    fs::write(&path, table(date, &source(&wheel), &models))?;
    eprintln!("{TABLE}: {} models", models.len());
    Ok(ExitCode::SUCCESS)
}

/// Has pip download the newest package into an empty folder.
fn download(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
        .arg(folder)
        .arg("litellm");
    workspace::run(&mut pip)
        .context("downloading the package; `cargo xtask models FILE` reads one that lies there")?;
    let files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|end| end == "whl");
    let mut files = files.into_iter().map(|file| file.path());
    match files.find(is_wheel) {
        Some(wheel) => Ok(wheel),
        None => bail!("pip downloaded no wheel of litellm"),
    }
}

/// The list in the package.
fn read(wheel: &Path) -> Result<Map<String, Value>> {
    let mut archive = zip::ZipArchive::new(fs::File::open(wheel)?)?;
    let mut text = String::new();
    archive.by_name(LIST)?.read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// The package and its version, as in `litellm 1.110.2`.
fn source(wheel: &Path) -> String {
    let name = wheel.file_stem().unwrap_or_default().to_string_lossy();
    name.splitn(3, '-').take(2).collect::<Vec<_>>().join(" ")
}

/// The facts by `preset/model`.
fn models(list: &Map<String, Value>) -> BTreeMap<String, Map<String, Value>> {
    list.iter()
        .filter_map(|(name, listed)| {
            let provider = listed.get("litellm_provider")?.as_str()?;
            let (_, prefix, preset) = PROVIDERS.iter().find(|known| known.0 == provider)?;
            let model = name.strip_prefix(prefix)?;
            // Names of regions stand before some of Azure's models, and tuned models have names of their own.
            let is_variant = match *preset {
                "azure" | "openai" | "anthropic" => model.contains('/') || model.contains(':'),
                _ => false,
            };
            let facts = facts(listed, preset).filter(|_| !is_variant)?;
            Some((format!("{preset}/{model}"), facts))
        })
        .collect()
}

/// What is taken over of one entry; nothing of what writes no text for a chat.
fn facts(listed: &Value, preset: &str) -> Option<Map<String, Value>> {
    let is = |key: &str| listed.get(key).and_then(Value::as_bool);
    let endpoints = listed.get("supported_endpoints").and_then(Value::as_array);
    let chats = endpoints.is_none_or(|all| all.iter().any(|one| one == "/v1/chat/completions"));
    if listed.get("mode")? != "chat" || !chats {
        return None;
    }
    let mut facts = Map::new();
    facts.insert("price".to_owned(), price(listed, "")?);
    for (tier, suffix) in [("batch", "_batches"), ("flex", "_flex")] {
        facts.extend(price(listed, suffix).map(|price| (tier.to_owned(), price)));
    }
    let most = listed.get("max_output_tokens");
    let most = most.filter(|tokens| tokens.is_u64());
    facts.extend(most.map(|tokens| ("max-output".to_owned(), tokens.clone())));
    if is("supports_reasoning") == Some(true) {
        facts.insert("reasons".to_owned(), true.into());
    }
    let efforts = efforts(listed);
    facts.extend(efforts.map(|efforts| ("efforts".to_owned(), efforts.into())));
    let thinking = [
        ("always", "thinking_always_on"),
        ("adaptive", "supports_adaptive_thinking"),
        ("budget", "supports_reasoning"),
    ];
    if preset == "anthropic" {
        let thinking = thinking.into_iter().find(|(_, key)| is(key) == Some(true));
        facts.extend(thinking.map(|(word, _)| ("thinking".to_owned(), word.into())));
    }
    let schema = match preset {
        // Of these only what a server holds answers to counts, not what a model is good at.
        "anthropic" => Some(is("supports_native_structured_output") == Some(true)),
        "openai" => Some(is("supports_response_schema") == Some(true)),
        _ => is("supports_response_schema").filter(|takes| !takes),
    };
    let temperature = is("supports_sampling_params");
    for (name, fact) in [("schema", schema), ("temperature", temperature)] {
        facts.extend(fact.map(|fact| (name.to_owned(), fact.into())));
    }
    Some(facts)
}

/// The words that a model knows for how much it thinks, where the list says anything of them.
fn efforts(listed: &Value) -> Option<Vec<Value>> {
    if let Some(levels) = listed.get("reasoning_effort_levels") {
        return levels.as_array().cloned();
    }
    let knows = |word: &str| {
        listed
            .get(format!("supports_{word}_reasoning_effort"))?
            .as_bool()
    };
    let least = ["none", "minimal"].map(|word| (word, knows(word)));
    least.iter().any(|(_, knows)| knows.is_some()).then(|| {
        let least = least.into_iter().filter(|(_, knows)| *knows == Some(true));
        least
            .map(|(word, _)| word)
            .chain(["low", "medium", "high"])
            .map(Value::from)
            .collect()
    })
}

/// A price in dollars for a million tokens, of the tier that the suffix names, and that of long questions.
fn price(listed: &Value, suffix: &str) -> Option<Value> {
    let mut price = rates(listed, suffix)?;
    let long = above(listed, suffix).and_then(|(thousands, tokens)| {
        let mut long = Map::new();
        long.insert("above".to_owned(), (thousands * 1000).into());
        long.extend(rates(listed, &format!("{tokens}{suffix}"))?);
        Some(long)
    });
    price.extend(long.map(|long| ("long".to_owned(), long.into())));
    Some(price.into())
}

/// From how many thousand tokens of a question on it has another price, and how the list writes that.
fn above(listed: &Value, suffix: &str) -> Option<(u64, String)> {
    listed.as_object()?.keys().find_map(|key| {
        let tokens = key.strip_prefix("input_cost_per_token")?;
        let tokens = tokens.strip_suffix(suffix)?;
        let thousands = tokens.strip_prefix("_above_")?.strip_suffix("k_tokens")?;
        Some((thousands.parse().ok()?, tokens.to_owned()))
    })
}

/// What tokens cost, in the fields that end so.
fn rates(listed: &Value, suffix: &str) -> Option<Map<String, Value>> {
    let dollars = |key: &str| {
        let token = listed.get(format!("{key}{suffix}"))?.as_f64()?;
        // A price of a token has more digits than are meant.
        Some((token * 1e12).round() / 1e6)
    };
    let mut price = Map::new();
    for (name, key) in [
        ("input", "input_cost_per_token"),
        ("output", "output_cost_per_token"),
    ] {
        price.insert(name.to_owned(), dollars(key)?.into());
    }
    let cached = dollars("cache_read_input_token_cost");
    price.extend(cached.map(|dollars| ("cached-input".to_owned(), dollars.into())));
    let written = dollars("cache_creation_input_token_cost").filter(|dollars| *dollars > 0.0);
    let for_long = ["_above_1hr", "_above_12hr"]
        .iter()
        .find_map(|span| dollars(&format!("cache_creation_input_token_cost{span}")));
    // Who lists no price for writing to a cache takes no more for it than for input.
    let (written, for_long) = match written {
        Some(written) => (written, for_long),
        None => (
            dollars("input_cost_per_token")?,
            dollars("input_cost_per_token"),
        ),
    };
    price.insert("cache-write".to_owned(), written.into());
    price.extend(for_long.map(|dollars| ("long-cache-write".to_owned(), dollars.into())));
    Some(price)
}

/// The file: a model in each line, so that a later list differs in few.
fn table(date: &str, source: &str, models: &BTreeMap<String, Map<String, Value>>) -> String {
    let lines: Vec<String> = models
        .iter()
        .map(|(name, facts)| format!("{}:{}", json!(name), json!(facts)))
        .collect();
    format!(
        "{{\"date\":{},\"source\":{},\"models\":{{\n{}\n}}}}\n",
        json!(date),
        json!(source),
        lines.join(",\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_taken_of_what_chats_with_a_known_provider() {
        let list = json!({
            "gpt-4o": {
                "litellm_provider": "openai", "mode": "chat",
                "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05,
                "cache_read_input_token_cost": 1.25e-06,
                "input_cost_per_token_batches": 1.25e-06, "output_cost_per_token_batches": 5e-06,
                "supports_response_schema": true,
            },
            "gemini/pro": {
                "litellm_provider": "gemini", "mode": "chat",
                "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
                "input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 1.5e-05,
                "cache_read_input_token_cost_above_200k_tokens": 2e-07,
                "input_cost_per_token_batches": 5e-07, "output_cost_per_token_batches": 5e-06,
                "input_cost_per_token_above_200k_tokens_batches": 1e-06,
                "output_cost_per_token_above_200k_tokens_batches": 7.5e-06,
            },
            "ft:gpt-4o": {
                "litellm_provider": "openai", "mode": "chat",
                "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
            },
            "gpt-pro": {
                "litellm_provider": "openai", "mode": "chat", "supported_endpoints": ["/v1/responses"],
                "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
            },
            "whisper": {"litellm_provider": "openai", "mode": "audio_transcription"},
            "azure/eu/gpt-4o": {
                "litellm_provider": "azure", "mode": "chat",
                "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
            },
            "together_ai/a/b": {
                "litellm_provider": "together_ai", "mode": "chat", "supports_reasoning": true,
                "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
                "cache_creation_input_token_cost": 0.0,
            },
            "claude": {
                "litellm_provider": "anthropic", "mode": "chat",
                "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
                "cache_creation_input_token_cost": 1.25e-06,
                "cache_creation_input_token_cost_above_1hr": 2e-06,
                "supports_reasoning": true, "supports_adaptive_thinking": true,
                "supports_none_reasoning_effort": false, "supports_minimal_reasoning_effort": true,
            },
            "bedrock/x": {
                "litellm_provider": "bedrock", "mode": "chat",
                "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
            },
        });
        let models = models(list.as_object().unwrap());
        assert_eq!(
            table("2026-01-02", "litellm 1.2", &models),
            "{\"date\":\"2026-01-02\",\"source\":\"litellm 1.2\",\"models\":{\n\
             \"anthropic/claude\":{\"price\":{\"input\":1.0,\"output\":10.0,\"cache-write\":1.25,\"long-cache-write\":2.0},\"reasons\":true,\"efforts\":[\"minimal\",\"low\",\"medium\",\"high\"],\"thinking\":\"adaptive\",\"schema\":false},\n\
             \"gemini/pro\":{\"price\":{\"input\":1.0,\"output\":10.0,\"cache-write\":1.0,\"long-cache-write\":1.0,\
             \"long\":{\"above\":200000,\"input\":2.0,\"output\":15.0,\"cached-input\":0.2,\"cache-write\":2.0,\"long-cache-write\":2.0}},\
             \"batch\":{\"input\":0.5,\"output\":5.0,\"cache-write\":0.5,\"long-cache-write\":0.5,\
             \"long\":{\"above\":200000,\"input\":1.0,\"output\":7.5,\"cache-write\":1.0,\"long-cache-write\":1.0}}},\n\
             \"openai/gpt-4o\":{\"price\":{\"input\":2.5,\"output\":10.0,\"cached-input\":1.25,\"cache-write\":2.5,\"long-cache-write\":2.5},\
             \"batch\":{\"input\":1.25,\"output\":5.0,\"cache-write\":1.25,\"long-cache-write\":1.25},\"schema\":true},\n\
             \"together/a/b\":{\"price\":{\"input\":1.0,\"output\":10.0,\"cache-write\":1.0,\"long-cache-write\":1.0},\"reasons\":true}\n}}\n"
        );
    }
}
