//! A Markdown card of whoever signs the page: the desk of the record's category, or the site where
//! the category has none. Never a person. Nothing here asks a model.

use materials::material::{Category, Desk};
use sdk::{Component, Failure, Input, markdown};

/// The `author` component.
pub struct Author;

impl Component for Author {
    fn generate(input: &Input) -> Result<String, Failure> {
        let category: Category = input.category_fields()?;
        Ok(match &category.desk {
            Some(desk) => card(desk),
            None => format!("**{}**\n", markdown::inline(&input.site().name)),
        })
    }
}

/// Name and title, then the profile, then what the desk knows, as far as they are there.
fn card(desk: &Desk) -> String {
    let mut lead = format!("**{}**", markdown::inline(&desk.name));
    if let Some(title) = said(desk.title.as_deref()) {
        lead.push_str(&format!(" · {title}"));
    }
    let expertise = desk.expertise.iter().filter_map(|item| said(Some(item)));
    let expertise: Vec<String> = expertise
        .map(|item| format!("- {}", markdown::capitalized(&item)))
        .collect();
    let blocks = [
        Some(lead),
        said(desk.profile.as_deref()),
        (!expertise.is_empty()).then(|| expertise.join("\n")),
    ];
    let blocks: Vec<String> = blocks.into_iter().flatten().collect();
    format!("{}\n", blocks.join("\n\n"))
}

fn said(text: Option<&str>) -> Option<String> {
    text.map(markdown::inline).filter(|text| !text.is_empty())
}

sdk::export!(Author);

#[cfg(test)]
mod tests;
