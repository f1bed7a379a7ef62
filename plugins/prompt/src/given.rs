//! What the component is given: as the values of a template, and as the facts of its question.

use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use sdk::{Failure, Input, Map, Value, json};

/// Everything that a template may name, as one JSON object.
pub struct Given {
    id: String,
    values: Value,
    facts: Map<String, Value>,
}

impl Given {
    /// Reads it. A value that is `null` is absent.
    ///
    /// # Errors
    /// An unsuitable record, if its fields are no objects.
    pub fn read(input: &Input) -> Result<Given, Failure> {
        let mut record: Map<String, Value> = input.fields()?;
        let mut category: Map<String, Value> = input.category_fields()?;
        let mut facts = Map::new();
        facts.insert("name".to_owned(), json!(input.name()));
        facts.insert("category".to_owned(), json!(input.category()));
        facts.extend(record.clone());
        if !category.is_empty() {
            facts.insert("of the category".to_owned(), json!(category));
        }
        record.insert("id".to_owned(), json!(input.id()));
        record.insert("name".to_owned(), json!(input.name()));
        record.insert("category".to_owned(), json!(input.category()));
        category.insert("id".to_owned(), json!(input.category()));
        let mut upstreams = Map::new();
        for upstream in input.upstreams() {
            let data: Option<Value> = upstream.json().ok();
            let told = data.clone().unwrap_or_else(|| json!(upstream.text()));
            facts.insert(upstream.component().to_owned(), told);
            let mut values = Map::new();
            values.insert("text".to_owned(), json!(upstream.text()));
            if let Some(data) = data {
                values.insert("data".to_owned(), data);
            }
            upstreams.insert(upstream.component().to_owned(), Value::Object(values));
        }
        let site = input.site();
        let values = json!({
            "record": record,
            "category": category,
            "upstream": upstreams,
            "site": {"base_url": site.base_url, "name": site.name, "locale": site.locale},
        });
        Ok(Given {
            id: input.id().to_owned(),
            values,
            facts,
        })
    }

    /// What the model is told besides the instructions.
    pub fn facts(&self) -> Value {
        Value::Object(self.facts.clone())
    }

    /// Fills a template. `key` is where it stands in the component's configuration.
    ///
    /// # Errors
    /// An unsuitable record, if a value is put in that it has not, or that is of another kind; a component fault otherwise. Both name the place.
    pub fn fill(&self, key: &str, template: &str) -> Result<String, Failure> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        let values = minijinja::Value::from(minijinja::value::Serde(&self.values));
        let filled = environment.render_str(template.trim(), values);
        filled.map_err(|error| {
            let line = error
                .line()
                .map_or_else(String::new, |line| format!("line {line}: "));
            let what = error
                .detail()
                .map_or_else(|| error.kind().to_string(), str::to_owned);
            match error.kind() {
                ErrorKind::UndefinedError => Failure::unsuitable_record(format!(
                    "{key}: {line}a value is put in that {} has not ({}); ask for it first, as in \
                     {{% if record.formula %}}...{{% endif %}}",
                    self.id,
                    placed(template, &error).unwrap_or(what)
                )),
                ErrorKind::InvalidOperation | ErrorKind::CannotUnpack => {
                    Failure::unsuitable_record(format!(
                        "{key}: {line}{what}: a value of {} is not of the kind that is needed here ({})",
                        self.id,
                        placed(template, &error).unwrap_or_default()
                    ))
                }
                _ => Failure::component_fault(format!("{key}: {line}{what}")),
            }
        })
    }
}

/// The line of the template in which it went wrong.
fn placed(template: &str, error: &minijinja::Error) -> Option<String> {
    let line = template.trim().lines().nth(error.line()?.checked_sub(1)?)?;
    Some(line.trim().to_owned())
}
