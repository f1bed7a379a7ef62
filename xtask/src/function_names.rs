//! Makes the names of a module's functions short. They are for people, in the backtrace of a trap; as rustc writes them
//! they take a fifth of a plugin.
//!
//! A name loses its hash, its generic arguments, the trait that it belongs to, and all of its path but the last two parts.
//! Everything else of the module stays as it is.

use std::borrow::Cow;

use anyhow::Result;
use rustc_demangle::demangle;
use wasm_encoder::{CustomSection, Module, NameMap, NameSection, RawSection};
use wasmparser::{KnownCustom, Name, NameSectionReader, Parser, Payload};

/// Longest name, characters.
const LONGEST: usize = 48;

/// The module with short names.
///
/// # Errors
/// When the bytes are no module.
pub fn shorten(module: &[u8]) -> Result<Vec<u8>> {
    let mut short = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::CustomSection(section) = &payload {
            if let KnownCustom::Name(names) = section.as_known() {
                short.section(&functions(names)?);
            } else {
                short.section(&CustomSection {
                    name: Cow::Borrowed(section.name()),
                    data: Cow::Borrowed(section.data()),
                });
            }
        } else if let Some((id, range)) = payload.as_section() {
            let data = module.get(range).unwrap_or_default();
            short.section(&RawSection { id, data });
        }
    }
    Ok(short.finish())
}

/// The names of functions; those of other things are of no use in a backtrace.
fn functions(section: NameSectionReader<'_>) -> Result<NameSection> {
    let mut functions = NameMap::new();
    for names in section {
        if let Name::Function(names) = names? {
            for naming in names {
                let naming = naming?;
                functions.append(naming.index, &short(naming.name));
            }
        }
    }
    let mut section = NameSection::new();
    section.functions(&functions);
    Ok(section)
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
        let named = |name: &str| {
            let mut module = Module::new();
            module.section(&CustomSection {
                name: "other".into(),
                data: b"kept".into(),
            });
            let mut functions = NameMap::new();
            functions.append(7, name);
            let mut names = NameSection::new();
            names.functions(&functions);
            module.section(&names);
            module.finish()
        };
        let module = named("_ZN4core3fmt5write17h0123456789abcdefE");
        assert_eq!(shorten(&module).unwrap(), named("fmt::write"));
        assert!(shorten(&module[..21]).is_err());
    }
}
