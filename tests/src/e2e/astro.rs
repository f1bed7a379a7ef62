//! Astro builds a site of exported pages.

use super::generators::{build, exported, page};

/// A page for each of the collection, with what its schema promises.
const PAGE: &str = r#"---
import { getCollection, render } from "astro:content";
export async function getStaticPaths() {
  const pages = await getCollection("things");
  return pages.map((page) => ({ params: { id: page.id }, props: { page } }));
}
const { page } = Astro.props;
const { Content } = await render(page);
---
<html lang="en"><head><title>{page.data.title}</title></head>
<body><h1>{page.data.title}</h1><b>{page.data.data.meta.title}</b><i>{page.data.category}</i><Content /></body></html>
"#;

#[test]
fn it_builds_every_page_without_a_warning() {
    let scene = exported("astro");
    scene.write("site/src/pages/things/[...id].astro", PAGE);
    build(&scene, "astro/bin/astro.mjs", &["build"]);
    let oak = page(&scene, "dist/things/oak/index.html");
    assert!(oak.contains("Oak: &quot;hard&quot;"), "{oak}");
    assert!(oak.contains("<i>wood</i>"), "{oak}");
    // What looks like a template is shown as it stands.
    let braces = page(&scene, "dist/things/1.5/index.html");
    assert!(braces.contains("{{ b }} {% c %}"), "{braces}");
    page(&scene, "dist/things/_index/index.html");
}
