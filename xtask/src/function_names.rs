//! Makes the names of a module's functions short. They are for people, in the backtrace of a trap; as rustc writes them
//! they take a quarter of a plugin.
//!
//! A name loses its hash, its generic arguments, the trait that it belongs to, and all of its path but the last two parts.
//! Everything else of the module stays as it is.

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
const LONGEST: usize = 48;

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

/// A symbol as a person looks for it: the function's name behind the name of its type or module.
fn short(symbol: &str) -> String {
    let name = format!("{:#}", demangle(symbol));
    let parts: Vec<&str> = parts(&name, "::")
        .enumerate()
        .filter_map(|(place, part)| match part.strip_prefix('<') {
            Some(inside) => {
                let inside = inside.strip_suffix('>').unwrap_or(inside);
                let type_of = type_of(inside);
                // Behind a name it is a generic argument, unless it says what is implemented.
                (place == 0 || type_of != inside).then(|| last_part(type_of))
            }
            None => Some(without_generics(part)),
        })
        .collect();
    let last_two = parts
        .get(parts.len().saturating_sub(2)..)
        .unwrap_or_default();
    last_two.join("::").chars().take(LONGEST).collect()
}

/// The type of `T as Trait` and of `impl Trait for T`.
fn type_of(inside: &str) -> &str {
    if let Some(implemented) = inside.strip_prefix("impl ") {
        return parts(implemented, " for ").last().unwrap_or(implemented);
    }
    parts(inside, " as ").next().unwrap_or(inside)
}

/// The last part of a type's path, without what it is generic over.
fn last_part(name: &str) -> &str {
    let named = |part: &&str| !part.starts_with('<');
    let last = parts(name, "::").filter(named).last();
    without_generics(last.unwrap_or(name)).trim_start_matches(['&', '*', '(', '['])
}

fn without_generics(part: &str) -> &str {
    // A closure's braces are no generics, and an operator's angle is no bracket.
    part.split_once('<').map_or(part, |(name, _)| name)
}

/// What stands between separators that are not inside brackets.
fn parts<'a>(text: &'a str, separator: &'a str) -> impl Iterator<Item = &'a str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut depth = 0_usize;
        for (place, letter) in text.char_indices() {
            match letter {
                '<' | '(' | '[' | '{' => depth += 1,
                '>' | ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0
                && let Some((part, behind)) = text.split_at_checked(place)
                && let Some(behind) = behind.strip_prefix(separator)
            {
                rest = Some(behind);
                return Some(part);
            }
        }
        rest = None;
        Some(text)
    })
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
                "Bullets::generate",
            ),
            (
                "_ZN10serde_json5value2de135_$LT$impl$u20$serde_core..de..Deserializer$u20$for$u20$serde_json..map..Map$LT$alloc..string..String$C$serde_json..value..Value$GT$$GT$15deserialize_any17h020c522bd7f98b17E",
                "Map::deserialize_any",
            ),
            (
                "_ZN12batchgen_sdk3ask13complete_json28_$u7b$$u7b$closure$u7d$$u7d$17h020c522bd7f98b17E",
                "complete_json::{{closure}}",
            ),
            (
                "_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_str17h020c522bd7f98b17E",
                "String::write_str",
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
