//! Asks a model through the gateway: it keeps to limits, retries what can succeed, and asks nothing twice.
//!
//!     OPENAI_API_KEY=... cargo run --example ask -- openai/gpt-4o-mini "What is laser cleaning?"

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "an example is a program"
)]

use std::collections::BTreeMap;

use batchgen_gateway::journal::MemoryJournal;
use batchgen_gateway::lane::LaneSettings;
use batchgen_gateway::providers::Catalogue;
use batchgen_gateway::{Gateway, settings};
use types::key::Parameters;
use types::request::{Answer, CompletionRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(model), Some(question)) = (words.next(), words.next()) else {
        return Err("usage: ask provider/model QUESTION".into());
    };
    let (providers, models) = (BTreeMap::new(), BTreeMap::new());
    let catalogue = Catalogue {
        providers: &providers,
        models: &models,
    };
    let connections = catalogue.connect(&model, &|name| std::env::var(name).ok())?;
    let connection = connections.into_iter().next().ok_or("no endpoint")?;
    let price = settings::price(&models, &model);
    let gateway = Gateway::builder(MemoryJournal::default())
        .lane(&model, connection.provider, LaneSettings::default(), price)
        .build();
    let request = CompletionRequest::text(question);
    let parameters = Parameters {
        model,
        temperature: 0.6,
        max_output_tokens: 1_000,
        extra_body: None,
        reasoning: None,
    };
    match gateway.ask(&parameters, &request).await? {
        Answer::Completion(completion) => println!("{}", completion.text),
        Answer::ContentFiltered(why) | Answer::ContextTooLong(why) => eprintln!("refused: {why}"),
    }
    Ok(())
}
