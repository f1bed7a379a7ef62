//! Near-duplicates among very many texts, by the library alone: no files are read.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;
use quality::{Form, Index, Prose, Repetition, Signer};

use super::report::{Goal, Row};

/// Texts of the first case.
const MILLION: u64 = 1_000_000;
/// Texts of the second case, and how many of them have a near-duplicate.
const MANY: u64 = 100_000;
const PLANTED: u64 = 1000;
/// Bytes of a text.
const LONG: usize = 2048;
const SHORT: usize = 256;
/// Texts that are made before the clock goes on.
const BATCH: u64 = 1000;
/// Words that texts are made of.
const WORDS: u64 = 30_000;

/// How long it takes to compare a million texts, and how much memory.
pub fn million() -> anyhow::Result<Vec<Row>> {
    let vocabulary = vocabulary();
    let texts = |batch: u64| -> Vec<String> {
        let numbers = batch * BATCH..(batch + 1) * BATCH;
        numbers
            .map(|number| text(&vocabulary, number, LONG).join(" "))
            .collect()
    };
    let before = start_of_peak()?;
    let (mut signer, mut index) = (Signer::default(), Index::default());
    let mut took = Duration::ZERO;
    for batch in 0..MILLION / BATCH {
        let texts = texts(batch);
        let begun = Instant::now();
        for text in &texts {
            let signature = signer.sign(&Prose::of(text, Form::Markdown));
            index.add(signature.context("a text without words")?);
        }
        took += begun.elapsed();
    }
    let begun = Instant::now();
    index.find();
    let found = begun.elapsed();
    let memory = peak()?.saturating_sub(before);
    drop(index);

    let before = start_of_peak()?;
    let mut repetition = Repetition::default();
    let mut whole = Duration::ZERO;
    for batch in 0..MILLION / BATCH {
        let texts = texts(batch);
        let begun = Instant::now();
        for (text, number) in texts.iter().zip(0_u32..) {
            repetition.add(&Prose::of(text, Form::Markdown), number % 20);
        }
        whole += begun.elapsed();
    }
    let begun = Instant::now();
    repetition.finish();
    whole += begun.elapsed();
    let survey = peak()?.saturating_sub(before);
    let seconds = |time: Duration| time.as_secs_f64();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    Ok(vec![
        Row::new(
            "1,000,000 texts of 2 KB: signatures, index and near-duplicates",
            seconds(took + found),
            "s",
            Goal::AtMost(60.0),
        ),
        Row::new("of that, near-duplicates", seconds(found), "s", Goal::None),
        Row::new(
            "memory of that",
            megabytes(memory),
            "MB",
            Goal::AtMost(200.0),
        ),
        Row::new(
            "the same with openings, phrases and distinct-2",
            seconds(whole),
            "s",
            Goal::None,
        ),
        Row::new(
            "memory of that",
            megabytes(survey),
            "MB",
            Goal::AtMost(200.0),
        ),
    ])
}

/// How many near-duplicates are found, and how many pairs are none.
pub fn planted() -> anyhow::Result<Vec<Row>> {
    let vocabulary = vocabulary();
    let mut rows = Vec::new();
    for (bytes, name) in [(LONG, "2 KB"), (SHORT, "256 bytes")] {
        let (mut signer, mut index) = (Signer::default(), Index::default());
        let mut add = |words: &[&str]| -> anyhow::Result<()> {
            let signature = signer.sign(&Prose::of(&words.join(" "), Form::Plain));
            index.add(signature.context("a text without words")?);
            Ok(())
        };
        for number in 0..MANY {
            add(&text(&vocabulary, number, bytes))?;
        }
        let step = MANY / PLANTED;
        for copy in 0..PLANTED {
            let mut words = text(&vocabulary, copy * step, bytes);
            // One word of every twenty, wherever chance has it.
            for (part, twenty) in words.chunks_mut(20).enumerate() {
                let place = mixed(copy << 16 | part as u64) as usize % 20;
                if let Some(word) = twenty.get_mut(place) {
                    *word = "other";
                }
            }
            add(&words)?;
        }
        let pairs = index.find().worst(usize::MAX);
        let is_planted = |copy: u32, of: u32| {
            let copy = u64::from(copy);
            copy >= MANY && (copy - MANY) * step == u64::from(of)
        };
        let found = pairs
            .iter()
            .filter(|pair| is_planted(pair.other, pair.one))
            .count();
        let others = pairs.len() - found;
        let percent = |part: usize, of: u64| part as f64 * 100.0 / of as f64;
        rows.push(Row::new(
            format!("1,000 planted in 100,000 texts of {name}, one word in twenty changed: found"),
            percent(found, PLANTED),
            "%",
            Goal::AtLeast(99.0),
        ));
        rows.push(Row::new(
            "pairs that were not planted, of all",
            percent(others, pairs.len().max(1) as u64),
            "%",
            Goal::AtMost(0.1),
        ));
    }
    rows.push(alike_by_template(&vocabulary)?);
    Ok(rows)
}

/// Texts that all have two thirds of their words from one template, so that any two share half of their shingles: how many are taken for
/// near-duplicates.
fn alike_by_template(vocabulary: &[String]) -> anyhow::Result<Row> {
    let (mut signer, mut index) = (Signer::default(), Index::default());
    let template = text(vocabulary, MANY, LONG * 2 / 3);
    for number in 0..MANY {
        let words = [template.clone(), text(vocabulary, number, LONG / 3)].concat();
        let signature = signer.sign(&Prose::of(&words.join(" "), Form::Plain));
        index.add(signature.context("a text without words")?);
    }
    let found = index.find();
    let near = (0..)
        .take(MANY as usize)
        .filter(|text| found.is_near(*text));
    Ok(Row::new(
        "100,000 texts of 2 KB that share half with each other: taken for near-duplicates",
        near.count() as f64 * 100.0 / MANY as f64,
        "%",
        Goal::None,
    ))
}

/// Words of three to nine letters.
fn vocabulary() -> Vec<String> {
    let word = |number: u64| {
        let seed = mixed(number);
        let letter = |place: u64| char::from(b'a' + (mixed(seed ^ place) % 26) as u8);
        (0..3 + seed % 7).map(letter).collect()
    };
    (0..WORDS).map(word).collect()
}

/// The words of a text. As in any language, few words are frequent and most are rare.
fn text(vocabulary: &[String], number: u64, bytes: usize) -> Vec<&str> {
    let (mut words, mut length) = (Vec::new(), 0);
    for place in 0.. {
        let chance = (mixed(number << 20 | place) >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = (vocabulary.len() as f64).powf(chance) as usize;
        let Some(word) = vocabulary.get(rank.min(vocabulary.len() - 1)) else {
            break;
        };
        length += word.len() + 1;
        if length > bytes {
            break;
        }
        words.push(word.as_str());
    }
    words
}

/// Numbers by chance, the same each time (SplitMix64).
fn mixed(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Forgets the greatest memory that this process had so far; tells what it has now.
fn start_of_peak() -> anyhow::Result<u64> {
    fs::write("/proc/self/clear_refs", "5").context("cannot begin to measure memory")?;
    peak()
}

/// The greatest memory of this process, in bytes.
fn peak() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.context("the system does not tell it")?.parse()?;
    Ok(kilobytes * 1024)
}
