//! Which fields of a dataset are id, name and category, and why: by what they hold first, by their names second.

mod names;

use std::path::Path;

use anyhow::bail;

use crate::cli::numbers::counted;
use dataset::{Field, Format, Survey, safe_id};
use types::suggest::closest;

pub(in crate::cli) use names::is_fact;
use names::{CATEGORIES, DERIVED, IDS, NAMES, QUESTIONS, fit, rank};
/// Most categories where no name speaks for a field.
const FEW: usize = 30;
/// Most categories at all.
const MANY: usize = 300;
/// With fewer records, one category that two of them share is enough for a field of that name.
const HANDFUL: u64 = 10;
/// Characters of a text that may be a name, on average and at most.
const NAME_MEAN: u64 = 80;
const NAME_LONGEST: usize = 200;
/// Characters of an id, on average.
const ID_MEAN: u64 = 60;
/// Fields that the first component is given.
pub(in crate::cli) const GIVEN: usize = 8;
/// Longest text that it is given.
const GIVEN_LONGEST: usize = 4000;

/// Fields that the user names.
pub(super) struct Wish<'a> {
    pub id: Option<&'a str>,
    pub name: Option<&'a str>,
    pub category: Option<&'a str>,
}

/// What is proposed.
#[derive(Debug)]
pub(super) struct Proposal {
    pub id: Chosen,
    pub name: Chosen,
    /// `None` where no field is like a category.
    pub category: Option<Chosen>,
    /// Category of records without one.
    pub default_category: Option<String>,
    /// Whether ids and categories have to be made safe as file names.
    pub safe_ids: bool,
    /// What progress calls the records.
    pub noun: String,
    /// Fields that the first component is given.
    pub given: Vec<String>,
    /// Columns that hold numbers and other texts, and so are texts throughout.
    pub texts: Vec<String>,
    /// Fields that were likelier by their names, and why they were not chosen.
    pub passed: Vec<Passed>,
    why_default: String,
}

/// A field that was passed over.
#[derive(Debug)]
pub(super) struct Passed {
    pub role: &'static str,
    pub field: String,
    pub why: String,
}

/// A field and why it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub field: String,
    pub why: String,
}

impl Proposal {
    /// Proposes.
    ///
    /// # Errors
    /// No field can be the id, or one that the user names cannot be what it is named for.
    pub fn of(survey: &Survey, wish: &Wish<'_>) -> anyhow::Result<Proposal> {
        let id = id(survey, wish.id)?;
        let name = name(survey, wish.name, &id)?;
        let category = category(survey, wish.category, [&id.field, &name.field])?;
        let field = |chosen: &Chosen| survey.field(&chosen.field);
        let noun = noun(survey);
        let unsafe_id = field(&id).is_some_and(|field| !field.safe);
        let chosen = category.as_ref().and_then(field);
        let partly = chosen.is_some_and(|field| field.filled < survey.records);
        let (default_category, why_default) = match (&chosen, partly) {
            (None, _) => (
                Some(safe_id(&noun)),
                "no field has few values that many records share; all records are in one"
                    .to_owned(),
            ),
            (Some(field), true) => (
                Some("other".to_owned()),
                match survey.records - field.filled {
                    1 => "one record has none".to_owned(),
                    some => format!("{some} records have none"),
                },
            ),
            (Some(_), false) => (None, String::new()),
        };
        let mut given = given(survey, &id, &name, category.as_ref());
        // The category becomes a file name; the model is to see it as it is written.
        given.extend(
            category
                .iter()
                .filter(|_| chosen.is_some_and(|field| !field.safe))
                .map(|category| category.field.clone()),
        );
        let passed = passed(survey, wish, &id, category.as_ref());
        Ok(Proposal {
            texts: texts(survey, [Some(&id), Some(&name), category.as_ref()]),
            passed,
            safe_ids: unsafe_id || chosen.is_some_and(|field| !field.safe || field.numbers > 0),
            id,
            name,
            category,
            default_category,
            noun,
            given,
            why_default,
        })
    }

    /// Role, field and reason of each choice.
    pub fn reasons(&self) -> Vec<(&'static str, String, &str)> {
        let quoted = |chosen: &Chosen| format!("`{}`", chosen.field);
        let mut reasons = vec![
            ("id", quoted(&self.id), self.id.why.as_str()),
            ("name", quoted(&self.name), self.name.why.as_str()),
        ];
        if let Some(category) = &self.category {
            reasons.push(("category", quoted(category), &category.why));
        }
        if let Some(default) = &self.default_category {
            reasons.push(("category", format!("{default:?}"), &self.why_default));
        }
        reasons
    }
}

fn mean(field: &Field) -> u64 {
    field
        .characters
        .checked_div(field.texts + field.numbers)
        .unwrap_or(0)
}

/// Whether more than a few records lack a field. Those that lack their id fail, and cost no other.
fn lack_it(field: &Field, survey: &Survey) -> bool {
    let empty = survey.records - field.filled;
    survey.grouped_by.is_none() && empty * 10 > survey.records
}

/// Why a field cannot be the id; nothing where it can.
fn no_id(field: &Field, survey: &Survey) -> Option<String> {
    let empty = survey.records - field.filled;
    if field.texts + field.numbers < field.filled {
        Some("it holds other things than texts and integers".to_owned())
    } else if lack_it(field, survey) {
        Some(format!(
            "it is missing or empty in {empty} of {} records",
            survey.records
        ))
    } else if let Some(repeated) = &field.repeated {
        let (first, second) = (repeated.first_line, repeated.second_line);
        Some(match &repeated.becomes {
            None => format!(
                "lines {first} and {second} have the same, {:?}",
                repeated.value
            ),
            Some(name) => format!("lines {first} and {second} become the same file name, {name}"),
        })
    } else {
        (field.longest > 128).then(|| format!("it has up to {} characters", field.longest))
    }
}

fn id(survey: &Survey, wish: Option<&str>) -> anyhow::Result<Chosen> {
    if let Some(name) = wish {
        if let Some(cause) = no_id(wished(survey, name)?, survey) {
            bail!(
                "the field `{name}` cannot be the id: {cause}\nhint: an id is different in every record and at most 128 characters long"
            );
        }
        return Ok(Chosen::wished(name));
    }
    // Where rows belong together by a field, no other one is the id.
    let is_group = |field: &Field| {
        let group = survey.grouped_by.as_ref();
        group.is_none_or(|group| *group == field.name)
    };
    let able = survey
        .fields
        .iter()
        .enumerate()
        .filter(|(_, field)| is_group(field))
        .filter(|(_, field)| no_id(field, survey).is_none() && mean(field) <= ID_MEAN);
    let score = |index: usize, field: &Field| {
        let named = fit(&field.name, IDS).max(fit(&field.name, NAMES) / 4);
        let by_name = named.max(fit(&field.name, QUESTIONS) / 8);
        let derived = named == 0 && fit(&field.name, DERIVED) > 0;
        (
            field.filled == survey.records,
            !derived,
            by_name + 5 * u64::from(field.safe),
            std::cmp::Reverse(index),
        )
    };
    let best = able.max_by_key(|(index, field)| score(*index, field));
    let Some((_, field)) = best else {
        let tried: Vec<String> = nearest(survey)
            .into_iter()
            .filter_map(|field| Some(format!("\n  `{}`: {}", field.name, no_id(field, survey)?)))
            .collect();
        bail!(
            "no field of {} can be the id, which must be different in every record:{}\nhint: add a field to every record \
             that numbers or names it, as in `id`, or fix the values above; then run `batchgen init` again",
            survey.config,
            tried.join("")
        );
    };
    Ok(Chosen {
        field: field.name.clone(),
        why: format!(
            "different in {}{}{}",
            match field.filled {
                1 => "the only record".to_owned(),
                some => format!("each of the {some} records"),
            },
            match survey.records - field.filled {
                0 => String::new(),
                1 => " that have it; one has none, and fails".to_owned(),
                some => format!(" that have it; {some} have none, and fail"),
            },
            if field.safe {
                ""
            } else {
                "; made safe as a file name"
            }
        ),
    })
}

/// The fields that come closest to an id, for the message.
fn nearest(survey: &Survey) -> Vec<&Field> {
    let mut fields: Vec<&Field> = survey.fields.iter().collect();
    fields.sort_by_key(|field| {
        std::cmp::Reverse((
            fit(&field.name, IDS).max(fit(&field.name, NAMES)),
            field.filled,
        ))
    });
    fields.truncate(4);
    fields
}

fn name(survey: &Survey, wish: Option<&str>, id: &Chosen) -> anyhow::Result<Chosen> {
    let able = |field: &Field| {
        field.texts + field.numbers == survey.records && field.longest <= NAME_LONGEST
    };
    if let Some(name) = wish {
        if !able(wished(survey, name)?) && name != id.field {
            bail!(
                "the field `{name}` cannot be the name\nhint: a name is a text or a number of at most {NAME_LONGEST} characters in every \
                 record"
            );
        }
        return Ok(Chosen::wished(name));
    }
    // A field that is called so is the name even where some records lack it: these fail, and cost no other.
    let able_by_name = |field: &Field| {
        fit(&field.name, NAMES) > 0
            && field.texts + field.numbers == field.filled
            && field.filled * 2 > survey.records
            && field.longest <= NAME_LONGEST
    };
    let best = survey
        .fields
        .iter()
        .filter(|field| able(field) || able_by_name(field))
        .filter(|field| mean(field) <= NAME_MEAN && field.name != id.field)
        .filter(|field| field.numbers * 2 < survey.records || fit(&field.name, NAMES) > 0)
        .enumerate()
        .map(|(index, field)| (fit(&field.name, NAMES), index, field))
        .max_by_key(|(score, index, field)| (*score, field.filled, std::cmp::Reverse(*index)))
        .map(|(score, _, field)| (score, field));
    let by_id = fit(&id.field, NAMES);
    Ok(match best {
        Some((score, field)) if score > by_id => Chosen {
            field: field.name.clone(),
            why: match survey.records - field.filled {
                0 => "called so, and a text in every record".to_owned(),
                _ if survey.grouped_by.is_some() => "called so".to_owned(),
                1 => "called so; one record has none, and fails".to_owned(),
                some => format!("called so; {some} records have none, and fail"),
            },
        },
        _ if by_id > 0 => Chosen {
            field: id.field.clone(),
            why: "called so, and a text in every record".to_owned(),
        },
        _ => Chosen {
            field: id.field.clone(),
            why: "the id again, since no other field looks like a name".to_owned(),
        },
    })
}

fn category(
    survey: &Survey,
    wish: Option<&str>,
    taken: [&String; 2],
) -> anyhow::Result<Option<Chosen>> {
    let able = |field: &Field| {
        field.filled > 0 && field.texts + field.numbers == field.filled && field.values.is_some()
    };
    if let Some(name) = wish {
        if !able(wished(survey, name)?) {
            bail!(
                "the field `{name}` cannot be the category\nhint: a category is a short text or an integer, with at most a \
                 thousand different ones"
            );
        }
        return Ok(Some(Chosen::wished(name)));
    }
    let score = |field: &Field| {
        let values = field.values.as_ref()?;
        let facts = &survey.category_facts;
        if !facts.is_empty() {
            let all_known = values.keys().all(|value| facts.contains(value));
            return (all_known && field.filled == survey.records).then_some(1000);
        }
        let (different, filled) = (values.len() as u64, field.filled);
        let shared = different * 2 <= filled;
        let by_name = rank(&field.name, CATEGORIES);
        let good = if by_name > 0 {
            // Of a handful of records, few can share one.
            let shared = shared || filled < HANDFUL && different < filled;
            shared && different as usize <= MANY && filled * 2 >= survey.records
        } else {
            shared
                && different > 1
                && different as usize <= FEW
                && filled == survey.records
                && field.numbers == 0
        };
        good.then_some(by_name)
    };
    let best = survey
        .fields
        .iter()
        .enumerate()
        .filter(|(_, field)| able(field) && !taken.contains(&&field.name))
        .filter_map(|(index, field)| Some((score(field)?, std::cmp::Reverse(index), field)))
        .max_by_key(|(score, index, _)| (*score, *index));
    Ok(best.map(|(_, _, field)| {
        let different = field
            .values
            .as_ref()
            .map_or(0, std::collections::BTreeMap::len);
        let each = field.filled.checked_div(different as u64).unwrap_or(0);
        let joined = field
            .joined
            .as_ref()
            .map(|(one, other)| format!("; {one:?} and {other:?} become one, {}", safe_id(one)));
        Chosen {
            field: field.name.clone(),
            why: format!(
                "{different} different {}, about {} each{}",
                if different == 1 { "value" } else { "values" },
                counted(each, "record"),
                joined.unwrap_or_default()
            ),
        }
    }))
}

fn wished<'a>(survey: &'a Survey, name: &str) -> anyhow::Result<&'a Field> {
    if let Some(field) = survey.field(name) {
        return Ok(field);
    }
    let names = || survey.fields.iter().map(|field| field.name.as_str());
    let meant = closest(name, names())
        .map(|meant| format!("did you mean `{meant}`? "))
        .unwrap_or_default();
    bail!(
        "no record has a field `{name}`\nhint: {meant}the fields are: {}",
        names().collect::<Vec<_>>().join(", ")
    )
}

impl Chosen {
    fn wished(name: &str) -> Chosen {
        Chosen {
            field: name.to_owned(),
            why: "as you said".to_owned(),
        }
    }
}

/// What progress calls the records: the key that they lie under, or the file's name where that is a word in the plural.
fn noun(survey: &Survey) -> String {
    let key = &survey.config.records;
    let path = survey.config.path.iter().next().unwrap_or(Path::new(""));
    // What a file is packed with is no part of its name.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default().to_lowercase();
    let word = stem.len() > 2
        && (stem.ends_with('s') || stem == "people")
        && stem
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if key == "records" && word && stem != "data" {
        stem
    } else {
        key.clone()
    }
}

/// The field by which rows belong together, where the rows of a record follow one another and no other field tells
/// records apart: a shop lists the variants of a product so.
pub(super) fn grouping(survey: &Survey, wish: Option<&str>) -> Option<String> {
    let is_group = |field: &Field| {
        let plain = field
            .repeated
            .as_ref()
            .is_some_and(|twice| twice.becomes.is_none());
        plain && field.is_grouped && !lack_it(field, survey) && is_named_by_group(field, survey)
    };
    if let Some(name) = wish {
        return survey
            .field(name)
            .filter(|field| is_group(field))
            .map(|field| field.name.clone());
    }
    let able = survey.fields.iter();
    let able = able.filter(|field| no_id(field, survey).is_none() && mean(field) <= ID_MEAN);
    let best_able = able.map(|field| fit(&field.name, IDS)).max().unwrap_or(0);
    let groups = survey.fields.iter().filter(|field| is_group(field));
    groups
        .map(|field| (fit(&field.name, IDS), field))
        .filter(|(fit, _)| *fit > best_able)
        .max_by_key(|(fit, _)| *fit)
        .map(|(_, field)| field.name.clone())
}

/// Whether the rows with the same value of a field name one thing: once, or each time in the same way.
fn is_named_by_group(group: &Field, survey: &Survey) -> bool {
    let named = survey
        .fields
        .iter()
        .map(|field| (fit(&field.name, NAMES), field))
        .filter(|(fit, field)| *fit > 0 && field.name != group.name)
        .max_by_key(|(fit, _)| *fit);
    let things = group
        .values
        .as_ref()
        .map_or(survey.records.saturating_sub(1), |values| {
            values.len() as u64
        });
    named.is_some_and(|(_, name)| {
        let is_same = name.is_grouped && name.repeated.is_some();
        let without = survey.records - group.filled;
        name.filled <= things + without || is_same
    })
}

/// Fields whose names are likelier for a role than that which was chosen.
fn passed(survey: &Survey, wish: &Wish<'_>, id: &Chosen, category: Option<&Chosen>) -> Vec<Passed> {
    let mut passed = Vec::new();
    let mut pass = |role, field: &Field, why: String| {
        passed.push(Passed {
            role,
            field: field.name.clone(),
            why,
        });
    };
    for field in survey.fields.iter().filter(|_| wish.id.is_none()) {
        let likelier = fit(&field.name, IDS) > fit(&id.field, IDS);
        if let (true, Some(why)) = (likelier, no_id(field, survey)) {
            pass("id", field, why);
        }
    }
    let chosen = category.map_or(0, |category| rank(&category.field, CATEGORIES));
    for field in survey.fields.iter().filter(|_| wish.category.is_none()) {
        if rank(&field.name, CATEGORIES) > chosen {
            pass("category", field, no_category(field, survey));
        }
    }
    passed
}

/// Why a field whose name is like a category's is none.
fn no_category(field: &Field, survey: &Survey) -> String {
    if field.texts + field.numbers < field.filled {
        return "it holds other things than texts".to_owned();
    }
    if field.filled * 2 < survey.records {
        return format!(
            "it is missing or empty in {} of {} records",
            survey.records - field.filled,
            survey.records
        );
    }
    match &field.values {
        None => "it has too many different values".to_owned(),
        Some(values) => format!(
            "it has {} different values in {} records",
            values.len(),
            survey.records
        ),
    }
}

/// Columns of a table that hold both numbers and other texts: codes with a leading zero, amounts with their unit.
fn texts(survey: &Survey, taken: [Option<&Chosen>; 3]) -> Vec<String> {
    if survey.format != Format::Csv {
        return Vec::new();
    }
    let is_taken = |field: &Field| {
        let mut taken = taken.into_iter().flatten();
        taken.any(|chosen| chosen.field == field.name)
    };
    let mixed = survey
        .fields
        .iter()
        .filter(|field| field.texts > 0 && field.numbers > 0 && !is_taken(field));
    mixed.map(|field| field.name.clone()).collect()
}

fn given(survey: &Survey, id: &Chosen, name: &Chosen, category: Option<&Chosen>) -> Vec<String> {
    let taken: Vec<&str> = [Some(id), Some(name), category]
        .into_iter()
        .flatten()
        .map(|chosen| chosen.field.as_str())
        .collect();
    let useful = survey.fields.iter().filter(|field| {
        field.filled * 2 >= survey.records
            && field.longest <= GIVEN_LONGEST
            && !taken.contains(&field.name.as_str())
            && is_fact(&field.name)
    });
    useful.map(|field| field.name.clone()).take(GIVEN).collect()
}

#[cfg(test)]
mod tests;
