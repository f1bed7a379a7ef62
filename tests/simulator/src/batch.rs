//! Batches: many questions in one file, answered at half the price when the provider has time.
//!
//! A batch goes through its stages as its script says, and what goes wrong is chosen as it is with calls. Files are on
//! disk, so a batch may be as large as the real providers allow. Keys see only what they made themselves.

mod anthropic;
mod ask;
mod control;
mod desk;
mod fault;
mod files;
mod gemini;
mod job;
mod line_faults;
mod lines;
mod mistral;
mod multipart;
mod openai;
mod protocol;
mod reply;
mod route;
mod script;
mod together;
mod work;
mod xai;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use control::control;
pub use desk::{Advance, BatchReport, BatchReports, Desk};
pub use fault::{BatchFault, BatchFaultKind, BatchFaultParseError, Request};
pub use job::{Counts, Stage};
pub use protocol::Protocol;
pub use reply::{Reply, Sent};
pub use route::{Call, call};
pub use script::{BatchLimits, BatchScript, Pace, Wait};

use crate::http::Head;
use crate::problem::{Exceeded, Problem};
use ask::Ask;
use fault::Event;

/// Answers a request about files or batches. It may read and write large files, so it takes a while.
pub fn answer(desk: &Arc<Desk>, call: &Call, head: &Head, body: &[u8]) -> Reply {
    let said = match call {
        // Its address was told to nobody else, so the key need not come again.
        Call::Append(_) => Ok(()),
        _ => desk.provider().authorize(&head.credentials),
    };
    let owner = desk.dialect().carried(&head.credentials);
    let protocol = Protocol::of(desk.dialect());
    let request = match protocol {
        Some(Protocol::Anthropic) => anthropic::request(call),
        Some(Protocol::Gemini) => gemini::request(call),
        _ => openai::request(call),
    };
    let fault = request.and_then(|request| desk.befall(Event::Request(request)));
    let answer = said.and_then(|()| {
        if let Some(BatchFaultKind::Refused(_, status)) = fault {
            return Err(refusal(status));
        }
        let ask = Ask {
            desk,
            owner: owner.unwrap_or_default(),
            head,
            body,
            fault,
        };
        match protocol {
            Some(Protocol::Anthropic) => anthropic::answer(&ask, call),
            Some(Protocol::Gemini) => gemini::answer(&ask, call),
            Some(Protocol::Mistral) => mistral::answer(&ask, call),
            Some(Protocol::OpenAi) => openai::answer(&ask, call),
            Some(Protocol::Together) => together::answer(&ask, call),
            Some(Protocol::Xai) => xai::answer(&ask, call),
            None => Err(Problem::NoRoute(format!("{} {}", head.method, head.path))),
        }
    });
    match answer {
        // Whatever it is, nobody learns of it.
        Ok(_) if matches!(fault, Some(BatchFaultKind::Lost(_))) => Reply::Reset,
        Ok(reply) => reply,
        Err(problem) => Reply::problem(desk.dialect(), &problem),
    }
}

/// What a refusal with a status says.
fn refusal(status: u16) -> Problem {
    match status {
        401 => Problem::Unauthorized,
        402 => Problem::Balance,
        403 => Problem::Forbidden,
        404 => Problem::NotFound("There is nothing with this id.".to_owned()),
        413 => Problem::TooLarge,
        429 => Problem::RateLimited(Exceeded::pretended(None)),
        status if status < 500 => Problem::Invalid("The request was refused.".to_owned()),
        status => Problem::Server(status),
    }
}
