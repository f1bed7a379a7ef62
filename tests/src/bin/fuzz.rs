//! A fuzzer that is guided by which code its inputs reach: `cargo xtask fuzz` builds and runs it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(fault) = tests::fuzz::take(input) {
        eprintln!("{fault:#}");
        std::process::abort();
    }
});
