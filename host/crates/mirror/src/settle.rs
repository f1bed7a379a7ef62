//! Makes the address equal to the working copy: puts what is not there yet, and removes what was removed here.

use objects::ObjectError;

use super::look::PAGE;
use super::notes::{Known, Note};
use super::working_copy::Local;
use super::{Mirror, MirrorError, Report, Terms, for_each};

impl Mirror {
    /// Puts all files that are not there as they are here, and removes the objects of files that were removed here and that no task has.
    /// A file whose object is as it was put costs a look at its stamp.
    ///
    /// # Errors
    /// When files or notes cannot be read. What the server refuses is in the report.
    pub fn settle(&self, terms: &Terms) -> Result<Report, MirrorError> {
        self.note_made()?;
        let mut report = Report::default();
        let mut after = String::new();
        loop {
            let known = self.notes().known(&after, PAGE)?;
            let Some(last) = known.last() else {
                return Ok(report);
            };
            after.clone_from(&last.path);
            let (mut put, mut remove) = (Vec::new(), Vec::new());
            for Known {
                path,
                note,
                made,
                was_made,
                ..
            } in known
            {
                match (self.copy.look(&path)?, note) {
                    (Local::File(file), note)
                        if made.is_some() && note.as_ref().map(|note| note.file) != Some(file) =>
                    {
                        put.push(path);
                    }
                    // What others put there and nobody accepted is not this project's to remove.
                    (Local::Absent, Some(note)) if made.is_none() && (note.is_own || was_made) => {
                        remove.push((path, note));
                    }
                    _ => {}
                }
            }
            report.add(self.put_all(put, terms));
            if report.failed.is_some() {
                return Ok(report);
            }
            match for_each(remove, |(path, note)| self.remove(&path, &note)) {
                Ok(removed) => {
                    report.removed +=
                        removed.into_iter().filter(|is_removed| *is_removed).count() as u64;
                }
                Err(error) => {
                    report.failed = Some(error);
                    return Ok(report);
                }
            }
        }
    }

    /// Removes an object that is as it was put; one that others wrote since stays. Whether it was there.
    fn remove(&self, path: &str, note: &Note) -> Result<bool, MirrorError> {
        let object = self.address().below(path);
        let is_own = self.bucket.tag(&object)?.as_ref() == Some(&note.tag);
        if is_own {
            match self.bucket.delete(&object) {
                Ok(()) | Err(ObjectError::Missing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.notes().forget(path)?;
        Ok(is_own)
    }
}
