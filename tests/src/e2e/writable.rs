//! Output that cannot be written is found before anything is paid for.

use std::fs;

use crate::scene::Scene;
use simulator::{Config, Simulator};

#[test]
fn no_call_is_made_for_files_that_cannot_be_written() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = Scene::new().asking(&simulator);
    scene.write("afile", "somebody's\n");
    std::os::unix::fs::symlink("nowhere", scene.path("link")).unwrap();
    for place in ["afile", "afile/below", "link", "/proc/batchgen"] {
        let arguments = ["run", "--record", "oak", "--output", place];
        let ran = scene.host(&arguments);
        assert_eq!(ran.code, Some(2), "{place}: {}", ran.stderr);
        assert!(ran.stderr.contains("--output"), "{place}: {}", ran.stderr);
        assert!(!ran.stdout.contains("files are in"), "{}", ran.stdout);
        scene.host(&["doctor", "--output", place]).ended(2);
    }
    // The directory of one component.
    fs::create_dir(scene.path("content")).unwrap();
    scene.write("content/text", "somebody's\n");
    let ran = scene.host(&["run", "--record", "oak"]).ended(2);
    assert!(ran.stderr.contains("content/text"), "{}", ran.stderr);
    assert_eq!(simulator.totals().requests, 0);
    fs::remove_file(scene.path("content/text")).unwrap();
    scene.run(&["--record", "oak"]).ended(0);
}

#[test]
fn a_file_that_cannot_be_put_in_its_place_costs_its_task_before_a_call() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = Scene::new().asking(&simulator);
    let tags = ["run", "--component", "tags", "--record", "oak"];
    fs::create_dir_all(scene.path("content/tags/oak-laser-cleaning.txt")).unwrap();
    let ran = scene.host(&tags).ended(3);
    assert!(
        ran.stderr.contains("there is a directory"),
        "{}",
        ran.stderr
    );
    scene.configure("[component.tags]\noutput = \"{id}/tags.txt\"\n");
    scene.write("content/oak", "somebody's\n");
    scene.host(&tags).ended(3);
    assert_eq!(simulator.totals().requests, 0);
}

#[test]
fn nothing_is_written_through_a_link_that_leads_out_of_the_output() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = Scene::new().asking(&simulator);
    let tags = ["run", "--component", "tags", "--record", "oak"];
    fs::create_dir(scene.path("content")).unwrap();
    fs::create_dir(scene.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", scene.path("content/tags")).unwrap();
    for command in [&tags[..], &["doctor"]] {
        let ran = scene.host(command).ended(2);
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains("leads out of the output directory"), "{said}");
    }
    assert_eq!(simulator.totals().requests, 0);
    // A directory that only the record tells.
    scene.configure("[component.tags]\noutput = \"{id}/tags.txt\"\n");
    std::os::unix::fs::symlink("../elsewhere", scene.path("content/oak")).unwrap();
    let ran = scene.host(&tags).ended(3);
    assert!(ran.stderr.contains("leads out"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(scene.path("elsewhere")).unwrap().count(), 0);
    // One that leads to another place of the output is followed, and so is the output itself.
    fs::remove_file(scene.path("content/oak")).unwrap();
    fs::create_dir(scene.path("content/trees")).unwrap();
    std::os::unix::fs::symlink("trees", scene.path("content/oak")).unwrap();
    fs::rename(scene.path("content"), scene.path("real")).unwrap();
    std::os::unix::fs::symlink("real", scene.path("content")).unwrap();
    scene.host(&tags).ended(0);
    assert!(scene.path("real/trees/tags.txt").is_file());
}
