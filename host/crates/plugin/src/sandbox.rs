//! One execution of a component: a fresh instance, answered from what is already known. At the first
//! question without an answer the instance is dropped and the questions are handed out; the caller
//! runs the component again from its start when it has the answers. No instance ever waits.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Store, Trap, UpdateDeadline};

use super::bindings::batchgen::component::types;
use super::bindings::batchgen::component::types::FailureKind;
use super::limits::{HANDLES, Limits, TABLE_ELEMENTS};
use super::load::{Plugin, PluginError};
use super::state::{State, Stop};
use ::types::class::FailureClass;

pub use super::execution::{
    Answered, Executed, Execution, Input, LogLine, Outcome, Prompt, Question, Site, Upstream,
};

/// Runs a component once, on this thread. Its code is compiled where nobody did before.
pub fn execute(plugin: &Plugin, execution: Execution) -> Executed {
    let code = match plugin.code() {
        Ok(code) => code,
        Err(error) => return never_ran(&error),
    };
    let limits = execution.limits;
    let input = Arc::clone(&execution.input);
    let mut store = Store::new(&plugin.engine.wasmtime, State::new(execution));
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(hostcall_fuel(limits));
    store.set_max_component_handles(HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        if store.data_mut().cpu.since_first_tick() >= limits.cpu {
            Err(wasmtime::Error::new(Stop::CpuLimit { limit: limits.cpu }))
        } else {
            Ok(UpdateDeadline::Continue(1))
        }
    });
    let result = code
        .instantiate(&mut store)
        .and_then(|component| component.call_generate(&mut store, &input));
    let mut state = store.into_data();
    state.flush_streams();
    let outcome = match result {
        Ok(Ok(artifact)) if artifact.text.len() > limits.artifact => Outcome::Failed {
            class: FailureClass::Limit,
            cause: format!(
                "the artifact has {} bytes, and {} are allowed",
                artifact.text.len(),
                limits.artifact
            ),
            violations: Vec::new(),
        },
        Ok(Ok(artifact)) => Outcome::Done {
            text: artifact.text,
        },
        Ok(Err(failure)) => reported(failure),
        Err(error) => stopped(&error, &state, limits),
    };
    Executed {
        outcome,
        cpu: state.cpu.total(),
        log: state.log,
    }
}

fn never_ran(error: &PluginError) -> Executed {
    Executed {
        outcome: Outcome::Failed {
            class: FailureClass::ComponentFault,
            cause: error.to_string(),
            violations: Vec::new(),
        },
        log: Vec::new(),
        cpu: Duration::ZERO,
    }
}

/// Most bytes that may cross the border at once: a question or an artifact, with room for its framing.
fn hostcall_fuel(limits: Limits) -> usize {
    limits.request.max(limits.artifact).saturating_mul(2)
}

/// What wasmtime says when more than that crosses it.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

/// What wasmtime says when a component holds too many handles.
const HANDLE_LIMIT: &str = "handle limit exceeded";

fn reported(failure: types::Failure) -> Outcome {
    let class = match failure.kind {
        FailureKind::UnsuitableRecord => FailureClass::UnsuitableRecord,
        FailureKind::InvalidAnswer => FailureClass::InvalidOutput,
        FailureKind::Refused => FailureClass::ContentFilter,
        FailureKind::ComponentFault => FailureClass::ComponentFault,
    };
    let violations = failure.violations.iter().take(VIOLATIONS);
    Outcome::Failed {
        class,
        cause: shown(&failure.message),
        violations: violations.map(|violation| shown(violation)).collect(),
    }
}

/// Most violations that are kept.
const VIOLATIONS: usize = 20;
/// Longest message of a component that is kept, characters.
const MESSAGE: usize = 2_000;

/// A component's words as they may be kept and shown: not endless, and without what a terminal would obey.
fn shown(message: &str) -> String {
    let plain = |letter: char| match letter {
        '\n' | '\t' => letter,
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    let mut text: String = message.chars().take(MESSAGE).map(plain).collect();
    if message.chars().nth(MESSAGE).is_some() {
        text.push('…');
    }
    text
}

/// Sorts out why wasmtime came back with an error.
fn stopped(error: &wasmtime::Error, state: &State, limits: Limits) -> Outcome {
    let failed = |class, cause| Outcome::Failed {
        class,
        cause,
        violations: Vec::new(),
    };
    match error.downcast_ref::<Stop>() {
        Some(Stop::Suspended) => {
            return Outcome::Suspended {
                questions: state.questions.clone(),
            };
        }
        Some(stop) => return failed(stop.class(), stop.to_string()),
        None => {}
    }
    if state.memory.refused {
        let mib = limits.memory / (1024 * 1024);
        return failed(
            FailureClass::Limit,
            format!("it wanted more than {mib} MiB of memory"),
        );
    }
    if state.memory.table_refused {
        return failed(
            FailureClass::Limit,
            format!("it wanted more than {TABLE_ELEMENTS} elements in its tables"),
        );
    }
    // Wasmtime has no type for these errors; a test with a hostile plugin notices if their words change.
    let root = error.root_cause().to_string();
    if root.contains(HANDLE_LIMIT) {
        return failed(
            FailureClass::Limit,
            format!("it held more than {HANDLES} handles of resources"),
        );
    }
    if root.contains(HOSTCALL_FUEL) {
        return failed(
            FailureClass::Limit,
            format!(
                "it passed the host more than {} bytes at once",
                hostcall_fuel(limits)
            ),
        );
    }
    let place = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    // A Rust guest's panic is a bare trap; the SDK's hook logged message and place before it.
    let cause = match state.log.last() {
        Some(line) if line.level == tracing::Level::ERROR => {
            format!("{} ({place})", shown(&line.message))
        }
        _ => place,
    };
    failed(FailureClass::Trap, cause)
}
