//! Front matter of a material's page. Numbers, ranges and positions are computed from the dataset;
//! the model writes headline, description, keywords and one sentence per application.

mod computed;
mod prose;

use materials::material::{Category, Material};
use sdk::{Component, Failure, Input, Map, Value, json, markdown, yaml};

/// Most entries of a list that the page shows.
const MOST: usize = 4;

/// The `frontmatter` component.
pub struct FrontMatter;

impl Component for FrontMatter {
    fn generate(input: &Input) -> Result<String, Failure> {
        let mut material: Material = input.fields()?;
        let category: Category = input.category_fields()?;
        let outcomes = computed::outcomes(&material);
        material.applications = prose::applications(&material);
        let prose = prose::ask(input, &material, &category, &outcomes)?;
        Ok(yaml::front_matter(&page(
            input, &material, &category, outcomes, prose,
        )))
    }
}

fn page(
    input: &Input,
    material: &Material,
    category: &Category,
    outcomes: Vec<Value>,
    prose: prose::Prose,
) -> Map<String, Value> {
    let mut page = Map::new();
    let mut put = |key: &str, value: Value| {
        if !is_empty(&value) {
            page.insert(key.to_owned(), value);
        }
    };
    let category_name = category.name.clone();
    let category_name = category_name.unwrap_or_else(|| markdown::capitalized(input.category()));
    put("name", input.name().into());
    put("slug", input.id().into());
    put(
        "category",
        json!({ "id": input.category(), "name": category_name }),
    );
    put("subcategory", material.subcategory.clone().into());
    put("formula", material.formula.clone().into());
    put("title", title(input).into());
    put("headline", prose.headline.into());
    put("description", prose.description.into());
    put("keywords", prose.keywords.into());
    put("published_on", category.published_on.clone().into());
    put("updated_on", category.updated_on.clone().into());
    put("byline", byline(category));
    put("images", images(input));
    put("properties", computed::properties(material, category));
    put("machine_settings", computed::machine_settings(material));
    put("contaminants", material.contaminants.clone().into());
    put("applications", prose.applications);
    put("compatibility", compatibility(category, &category_name));
    let standards = category.regulatory_standards.iter().map(|standard| {
        without_empty(vec![
            ("code", standard.code.clone().into()),
            ("title", standard.title.clone().into()),
        ])
    });
    put("regulatory_standards", standards.collect());
    let benefits = category
        .environmental_benefits
        .iter()
        .take(MOST)
        .map(|benefit| {
            without_empty(vec![
                ("benefit", benefit.benefit.clone().into()),
                ("detail", benefit.detail.clone().into()),
            ])
        });
    put("environmental_benefits", benefits.collect());
    put("outcomes", Value::Array(outcomes));
    page
}

/// What is known of the whole category, and says so.
fn compatibility(category: &Category, category_name: &str) -> Value {
    let known = &category.compatibility;
    if known.suited.is_empty() && known.caution.is_empty() {
        return Value::Null;
    }
    without_empty(vec![
        ("applies_to", category_name.into()),
        ("suited", known.suited.clone().into()),
        ("caution", known.caution.clone().into()),
    ])
}

fn title(input: &Input) -> String {
    format!("{} Laser Cleaning", input.name())
}

fn byline(category: &Category) -> Value {
    let Some(desk) = &category.desk else {
        return Value::Null;
    };
    without_empty(vec![
        ("name", desk.name.clone().into()),
        ("title", desk.title.clone().into()),
        ("profile", desk.profile.clone().into()),
        ("expertise", desk.expertise.clone().into()),
    ])
}

fn images(input: &Input) -> Value {
    let (name, id, site) = (input.name(), input.id(), &input.site().base_url);
    let image = |kind: &str, alt: String, width: u32, height: u32| {
        let url = format!("{site}/images/{id}-laser-cleaning-{kind}.jpg");
        json!({ "url": url, "alt": alt, "width": width, "height": height })
    };
    json!({
        "hero": image("hero", format!("{name} surface during laser cleaning"), 1200, 630),
        "micro": image("micro", format!("Magnified {name} surface before and after laser cleaning"), 800, 600),
    })
}

/// An object of the fields that have a value.
fn without_empty(fields: Vec<(&str, Value)>) -> Value {
    let fields = fields.into_iter().filter(|(_, value)| !is_empty(value));
    Value::Object(fields.map(|(key, value)| (key.to_owned(), value)).collect())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

sdk::export!(FrontMatter);

#[cfg(test)]
mod tests;
