//! What a power cut may leave behind after a kill: the last writes torn, cut off or replaced by zeros.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::dice::Dice;
use crate::scene::Scene;

/// Bytes of the WAL's header, and of the header of each of its frames.
const HEADER: usize = 32;
const FRAME: usize = 24;
/// Bytes of a page of the state.
const PAGE: u64 = 16384;

fn wal(scene: &Scene) -> Option<(PathBuf, Vec<u8>)> {
    let path = scene.path(".batchgen/state.db-wal");
    let bytes = fs::read(&path).ok()?;
    (bytes.len() > HEADER).then_some((path, bytes))
}

/// The machine starts anew.
pub(super) fn boot(scene: &Scene) {
    let path = scene.path(".batchgen/state.db.unfinished");
    // Killed before it was begun, a run has none.
    if let Ok(note) = fs::read(&path) {
        let mut note: Value = serde_json::from_slice(&note).unwrap();
        note["boot"] = "another".into();
        fs::write(&path, note.to_string()).unwrap();
    }
}

/// Where the last commit ends. Behind it nothing was synced, and a new host overwrites it.
fn last_commit(wal: &[u8]) -> usize {
    let number = |at: usize| u32::from_be_bytes(wal[at..at + 4].try_into().unwrap());
    let page = number(8) as usize;
    let salts = [number(16), number(20)];
    let mut end = HEADER;
    let mut frame = HEADER;
    while frame + FRAME + page <= wal.len() && [number(frame + 8), number(frame + 12)] == salts {
        let commits = number(frame + 4) != 0;
        frame += FRAME + page;
        if commits {
            end = frame;
        }
    }
    end
}

/// Tears what was not synced: no commit may be missing afterwards.
pub(super) fn tear_unsynced(scene: &Scene, dice: &mut Dice) {
    boot(scene);
    let Some((path, mut bytes)) = wal(scene) else {
        return;
    };
    let end = last_commit(&bytes);
    let rest = (bytes.len() - end) as u64;
    bytes.truncate(end + dice.below(rest + 1) as usize);
    let garbage = dice.below(40_000);
    // The beginning of a frame as it might be, and then anything.
    let frame = bytes
        .get(HEADER..HEADER + FRAME)
        .unwrap_or_default()
        .to_vec();
    bytes.extend(frame);
    bytes.extend((0..garbage).map(|_| dice.below(256) as u8));
    fs::write(path, bytes).unwrap();
}

/// Tears what was synced, which only a disk that lies about it loses. Whether there was something to tear.
pub(super) fn tear_synced(scene: &Scene, dice: &mut Dice) -> bool {
    boot(scene);
    let Some((path, mut bytes)) = wal(scene) else {
        return false;
    };
    let file = fs::metadata(scene.path(".batchgen/state.db")).unwrap();
    if file.len() > 2 * PAGE {
        // It was copied into the file already: to lose it now would take a disk that damages that, too.
        return false;
    }
    let end = last_commit(&bytes);
    // Anywhere, also before the run was noted: then only the lock tells that it did not end in order.
    let from = dice.below(end as u64) as usize;
    match dice.below(3) {
        0 => bytes.truncate(from),
        1 => bytes[from..].iter_mut().for_each(|byte| *byte ^= 0xff),
        _ => bytes[from..].fill(0),
    }
    fs::write(path, bytes).unwrap();
    true
}

/// Tears files that were published: nothing of them, a half, or zeros. How many.
pub(super) fn tear_files(scene: &Scene, dice: &mut Dice) -> usize {
    boot(scene);
    if !scene.path("content").exists() {
        return 0;
    }
    let files = scene.content();
    let mut hit = 0;
    for (name, text) in files.iter().filter(|(name, _)| !name.ends_with(".tmp")) {
        let mut bytes = text.clone().into_bytes();
        let half = bytes.len() / 2;
        match dice.below(6) {
            0 => bytes.clear(),
            1 => bytes.truncate(half),
            2 => bytes[half..].fill(0),
            _ => continue,
        }
        fs::write(scene.path("content").join(name), bytes).unwrap();
        hit += 1;
    }
    hit
}
