//! What a person should know of who wrote the files: placeholders of the offline stand-in, and files that stay though
//! something changed.

use super::program;
use engine::Plan;
use engine::statistics::AuthorCount;
use gateway::providers::offline;

/// What a run says at its end, one line for each kind; nothing where there is nothing to know.
pub(super) fn after_run(count: &AuthorCount) -> String {
    let mut text = kept(count);
    match count.placeholders {
        0 => {}
        1 => text.push_str(&format!("1 file was {PLACEHOLDERS}")),
        some => text.push_str(&format!("{some} files were {PLACEHOLDERS}")),
    }
    text
}

/// What a dry run says.
pub(super) fn ahead(plan: &Plan) -> String {
    let mut count = AuthorCount::default();
    for component in &plan.components {
        count.accepted_kept += component.accepted;
        count.kept_from_stand_in += component.kept_from_stand_in;
        if component.model.as_deref() == Some(offline::NAME) {
            count.placeholders += component.to_make + component.depends_on_upstream;
        }
    }
    let mut text = kept(&count);
    match count.placeholders {
        0 => {}
        1 => text.push_str(&format!("1 file would be {PLACEHOLDERS}")),
        some => text.push_str(&format!("{some} files would be {PLACEHOLDERS}")),
    }
    text
}

const PLACEHOLDERS: &str = "written by the offline stand-in: placeholder text, not for publishing\n  \
    --model provider/model, or `model` in batchgen.toml, names a real model\n";

fn kept(count: &AuthorCount) -> String {
    let name = program::name();
    let mut text = String::new();
    let files = match count.kept_from_stand_in {
        0 => None,
        1 => Some("1 file of a real model is kept from the offline stand-in".to_owned()),
        some => Some(format!(
            "{some} files of a real model are kept from the offline stand-in"
        )),
    };
    if let Some(files) = files {
        text.push_str(&format!(
            "{files}\n  --model provider/model makes them again; `--model offline` replaces them by placeholders\n"
        ));
    }
    let edits = match count.accepted_kept {
        0 => None,
        1 => Some("1 accepted edit is kept, though what it was made from changed".to_owned()),
        some => Some(format!(
            "{some} accepted edits are kept, though what they were made from changed"
        )),
    };
    if let Some(edits) = edits {
        text.push_str(&format!(
            "{edits}\n  `{name} accept` confirms them; `{name} run --overwrite-edited` replaces them, and the state keeps \
             their texts\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_where_there_is_any() {
        assert_eq!(after_run(&AuthorCount::default()), "");
        let one = AuthorCount {
            placeholders: 1,
            kept_from_stand_in: 1,
            accepted_kept: 1,
        };
        let many = AuthorCount {
            placeholders: 20,
            kept_from_stand_in: 30,
            accepted_kept: 40,
        };
        let text = (after_run(&one) + &after_run(&many)).replace(program::name(), "batchgen");
        insta::assert_snapshot!(text, @r#"
        1 file of a real model is kept from the offline stand-in
          --model provider/model makes them again; `--model offline` replaces them by placeholders
        1 accepted edit is kept, though what it was made from changed
          `batchgen accept` confirms them; `batchgen run --overwrite-edited` replaces them, and the state keeps their texts
        1 file was written by the offline stand-in: placeholder text, not for publishing
          --model provider/model, or `model` in batchgen.toml, names a real model
        30 files of a real model are kept from the offline stand-in
          --model provider/model makes them again; `--model offline` replaces them by placeholders
        40 accepted edits are kept, though what they were made from changed
          `batchgen accept` confirms them; `batchgen run --overwrite-edited` replaces them, and the state keeps their texts
        20 files were written by the offline stand-in: placeholder text, not for publishing
          --model provider/model, or `model` in batchgen.toml, names a real model
        "#);
    }
}
