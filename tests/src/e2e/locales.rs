//! A component that is made for each locale: its files, what depends on them, and what a change makes again.

use crate::scene::Scene;

const DESCRIPTION: &str = "---
for-each: locale
input: {record: [contaminants]}
---

Describe {{ record.name }} in the language of {{ site.locale }}, which is {{ variant.locale }}.
";

const TEASER: &str = "---
for-each: [locale, tone]
depends-on: [description]
---

Write a {{ variant.tone }} teaser for this: {{ upstream.description.text }}
";

fn scene() -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    scene.write("components/description.md", DESCRIPTION);
    scene.configure("[matrix]\nlocale = [\"en_US\", \"de_DE\"]\n");
    scene.replace("batchgen.toml", "[plugins]", "[plugins]\nimplicit = false");
    scene.replace(
        "batchgen.toml",
        "path = \"{component}/{id}-laser-cleaning.{extension}\"",
        "path = \"{locale}/{component}/{id}.{extension}\"",
    );
    scene
}

fn files(scene: &Scene) -> Vec<String> {
    scene.content().into_keys().collect()
}

#[test]
fn a_new_locale_makes_only_its_own_files() {
    let scene = scene();
    scene.run(&["--record", "oak"]).ended(0);
    assert_eq!(
        files(&scene),
        ["de_DE/description/oak.md", "en_US/description/oak.md"]
    );
    scene.replace("batchgen.toml", "\"de_DE\"]", "\"de_DE\", \"fr_FR\"]");
    let ran = scene.run(&["--record", "oak", "--component", "description"]);
    assert_eq!(ran.ended(0).summary().made(), ["description-fr-fr"]);
    let asked = scene.host(&["replay", "oak", "description-fr-fr", "--prompts"]);
    let asked = asked.ended(0).stdout;
    assert!(
        asked.contains("in the language of fr_FR, which is fr_FR."),
        "{asked}"
    );
    scene.replace("batchgen.toml", ", \"fr_FR\"]", "]");
    let listed = scene.host(&["clean"]).ended(0).stdout;
    assert!(listed.contains("fr_FR/description/oak.md"), "{listed}");
}

/// Each teaser reads the description in its own locale, so that an edit of one locale makes nothing of the other again.
#[test]
fn what_depends_on_a_locale_reads_that_locale() {
    let scene = scene();
    scene.write("components/teaser.md", TEASER);
    scene.replace(
        "batchgen.toml",
        "[matrix]",
        "[matrix]\ntone = [\"dry\", \"warm\"]",
    );
    scene.replace(
        "components/teaser.md",
        "depends-on",
        "output: \"{locale}/{component}/{tone}/{id}.{extension}\"\ndepends-on",
    );
    scene.run(&["--record", "oak"]).ended(0);
    let teasers = files(&scene);
    let of_teaser = |file: &&String| file.contains("teaser");
    assert_eq!(
        teasers.iter().filter(of_teaser).collect::<Vec<_>>(),
        [
            "de_DE/teaser/dry/oak.md",
            "de_DE/teaser/warm/oak.md",
            "en_US/teaser/dry/oak.md",
            "en_US/teaser/warm/oak.md",
        ]
    );
    let edited = "Oak, wie es ein Mensch beschreibt.\n";
    scene.write("content/de_DE/description/oak.md", edited);
    let ran = scene.run(&["--record", "oak"]).ended(0);
    assert_eq!(
        ran.summary().made(),
        ["teaser-de-de-dry", "teaser-de-de-warm"]
    );
    let asked = scene.host(&["replay", "oak", "teaser-de-de-dry", "--prompts"]);
    let asked = asked.ended(0).stdout;
    assert!(
        asked.contains("Write a dry teaser for this: Oak, wie es ein Mensch"),
        "{asked}"
    );
}

#[test]
fn a_translation_depends_on_the_first_locale_and_that_on_nothing() {
    let scene = scene();
    scene.write(
        "components/description.md",
        "---\nfor-each: locale\ndepends-on: [description-en-us]\n---\n\n\
         {% if upstream[\"description-en-us\"] %}Translate into {{ site.locale }}: \
         {{ upstream[\"description-en-us\"].text }}{% else %}Describe {{ record.name }}.{% endif %}\n",
    );
    scene.run(&["--record", "oak"]).ended(0);
    let english = scene.content()["en_US/description/oak.md"].clone();
    let asked = |component| {
        let asked = scene.host(&["replay", "oak", component, "--prompts"]);
        asked.ended(0).stdout
    };
    let first = asked("description-en-us");
    assert!(first.contains("Describe Oak."), "{first}");
    let second = asked("description-de-de");
    let begin: String = english.chars().take(40).collect();
    assert!(
        second.contains("Translate into de_DE: ") && second.contains(&begin),
        "{second}"
    );
}

#[test]
fn a_component_that_does_not_say_which_locale_it_reads_is_refused() {
    let scene = scene();
    scene.write(
        "components/summary.md",
        "---\ndepends-on: [description]\n---\n\nSum up {{ upstream.description.text }}\n",
    );
    let error = scene.run(&[]).ended(2).stderr;
    assert!(
        error.contains(
            "components/summary.md:2: `depends-on`: `description` is made for several values"
        ) && error.contains("name one of description-de-de, description-en-us"),
        "{error}"
    );
    scene.replace(
        "components/summary.md",
        "[description]",
        "[description-en-us]",
    );
    scene.replace(
        "components/summary.md",
        "upstream.description",
        "variant.locale or upstream[\"description-en-us\"]",
    );
    let error = scene.run(&[]).ended(2).stderr;
    assert!(error.contains("there is no `variant`"), "{error}");
    scene.replace(
        "components/description.md",
        "for-each: locale",
        "for-each: local",
    );
    let error = scene.run(&[]).ended(2).stderr;
    assert!(
        error.contains("components/description.md:2: `for-each`: there is no `local` in [matrix]")
            && error.contains("did you mean `locale`?"),
        "{error}"
    );
}
