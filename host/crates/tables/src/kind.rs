//! What the values of a column are.

use serde_json::Value;

/// Most keys of objects that are kept as such. Objects with more have names of things as keys, and become JSON.
const MOST_KEYS: usize = 100;
/// Most levels of lists and objects within each other that are kept as such.
const MOST_LEVELS: usize = 5;
/// Up to here, a number with a fraction holds every whole number.
const EXACT: i64 = 1 << 53;

/// The kind of all values of a column, as far as they were seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Kind {
    /// No value was seen.
    #[default]
    Nothing,
    /// True and false.
    Truth,
    /// Whole numbers.
    Whole,
    /// Whole numbers, of which some have more digits than a number with a fraction can hold.
    Long,
    /// Numbers with a fraction.
    Number,
    /// Texts, and values of several kinds: those that are no text are JSON.
    Text,
    /// Lists of values of one kind.
    List(Box<Kind>),
    /// Objects with these keys.
    Object(Vec<(String, Kind)>),
}

impl Kind {
    /// Widens the kind, so that it holds this value too.
    pub fn see(&mut self, value: &Value) {
        self.see_within(value, 0);
    }

    fn see_within(&mut self, value: &Value, level: usize) {
        if *self == Kind::Nothing {
            *self = Kind::begun(value, level);
        }
        match (&mut *self, value) {
            (Kind::Nothing | Kind::Text, _) | (_, Value::Null) | (Kind::Truth, Value::Bool(_)) => {}
            (Kind::Whole | Kind::Long | Kind::Number, Value::Number(_)) => {
                let seen = Kind::begun(value, level);
                *self = match (&*self, seen) {
                    (Kind::Whole, Kind::Whole) => Kind::Whole,
                    (Kind::Whole | Kind::Long, Kind::Whole | Kind::Long) => Kind::Long,
                    (Kind::Whole | Kind::Number, Kind::Whole | Kind::Number) => Kind::Number,
                    _ => Kind::Text,
                };
            }
            (Kind::List(items), Value::Array(values)) => {
                for value in values {
                    items.see_within(value, level + 1);
                }
            }
            (Kind::Object(fields), Value::Object(object)) => {
                for (key, value) in object {
                    if let Some((_, kind)) = fields.iter_mut().find(|(known, _)| known == key) {
                        kind.see_within(value, level + 1);
                    } else {
                        let mut kind = Kind::Nothing;
                        kind.see_within(value, level + 1);
                        fields.push((key.clone(), kind));
                    }
                    if fields.len() > MOST_KEYS {
                        *self = Kind::Text;
                        return;
                    }
                }
            }
            _ => *self = Kind::Text,
        }
    }

    /// The kind of a first value, without what is in it.
    fn begun(value: &Value, level: usize) -> Kind {
        match value {
            Value::Null => Kind::Nothing,
            Value::Bool(_) => Kind::Truth,
            Value::Number(number) => match number.as_i64() {
                Some(number) if (-EXACT..=EXACT).contains(&number) => Kind::Whole,
                Some(_) => Kind::Long,
                None if number.is_u64() => Kind::Text,
                None => Kind::Number,
            },
            Value::String(_) => Kind::Text,
            Value::Array(_) | Value::Object(_) if level >= MOST_LEVELS => Kind::Text,
            Value::Array(_) => Kind::List(Box::default()),
            Value::Object(_) => Kind::Object(Vec::new()),
        }
    }

    /// The kind that a column is written with, when all values were seen: one of which nothing is known holds texts, and
    /// so do objects without keys, and with keys that differ in their case alone, which some databases cannot tell apart.
    #[must_use]
    pub fn settled(self) -> Kind {
        match self {
            Kind::Nothing => Kind::Text,
            Kind::List(items) => Kind::List(Box::new(items.settled())),
            Kind::Object(fields) => {
                let mut names: Vec<String> =
                    fields.iter().map(|(key, _)| key.to_lowercase()).collect();
                names.sort_unstable();
                names.dedup();
                if fields.is_empty() || names.len() < fields.len() {
                    return Kind::Text;
                }
                let fields = fields.into_iter();
                Kind::Object(fields.map(|(key, kind)| (key, kind.settled())).collect())
            }
            kind => kind,
        }
    }

    /// Whether a column of this kind can hold a value.
    pub fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) | (Kind::Text, _) | (Kind::Truth, Value::Bool(_)) => true,
            (Kind::Whole | Kind::Long, Value::Number(number)) => number.is_i64(),
            (Kind::Number, Value::Number(_)) => true,
            (Kind::List(items), Value::Array(values)) => {
                values.iter().all(|value| items.holds(value))
            }
            (Kind::Object(fields), Value::Object(object)) => object.iter().all(|(key, value)| {
                let field = fields.iter().find(|(known, _)| known == key);
                field.is_some_and(|(_, kind)| kind.holds(value))
            }),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(values: &[Value]) -> Kind {
        let mut kind = Kind::default();
        for value in values {
            kind.see(value);
        }
        let kind = kind.settled();
        assert!(values.iter().all(|value| kind.holds(value)), "{kind:?}");
        kind
    }

    #[test]
    fn a_column_is_as_narrow_as_its_values_allow() {
        let long = 9_007_199_254_740_993_i64;
        for (values, expected) in [
            (vec![], Kind::Text),
            (vec![json!(null)], Kind::Text),
            (vec![json!(null), json!(true)], Kind::Truth),
            (vec![json!(true), json!(1)], Kind::Text),
            (vec![json!(1), json!(-2)], Kind::Whole),
            (vec![json!(1), json!(2.5), json!(3)], Kind::Number),
            (vec![json!(1), json!(long)], Kind::Long),
            (vec![json!(long), json!(1)], Kind::Long),
            // A number with a fraction would lose the last digit.
            (vec![json!(long), json!(1.5)], Kind::Text),
            (vec![json!(1.5), json!(long)], Kind::Text),
            (vec![json!(u64::MAX)], Kind::Text),
            (vec![json!(1), json!(u64::MAX)], Kind::Text),
            (vec![json!("a"), json!(1)], Kind::Text),
            (vec![json!(1), json!("a")], Kind::Text),
            (
                vec![json!([]), json!(null)],
                Kind::List(Box::new(Kind::Text)),
            ),
            (
                vec![json!([1]), json!([2.5, null])],
                Kind::List(Box::new(Kind::Number)),
            ),
            (vec![json!([1, "a"])], Kind::List(Box::new(Kind::Text))),
            (vec![json!([1]), json!(1)], Kind::Text),
            (vec![json!({})], Kind::Text),
            (vec![json!({"a": 1, "A": 1})], Kind::Text),
            (
                vec![json!({"a": 1}), json!({"b": [true]}), json!({"a": 1.5})],
                Kind::Object(vec![
                    ("a".into(), Kind::Number),
                    ("b".into(), Kind::List(Box::new(Kind::Truth))),
                ]),
            ),
            (vec![json!({"a": 1}), json!([1])], Kind::Text),
        ] {
            assert_eq!(kind(&values), expected, "{values:?}");
        }
    }

    #[test]
    fn objects_with_very_many_keys_and_levels_are_json() {
        let object = |number: usize| json!({format!("key-{number}"): number});
        let objects: Vec<Value> = (0..MOST_KEYS).map(object).collect();
        assert!(matches!(kind(&objects), Kind::Object(_)));
        let objects: Vec<Value> = (0..=MOST_KEYS).map(object).collect();
        assert_eq!(kind(&objects), Kind::Text);
        let mut deep = json!(1);
        for _ in 0..60 {
            deep = json!([deep]);
        }
        let mut levels = 0;
        let mut inner = kind(&[deep]);
        while let Kind::List(items) = inner {
            inner = *items;
            levels += 1;
        }
        assert_eq!((levels, inner), (MOST_LEVELS, Kind::Text));
    }

    #[test]
    fn what_was_not_seen_does_not_fit() {
        for (seen, other) in [
            (json!(1), json!(1.5)),
            (json!(1), json!(u64::MAX)),
            (json!(true), json!("true")),
            (json!([1]), json!(["a"])),
            (json!({"a": 1}), json!({"b": 1})),
            (json!({"a": 1}), json!(1)),
        ] {
            assert!(
                !kind(std::slice::from_ref(&seen)).holds(&other),
                "{seen} {other}"
            );
        }
    }
}
