//! Where the links of a text lead.

use percent_encoding::percent_decode_str;

use super::prose::{Link, Prose};

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a file, by its path from the folder that all paths begin at. Nobody knows of another target whether it is there.
    File(String),
    /// To a place in the same text, to a path from the root of the site, or to another site.
    Elsewhere,
    /// Out of the folder that all paths begin at.
    Outside,
}

impl Link {
    /// Where the link leads from a text at `path`. `/` divides both paths.
    pub fn from(&self, path: &str) -> Target {
        let end = self.target.find(['#', '?']).unwrap_or(self.target.len());
        let relative =
            percent_decode_str(self.target.get(..end).unwrap_or_default()).decode_utf8_lossy();
        if relative.is_empty() || relative.starts_with('/') || has_scheme(&relative) {
            return Target::Elsewhere;
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut parts: Vec<&str> = Vec::new();
        for part in folder.split('/').chain(relative.split('/')) {
            match part {
                "" | "." => {}
                ".." if parts.pop().is_none() => return Target::Outside,
                ".." => {}
                part => parts.push(part),
            }
        }
        Target::File(parts.join("/"))
    }
}

/// The links of a text at `path` that lead to no file. `is_there` tells of a path whether it is a file or a folder.
pub fn missing<'a>(
    prose: &'a Prose,
    path: &str,
    is_there: &dyn Fn(&str) -> bool,
) -> impl Iterator<Item = &'a Link> {
    prose
        .links()
        .iter()
        .filter(move |link| match link.from(path) {
            Target::File(file) => !is_there(&file),
            Target::Outside => true,
            Target::Elsewhere => false,
        })
}

/// Whether an address begins with the name of a protocol, as `https:` or `mailto:`.
fn has_scheme(address: &str) -> bool {
    let Some((scheme, _)) = address.split_once(':') else {
        return false;
    };
    scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Form;

    fn target(written: &str) -> Target {
        let link = Link {
            target: written.to_owned(),
            block: 0,
        };
        link.from("text/en/oak.md")
    }

    #[test]
    fn a_relative_link_begins_in_the_folder_of_its_text() {
        let cases = [
            ("elm.md", "text/en/elm.md"),
            ("./elm.md#bark", "text/en/elm.md"),
            ("../de/elm.md?x=1", "text/de/elm.md"),
            ("../../tags//a%20b.md", "tags/a b.md"),
            ("100%/x%zz", "text/en/100%/x%zz"),
            ("a/b:c", "text/en/a/b:c"),
        ];
        for (written, file) in cases {
            assert_eq!(target(written), Target::File(file.to_owned()), "{written}");
        }
        assert_eq!(target("../../../x.md"), Target::Outside);
        for written in [
            "#bark",
            "",
            "/x.md",
            "//a.org/x",
            "https://a.org",
            "mailto:a@b.c",
            "?x",
        ] {
            assert_eq!(target(written), Target::Elsewhere, "{written}");
        }
    }

    #[test]
    fn links_of_both_formats_are_found() {
        let text = "[a](one.md) ![b](two.png) [c][d] <a href=\"three.md\">e</a> `[f](no.md)`\n\n[d]: four.md\n\n\
                    <img\n src='five.png'>\n";
        let prose = Prose::of(text, Form::Markdown);
        let found: Vec<&str> = prose
            .links()
            .iter()
            .map(|link| link.target.as_str())
            .collect();
        assert_eq!(
            found,
            ["one.md", "two.png", "four.md", "three.md", "five.png"]
        );
        let absent = missing(&prose, "oak.md", &|path| {
            path != "two.png" && path != "three.md"
        });
        let absent: Vec<&str> = absent.map(|link| link.target.as_str()).collect();
        assert_eq!(absent, ["two.png", "three.md"]);
    }
}
