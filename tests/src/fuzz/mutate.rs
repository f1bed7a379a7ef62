//! Mutations of a corpus: bytes changed, cut out, doubled, and pieces of one input put into another.

/// Makes inputs, the same ones from the same seed.
pub struct Mutator {
    corpus: Vec<Vec<u8>>,
    state: u64,
}

/// Longest input.
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

impl Mutator {
    /// Starts from these inputs.
    pub fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Mutator {
        Mutator {
            corpus,
            state: seed,
        }
    }

    /// The next input.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.pick();
        // Mostly a few changes, so that most of the input stays meaningful.
        for _ in 0..=self.below(4) * self.below(3) {
            self.change(&mut input);
        }
        input.truncate(MOST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.range(input.len());
        match self.below(8) {
            0 => {
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => {
                let byte = self.byte();
                if let Some(place) = input.get_mut(from) {
                    *place = byte;
                }
            }
            2 => drop(input.drain(from..to)),
            3 => input.truncate(from),
            4 => {
                let piece = PIECES.get(self.below(PIECES.len())).copied();
                drop(input.splice(from..from, piece.unwrap_or_default().to_vec()));
            }
            5 => {
                let piece = input.get(from..to).unwrap_or_default().to_vec();
                drop(input.splice(to..to, piece.repeat(1 + self.below(8))));
            }
            6 => {
                let other = self.pick();
                let (start, end) = self.range(other.len());
                let piece = other.get(start..end).unwrap_or_default().to_vec();
                drop(input.splice(from..to, piece));
            }
            _ => {
                let noise: Vec<u8> = (from..to).map(|_| self.byte()).collect();
                drop(input.splice(from..to, noise));
            }
        }
    }

    fn pick(&mut self) -> Vec<u8> {
        let place = self.below(self.corpus.len());
        self.corpus.get(place).cloned().unwrap_or_default()
    }

    /// A range within so many bytes, mostly a short one.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 16 };
        (from, (from + self.below(most + 1)).min(length))
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or(0)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or(0);
        number.checked_rem(limit).unwrap_or(0)
    }
}
