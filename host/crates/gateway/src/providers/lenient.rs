//! Reads what servers send field by field. A field that is not of the type that it should be counts as absent, so
//! that no field beside the text costs an answer that was paid for.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// No call takes so many tokens: larger numbers are no counts.
const MOST_TOKENS: u64 = 1 << 31;
/// Values in one answer.
const MOST_VALUES: usize = 1 << 18;
/// Half of a surrogate pair becomes a character of the private area that begins here, until [`joined`] finds its
/// other half, which may come with the next event.
const HALVES: u32 = 0x10_0000;
/// The first byte of each of its characters in UTF-8.
const HALVES_BEGIN: u8 = 0xf4;

/// Reads JSON. What no JSON may hold but servers write is mended first: half a surrogate pair, a raw line break in a
/// text, `NaN`; of a name that comes twice the last counts.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let text = text.trim_start_matches('\u{feff}');
    if has_too_many_values(text) {
        return Err(serde::de::Error::custom("it has too many values"));
    }
    serde_json::from_str(text).or_else(|error| {
        // A mere word is none that can be mended.
        if !text.trim_start().starts_with(['{', '[', '"']) {
            return Err(error);
        }
        let value = serde_json::from_str::<Value>(&mended(text));
        value.and_then(T::deserialize).map_err(|_| error)
    })
}

/// Whether text that claims to be JSON has more values than an answer has. Each takes some hundred times its byte once it is
/// read.
fn has_too_many_values(text: &str) -> bool {
    if text.len() <= MOST_VALUES {
        return false;
    }
    let (mut is_quoted, mut is_escaped, mut values) = (false, false, 0_usize);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_quoted,
            b'"' => is_quoted = !is_quoted,
            b',' | b'[' | b'{' if !is_quoted => values += 1,
            _ => {}
        }
    }
    values > MOST_VALUES
}

/// What a field may be read from. Of what is not overridden nothing is read.
trait Lenient<'de>: Default {
    fn of_text(_: &str) -> Self {
        Self::default()
    }

    fn of_count(_: u64) -> Self {
        Self::default()
    }

    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn of_object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::of_count(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(u64::try_from(number).map(T::of_count).unwrap_or_default())
    }

    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        // A float becomes an integer by being cut off at the ends, so none wraps.
        Ok(if number >= 0.0 {
            T::of_count(number as u64)
        } else {
            T::default()
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::of_text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::of_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::of_object(object)
    }
}

fn any<'de, D: Deserializer<'de>, T: Lenient<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(Any(PhantomData))
}

/// A text that says something.
#[derive(Default)]
pub(super) struct Text(pub Option<String>);

impl Lenient<'_> for Text {
    fn of_text(text: &str) -> Text {
        Text((!text.trim().is_empty()).then(|| text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
        any(from)
    }
}

/// A number of tokens, as a number or as a text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count(pub Option<u64>);

impl Lenient<'_> for Count {
    fn of_count(number: u64) -> Count {
        Count((number < MOST_TOKENS).then_some(number))
    }

    fn of_text(text: &str) -> Count {
        text.trim().parse().map(Count::of_count).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Count, D::Error> {
        any(from)
    }
}

/// An object.
pub(super) struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Object(None)
    }
}

impl<'de, T: Deserialize<'de>> Lenient<'de> for Object<T> {
    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|object| Object(Some(object)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        any(from)
    }
}

/// Either of an object and a text.
#[derive(Default)]
enum Either<T> {
    Object(T),
    Text(Words),
    #[default]
    Neither,
}

impl<'de, T: Deserialize<'de>> Lenient<'de> for Either<T> {
    fn of_text(text: &str) -> Self {
        Either::Text(Words::of_text(text))
    }

    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Either::Object)
    }
}

/// An object, or a text that is made one.
pub(super) fn object_or_text<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
    of_text: impl FnOnce(Words) -> T,
) -> Result<Option<T>, D::Error> {
    any(from).map(|either| match either {
        Either::Object(object) => Some(object),
        Either::Text(text) => Some(of_text(text)),
        Either::Neither => None,
    })
}

/// The first object of a list, or an object that stands without its list.
pub(super) struct First<T>(pub Option<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        First(None)
    }
}

impl<'de, T: Deserialize<'de>> Lenient<'de> for First<T> {
    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let first = list.next_element::<Object<T>>()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(First(first.and_then(|Object(first)| first)))
    }

    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        Object::of_object(object).map(|Object(object)| First(object))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        any(from)
    }
}

/// What a message says: a text, or a list of parts, of which some may be thoughts or a refusal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The answer.
    pub said: String,
    /// Bytes of thoughts.
    pub thought: usize,
    /// Why there is no answer.
    pub refused: String,
}

impl Words {
    fn part(&mut self, part: &Value) {
        match part {
            Value::String(text) => self.said.push_str(text),
            Value::Object(part) => self.of_kind(part),
            _ => {}
        }
    }

    fn of_kind(&mut self, part: &Map<String, Value>) {
        let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = text("type");
        self.refused.push_str(text("refusal"));
        if ["thinking", "reasoning", "thought"]
            .iter()
            .any(|thought| kind.contains(thought))
        {
            self.thought += part.values().map(bytes).sum::<usize>();
        } else if let Some(said) = part.get("text") {
            // `{"text": {"value": "Oak."}}` comes too.
            self.part(said.get("value").unwrap_or(said));
        }
    }
}

/// Bytes of the texts in a value.
fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(bytes).sum(),
        Value::Object(values) => values.values().map(bytes).sum(),
        _ => 0,
    }
}

impl<'de> Lenient<'de> for Words {
    fn of_text(text: &str) -> Words {
        Words {
            said: text.to_owned(),
            ..Words::default()
        }
    }

    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Words, A::Error> {
        let mut words = Words::default();
        while let Some(part) = list.next_element::<Value>()? {
            words.part(&part);
        }
        Ok(words)
    }

    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Words, A::Error> {
        let part = Map::deserialize(MapAccessDeserializer::new(object))?;
        let mut words = Words::default();
        if part.contains_key("type") || part.contains_key("text") || part.is_empty() {
            words.of_kind(&part);
        } else {
            // Some servers parse the JSON that they were asked for.
            words.said = Value::Object(part).to_string();
        }
        Ok(words)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Words, D::Error> {
        any(from)
    }
}

/// Whether a value says nothing: an error that is empty is none.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => matches!(number.as_u64(), Some(0 | 200)),
        Value::String(text) => matches!(
            text.trim().to_ascii_lowercase().as_str(),
            "" | "0" | "200" | "null" | "none" | "ok" | "success"
        ),
        Value::Array(values) => values.iter().all(is_blank),
        Value::Object(values) => values.values().all(is_blank),
    }
}

/// Puts the halves of surrogate pairs together; one without the other becomes U+FFFD.
pub(super) fn joined(text: String) -> String {
    let half = |c: char| {
        let half = u16::try_from(u32::from(c).checked_sub(HALVES)?).ok()?;
        (0xd800..0xe000).contains(&half).then_some(half)
    };
    // All of them begin with this byte, which is found much faster.
    if !text.as_bytes().contains(&HALVES_BEGIN) || !text.chars().any(|c| half(c).is_some()) {
        return text;
    }
    let mut units = Vec::with_capacity(text.len());
    for c in text.chars() {
        match half(c) {
            Some(half) => units.push(half),
            None => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
        }
    }
    String::from_utf16_lossy(&units)
}

/// JSON in which what no JSON may hold is replaced: in texts half a surrogate pair, raw control characters and unknown
/// escapes; outside of them words and numbers that are none.
fn mended(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_quoted = false;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        if is_quoted {
            taken = match c {
                '\\' => escape(rest, &mut mended),
                '\0'..='\x1f' => {
                    mended.push_str(&format!("\\u{:04x}", u32::from(c)));
                    taken
                }
                _ => {
                    is_quoted = c != '"';
                    mended.push(c);
                    taken
                }
            };
        } else if c.is_ascii_alphanumeric() || c == '-' || c == '+' {
            let is_of_word = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
            taken = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
            let word = rest.get(..taken).unwrap_or_default();
            let is_number = !c.is_ascii_alphabetic() && word.parse().is_ok_and(f64::is_finite);
            let is_word = matches!(word, "true" | "false" | "null");
            mended.push_str(if is_number || is_word { word } else { "null" });
        } else {
            is_quoted = c == '"';
            mended.push(c);
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    mended
}

/// Copies the escape that a text begins with; gives how many bytes it has.
fn escape(text: &str, to: &mut String) -> usize {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let copy = |length: usize, to: &mut String| {
        to.push_str(text.get(..length).unwrap_or_default());
        length
    };
    match (unit(0), unit(6)) {
        (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => copy(12, to),
        (Some(half @ 0xd800..0xe000), _) => {
            to.extend(char::from_u32(HALVES + u32::from(half)));
            6
        }
        (Some(_), _) => copy(6, to),
        (None, _) => match text.as_bytes().get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => copy(2, to),
            // What follows is copied as it stands.
            _ => 1,
        },
    }
}

#[cfg(test)]
mod tests;
