//! Patterns in addresses of S3, as `s3://bucket/2025/*.parquet`: the objects that there are, as the server lists them. The list is
//! kept like a copy, for commands that ask no server.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use objects::{Address, Bucket};

use super::{Problem, problem};
use crate::copies::Copies;
use crate::{DatasetError, copying, paths};

/// `*` stays within a folder, as it does in patterns of files.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The objects that a pattern matches, in the order of their keys.
pub(in super::super) fn matches(
    path: &Path,
    copies: &Copies,
) -> Result<Vec<PathBuf>, DatasetError> {
    let source = format!("objects of {}", path.display());
    if copies.is_known(&source)
        && let Some((mut file, _)) = copies.last(&source)
    {
        let mut known = String::new();
        let read = file.read_to_string(&mut known);
        let read = read.and_then(|_| serde_json::from_str(&known).map_err(io::Error::from));
        return read.map_err(|cause| DatasetError::io(path, cause));
    }
    let found = listed(path, copies).map_err(|problem| problem.of(path))?;
    copying::taken(path, &source, copies, |out| {
        let written = serde_json::to_writer(out, &found);
        written.map_err(|cause| DatasetError::io(path, cause.into()))
    })?;
    Ok(found)
}

/// Asks the server. Nothing more is asked of it once there are more objects than are read.
fn listed(path: &Path, copies: &Copies) -> Result<Vec<PathBuf>, Problem> {
    let lasting = |cause: String, remedy| Problem::Lasting { cause, remedy };
    let Wanted { folder, pattern } = wanted(path)?;
    let failed = |error| problem(error, "check the bucket, and `path` in [dataset]");
    let bucket = Bucket::open(&folder, copies.variables()).map_err(failed)?;
    let mut listing = bucket.states(&folder).map_err(failed)?;
    let mut found = Vec::new();
    while found.len() <= paths::MOST
        && let Some(page) = listing.next_page().map_err(failed)?
    {
        let addresses = page.into_iter().map(|(address, _)| address);
        let matching = addresses.filter(|object| pattern.matches_with(&object.key, OPTIONS));
        found.extend(matching.map(|object| PathBuf::from(object.to_string())));
    }
    if found.is_empty() {
        return Err(lasting(
            "no object matches this pattern".to_owned(),
            "check `path` in [dataset], or --data",
        ));
    }
    found.sort();
    Ok(found)
}

/// What is asked of the server, and what is taken of what it lists.
struct Wanted {
    /// The folder that all objects lie in.
    folder: Address,
    pattern: Pattern,
}

fn wanted(path: &Path) -> Result<Wanted, Problem> {
    let lasting = |cause: String, remedy| Problem::Lasting { cause, remedy };
    let no_pattern = || {
        lasting(
            "is no pattern of objects".to_owned(),
            "write s3://BUCKET/FOLDER/*.parquet; the bucket is no pattern, and `**` is a folder of its own",
        )
    };
    let text = path.to_string_lossy();
    // The folder before the first part that is a pattern.
    let (plain, _) = text.split_at(text.find(paths::is_wild).unwrap_or(text.len()));
    let folder = plain.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = Address::parse(folder).map_err(|_| no_pattern())?;
    let key = text.strip_prefix(&format!("s3://{}/", folder.bucket));
    let pattern = Pattern::new(key.ok_or_else(no_pattern)?);
    Ok(Wanted {
        folder,
        pattern: pattern.map_err(|_| no_pattern())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_held_against_what_lies_in_the_folder_before_it() {
        for (path, folder, matched, other) in [
            ("s3://shop/*.csv", "", "a.csv", "b/a.csv"),
            (
                "s3://shop/2025/a-*.csv",
                "2025",
                "2025/a-1.csv",
                "2025/b-1.csv",
            ),
            (
                "s3://shop/2025/**/*.csv",
                "2025",
                "2025/1/2/a.csv",
                "2025/1/a.txt",
            ),
            ("s3://shop/20*/a.csv", "", "2025/a.csv", "2025/1/a.csv"),
            ("s3://shop/a*[0-9].csv", "", "a-1.csv", "a-b.csv"),
        ] {
            let wanted = wanted(Path::new(path)).ok().unwrap();
            assert_eq!(wanted.folder.to_string(), format!("s3://shop/{folder}"));
            assert!(wanted.pattern.matches_with(matched, OPTIONS), "{path}");
            assert!(!wanted.pattern.matches_with(other, OPTIONS), "{path}");
        }
        for path in ["s3://sh*p/a.csv", "s3://*", "s3://shop/a**.csv"] {
            let problem = wanted(Path::new(path)).err().unwrap().of(Path::new(path));
            let told = problem.to_string();
            assert!(told.contains("is no pattern of objects"), "{told}");
        }
    }
}
