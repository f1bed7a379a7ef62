//! The rule which side counts, against a bucket in memory.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use objects::{Address, Bucket, Condition};
use store::Store;
use tempfile::TempDir;

use super::*;

const OAK: &str = "text/oak.md";

struct Scene {
    folder: TempDir,
    bucket: Bucket,
    mirror: Mirror,
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::parse("s3://team/site").unwrap();
        let bucket = Bucket::of(&address, Arc::new(InMemory::new())).unwrap();
        let store = Store::open_inline(&folder.path().join("state.db")).unwrap();
        let mirror = Mirror::of(bucket.clone(), store).unwrap();
        Scene {
            folder,
            bucket,
            mirror,
        }
    }

    fn write(&self, text: &str) {
        let file = self.folder.path().join("state.db.output").join(OAK);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn read(&self) -> String {
        fs::read_to_string(self.folder.path().join("state.db.output").join(OAK)).unwrap()
    }

    fn there(&self) -> String {
        let (_, bytes) = self.mirror.object(OAK).unwrap().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Somebody else writes the object.
    fn others_write(&self, text: &str) {
        let object = self.mirror.address().below(OAK);
        let condition = match self.bucket.tag(&object).unwrap() {
            Some(tag) => Condition::Unchanged(tag),
            None => Condition::Absent,
        };
        let bytes = text.as_bytes().to_vec();
        self.bucket.write(&object, bytes, &condition).unwrap();
    }

    fn put(&self) -> Report {
        let terms = Terms {
            patience: Duration::ZERO,
            is_stopped: Box::new(|| false),
        };
        self.mirror.put_all(vec![OAK.to_owned()], &terms)
    }
}

#[test]
fn a_file_is_put_once_and_again_when_it_has_changed() {
    let scene = Scene::new();
    scene.write("one");
    assert_eq!(scene.put().put, 1);
    assert_eq!(scene.put().put, 0);
    scene.write("two");
    assert_eq!(scene.put().put, 1);
    assert_eq!(scene.there(), "two");
}

#[test]
fn what_others_wrote_meanwhile_stays_and_what_was_here_lies_aside() {
    let scene = Scene::new();
    scene.write("one");
    scene.put();
    scene.others_write("by hand");
    scene.write("two");
    let report = scene.put();
    assert_eq!((report.put, report.edited), (0, 1));
    assert_eq!(
        (scene.there(), scene.read()),
        ("by hand".to_owned(), "by hand".to_owned())
    );
    let (_, aside) = report.names.first().unwrap();
    assert_eq!(fs::read_to_string(aside).unwrap(), "two");
    // Now it is known, so a file that takes its place on purpose is put.
    scene.write("three");
    assert_eq!(scene.put().put, 1);
    assert_eq!(scene.there(), "three");
}

#[test]
fn an_object_that_nobody_here_has_put_is_never_replaced() {
    let scene = Scene::new();
    scene.others_write("of another project");
    scene.write("one");
    assert_eq!(scene.put().edited, 1);
    assert_eq!(scene.there(), "of another project");
}

/// As after a kill between the write and its note, or an answer that was lost.
#[test]
fn a_write_that_was_not_noted_is_known_by_its_bytes() {
    let scene = Scene::new();
    scene.write("one");
    scene.put();
    scene.write("two");
    scene.others_write("two");
    let report = scene.put();
    assert_eq!((report.put, report.edited), (1, 0));
    scene.write("three");
    assert_eq!(scene.put().put, 1);
    // The same bytes in another state are no edit either.
    scene.others_write("three");
    scene.write("four");
    assert_eq!(scene.put().put, 1);
    assert_eq!(scene.there(), "four");
}

#[test]
fn an_object_that_was_removed_meanwhile_is_put_again() {
    let scene = Scene::new();
    scene.write("one");
    scene.put();
    let object = scene.mirror.address().below(OAK);
    scene.bucket.delete(&object).unwrap();
    scene.write("two");
    assert_eq!(scene.put().put, 1);
    assert_eq!(scene.there(), "two");
}

#[test]
fn a_file_goes_with_its_object_unless_only_it_has_its_bytes() {
    let scene = Scene::new();
    scene.write("one");
    scene.put();
    let object = scene.mirror.address().below(OAK);
    scene.bucket.delete(&object).unwrap();
    let seen = scene.mirror.look().unwrap();
    assert_eq!((seen.deleted, seen.edited), (1, 0));
    // No task is known to make it again.
    let aside = seen.aside.first().unwrap();
    assert_eq!(fs::read_to_string(aside).unwrap(), "one");
    scene.write("two");
    scene.put();
    scene.write("three");
    scene.bucket.delete(&object).unwrap();
    assert_eq!(scene.mirror.look().unwrap().deleted, 0);
    assert_eq!(scene.read(), "three");
}

#[test]
fn what_others_wrote_is_fetched_and_the_objects_of_others_are_left_alone() {
    let scene = Scene::new();
    scene.write("one");
    scene.put();
    scene.others_write("by hand");
    let stranger = scene.mirror.address().below("index.html");
    let condition = Condition::Absent;
    scene
        .bucket
        .write(&stranger, b"x".to_vec(), &condition)
        .unwrap();
    let seen = scene.mirror.look().unwrap();
    assert_eq!((seen.edited, seen.strangers), (1, 1));
    assert_eq!(scene.read(), "by hand");
    assert_eq!(scene.mirror.look().unwrap().edited, 0);
    let copy = scene.folder.path().join("state.db.output");
    assert!(!copy.join("index.html").exists());
}

#[test]
fn an_object_of_others_where_a_task_writes_is_an_edit_and_is_never_removed() {
    let scene = Scene::new();
    scene.others_write("of another project");
    let mut seen = scene.mirror.look().unwrap();
    assert_eq!((seen.strangers, seen.edited), (1, 0));
    let paths = vec![OAK.to_owned(), "text/elm.md".to_owned()];
    scene.mirror.claim(paths, &mut seen).unwrap();
    assert_eq!((seen.claimed, seen.edited), (1, 1));
    assert_eq!(scene.read(), "of another project");
    let copy = scene.folder.path().join("state.db.output");
    for looks in [false, true] {
        fs::remove_dir_all(&copy).unwrap();
        if looks {
            scene.mirror.look().unwrap();
        }
        let terms = Terms {
            patience: Duration::ZERO,
            is_stopped: Box::new(|| false),
        };
        assert_eq!(scene.mirror.settle(&terms).unwrap().removed, 0);
        assert_eq!(scene.there(), "of another project");
        fs::create_dir_all(&copy).unwrap();
    }
}

#[test]
fn a_bucket_is_tried_and_nothing_is_left_in_it() {
    let scene = Scene::new();
    probe(&scene.bucket).unwrap();
    assert_eq!(scene.bucket.list(scene.mirror.address(), 9).unwrap(), []);
}

#[test]
fn no_path_leads_out_of_the_working_copy() {
    let scene = Scene::new();
    for path in ["../state.db", "/etc/passwd", "a/../../b", ""] {
        let terms = Terms {
            patience: Duration::ZERO,
            is_stopped: Box::new(|| false),
        };
        let report = scene.mirror.put_all(vec![path.to_owned()], &terms);
        assert!(report.failed.is_some(), "{path}");
    }
}

#[test]
fn notes_of_another_address_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes");
    let at = |address: &str| Notes::open(&file, &Address::parse(address).unwrap()).unwrap();
    let note = notes::Note {
        tag: objects::Tag("t".to_owned()),
        content: types::digest::Digest::of(b"x"),
        file: store::FileStamp {
            size: 1,
            mtime_ns: 2,
            inode: u64::MAX,
        },
        is_own: true,
    };
    at("s3://a/b").remember(OAK, &note).unwrap();
    assert_eq!(at("s3://a/b").note(OAK).unwrap(), Some(note));
    assert_eq!(at("s3://a/c").note(OAK).unwrap(), None);
    assert_eq!(at("s3://a/b").note(OAK).unwrap(), None);
}
