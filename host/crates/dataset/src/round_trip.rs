//! The law of all formats: what is written comes back, by stream and by place, and places do not overlap.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::fixture::Fixture;
use super::{Place, Record, Written};

fn check(name: &str, content: &str, records: &[Record]) -> Result<(), TestCaseError> {
    let fixture = Fixture::new(name, content);
    let entries = fixture.entries();
    let found: Vec<&Record> = entries.iter().map(|(_, record)| record).collect();
    prop_assert_eq!(found, records.iter().collect::<Vec<_>>(), "{}", content);
    let mut last = Place {
        offset: 0,
        length: 0,
        line: 0,
    };
    for (place, _) in &entries {
        prop_assert!(place.offset >= last.offset + last.length && place.line >= last.line);
        prop_assert!(place.length > 0 && place.offset + place.length <= content.len() as u64);
        let before = content.as_bytes()[..place.offset as usize].iter();
        prop_assert_eq!(
            place.line,
            1 + before.filter(|byte| **byte == b'\n').count() as u64
        );
        last = *place;
    }
    Ok(())
}

fn row(record: &Record) -> Value {
    let mut row = Map::new();
    row.insert("id".into(), record.id.clone().into());
    row.insert("name".into(), record.name.clone().into());
    row.insert("category".into(), record.category.clone().into());
    row.extend(
        record
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    row.into()
}

fn rows(records: &[Record]) -> Vec<Value> {
    records.iter().map(row).collect()
}

fn yaml(value: &impl serde::Serialize) -> String {
    serde_saphyr::to_string(value).unwrap()
}

/// Texts made of what formats trip over.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z0-9 ]{1,12}",
        prop::sample::select(vec![
            "\n",
            "\n\n",
            "\n- id: x",
            "\n---\n",
            "---",
            "...",
            "# no comment",
            ": ",
            "'",
            "\"",
            "\\",
            "[",
            "]",
            "{",
            "}",
            ",",
            "\t",
            "\r\n",
            "\r",
            "  ",
            "&a",
            "*a",
            "!tag",
            "|",
            ">",
            "%",
            "@",
            "\u{e9}",
            "\u{1f525}",
            "\u{feff}",
            "no",
            "null",
            "~",
            "007",
            "1e5",
            "0x1f",
            "\u{0}",
            "\u{85}",
            "\u{2028}",
        ])
        .prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (any::<i32>(), 0_i32..6)
            .prop_map(|(digits, places)| json!(f64::from(digits) / 10_f64.powi(places))),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn record(fields: impl Strategy<Value = Map<String, Value>>) -> impl Strategy<Value = Record> {
    let name = text().prop_map(|name| name.trim().to_owned());
    let name = name.prop_filter("a name says something", |name| !name.is_empty());
    (
        "[a-z0-9_][a-z0-9_.-]{0,9}",
        name,
        "[a-z_][a-z0-9-]{0,5}",
        fields,
    )
        .prop_map(|(id, name, category, fields)| Record {
            id,
            name,
            category,
            fields: fields.into(),
            written: Written::default(),
        })
}

fn nested() -> impl Strategy<Value = Vec<Record>> {
    let key = text().prop_filter("a key of its own", |key| {
        !["id", "name", "category"].contains(&key.as_str())
    });
    let fields =
        prop::collection::vec((key, value()), 0..4).prop_map(|pairs| pairs.into_iter().collect());
    prop::collection::vec(record(fields), 1..5)
}

/// Whether a CSV cell is neither absent nor a number nor a boolean.
fn reads_as_text(text: &str) -> bool {
    !text.is_empty()
        && !matches!(
            serde_json::from_str(text),
            Ok(Value::Number(_) | Value::Bool(_))
        )
}

fn flat() -> impl Strategy<Value = Vec<Record>> {
    let cell = prop_oneof![
        any::<bool>().prop_map(Value::from),
        number(),
        text()
            .prop_filter("a cell that reads as a text", |text| reads_as_text(text))
            .prop_map(Value::from),
    ];
    let columns = prop::collection::vec(prop::option::of(cell), 3);
    let fields = columns.prop_map(|cells| {
        let names = ["a.b", "c d", "\u{e9}"].map(String::from);
        names
            .into_iter()
            .zip(cells)
            .filter_map(|(name, cell)| Some((name, cell?)))
            .collect()
    });
    prop::collection::vec(record(fields), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn yaml_comes_back(records in nested()) {
        let list = yaml(&rows(&records));
        check("top.yaml", &list, &records)?;
        check("windows.yaml", &format!("\u{feff}{}", list.replace('\n', "\r\n")), &records)?;
        let indented: String = yaml(&json!({"version": 1, "records": rows(&records), "after": {"records": "- no"}}));
        check("keyed.yaml", &indented, &records)?;
        let documents: String = rows(&records).iter().map(|row| format!("---\n{}", yaml(row))).collect();
        check("documents.yaml", &documents, &records)?;
    }

    #[test]
    fn json_comes_back(records in nested()) {
        let rows = rows(&records);
        check("compact.json", &serde_json::to_string(&rows).unwrap(), &records)?;
        let document = json!({"a": ["]", {"records": 1}], "records": rows, "z": "}"});
        check("pretty.json", &serde_json::to_string_pretty(&document).unwrap(), &records)?;
        let lines: String = rows.iter().map(|row| format!("{row}\n\n")).collect();
        check("lines.jsonl", lines.trim_end(), &records)?;
        check("windows.ndjson", &format!("\u{feff}{}", lines.replace('\n', "\r\n")), &records)?;
    }

    #[test]
    fn csv_comes_back(records in flat()) {
        for terminator in [csv::Terminator::Any(b'\n'), csv::Terminator::CRLF] {
            let mut file = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
            file.write_record(["a.b", "name", "c d", "id", "\u{e9}", "category"]).unwrap();
            for record in &records {
                let cell = |name: &str| match record.fields.get(name) {
                    None => String::new(),
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                file.write_record([&cell("a.b"), &record.name, &cell("c d"), &record.id, &cell("\u{e9}"), &record.category])
                    .unwrap();
            }
            check("data.csv", &String::from_utf8(file.into_inner().unwrap()).unwrap(), &records)?;
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), start in prop::sample::select(vec!["", "records:\n- ", "[{", "{\"records\": ["])) {
        for name in ["a.yaml", "a.json", "a.jsonl", "a.csv"] {
            let content = [start.as_bytes(), &bytes].concat();
            prop_assert!(!Fixture::new(name, content).report().is_empty());
        }
    }
}
