//! Makes the names of a module's functions short. They are for people, in the backtrace of a trap; as rustc writes them
//! they take a quarter of a plugin.
//!
//! A name loses its hash and all of its paths but their last two parts. Everything else of the module stays as it is.

use anyhow::{Context, Result};
use rustc_demangle::demangle;

use crate::component::{append_custom_section, push_length};

/// The module's custom section of names.
const SECTION: &str = "name";
/// The part of it that names functions.
const FUNCTIONS: u8 = 1;
/// Magic number and version.
const HEADER: usize = 8;
/// Longest name, characters.
const LONGEST: usize = 60;

/// The module with short names.
///
/// # Errors
/// When the bytes are no module.
pub fn shorten(module: &[u8]) -> Result<Vec<u8>> {
    let (header, sections) = module.split_at_checked(HEADER).context("it is no module")?;
    let mut short = header.to_vec();
    let mut rest = Reader(sections);
    while !rest.0.is_empty() {
        let start = rest.0;
        let id = rest.byte()?;
        let body = rest.block()?;
        let mut inside = Reader(body);
        if id == 0 && inside.block()? == SECTION.as_bytes() {
            append_custom_section(&mut short, SECTION, &names(inside)?);
        } else {
            short.extend_from_slice(start.get(..start.len() - rest.0.len()).unwrap_or_default());
        }
    }
    Ok(short)
}

/// The names of functions; those of other things are of no use in a backtrace.
fn names(mut section: Reader<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    while !section.0.is_empty() {
        let kind = section.byte()?;
        let mut part = Reader(section.block()?);
        if kind != FUNCTIONS {
            continue;
        }
        let count = part.length()?;
        let mut functions = Vec::new();
        push_length(&mut functions, count);
        for _ in 0..count {
            push_length(&mut functions, part.length()?);
            let name = std::str::from_utf8(part.block()?).context("a name is not UTF-8")?;
            let name = short(name);
            push_length(&mut functions, name.len());
            functions.extend_from_slice(name.as_bytes());
        }
        out.push(FUNCTIONS);
        push_length(&mut out, functions.len());
        out.append(&mut functions);
    }
    Ok(out)
}

/// A symbol as a person reads it.
fn short(symbol: &str) -> String {
    let name = format!("{:#}", demangle(symbol));
    let mut out = String::new();
    let mut path: Vec<&str> = Vec::new();
    let mut rest = name.as_str();
    while !rest.is_empty() {
        let word = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (part, behind) = rest.split_at(word);
        match behind.strip_prefix("::") {
            Some(next) => {
                path.push(part);
                rest = next;
            }
            None => {
                path.push(part);
                let last_two = path.len().saturating_sub(2);
                out.push_str(&path.split_off(last_two).join("::"));
                path.clear();
                let mut letters = behind.chars();
                out.extend(letters.next());
                rest = letters.as_str();
            }
        }
    }
    out.chars().take(LONGEST).collect()
}

/// Reads the binary format.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().context("the module ends too early")?;
        self.0 = rest;
        Ok(*first)
    }

    /// Unsigned LEB128.
    fn length(&mut self) -> Result<usize> {
        let mut length = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(length)
    }

    /// What stands behind its length.
    fn block(&mut self) -> Result<&'a [u8]> {
        let length = self.length()?;
        let (block, rest) = self
            .0
            .split_at_checked(length)
            .context("the module ends too early")?;
        self.0 = rest;
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_a_person_looks_for() {
        for (symbol, name) in [
            (
                "_ZN12batchgen_sdk6schema9Validator5check17h01ef58151ea745ecE",
                "Validator::check",
            ),
            (
                "_RNvNtNtNtNtCsgXGp5Oqx2Ny_4core3num7flt2dec8strategy6dragon15format_shortest",
                "dragon::format_shortest",
            ),
            (
                "_ZN71_$LT$bullets..Bullets$u20$as$u20$batchgen_sdk..component..Component$GT$8generate17h020c522bd7f98b17E",
                "<bullets::Bullets as component::Component>::generate",
            ),
            ("cabi_realloc", "cabi_realloc"),
        ] {
            assert_eq!(short(symbol), name);
        }
    }

    #[test]
    fn only_names_change() {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        append_custom_section(&mut module, "other", b"kept");
        let before = module.clone();
        // Part 1: one function, number 7; part 2 is dropped.
        let name = "_ZN4core3fmt5write17h0123456789abcdefE";
        let mut names = vec![1, 41, 1, 7, 38];
        names.extend_from_slice(name.as_bytes());
        names.extend_from_slice(&[2, 1, 0]);
        append_custom_section(&mut module, "name", &names);
        let mut expected = before;
        append_custom_section(&mut expected, "name", b"\x01\x0d\x01\x07\x0afmt::write");
        assert_eq!(shorten(&module).unwrap(), expected);
        assert!(shorten(&module[..21]).is_err());
    }
}
