//! The text of a first configuration.

use std::fmt::Write as _;

use serde_json::json;
use toml::Value;

use super::proposal::Proposal;
use crate::cli::component_text::ComponentText;
use dataset::Survey;

/// Name of the first component.
pub(super) const COMPONENT: &str = "description";

/// The configuration for a dataset at these paths, or at this address, seen from it.
pub(super) fn text(
    survey: &Survey,
    proposal: &Proposal,
    places: Vec<String>,
    model: &str,
) -> String {
    let mut text = String::from(
        "# batchgen's configuration, written by `batchgen init`. Paths count from this file. Flags beat environment variables,
# which beat this file. A line that is commented out shows the default, or an example where there is none.

# Model that components ask, as provider/model. A real one, for example \"openai/gpt-4o-mini\", needs its key in the
# environment, or in a file `.env` beside this one: OPENAI_API_KEY=sk-...
# `offline` needs neither key nor network: it writes PLACEHOLDERS from the facts, so that everything can be tried. It
# does not follow prompts, and nothing that it writes is for publishing. Change this line before you publish.
",
    );
    let _ = writeln!(text, "model = {}\n", quoted(model));
    dataset(&mut text, survey, proposal, places);
    text.push_str(
        "
# Where the files will be published; components may use it.
[site]
# base-url = \"https://example.org\"
# name = \"Example\"
# locale = \"en_US\"

[output]
# directory = \"content\"
# path = \"{component}/{id}.{extension}\"

# Limits of each real model, as its provider gives them to you. The offline one has none.
[limits]
# requests-per-minute = 30
# tokens-per-minute = 200000
# concurrency = 8

[plugins]
# Only components in components/NAME.md, or in [component.NAME] here, are made. With `true`, every plugin gives one of its own name, too.
implicit = false
# Folder of your own plugins.
# directory = \"plugins\"
",
    );
    text
}

fn dataset(text: &mut String, survey: &Survey, proposal: &Proposal, places: Vec<String>) {
    let config = &survey.config;
    text.push_str("[dataset]\n");
    let mut places: Vec<Value> = places.into_iter().map(Value::String).collect();
    let place = match places.len() {
        1 => places.remove(0),
        _ => Value::Array(places),
    };
    match &config.sql {
        Some(sql) => {
            let _ = writeln!(
                text,
                "# Each row of the result is a record.\nurl = {place}\nsql = {}",
                quoted(sql)
            );
        }
        None => {
            let _ = writeln!(text, "path = {place}");
        }
    }
    if let Some(sheet) = &config.sheet {
        text.push_str("# Sheet of the workbook.\n");
        let _ = writeln!(text, "sheet = {}", quoted(sheet));
    }
    if config.records != "records" {
        text.push_str("# Key of the list of records.\n");
        let _ = writeln!(text, "records = {}", quoted(&config.records));
    } else if proposal.noun != "records" {
        text.push_str("# What progress calls the records.\n");
        let _ = writeln!(text, "records = {}", quoted(&proposal.noun));
    }
    if let Some(field) = &config.key_field {
        text.push_str("# Each record stands under a key, which becomes this field.\n");
        let _ = writeln!(text, "key-field = {}", quoted(field));
    }
    let _ = writeln!(text, "# Field that holds the id: {}.", proposal.id.why);
    let _ = writeln!(text, "id = {}", quoted(&proposal.id.field));
    let _ = writeln!(text, "# Field that holds the name: {}.", proposal.name.why);
    let _ = writeln!(text, "name = {}", quoted(&proposal.name.field));
    match &proposal.category {
        Some(category) => {
            let _ = writeln!(text, "# Field that holds the category: {}.", category.why);
            let _ = writeln!(text, "category = {}", quoted(&category.field));
        }
        // A field of the default's name may be there and be no category.
        None if survey.field("category").is_some() => text.push_str(
            "# No field is a category; the one of this name has too many values, or other things than texts.\ncategory = \"\"\n",
        ),
        None => {}
    }
    if let Some(default) = &proposal.default_category {
        text.push_str("# Category of records that have none.\n");
        let _ = writeln!(text, "default-category = {}", quoted(default));
    }
    if survey.grouped_by.is_some() {
        text.push_str(
            "# Rows whose id an earlier row has are passed over: the first row of each id is the record.\nrepeated = \"first\"\n",
        );
    }
    if !proposal.texts.is_empty() {
        text.push_str("# Columns that hold numbers and other texts: they are texts throughout.\n");
        let texts: Vec<Value> = proposal.texts.iter().cloned().map(Value::String).collect();
        let _ = writeln!(text, "texts = {}", Value::Array(texts));
    }
    if proposal.safe_ids {
        text.push_str(
            "# Ids and categories become parts of file names: \"Home & Garden\" becomes home-garden. The fields stay as they are.\n\
             safe-ids = true\n",
        );
    }
}

/// The first component, which stands in a file of its own.
pub(super) fn component(proposal: &Proposal) -> String {
    let about = [
        "A first component: a text about each record, by the plugin `prompt`, which needs no code (see the tutorial). Its files",
        &format!(
            "are content/{COMPONENT}/<id>.md. The prompt stands below the settings. Change it and run again: only this component"
        ),
        "is made again. `batchgen add component NAME` writes another.",
    ];
    ComponentText {
        about: &about.map(str::to_owned),
        fields: &proposal.given,
        rules: &[
            ("min-words", json!(20)),
            ("max-words", json!(90)),
            ("whole-sentences", json!(true)),
            ("numbers-from-facts", json!(true)),
        ],
        prompt: "Write a short description of {{ record.name }} for readers who do not know it yet: what it is, and what the facts tell.
Write plain sentences, no headings and no lists.",
    }
    .text()
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
