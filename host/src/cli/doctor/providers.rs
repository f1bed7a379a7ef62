//! The models that are used: key, limits, price, and whether their provider answers. Listing models asks none of
//! them, so it costs nothing.

use std::time::Duration;

use super::super::settings::{Settings, cannot_connect};
use super::super::trust::{self, Chooser};
use super::Check;
use gateway::lane::lane_name;
use gateway::providers::{Connection, offline};
use types::class::FailureClass;
use types::suggest::closest;

/// Name of this part.
pub(super) const AREA: &str = "provider";
/// A provider that has said nothing after so long is as good as gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at one model.
pub(super) async fn look(settings: &Settings, model: &str, show: &mut impl FnMut(Check)) {
    if model == offline::NAME {
        show(Check::good(
            "model",
            "offline: needs no key, no network and no limits",
        ));
        return;
    }
    // Nothing is sent, nor a key looked up, before the person has allowed it.
    match Chooser::of(settings).untrusted(&[model.to_owned()]) {
        Ok(asked) if asked.is_empty() => {}
        Ok(asked) => return show(Check::error("trust", trust::refusal(&asked))),
        Err(error) => return show(Check::error("trust", error)),
    }
    // A key that is missing is told here.
    let connections = match settings.models().connections(model) {
        Ok(connections) => connections,
        Err(error) => {
            show(Check::error("model", cannot_connect(&error)));
            return;
        }
    };
    show(Check::good(
        "model",
        match connections.len() {
            1 => format!("{model}: address and key are set as it needs them"),
            endpoints => format!(
                "{model}: addresses and keys of its {endpoints} endpoints are set as it needs them"
            ),
        },
    ));
    for connection in &connections {
        show(limits(settings, model, connection));
    }
    if gateway::settings::price(&settings.config.models, model).is_none() {
        show(Check::warning(
            "price",
            format!("{model}: not known, so its cost is not counted"),
            format!("set price in [models.\"{model}\"], in dollars for a million tokens"),
        ));
    }
    let (name, own) = model.split_once('/').unwrap_or((model, model));
    for connection in &connections {
        let who = lane_name(name, connection.endpoint.as_deref());
        show(asked(connection, name, own, &who).await);
    }
}

/// What the provider `name` says at one of its places, which is called `who`, of its model `own`.
async fn asked(connection: &Connection, name: &str, own: &str, who: &str) -> Check {
    match connection.provider.models(PATIENCE).await {
        Ok(None) => Check::good(AREA, format!("{who} answers; it has no list of models")),
        Ok(Some(models)) if models.iter().any(|listed| named(listed, own)) => {
            Check::good(AREA, format!("{who} answers, takes the key, and has {own}"))
        }
        Ok(Some(models)) => {
            let listed = models
                .iter()
                .map(|listed| listed.rsplit('/').next().unwrap_or(listed));
            let meant = closest(own, listed)
                .map(|meant| format!("did you mean `{name}/{meant}`? "))
                .unwrap_or_default();
            Check::warning(
                AREA,
                format!(
                    "{who} answers, and does not list {own} among its {} models",
                    models.len()
                ),
                format!("{meant}check the name of the model"),
            )
        }
        Err(error) => Check::problem(
            AREA,
            format!("{who}: {}", error.message),
            match error.class {
                FailureClass::Auth => "check the key",
                FailureClass::Quota => "add credit or raise the quota",
                FailureClass::RateLimit => "try again later",
                _ => "check the network, and base-url in the provider's configuration",
            },
        ),
    }
}

/// Some providers list models with a path before the name.
fn named(listed: &str, own: &str) -> bool {
    listed == own || listed.ends_with(&format!("/{own}"))
}

fn limits(settings: &Settings, model: &str, connection: &Connection) -> Check {
    let limits = settings.models().limits(model, &connection.limits);
    let model = lane_name(model, connection.endpoint.as_deref());
    let limited = limits.limits();
    let words: Vec<String> = limited
        .iter()
        .map(|limit| format!("{} {} a {}", limit.most, limit.amount.as_str(), limit.per()))
        .collect();
    let at_once = limits.concurrency.map(|most| format!("{most} at once"));
    let words: Vec<String> = words.into_iter().chain(at_once).collect();
    Check::good(
        "limits",
        if words.is_empty() {
            format!("{model}: none are set; a run finds out what the provider allows")
        } else {
            format!("{model}: {}", words.join(", "))
        },
    )
}
