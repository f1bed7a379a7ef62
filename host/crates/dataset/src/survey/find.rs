//! Where the records of an unknown document are: in the longest list, or in an object, each under its key.

use serde_json::Value;

use crate::{Copies, Dataset, DatasetConfig, DatasetError, Format};

/// The field that keys of records become, and the one where records have a field of that name.
const KEY_FIELDS: [&str; 2] = ["key", "record-key"];
/// Records that are looked at.
const COMPARED: usize = 1000;

type Found = (Dataset, DatasetConfig);

/// Opens the file, wherever in it the records are.
pub(super) fn open(config: &DatasetConfig, copies: &Copies) -> Result<Found, DatasetError> {
    let opened = Dataset::open_with(config.clone(), copies);
    let keys = match &opened {
        Ok(dataset) if dataset.rows().next().is_none_or(|row| row.is_ok()) => {
            return opened.map(|dataset| (dataset, config.clone()));
        }
        Err(DatasetError::NoRecordList { found, .. }) => found.clone(),
        Ok(_) | Err(DatasetError::CannotSplit { .. }) => vec![config.records.clone()],
        Err(_) => Vec::new(),
    };
    listed(config, copies, &keys)
        .or_else(|| documents(config, copies, &keys))
        .or_else(|| keyed(config, copies, &keys))
        .map_or_else(|| opened.map(|dataset| (dataset, config.clone())), Ok)
}

/// The longest list of objects under one of these keys.
fn listed(config: &DatasetConfig, copies: &Copies, keys: &[String]) -> Option<Found> {
    let lists = keys.iter().filter_map(|key| {
        let config = DatasetConfig {
            records: key.clone(),
            ..config.clone()
        };
        let dataset = Dataset::open_with(config.clone(), copies).ok()?;
        let objects = dataset
            .rows()
            .take_while(|row| matches!(row, Ok((_, Value::Object(_)))))
            .count();
        (objects > 0).then_some((objects, (dataset, config)))
    });
    let (_, found) = lists.max_by_key(|(objects, _)| *objects)?;
    Some(found)
}

/// One document of YAML for each record: told by a key that every one has.
fn documents(config: &DatasetConfig, copies: &Copies, keys: &[String]) -> Option<Found> {
    let by_document = DatasetConfig {
        id: keys.first()?.clone(),
        ..config.clone()
    };
    let dataset = Dataset::open_with(by_document, copies).ok()?;
    let are_several = dataset.format() == Some(Format::Yaml) && dataset.rows().nth(1).is_some();
    are_several.then(|| (dataset, config.clone()))
}

/// Records that stand under their keys: under one of these keys of the document, or at its top.
fn keyed(config: &DatasetConfig, copies: &Copies, keys: &[String]) -> Option<Found> {
    let open = |records: &str| {
        let opened = KEY_FIELDS.iter().rev().filter_map(|field| {
            let config = DatasetConfig {
                records: records.to_owned(),
                key_field: Some((*field).to_owned()),
                ..config.clone()
            };
            let dataset = Dataset::open_with(config.clone(), copies).ok()?;
            let (mut records, mut others) = (0, 0);
            for row in dataset.rows().take(COMPARED) {
                match row {
                    Ok(_) => records += 1,
                    Err(DatasetError::NotAnObject { .. }) => others += 1,
                    // It may be a record with a fault.
                    Err(_) => {}
                }
            }
            (records > 1 && records > 9 * others).then_some((records, (dataset, config)))
        });
        // The last of two that are alike.
        let (_, found) = opened.max_by_key(|(records, _)| *records)?;
        Some(found)
    };
    let mut under: Vec<Found> = keys.iter().filter_map(|key| open(key)).collect();
    let top = match keys {
        [key] if *key == config.records => None,
        _ => open(&config.records),
    };
    if top.is_none() || keys.len() == 1 {
        return if under.len() < 2 { under.pop() } else { None };
    }
    match under.as_slice() {
        [] => top,
        // Where the document has other objects beside them, these are fewer.
        [(one, _)] if names(one).len() > keys.len() => under.pop(),
        [_] => top,
        // Objects that hold the same keys are records themselves, whose fields are objects.
        [(one, _), (other, _), ..] => {
            let known = names(one);
            let are_alike = names(other).iter().any(|name| known.contains(name));
            top.filter(|_| are_alike)
        }
    }
}

/// The keys of its records.
fn names(dataset: &Dataset) -> Vec<Value> {
    let rows = dataset.rows().map_while(Result::ok);
    let names = rows.filter_map(|(_, row)| row.as_object()?.values().next().cloned());
    names.take(COMPARED).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Survey;
    use super::super::tests::survey;

    #[test]
    fn records_are_found_wherever_they_lie() {
        let json = r#"{"meta": {"n": 1}, "tags": ["a"], "items": [{"id": 1}, {"id": 2}]}"#;
        let found = survey("a.json", json);
        assert_eq!((found.config.records.as_str(), found.records), ("items", 2));
        let documents = "sku: a\nname: A\n---\nsku: b\nname: B\n";
        assert_eq!(survey("a.yaml", documents).records, 2);
        let facts = "categories:\n- id: x\nthings:\n- {id: a, kind: x}\n- {id: b, kind: x}\n";
        let found = survey("a.yaml", facts);
        assert_eq!(
            (found.config.records.as_str(), found.category_facts),
            ("things", vec!["x".to_owned()])
        );
    }

    #[test]
    fn records_under_keys_are_found() {
        let found = |text: &str| {
            let Survey {
                config, records, ..
            } = survey("a.json", text);
            (config.records, config.key_field, records)
        };
        let as_key = Some("key".to_owned());
        let two = r#"{"oak": {"name": "Oak"}, "ash": {"name": "Ash"}}"#;
        assert_eq!(found(two), ("records".to_owned(), as_key.clone(), 2));
        let under = format!(r#"{{"version": 1, "materials": {two}}}"#);
        assert_eq!(found(&under), ("materials".to_owned(), as_key.clone(), 2));
        let beside = format!(
            r#"{{"meta": {{"by": "me"}}, "materials": {}}}"#,
            two.replace("}}", "}, \"elm\": {}}")
        );
        assert_eq!(found(&beside), ("materials".to_owned(), as_key.clone(), 3));
        let nested =
            r#"{"oak": {"hard": {"is": 1}, "old": {"is": 2}}, "ash": {"hard": {"is": 3}}}"#;
        assert_eq!(found(nested), ("records".to_owned(), as_key, 2));
        let named = r#"{"oak": {"key": "x"}, "ash": {"key": "y"}}"#;
        assert_eq!(found(named).1.as_deref(), Some("record-key"));
        let yaml = survey(
            "a.yaml",
            "materials:\n  oak:\n    name: Oak\n  ash:\n    name: Ash\n",
        );
        assert_eq!(
            (yaml.records, yaml.config.records.as_str()),
            (2, "materials")
        );
        assert_eq!(yaml.fields[0].name, "key");
        for text in [
            r#"{"records": {"a": {"n": 1}, "b": {}}}"#,
            "records:\n  a: &a {n: 1}\n  b: {n: 2}\n  c: *a\n",
        ] {
            let name = if text.starts_with('{') {
                "a.json"
            } else {
                "a.yaml"
            };
            assert_eq!(survey(name, text).config.key_field, Some("key".to_owned()));
        }
    }
}
