//! SHA-256 over a sequence of parts, each with its length and kind, so that no two different
//! sequences hash the same bytes. JSON is hashed in canonical form: the order of keys is no change.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash of plain bytes, as `sha256sum` prints it.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// The hash of a value's JSON, which is not built for it.
    pub fn of_json(value: &(impl Serialize + ?Sized)) -> Digest {
        let mut hash = Sha256::new();
        // A hash takes whatever is written, and JSON values can be written.
        let _ = serde_json::to_writer(&mut hash, value);
        hash.into()
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A hash read back from storage; `None` if it is not 32 bytes long.
    pub fn from_slice(bytes: &[u8]) -> Option<Digest> {
        bytes.try_into().ok().map(Digest)
    }

    /// The first eight bytes as a number: a seed that depends on everything hashed.
    pub fn seed(&self) -> u64 {
        self.0
            .iter()
            .take(8)
            .fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
    }
}

impl From<Sha256> for Digest {
    fn from(hash: Sha256) -> Digest {
        Digest(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
        let digits: String = self
            .0
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect();
        f.write_str(&digits)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            let bytes = <&[u8]>::deserialize(deserializer)?;
            return Digest::from_slice(bytes).ok_or_else(|| de::Error::custom("no SHA-256 hash"));
        }
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom(format!("`{text}` is no SHA-256 hash"));
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return Err(wrong());
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * place..2 * place + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Digest(bytes))
    }
}

/// Collects the parts of a hash.
pub struct DigestBuilder(Sha256);

impl DigestBuilder {
    /// Starts a hash in its own domain: `domain` names what is hashed and its version, so that
    /// hashes of different things never meet.
    pub fn new(domain: &str) -> DigestBuilder {
        let mut builder = DigestBuilder(Sha256::new());
        builder.text(domain);
        builder
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.part(b'b', bytes)
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.part(b't', text.as_bytes())
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.part(b'n', &number.to_be_bytes())
    }

    /// Adds something that may be absent.
    pub fn optional<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => self.part(b'0', b""),
            Some(value) => {
                self.part(b'1', b"");
                add(self, value);
                self
            }
        }
    }

    /// Adds a list, with its length.
    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut add: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.number(items.len() as u64);
        for item in items {
            add(self, item);
        }
        self
    }

    /// Adds JSON, whatever the order of its keys.
    pub fn json(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Null => self.null(),
            Value::Bool(value) => self.truth(*value),
            Value::Number(number) => self.digits(&number.to_string()),
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.array(items.len());
                for item in items {
                    self.json(item);
                }
                self
            }
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                self.object(entries.len());
                for (key, value) in entries {
                    self.text(key).json(value);
                }
                self
            }
        }
    }

    /// Adds JSON's `null`.
    pub fn null(&mut self) -> &mut Self {
        self.part(b'z', b"")
    }

    /// Adds JSON's `true` or `false`.
    pub fn truth(&mut self, value: bool) -> &mut Self {
        self.part(b'o', &[u8::from(value)])
    }

    /// Adds a JSON number, as it is written.
    pub fn digits(&mut self, number: &str) -> &mut Self {
        self.part(b'#', number.as_bytes())
    }

    /// Begins a JSON object: its keys in alphabetical order, each with its value, must follow.
    pub fn object(&mut self, entries: usize) -> &mut Self {
        self.part(b'{', b"").number(entries as u64)
    }

    /// Begins a JSON array: so many values must follow.
    pub fn array(&mut self, items: usize) -> &mut Self {
        self.part(b'[', b"").number(items as u64)
    }

    /// The hash of all that was added.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }

    fn part(&mut self, kind: u8, bytes: &[u8]) -> &mut Self {
        let [a, b, c, d, e, f, g, h] = (bytes.len() as u64).to_be_bytes();
        self.0.update([kind, a, b, c, d, e, f, g, h]);
        self.0.update(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn of_json(value: &Value) -> Digest {
        let mut builder = DigestBuilder::new("test");
        builder.json(value);
        builder.finish()
    }

    #[test]
    fn the_hash_of_json_is_that_of_its_text() {
        let value = json!({"a": [1, 2.5, null, "b\n\u{e9}"], "c": {"d": true}});
        assert_eq!(
            Digest::of_json(&value),
            Digest::of(value.to_string().as_bytes())
        );
    }

    #[test]
    fn order_of_keys_is_no_change() {
        assert_eq!(
            of_json(&json!({"a": 1, "b": [true]})),
            of_json(&json!({"b": [true], "a": 1}))
        );
        assert_ne!(of_json(&json!({"a": 1})), of_json(&json!({"a": "1"})));
        assert_ne!(of_json(&json!([1, [2]])), of_json(&json!([[1], 2])));
        assert_ne!(of_json(&json!(null)), of_json(&json!({})));
    }

    proptest! {
        #[test]
        fn parts_do_not_run_together(a in ".{0,8}", b in ".{0,8}", c in ".{0,8}", d in ".{0,8}") {
            let hash = |x: &str, y: &str| {
                let mut builder = DigestBuilder::new("test");
                builder.text(x).text(y);
                builder.finish()
            };
            prop_assert_eq!(hash(&a, &b) == hash(&c, &d), (a, b) == (c, d));
        }
    }
}
