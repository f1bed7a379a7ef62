//! Eleventy builds a site of exported pages.

use super::generators::{build, exported, page};

/// A list of all pages, by their tag.
const LIST: &str = "---\npermalink: /\n---\n\
    {% for page in collections.things %}<a href=\"{{ page.url }}\">{{ page.data.title }}</a> {{ page.data.data.meta.title }}\n{% endfor %}";

#[test]
fn it_builds_every_page_without_a_warning() {
    let scene = exported("eleventy");
    scene.write("site/list.njk", LIST);
    build(&scene, "@11ty/eleventy/cmd.cjs", &["--quiet"]);
    let list = page(&scene, "_site/index.html");
    assert_eq!(list.matches("<a href").count(), 3, "{list}");
    assert!(list.contains("Oak: &quot;hard&quot;"), "{list}");
    // What looks like a template is shown as it stands.
    let braces = page(&scene, "_site/things/1.5/index.html");
    assert!(braces.contains("{{ b }} {% c %}"), "{braces}");
    page(&scene, "_site/things/_index/index.html");
}
