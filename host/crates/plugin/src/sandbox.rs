//! One execution of a component: a fresh instance, answered from what is already known. At the first
//! question without an answer the instance is dropped and the questions are handed out; the caller
//! runs the component again from its start when it has the answers. No instance ever waits.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::error::OutOfMemory;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::bindings::batchgen::component::types;
use super::bindings::batchgen::component::types::FailureKind;
use super::contract::Code;
use super::limits::{HANDLES, Limits, TABLE_ELEMENTS};
use super::load::{Plugin, PluginError};
use super::state::{State, Stop};
use ::types::class::FailureClass;

pub use super::execution::{
    Answered, Executed, Execution, Input, LogLine, Outcome, Prompt, Question, Site, Upstream,
};

/// Longest wait for room in the pool of instances. Each instance ends by its limit of CPU time.
const ROOM: Duration = Duration::from_secs(60);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(1);

/// Runs a component once, on this thread. Its code is compiled where nobody did before.
pub fn execute(plugin: &Plugin, mut execution: Execution) -> Executed {
    let code = match plugin.code() {
        Ok(code) => code,
        Err(error) => return never_ran(&error),
    };
    let began = Instant::now();
    loop {
        match execute_once(plugin, code, execution) {
            Err(again) if began.elapsed() < ROOM => execution = *again,
            Err(_) => return no_room(),
            Ok(executed) => return executed,
        }
        // Other threads hold all slots. Theirs come free by themselves.
        thread::sleep(LOOK);
    }
}

/// Runs it in a fresh instance. Gives the execution back where the pool has no room for another instance.
fn execute_once(
    plugin: &Plugin,
    code: &Code,
    execution: Execution,
) -> Result<Executed, Box<Execution>> {
    let limits = execution.limits;
    let input = Arc::clone(&execution.input);
    let mut store = store(plugin, execution);
    let instance = code.instantiate(&mut store);
    let is_instantiated = instance.is_ok();
    let result = instance.and_then(|component| component.generate(&mut store, &input));
    let mut state = store.into_data();
    if let Err(error) = &result
        && error.is::<PoolConcurrencyLimitError>()
    {
        return Err(Box::new(state.execution));
    }
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
        Err(error) => stopped(&error, &state, limits, is_instantiated),
    };
    Ok(Executed {
        outcome,
        cpu: state.cpu.total(),
        log: state.log,
    })
}

/// Where one instance lives, with its limits.
fn store(plugin: &Plugin, execution: Execution) -> Store<State> {
    let limits = execution.limits;
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
    store
}

fn failed(class: FailureClass, cause: String) -> Outcome {
    Outcome::Failed {
        class,
        cause,
        violations: Vec::new(),
    }
}

fn no_room() -> Executed {
    let seconds = ROOM.as_secs();
    let cause =
        format!("no room for another instance of a plugin came free within {seconds} seconds");
    Executed {
        outcome: failed(FailureClass::Machine, cause),
        log: Vec::new(),
        cpu: Duration::ZERO,
    }
}

fn never_ran(error: &PluginError) -> Executed {
    Executed {
        outcome: failed(FailureClass::ComponentFault, error.to_string()),
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

/// What the machine lacked, where an instance ended for that and not for what its code did. Before the instance runs, only
/// the machine can refuse what is no trap. Later, a component can also break the rules of the border, which is its own fault
/// and has no type.
fn of_machine(error: &wasmtime::Error, state: &State, is_instantiated: bool) -> Option<String> {
    if let Some(cause) = &state.memory.machine_refused {
        return Some(format!("the machine gave it no more memory: {cause}"));
    }
    let is_system = error
        .chain()
        .any(|cause| cause.is::<std::io::Error>() || cause.is::<rustix::io::Errno>());
    let lacks = is_system || error.is::<OutOfMemory>();
    let is_refused = !is_instantiated && error.downcast_ref::<Trap>().is_none();
    (lacks || is_refused).then(|| {
        let cause = error.root_cause();
        format!("the machine could not run it: {cause}")
    })
}

/// Sorts out why wasmtime came back with an error.
fn stopped(
    error: &wasmtime::Error,
    state: &State,
    limits: Limits,
    is_instantiated: bool,
) -> Outcome {
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
    if let Some(cause) = of_machine(error, state, is_instantiated) {
        return failed(FailureClass::Machine, cause);
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
