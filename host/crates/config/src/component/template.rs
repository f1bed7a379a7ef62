//! Checks a template before it is used: its syntax, and that what it names is there. It fills none: the plugin does.

use minijinja::Environment;

use crate::matrix::{VARIANT, Variant};
use plugin::manifest::{Fields, InputFields};
use types::suggest::closest;

/// What a template may begin a name with.
const ROOTS: [&str; 4] = ["record", "category", "upstream", "site"];
/// Functions of the template language, which it lists with the names.
const FUNCTIONS: [&str; 4] = ["range", "dict", "namespace", "debug"];
/// Of every record, whatever is asked for.
const OF_RECORD: [&str; 3] = ["id", "name", "category"];
/// Of every category.
const OF_CATEGORY: [&str; 1] = ["id"];
/// Of every upstream.
const OF_UPSTREAM: [&str; 2] = ["text", "data"];
/// Of the site.
const OF_SITE: [&str; 3] = ["base_url", "name", "locale"];

/// Why a template cannot be filled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    pub cause: String,
    pub hint: String,
}

/// Checks a template of a component that is given these fields, depends on these components, and is made for these values.
///
/// # Errors
/// Place and cause.
pub(super) fn check(
    text: &str,
    input: &InputFields,
    depends_on: &[String],
    variant: Option<&Variant>,
) -> Result<(), Fault> {
    let environment = Environment::new();
    let template = environment.template_from_str(text).map_err(|error| Fault {
        line: error.line(),
        cause: in_words(&error),
        hint: format!(
            "it is a Jinja template: {{{{ record.name }}}} puts a value in, {{% if {} %}}...{{% endif %}} asks whether \
             there is one",
            example(input)
        ),
    })?;
    let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    names.sort();
    for name in names {
        if let Some(mut fault) = unknown(&name, input, depends_on, variant) {
            fault.line = line(text, &name);
            return Err(fault);
        }
    }
    Ok(())
}

/// A field that the component is given.
fn example(input: &InputFields) -> String {
    let field = match &input.record {
        Fields::Named(names) => names.first().map_or("name", String::as_str),
        Fields::All(_) => "name",
    };
    let plain = field
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if plain && !field.starts_with(|first: char| first.is_ascii_digit()) {
        format!("record.{field}")
    } else {
        format!("record[\"{field}\"]")
    }
}

fn in_words(error: &minijinja::Error) -> String {
    error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned)
}

/// The line, from 1, in which a name occurs first.
fn line(text: &str, name: &str) -> Option<usize> {
    text.lines()
        .position(|line| line.contains(name))
        .map(|index| index + 1)
}

/// What is wrong with a name, dots and all.
fn unknown(
    name: &str,
    input: &InputFields,
    depends_on: &[String],
    variant: Option<&Variant>,
) -> Option<Fault> {
    let mut parts = name.split('.');
    let root = parts.next()?;
    if FUNCTIONS.contains(&root) {
        return None;
    }
    if root == VARIANT
        && let Some(variant) = variant
    {
        let known: Vec<&str> = variant.names().collect();
        return not_among(parts.next()?, &known, VARIANT);
    }
    if !ROOTS.contains(&root) {
        let meant =
            closest(root, ROOTS.into_iter()).map(|meant| format!("did you mean `{meant}`? "));
        return Some(Fault {
            line: None,
            cause: format!("there is no `{root}`"),
            hint: format!(
                "{}A template has: {}",
                meant.unwrap_or_default(),
                ROOTS.join(", ")
            ),
        });
    }
    let part = parts.next()?;
    match root {
        "record" => not_given(part, &OF_RECORD, &input.record, "record"),
        "category" => not_given(part, &OF_CATEGORY, &input.category, "category"),
        "site" => not_among(part, &OF_SITE, "site"),
        _ if !depends_on.iter().any(|known| known == part) => Some(Fault {
            line: None,
            cause: format!("the component does not depend on `{part}`"),
            hint: format!("add \"{part}\" to its depends-on"),
        }),
        _ => parts
            .next()
            .and_then(|field| not_among(field, &OF_UPSTREAM, &format!("upstream.{part}"))),
    }
}

fn not_given(field: &str, always: &[&str], fields: &Fields, of: &str) -> Option<Fault> {
    (!always.contains(&field) && !fields.has(field)).then(|| Fault {
        line: None,
        cause: format!("the component is not given the field `{field}` of the {of}"),
        hint: format!("add \"{field}\" to what it is given: to `{of}` of its `input`"),
    })
}

fn not_among(field: &str, known: &[&str], of: &str) -> Option<Fault> {
    (!known.contains(&field)).then(|| Fault {
        line: None,
        cause: format!("`{of}` has no `{field}`"),
        hint: format!("it has: {}", known.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), Fault> {
        let input = InputFields {
            record: Fields::Named(vec!["laser".to_owned()]),
            ..InputFields::default()
        };
        super::check(
            text,
            &input,
            &["frontmatter".to_owned(), "safety-notes".to_owned()],
            None,
        )
    }

    #[test]
    fn what_a_component_is_given_may_be_named() {
        for good in [
            "Plain text",
            "{{ record.name }} {{ record.laser.power_w }} {{ category.id }} {{ site.name }}",
            "{% for key, value in record.laser | items %}{{ loop.index }} {{ key }}{% endfor %}",
            "{{ upstream.frontmatter.data.title }} {{ upstream['safety-notes'].text }}",
            "{% set n = record.id %}{{ n }}{% for i in range(3) %}{{ i }}{% endfor %}",
            "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(record.name) }}",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_fault_names_line_cause_and_what_to_do() {
        for (bad, line, cause, hint) in [
            ("a\n{{ record.name }", 2, "", "Jinja"),
            ("{% if record.name %}", 1, "", "Jinja"),
            (
                "a\n\n{{ recrd.name }}",
                3,
                "there is no `recrd`",
                "did you mean `record`?",
            ),
            (
                "{{ record.formula }}",
                1,
                "not given the field `formula` of the record",
                "add \"formula\" to what it is given: to `record`",
            ),
            (
                "{{ category.name }}",
                1,
                "field `name` of the category",
                "add \"name\" to what it is given: to `category`",
            ),
            (
                "{{ upstream.text.data }}",
                1,
                "does not depend on `text`",
                "depends-on",
            ),
            (
                "{{ upstream.frontmatter.title }}",
                1,
                "`upstream.frontmatter` has no `title`",
                "text, data",
            ),
        ] {
            let fault = check(bad).unwrap_err();
            assert!(
                fault.line == Some(line)
                    && fault.cause.contains(cause)
                    && fault.hint.contains(hint),
                "{bad}: {fault:?}"
            );
        }
    }
}
