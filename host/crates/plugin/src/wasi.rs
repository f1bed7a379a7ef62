//! An empty WASI 0.2, for components whose language cannot do without it. There is nothing in it: no files,
//! environment, arguments, input or network; its clocks stand still and its random numbers are always the same.
//! Nothing in it waits, so a sleep ends at once. What a component writes to standard output and error becomes
//! its log. A function that is not here traps with its name when it is called.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentNamedList, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource,
    ResourceType, Val,
};
use wasmtime::{Result, StoreContextMut, bail};

use super::state::{State, Stop, WasiState};

/// The packages of WASI that are here; `http` and whatever comes after is refused when the plugin is loaded.
const PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
/// 2000-01-01T00:00:00Z.
const NOW: u64 = 946_684_800;
/// Most bytes that a stream takes at once, and most random ones that are given.
const MOST: u64 = 64 << 10;

/// Whether an import is of the WASI that components are given.
pub(super) fn offers(import: &str) -> bool {
    interface(import).is_some()
}

/// Whether an import is of a WASI that components are not given, since it is later than theirs.
pub(super) fn is_later(import: &str) -> bool {
    let version = import
        .strip_prefix("wasi:")
        .and_then(|import| import.split_once('@'));
    version.is_some_and(|(_, version)| !version.starts_with("0.2.") && !version.starts_with("0.1."))
}

/// `cli/stdout` of `wasi:cli/stdout@0.2.9`.
fn interface(import: &str) -> Option<&str> {
    let (name, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    let (package, _) = name.split_once('/')?;
    (PACKAGES.contains(&package) && version.starts_with("0.2.")).then_some(name)
}

/// Defines what the component imports of WASI.
pub(super) fn add_to_linker(linker: &mut Linker<State>, component: &Component) -> Result<()> {
    let engine = component.engine();
    for (import, item) in component.component_type().imports(engine) {
        let (Some(interface), ComponentItem::ComponentInstance(instance)) =
            (interface(import), item.ty)
        else {
            continue;
        };
        let mut linker = linker.instance(import)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) => {
                    linker.resource(name, ResourceType::host::<Handle>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => function(&mut linker, interface, name)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Any resource: a stream is told from others by its number, and nothing else has a state.
struct Handle;

const OUTPUT: u32 = 1;
const ERROR: u32 = 2;
const OTHER: u32 = 3;

fn handle(number: u32) -> Resource<Handle> {
    Resource::new_own(number)
}

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<Handle>),
    #[component(name = "closed")]
    Closed,
}

#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
struct DateTime {
    seconds: u64,
    nanoseconds: u32,
}

impl WasiState {
    /// SplitMix64, from the same seed in every execution.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn random_bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        if count > MOST {
            return Err(wasmtime::Error::new(Stop::Random { count, limit: MOST }));
        }
        let words = (0..count.div_ceil(8)).flat_map(|_| self.random().to_le_bytes());
        Ok(words.take(usize::try_from(count)?).collect())
    }
}

impl State {
    /// Logs the lines that were written; what has no end yet waits for it.
    fn write(&mut self, stream: &Resource<Handle>, bytes: &[u8]) {
        let error = stream.rep() == ERROR;
        let pending = if error {
            &mut self.wasi.error
        } else {
            &mut self.wasi.output
        };
        pending.extend_from_slice(bytes);
        let room = usize::try_from(MOST).unwrap_or(usize::MAX);
        let end = match pending.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if pending.len() >= room => pending.len(),
            None => return,
        };
        let lines: Vec<u8> = pending.drain(..end).collect();
        self.log_lines(error, &lines);
    }

    /// Logs what was written and has no end of line.
    pub(super) fn flush_streams(&mut self) {
        for error in [false, true] {
            let pending = if error {
                &mut self.wasi.error
            } else {
                &mut self.wasi.output
            };
            let rest = std::mem::take(pending);
            self.log_lines(error, &rest);
        }
    }

    fn log_lines(&mut self, error: bool, bytes: &[u8]) {
        let level = if error {
            tracing::Level::ERROR
        } else {
            tracing::Level::INFO
        };
        for line in String::from_utf8_lossy(bytes).lines() {
            if !line.trim().is_empty() {
                self.log_line(level, line.to_owned());
            }
        }
    }
}

type Instance<'a> = LinkerInstance<'a, State>;

/// Defines a function with a result.
fn gives<P, R>(
    linker: &mut Instance<'_>,
    name: &str,
    function: impl Fn(&mut State, P) -> Result<R> + Send + Sync + 'static,
) -> Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    R: 'static,
    (R,): ComponentNamedList + Lower,
{
    linker.func_wrap(
        name,
        move |mut store: StoreContextMut<'_, State>, given: P| {
            Ok((function(store.data_mut(), given)?,))
        },
    )
}

/// Defines a function without a result that does nothing.
fn nothing<P>(linker: &mut Instance<'_>, name: &str) -> Result<()>
where
    P: ComponentNamedList + Lift + 'static,
{
    linker.func_wrap(name, |_: StoreContextMut<'_, State>, _: P| Ok(()))
}

/// Defines a function that is not allowed, and whose caller can be told.
fn denied(linker: &mut Instance<'_>, name: &str) -> Result<()> {
    linker.func_new(name, |_, _, _, results| {
        if let Some(result) = results.first_mut() {
            *result = Val::Result(Err(Some(Box::new(Val::Enum("access-denied".to_owned())))));
        }
        Ok(())
    })
}

type One = (Resource<Handle>,);
type Sized = (Resource<Handle>, u64);
type Written = (Resource<Handle>, Vec<u8>);
type Outcome<T> = std::result::Result<T, StreamError>;

fn function(linker: &mut Instance<'_>, interface: &str, name: &str) -> Result<()> {
    match (interface, name) {
        ("cli/environment", "get-environment") => {
            gives(linker, name, |_, (): ()| Ok(Vec::<(String, String)>::new()))
        }
        ("cli/environment", "get-arguments") => {
            gives(linker, name, |_, (): ()| Ok(Vec::<String>::new()))
        }
        ("cli/environment", "initial-cwd") => gives(linker, name, |_, (): ()| Ok(None::<String>)),
        ("cli/stdin", "get-stdin") => gives(linker, name, |_, (): ()| Ok(handle(OTHER))),
        ("cli/stdout", "get-stdout") => gives(linker, name, |_, (): ()| Ok(handle(OUTPUT))),
        ("cli/stderr", "get-stderr") => gives(linker, name, |_, (): ()| Ok(handle(ERROR))),
        (
            "cli/terminal-stdin" | "cli/terminal-stdout" | "cli/terminal-stderr",
            "get-terminal-stdin" | "get-terminal-stdout" | "get-terminal-stderr",
        ) => gives(linker, name, |_, (): ()| Ok(None::<Resource<Handle>>)),
        ("clocks/monotonic-clock", "now") => gives(linker, name, |_, (): ()| Ok(0_u64)),
        ("clocks/monotonic-clock", "resolution") => gives(linker, name, |_, (): ()| Ok(1_u64)),
        ("clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            gives(linker, name, |_, (_,): (u64,)| Ok(handle(OTHER)))
        }
        ("clocks/wall-clock", "now" | "resolution") => {
            let seconds = if name == "now" { NOW } else { 1 };
            let time = DateTime {
                seconds,
                nanoseconds: 0,
            };
            gives(linker, name, move |_, (): ()| Ok(time))
        }
        ("filesystem/preopens", "get-directories") => gives(linker, name, |_, (): ()| {
            Ok(Vec::<(Resource<Handle>, String)>::new())
        }),
        ("io/error", "[method]error.to-debug-string") => {
            gives(linker, name, |_, _: One| Ok(String::new()))
        }
        ("io/poll", "[method]pollable.ready") => gives(linker, name, |_, _: One| Ok(true)),
        ("io/poll", "[method]pollable.block") => nothing::<One>(linker, name),
        ("io/poll", "poll") => gives(linker, name, |_, (all,): (Vec<Resource<Handle>>,)| {
            Ok((0_u32..).take(all.len()).collect::<Vec<_>>())
        }),
        ("io/streams", method) => stream(linker, name, method),
        ("random/random", "get-random-bytes")
        | ("random/insecure", "get-insecure-random-bytes") => {
            gives(linker, name, |state, (count,): (u64,)| {
                state.wasi.random_bytes(count)
            })
        }
        ("random/random", "get-random-u64") | ("random/insecure", "get-insecure-random-u64") => {
            gives(linker, name, |state, (): ()| Ok(state.wasi.random()))
        }
        ("random/insecure-seed", "insecure-seed" | "get-insecure-seed") => {
            gives(linker, name, |state, (): ()| {
                Ok((state.wasi.random(), state.wasi.random()))
            })
        }
        ("sockets/instance-network", "instance-network") => {
            gives(linker, name, |_, (): ()| Ok(handle(OTHER)))
        }
        ("sockets/tcp-create-socket", "create-tcp-socket")
        | ("sockets/udp-create-socket", "create-udp-socket")
        | ("sockets/ip-name-lookup", "resolve-addresses") => denied(linker, name),
        _ => absent(linker, interface, name),
    }
}

/// Input is at its end; output is logged.
fn stream(linker: &mut Instance<'_>, name: &str, method: &str) -> Result<()> {
    match method {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            gives(linker, name, |_, _: Sized| {
                Ok(Outcome::<Vec<u8>>::Err(StreamError::Closed))
            })
        }
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => {
            gives(linker, name, |_, _: Sized| {
                Ok(Outcome::<u64>::Err(StreamError::Closed))
            })
        }
        "[method]output-stream.check-write" => {
            gives(linker, name, |_, _: One| Ok(Outcome::<u64>::Ok(MOST)))
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            gives(linker, name, |state, (stream, bytes): Written| {
                state.write(&stream, &bytes);
                Ok(Outcome::<()>::Ok(()))
            })
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            gives(linker, name, |_, _: One| Ok(Outcome::<()>::Ok(())))
        }
        "[method]output-stream.write-zeroes"
        | "[method]output-stream.blocking-write-zeroes-and-flush" => {
            gives(linker, name, |_, _: Sized| Ok(Outcome::<()>::Ok(())))
        }
        "[method]input-stream.subscribe" | "[method]output-stream.subscribe" => {
            gives(linker, name, |_, _: One| Ok(handle(OTHER)))
        }
        _ => absent(linker, "io/streams", name),
    }
}

fn absent(linker: &mut Instance<'_>, interface: &str, name: &str) -> Result<()> {
    let called = format!("wasi:{interface} {name}");
    linker.func_new(name, move |_, _, _, _| {
        bail!("it called {called}, which a component does not have")
    })
}
