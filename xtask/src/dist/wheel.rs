//! The Python wheel: no module, but the program as a script, and what belongs to it beside it.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    ABOUT, PROGRAM, SUMMARY,
    machine::Libc,
    sbom,
    stage::{DOCS, LICENCES, Stage, THIRD_PARTY},
};

/// The platforms that it may be installed on. A program without a C library runs on all of them.
pub fn platforms(stage: &Stage) -> Vec<String> {
    let machine = stage.machine.name;
    match stage.libc {
        Libc::Static => ["manylinux_2_17", "manylinux2014", "musllinux_1_1"]
            .map(|platform| format!("{platform}_{machine}"))
            .to_vec(),
        Libc::Gnu(major, minor) => vec![format!("manylinux_{major}_{minor}_{machine}")],
    }
}

/// Makes it.
///
/// # Errors
/// When something cannot be read or written.
pub fn make(stage: &Stage, out: &Path) -> Result<PathBuf> {
    let name = format!("{PROGRAM}-{}", stage.version);
    let platforms = platforms(stage);
    let file = out.join(format!("{name}-py3-none-{}.whl", platforms.join(".")));
    let mut wheel = Wheel::begin(&file, format!("{name}.dist-info"))?;
    for (path, from) in stage.files()? {
        let content = fs::read(&from)?;
        if let Some(script) = path.strip_prefix("bin/") {
            wheel.add(&format!("{name}.data/scripts/{script}"), &content, 0o755)?;
        } else if !path.starts_with(DOCS) {
            wheel.add(&format!("{name}.data/data/{path}"), &content, 0o644)?;
        }
    }
    let docs = stage.folder.join(DOCS);
    for licence in LICENCES.iter().chain([&THIRD_PARTY]) {
        wheel.add_info(
            &format!("licenses/{licence}"),
            &fs::read(docs.join(licence))?,
        )?;
    }
    wheel.add_info(
        &format!("sboms/{}", sbom::FILE),
        &fs::read(docs.join(sbom::FILE))?,
    )?;
    wheel.add_info("METADATA", metadata(stage).as_bytes())?;
    let tags = platforms
        .iter()
        .map(|platform| format!("Tag: py3-none-{platform}\n"));
    let about = format!(
        "Wheel-Version: 1.0\nGenerator: batchgen\nRoot-Is-Purelib: false\n{}",
        tags.collect::<String>()
    );
    wheel.add_info("WHEEL", about.as_bytes())?;
    wheel.end()?;
    Ok(file)
}

fn metadata(stage: &Stage) -> String {
    let licences = LICENCES.iter().chain([&THIRD_PARTY]);
    let licences = licences.map(|licence| format!("License-File: {licence}\n"));
    format!(
        "Metadata-Version: 2.4\nName: {PROGRAM}\nVersion: {}\nSummary: {SUMMARY}\nLicense-Expression: MIT OR Apache-2.0\n{}\
         Keywords: llm,batch,content,generation\nClassifier: Environment :: Console\nClassifier: Operating System :: POSIX :: Linux\n\
         Classifier: Programming Language :: Rust\nRequires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n{ABOUT}",
        stage.version,
        licences.collect::<String>()
    )
}

/// A wheel in the making.
struct Wheel {
    zip: ZipWriter<File>,
    /// The folder of what is said about it.
    info: String,
    /// What is in it, with checksums.
    record: String,
}

impl Wheel {
    fn begin(file: &Path, info: String) -> Result<Wheel> {
        Ok(Wheel {
            zip: ZipWriter::new(File::create(file)?),
            info,
            record: String::new(),
        })
    }

    /// The time of every file is the first that the format knows, so that the same content gives the same bytes.
    fn write(&mut self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(mode);
        self.zip.start_file(path, options)?;
        self.zip.write_all(content)?;
        Ok(())
    }

    fn add(&mut self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(content));
        self.record
            .push_str(&format!("{path},sha256={hash},{}\n", content.len()));
        self.write(path, content, mode)
    }

    fn add_info(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.add(&format!("{}/{name}", self.info), content, 0o644)
    }

    fn end(mut self) -> Result<()> {
        let path = format!("{}/RECORD", self.info);
        let record = format!("{}{path},,\n", self.record);
        self.write(&path, record.as_bytes(), 0o644)?;
        self.zip.finish()?;
        Ok(())
    }
}
