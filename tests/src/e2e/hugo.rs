//! Hugo builds a site of exported pages.

use std::fs;
use std::process::Command;

use super::sites::made;
use crate::scene::root;

/// A layout for every kind of page, with what a page is about.
const LAYOUT: &str = "<h1>{{ .Title }}</h1><p>{{ .Description }}</p>{{ with .Params.meta }}<b>{{ .title }}</b>{{ end }}{{ .Content }}\
    {{ range .GetTerms \"tags\" }}<i>{{ .LinkTitle }}</i>{{ end }}";

#[test]
fn it_builds_every_page_without_a_warning() {
    let scene = made();
    scene
        .host(&["export", "--as", "hugo", "site", "--all-fields"])
        .ended(0);
    scene.write(
        "site/hugo.toml",
        "baseURL = \"https://example.org/\"\ntitle = \"Site\"\n",
    );
    for kind in ["single", "list", "taxonomy", "term", "home"] {
        scene.write(&format!("site/layouts/_default/{kind}.html"), LAYOUT);
    }
    let ran = Command::new(root().join("target/hugo/bin/hugo"))
        .args(["--panicOnWarning", "--source"])
        .arg(scene.path("site"))
        .env("HUGO_CACHEDIR", scene.path("cache"))
        .output()
        .expect("`cargo xtask test` installs Hugo");
    let said =
        String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(!said.contains("WARN"), "{said}");
    let page = |path: &str| fs::read_to_string(scene.path("site/public").join(path)).unwrap();
    let oak = page("things/oak/index.html");
    assert!(oak.contains("Oak: &#34;hard&#34;"), "{oak}");
    // What looks like a template is shown as it stands.
    let braces = page("things/1.5/index.html");
    assert!(braces.contains("{{&lt; ref"), "{braces}");
    assert!(braces.contains("{{ b }} {% c %}"), "{braces}");
    page("things/_index/index.html");
    page("categories/wood/index.html");
}
