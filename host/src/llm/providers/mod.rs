//! The providers: `offline` writes from the facts in the request; `openai` speaks the chat completions
//! API, at OpenAI or at any compatible server.

mod errors;
pub mod offline;
pub mod openai;
