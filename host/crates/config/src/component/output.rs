//! Where the files of a component go.

use serde::{Deserialize, Serialize};

use types::digest::Digest;

/// Path of a component's files below the output directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputTemplate {
    template: String,
    component: String,
    extension: String,
}

impl OutputTemplate {
    /// Reads a template; `component` and `extension` are filled in for good.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub(super) fn new(
        template: &str,
        component: &str,
        extension: &str,
    ) -> Result<OutputTemplate, String> {
        let mut rest = template;
        while let Some(start) = rest.find('{') {
            let Some((name, after)) = rest.get(start + 1..).and_then(|tail| tail.split_once('}'))
            else {
                return Err("a `{` is not closed".to_owned());
            };
            if !["component", "category", "shard", "id", "extension"].contains(&name) {
                return Err(format!("`{{{name}}}` is not known"));
            }
            rest = after;
        }
        if !template.contains("{id}") {
            return Err("it has no `{id}`, so all records would share one file".to_owned());
        }
        let parts = template.split('/');
        if template.contains('\\')
            || parts
                .into_iter()
                .any(|part| matches!(part, "" | "." | ".."))
        {
            return Err("it must stay below the output directory".to_owned());
        }
        Ok(OutputTemplate {
            template: template.to_owned(),
            component: component.to_owned(),
            extension: extension.to_owned(),
        })
    }

    /// The path of one record's file, with `/`. `{shard}` is the first two hexadecimal digits of the SHA-256 of
    /// the id: it spreads files evenly over 256 folders, and a record's stays the same for ever.
    pub fn path(&self, id: &str, category: &str) -> String {
        let path = self.pattern();
        let path = if path.contains("{shard}") {
            let shard = Digest::of(id.as_bytes()).seed() >> 56;
            path.replace("{shard}", &format!("{shard:02x}"))
        } else {
            path
        };
        path.replace("{category}", category).replace("{id}", id)
    }

    /// The directory of the files of a category, as far as it is the same for all its records.
    pub fn directory(&self, category: &str) -> String {
        let path = self.pattern().replace("{category}", category);
        let open = path.find('{').unwrap_or(path.len());
        let fixed = path.get(..open).unwrap_or_default();
        fixed
            .rsplit_once('/')
            .map_or_else(String::new, |(directory, _)| directory.to_owned())
    }

    /// Whether two records may have one path: no part between slashes is told apart by the id alone, so that the end of a category
    /// can pass for the beginning of an id.
    pub fn may_meet_itself(&self) -> bool {
        let pattern = self.pattern();
        let mut parts = pattern.split('/');
        !parts.any(|part| part.contains("{id}") && !part.contains("{category}"))
    }

    /// Whether a record may have the same path with this and with another template.
    pub fn may_meet(&self, other: &OutputTemplate) -> bool {
        let (one, other) = (self.pattern(), other.pattern());
        let (one, other) = (one.split('/'), other.split('/'));
        one.clone().count() == other.clone().count()
            && one
                .zip(other)
                .all(|(one, other)| parts_may_meet(one, other))
    }

    /// The same below a folder.
    pub(super) fn below(&self, folder: &str) -> OutputTemplate {
        OutputTemplate {
            template: format!("{folder}/{}", self.template),
            ..self.clone()
        }
    }

    /// The path with all that depends on the record still open.
    pub fn pattern(&self) -> String {
        self.template
            .replace("{component}", &self.component)
            .replace("{extension}", &self.extension)
    }
}

/// Whether two parts of paths may come out equal, as far as what they begin and end with tells.
fn parts_may_meet(one: &str, other: &str) -> bool {
    let fixed = |part: &str| {
        let first = part.find('{').unwrap_or(part.len());
        let last = part.rfind('}').map_or(0, |place| place + 1);
        let begin = part.get(..first).unwrap_or_default().to_owned();
        let end = part.get(last..).unwrap_or_default().to_owned();
        (begin, end)
    };
    if !one.contains('{') && !other.contains('{') {
        return one == other;
    }
    let ((begin, end), (other_begin, other_end)) = (fixed(one), fixed(other));
    (begin.starts_with(&other_begin) || other_begin.starts_with(&begin))
        && (end.ends_with(&other_end) || other_end.ends_with(&end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_path_names_the_record_and_stays_below() {
        let make = |template| OutputTemplate::new(template, "text", "md");
        let template = make("{component}/{category}/{id}-laser-cleaning.{extension}").unwrap();
        assert_eq!(
            template.path("oak", "wood"),
            "text/wood/oak-laser-cleaning.md"
        );
        // As `printf oak | sha256sum` says.
        let template = make("{component}/{shard}/{id}.{extension}").unwrap();
        assert_eq!(template.path("oak", "wood"), "text/df/oak.md");
        let mut files = [0; 256];
        for number in 0..100_000 {
            let path = template.path(&format!("record-{number}"), "c");
            let shard = path.split('/').nth(1).unwrap();
            files[usize::from_str_radix(shard, 16).unwrap()] += 1;
        }
        assert!(files.iter().all(|count| (250..550).contains(count)));
        for bad in [
            "{component}.md",
            "{component}/{shard}.md",
            "../{id}",
            "/{id}",
            "a//{id}",
            "{id}/{colour}",
            "{id",
            "a\\{id}",
        ] {
            assert!(make(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_meet_where_names_can_run_into_each_other() {
        let make = |template, component, extension| {
            OutputTemplate::new(template, component, extension).unwrap()
        };
        for (template, meets) in [
            ("{component}/{id}.{extension}", false),
            ("{category}/{shard}/{id}.{extension}", false),
            ("{shard}-{id}.{extension}", false),
            ("{category}-{id}.{extension}", true),
            ("{id}/{category}-{id}.{extension}", false),
            ("{category}{id}/index.{extension}", true),
        ] {
            let found = make(template, "text", "md").may_meet_itself();
            assert_eq!(found, meets, "{template}");
        }
        for (one, other, extensions, meets) in [
            ("text", "text-fr", ["md", "md"], true),
            ("text", "tags", ["md", "md"], false),
            ("text", "text-fr", ["md", "yaml"], false),
        ] {
            let [first, second] = extensions;
            let template = "{component}-{id}.{extension}";
            let (one, other) = (make(template, one, first), make(template, other, second));
            assert_eq!(one.may_meet(&other), meets, "{one:?} {other:?}");
            assert_eq!(other.may_meet(&one), meets, "{one:?} {other:?}");
        }
        let folders = "{component}/{id}.{extension}";
        assert!(!make(folders, "text", "md").may_meet(&make(folders, "text-fr", "md")));
    }
}
