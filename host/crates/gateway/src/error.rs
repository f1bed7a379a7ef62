//! A call that brought no answer, in the words of `types::class`.

use std::time::Duration;

use tokio::time::Instant;

use crate::adaptation::Refused;
use crate::prices::Served;
use types::class::FailureClass;
use types::limit::Observed;
use types::request::Usage;

/// One try failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{class}: {message}")]
pub struct CallError {
    /// What it means.
    pub class: FailureClass,
    /// What the provider or the network said, without secrets.
    pub message: String,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
    /// Tokens that were billed all the same. Boxed, since every call has room for its error.
    pub usage: Box<Usage>,
    /// The tier that was billed, where the provider says so.
    pub served: Option<Served>,
    /// What the answer's headers said of the provider's limits.
    pub observed: Box<[Observed]>,
    /// The server answered, and the answer cannot be used: which kind that is.
    pub unusable: Option<&'static Unusable>,
    /// The part of the request that the server refuses, where it names one.
    pub refused: Option<Refused>,
    /// No connection could be made, so the server knows nothing of the call.
    pub is_unreached: bool,
    /// Another machine asks the question meanwhile, or has asked it: no call was made.
    pub is_elsewhere: bool,
}

/// A kind of answer that cannot be used. One is an accident; when equal ones follow each other, the cause lies in how
/// the model is asked, and asking again only costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Its name.
    pub kind: &'static str,
    /// So many in a row are no accident.
    pub no_accident: u32,
    /// What a person does about it then.
    pub remedy: &'static str,
}

impl Unusable {
    /// It has no text, and nothing says why.
    pub const EMPTY: &'static Unusable = &Unusable {
        kind: "empty",
        no_accident: 3,
        remedy: "fix the prompt, raise max-output-tokens, or use another model",
    };
    /// It ended before its end.
    pub const BROKEN_OFF: &'static Unusable = &Unusable {
        kind: "broken off",
        no_accident: 3,
        remedy: "look at the server's log; with stream = false in the provider's configuration an answer comes at once",
    };
    /// It is not the JSON that it should be.
    pub const MALFORMED: &'static Unusable = &Unusable {
        kind: "malformed",
        no_accident: 3,
        remedy: "check base-url, and what stands between this machine and the server",
    };
    /// It is packed, though nobody asked for that.
    pub const PACKED: &'static Unusable = &Unusable {
        kind: "packed",
        no_accident: 1,
        remedy: "turn compression off at the server, or at the proxy before it",
    };
    /// The server refuses what the model wrote, since it is no JSON, and does not show it.
    pub const NO_JSON: &'static Unusable = &Unusable {
        kind: "no JSON",
        no_accident: 3,
        remedy: "set json = \"prompt\" in the model's configuration",
    };
    /// Nothing of an answer is in it.
    pub const NOTHING: &'static Unusable = &Unusable {
        kind: "nothing",
        no_accident: 3,
        remedy: "check base-url and the server's log",
    };
    /// Why it ended is not known.
    pub const UNKNOWN_REASON: &'static Unusable = &Unusable {
        kind: "unknown reason",
        no_accident: 3,
        remedy: "use another model, or a server that ends whole answers with `stop` and cut ones with `length`",
    };
    /// The model called a tool.
    pub const TOOL: &'static Unusable = &Unusable {
        kind: "tool",
        no_accident: 2,
        remedy: "turn tools off at the server, or set json = \"prompt\" in the model's configuration",
    };
    /// All that was said stands in a field for thoughts.
    pub const ELSEWHERE: &'static Unusable = &Unusable {
        kind: "elsewhere",
        no_accident: 2,
        remedy: "turn off the server's parser for reasoning or the model's thinking (extra-body in the model's \
                 configuration is sent along), or raise max-output-tokens",
    };
}

impl CallError {
    /// An error without hint or bill.
    pub fn new(class: FailureClass, message: impl Into<String>) -> CallError {
        CallError {
            class,
            message: message.into(),
            retry_after: None,
            usage: Box::default(),
            served: None,
            observed: Box::default(),
            unusable: None,
            refused: None,
            is_unreached: false,
            is_elsewhere: false,
        }
    }

    /// The right to ask a question went to another machine.
    pub fn elsewhere() -> CallError {
        CallError {
            is_elsewhere: true,
            ..CallError::new(
                FailureClass::Transient,
                "the question is asked by another machine",
            )
        }
    }

    /// Whether another endpoint of the same model may do better: the question is not at fault, nor the answer.
    pub fn is_of_endpoint(&self) -> bool {
        self.unusable.is_none()
            && !self.is_elsewhere
            && matches!(
                self.class,
                FailureClass::Transient
                    | FailureClass::Overloaded
                    | FailureClass::NoCapacity
                    | FailureClass::RateLimit
                    | FailureClass::Auth
                    | FailureClass::Quota
                    | FailureClass::NotFound
            )
    }

    /// The server answered, and the answer cannot be used.
    pub fn unusable(message: impl Into<String>, kind: &'static Unusable) -> CallError {
        CallError {
            unusable: Some(kind),
            ..CallError::new(FailureClass::Transient, message)
        }
    }
}

/// A try that was billed.
#[derive(Clone, Debug)]
pub struct Billed {
    /// Who billed it: `provider/model`.
    pub lane: String,
    /// When it ended.
    pub ended: Instant,
    /// Tokens.
    pub usage: Usage,
    /// Millionths of a dollar, where the price is known.
    pub micros: Option<u64>,
    /// Why it brought no answer.
    pub cause: String,
    /// Whether it is booked for its task already.
    pub is_booked: bool,
}

/// No answer was had.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError<J> {
    /// The lane gave up.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It is asked in a batch, whose answers come later.
    #[error("the answer comes with a batch")]
    Waits,
    /// The answer could not be made durable, or the journal not be read.
    #[error(transparent)]
    Journal(J),
}
