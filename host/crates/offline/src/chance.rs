//! Reproducible choices.

/// A stream of pseudo-random numbers (SplitMix64): equal seeds give equal streams on every machine.
/// It is no source of secrets.
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// A stream that follows from a seed.
    pub fn new(seed: u64) -> Chance {
        Chance { state: seed }
    }

    /// Another stream, which follows from this one's seed and a tag.
    pub fn fork(&self, tag: u64) -> Chance {
        let mut fork = Chance::new(self.state ^ tag.wrapping_mul(0xd6e8_feb8_6659_fd93));
        fork.draw();
        fork
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound; 0 if the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        match u64::try_from(bound) {
            Ok(bound) if bound > 0 => usize::try_from(self.draw() % bound).unwrap_or(0),
            _ => 0,
        }
    }

    /// True with a probability of 0 to 1.
    pub fn happens(&mut self, probability: f64) -> bool {
        // The upper 53 bits make an exact fraction of one.
        ((self.draw() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }
}
