//! The design's invariants as data: which part of the host must not name what.

/// One invariant: code below `folder` names none of `names`.
pub struct Rule {
    /// Files whose name begins with this.
    pub folder: &'static str,
    /// But not those whose name begins with one of these.
    pub except: &'static [&'static str],
    /// Paths, matched as whole segments anywhere in a path.
    pub names: &'static [&'static str],
    /// Why, and what to do instead.
    pub why: &'static str,
}

/// All of them.
pub const RULES: &[Rule] = &[
    Rule {
        folder: "host/src/core/",
        except: &[],
        names: &[
            "tokio",
            "reqwest",
            "wasmtime",
            "rusqlite",
            "rustix",
            "futures_util",
            "std::fs",
            "std::env",
            "std::io",
            "std::net",
            "std::process",
            "std::thread",
            "Instant::now",
            "SystemTime::now",
        ],
        why: "core/ has no IO, no clock and no async: take it as an argument",
    },
    Rule {
        folder: "host/src/plugin/",
        except: &[],
        names: &[
            "reqwest",
            "rustls",
            "std::net",
            "llm::provider",
            "llm::providers",
            "llm::gateway",
            "llm::lane",
            "llm::lanes",
            "llm::openai",
            "llm::offline",
        ],
        why: "the sandbox does not know that an LLM is remote: it gives requests and is given answers",
    },
    Rule {
        folder: "host/src/llm/",
        except: &[],
        names: &["wasmtime", "wasmparser", "crate::plugin", "plugin"],
        why: "the gateway does not know that a plugin exists: move what both need to core/",
    },
    Rule {
        folder: "host/src/",
        except: &["host/src/watch/"],
        names: &["axum"],
        why: "only watch/ knows a web server, and it only reads",
    },
    Rule {
        folder: "host/src/",
        // The simulation is a test, which is told its seed by the environment.
        except: &["host/src/cli/", "host/src/run/simulation"],
        names: &[
            "std::env",
            "env::var",
            "env::var_os",
            "env::vars",
            "env::args",
            "print!",
            "println!",
            "eprint!",
            "eprintln!",
            "io::stdin",
            "io::stdout",
            "io::stderr",
            "IsTerminal",
            "indicatif",
            "clap",
            "process::exit",
        ],
        why: "only cli/ knows the terminal, the environment and exit codes: pass it in, or give an event",
    },
];
