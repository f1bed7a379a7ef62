//! Mutations of a corpus: at a few places of a kept input, some bytes are replaced by pieces of another input, by what
//! parsers stumble over, or by noise.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Longest input, bytes.
const MOST: usize = 64 << 10;
/// What parsers stumble over.
const PIECES: [&[u8]; 16] = [
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\"",
    b"{",
    b"[[[[[[[[[[[[[[[[",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"null",
    b"&a [*a, *a]",
    b"\n---\n",
    b"\n\n",
    b"\\ud800",
];

/// Makes inputs, the same ones from the same seed.
pub struct Mutator {
    inputs: BoxedStrategy<Vec<u8>>,
    runner: TestRunner,
}

impl Mutator {
    /// Starts from these inputs.
    pub fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Mutator {
        let seed = [seed.to_le_bytes(); 4].concat();
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        Mutator {
            inputs: inputs(corpus).boxed(),
            runner: TestRunner::new_with_rng(Config::default(), rng),
        }
    }

    /// The next input.
    ///
    /// # Errors
    /// When the strategy makes none.
    pub fn next(&mut self) -> anyhow::Result<Vec<u8>> {
        let made = self.inputs.new_tree(&mut self.runner);
        let made = made.map_err(|why| anyhow::anyhow!("no input is made: {why}"))?;
        Ok(made.current())
    }
}

/// Mostly a few changes, so that most of an input stays meaningful.
fn inputs(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![3 => 0..16_usize, 1 => 0..MOST];
    let piece = prop_oneof![
        Just(Vec::new()),
        select(&PIECES[..]).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..16),
        (
            select(corpus.clone()),
            any::<Index>(),
            length.clone(),
            1..8_usize
        )
            .prop_map(|(input, at, length, times)| {
                let place = range(&input, at, length);
                input.get(place).unwrap_or_default().repeat(times)
            }),
    ];
    let change = (any::<Index>(), length, piece);
    (select(corpus), prop::collection::vec(change, 0..8)).prop_map(|(mut input, changes)| {
        for (at, length, piece) in changes {
            input.splice(range(&input, at, length), piece);
        }
        input.truncate(MOST);
        input
    })
}

fn range(input: &[u8], at: Index, length: usize) -> std::ops::Range<usize> {
    let start = at.index(input.len() + 1);
    start..(start + length).min(input.len())
}
