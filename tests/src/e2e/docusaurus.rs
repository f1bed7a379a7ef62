//! Docusaurus builds a site of exported pages.

use super::generators::{build, exported, page};

const CONFIG: &str = r#"module.exports = {
  title: "Site",
  url: "https://example.org",
  baseUrl: "/",
  onBrokenLinks: "throw",
  presets: [["classic", { docs: { routeBasePath: "/" }, blog: false, pages: false }]],
};
"#;

#[test]
fn it_builds_every_page_without_a_warning() {
    let scene = exported("docusaurus");
    scene.write("site/docusaurus.config.js", CONFIG);
    scene.write("site/docs/index.md", "---\nslug: /\n---\n\n# Site\n");
    let program = "@docusaurus/core/bin/docusaurus.mjs";
    build(&scene, program, &["build", "--no-minify"]);
    let oak = page(&scene, "build/things/oak/index.html");
    assert!(oak.contains("Oak: &quot;hard&quot;"), "{oak}");
    // What looks like code of MDX is shown as it stands.
    let braces = page(&scene, "build/things/1.5/index.html");
    assert!(braces.contains("{{ b }} {% c %}"), "{braces}");
    page(&scene, "build/things/_index/index.html");
    page(&scene, "build/category/things/index.html");
}
