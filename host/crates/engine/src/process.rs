//! What the process uses of the machine.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Memory of the process now, bytes; `None` where the system does not tell.
pub fn resident_memory() -> Option<u64> {
    status("VmRSS:")
}

/// Most memory that the process ever had, bytes.
pub fn peak_memory() -> Option<u64> {
    status("VmHWM:")
}

fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

/// Which start of the machine this is; `None` where the system does not tell.
pub(super) fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// Raises the limit on open files to what the system allows. Returns what it is then, if it is less
/// than `wanted`.
pub fn raise_open_files(wanted: u64) -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if let (Some(current), maximum) = (limit.current, limit.maximum) {
        if current >= wanted {
            return None;
        }
        let raised = maximum.map_or(wanted, |maximum| maximum.min(wanted));
        // If it is refused, the limit stays what it was, and that is what is reported.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(raised),
                maximum,
            },
        );
    }
    getrlimit(Resource::Nofile)
        .current
        .filter(|current| *current < wanted)
}
