//! Pages for a generator of sites: one Markdown file for each record, laid out as the generator of that name has it.

mod folder;
mod generator;
mod page;
mod yaml;

use std::path::Path;

use anyhow::anyhow;

use super::super::display::Display;
use super::super::exit::Failure;
use super::super::numbers::counted;
use super::{Fields, Source};
use dataset::safe_id;
use folder::{Folder, Standing};
pub(super) use generator::Generator;
use generator::PageFile;
use objects::Address;
use page::Page;

/// Files that are named one by one.
const TOLD: usize = 20;

/// Writes the pages into the folder of a site; how many records cannot be read.
pub(super) fn write(
    generator: Generator,
    source: &Source<'_>,
    fields: &mut Fields<'_>,
    display: &Display,
) -> Result<u64, Failure> {
    let args = source.args;
    let settings = &source.project.settings;
    let noun = safe_id(&settings.dataset.records);
    let site = site_of(args.file.as_deref()).map_err(Failure::usage)?;
    let pages_folder = generator.folder(&noun);
    check_apart(&site.join(&pages_folder), &settings.config.output.directory)
        .map_err(Failure::usage)?;
    let mut folder = Folder::new(site, args.overwrite_edited, args.force.force);
    let mut told = Told::default();
    for file in generator.files(&noun) {
        let standing = folder.write(&file).map_err(Failure::internal)?;
        told.take(&file, standing);
    }
    let mut pages = 0;
    let (_, unreadable) = source.rows(|row| {
        fields.see(row.record);
        if row.texts.iter().all(Option::is_none) {
            return Ok(());
        }
        pages += 1;
        let page = Page::of(row, source.components, &args.field, args.all_fields);
        let file = generator.page(&noun, &page);
        told.take(&file, folder.write(&file)?);
        Ok(())
    })?;
    let gone = match source.is_whole() {
        true => folder.others(&pages_folder).map_err(Failure::internal)?,
        false => Vec::new(),
    };
    told.tell(pages, generator, site, &gone, display);
    Ok(unreadable)
}

/// What became of the files.
#[derive(Default)]
struct Told {
    written: u64,
    unchanged: u64,
    edited: Vec<String>,
    foreign: Vec<String>,
}

impl Told {
    fn take(&mut self, file: &PageFile, standing: Standing) {
        let path = || file.path.display().to_string();
        match standing {
            Standing::Written => self.written += 1,
            Standing::Unchanged => self.unchanged += 1,
            Standing::Edited => self.edited.push(path()),
            Standing::Foreign => self.foreign.push(path()),
        }
    }

    fn tell(
        &self,
        pages: u64,
        generator: Generator,
        site: &Path,
        gone: &[String],
        display: &Display,
    ) {
        display.note(&format!(
            "{} for {} in {}: {} written, {} unchanged",
            counted(pages, "page"),
            generator.name(),
            site.display(),
            counted(self.written, "file"),
            self.unchanged
        ));
        for (files, what) in [
            (
                &self.edited[..],
                "edited, and kept; --overwrite-edited replaces them",
            ),
            (
                &self.foreign[..],
                "written by something else, and kept; --force replaces them",
            ),
            (
                gone,
                "of no record of this export any more; remove those that you do not want",
            ),
        ] {
            if files.is_empty() {
                continue;
            }
            let number = u64::try_from(files.len()).unwrap_or(u64::MAX);
            let mut text = format!("{}, {what}:", counted(number, "file"));
            for file in files.iter().take(TOLD) {
                text.push_str(&format!("\n  {file}"));
            }
            if files.len() > TOLD {
                text.push_str(&format!("\n  and {} more", files.len() - TOLD));
            }
            display.note(&text);
        }
    }
}

/// The folder of the site, if it may be one.
fn site_of(site: Option<&Path>) -> anyhow::Result<&Path> {
    let Some(site) = site.filter(|site| *site != Path::new("-")) else {
        return Err(anyhow!(
            "pages are many files\nhint: name the folder of the site: `batchgen export --as hugo site`"
        ));
    };
    if site.to_str().is_some_and(Address::is_one) {
        return Err(anyhow!(
            "{} is an address, and pages need a folder of this machine\nhint: write them into a folder, and copy that",
            site.display()
        ));
    }
    if site.exists() && !site.is_dir() {
        return Err(anyhow!(
            "{} is a file, and pages need a folder\nhint: name the folder of the site",
            site.display()
        ));
    }
    Ok(site)
}

/// Passes a folder of pages that does not lie among the files that a run makes.
fn check_apart(pages: &Path, output: &Path) -> anyhow::Result<()> {
    let Ok(output) = output.canonicalize() else {
        return Ok(());
    };
    let pages = std::path::absolute(pages)?;
    let mut above = pages.ancestors();
    if above.any(|folder| folder.canonicalize().is_ok_and(|folder| folder == output)) {
        return Err(anyhow!(
            "{} lies in the output directory of this project\nhint: name the folder of the site, which is another one",
            pages.display()
        ));
    }
    Ok(())
}
