//! Up to six Markdown tables of a material: a table only where it has rows, a row only where the
//! record has the value. Nothing here asks a model.

use materials::material::{Category, Material, value_text};
use materials::{Quantity, quantity};
use sdk::markdown::{Table, capitalized};
use sdk::units;
use sdk::{Component, Failure, Input, Map, Value};

/// Stands in a cell that a row lacks.
const NOTHING: &str = "–";

/// The `table` component.
pub struct Tables;

impl Component for Tables {
    fn generate(input: &Input) -> Result<String, Failure> {
        let material: Material = input.fields()?;
        let category: Category = input.category_fields()?;
        let sections = [
            section("Material Properties", &properties(&material, &category)),
            section("Grades and Purity", &grades(&material)),
            section(
                "Performance",
                &pairs(["Aspect", "Value"], &material.performance),
            ),
            section("Standards and Compliance", &standards(&material, &category)),
            section(
                "Environmental Data",
                &pairs(["Aspect", "Value"], &material.environment),
            ),
            section("Laser Cleaning Parameters", &laser(&material)),
        ];
        let sections: Vec<String> = sections.into_iter().flatten().collect();
        if sections.is_empty() {
            let name = input.name();
            return Err(Failure::unsuitable_record(format!(
                "{name} has no value for any table"
            )));
        }
        Ok(sections.join("\n"))
    }
}

fn section<const COLUMNS: usize>(heading: &str, table: &Table<COLUMNS>) -> Option<String> {
    (!table.is_empty()).then(|| format!("## {heading}\n\n{}", table.render()))
}

fn label(quantity: &Quantity) -> String {
    capitalized(&quantity.label)
}

fn properties(material: &Material, category: &Category) -> Table<3> {
    let mut table = Table::new(["Property", "Value", "Range in category"]);
    for (key, value) in &material.properties {
        let quantity = quantity(key);
        let Some(text) = value_text(value, quantity.unit) else {
            continue;
        };
        let range = value.as_f64().and_then(|value| category.range(key, value));
        let range = range.map(|(min, max)| units::range(min, max, quantity.unit));
        table.row([
            label(&quantity),
            text,
            range.unwrap_or_else(|| NOTHING.to_owned()),
        ]);
    }
    table
}

fn grades(material: &Material) -> Table<3> {
    let mut table = Table::new(["Grade", "Purity", "Use"]);
    for grade in &material.grades {
        let purity = grade
            .purity_pct
            .map(|purity| units::with_unit(&units::number(purity), "%"));
        let purpose = grade.purpose.as_deref().map(capitalized);
        let or_nothing = |cell: Option<String>| cell.unwrap_or_else(|| NOTHING.to_owned());
        table.row([grade.name.clone(), or_nothing(purity), or_nothing(purpose)]);
    }
    table
}

fn pairs(head: [&'static str; 2], values: &Map<String, Value>) -> Table<2> {
    let mut table = Table::new(head);
    for (key, value) in values {
        let quantity = quantity(key);
        if let Some(text) = value_text(value, quantity.unit) {
            table.row([label(&quantity), capitalized(&text)]);
        }
    }
    table
}

fn standards(material: &Material, category: &Category) -> Table<3> {
    let mut table = Table::new(["Standard", "Title", "Scope"]);
    let of_material = material
        .standards
        .iter()
        .map(|standard| (standard, "Material"));
    let of_process = category
        .regulatory_standards
        .iter()
        .map(|standard| (standard, "Cleaning"));
    for (standard, scope) in of_material.chain(of_process) {
        let title = standard.title.as_deref().unwrap_or(NOTHING);
        table.row([standard.code.clone(), capitalized(title), scope.to_owned()]);
    }
    table
}

fn laser(material: &Material) -> Table<3> {
    let mut table = Table::new(["Parameter", "Typical", "Range"]);
    for setting in material.settings() {
        let typical = setting.typical_text().unwrap_or_else(|| NOTHING.to_owned());
        let range = setting.window_text().unwrap_or_else(|| "fixed".to_owned());
        table.row([label(&setting.quantity), typical, range]);
    }
    table
}

sdk::export!(Tables);

#[cfg(test)]
mod tests;
