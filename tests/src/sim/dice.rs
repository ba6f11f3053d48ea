//! Chance: one seed, and a stream of its own for everything that is left to it, so that what one of them decides does not
//! shift what the others do.

/// Marsaglia's xorshift, behind a mixer so that neighbouring seeds have nothing in common.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        Dice((mixed ^ mixed >> 31) | 1)
    }

    /// The stream with this name. Neither other seeds nor other names have anything in common with it.
    #[must_use]
    pub fn named(seed: u64, name: &str) -> Self {
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        Dice::new(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ hash)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 3
    }

    /// Below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.draw() % sides.max(1)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll(high - low + 1)
    }

    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap_or(0)]
    }
}

/// What is drawn from while a history runs.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Delays, and where bytes are split.
    pub network: Dice,
    /// How long a disk takes and what a power failure leaves on it.
    pub disks: Dice,
    /// How wrong clocks are.
    pub clocks: Dice,
    /// What clients do.
    pub workload: Dice,
    /// How late a process hears of what has happened.
    pub order: Dice,
    /// What a scenario leaves open.
    pub scenario: Dice,
}

impl Streams {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Streams {
            network: Dice::named(seed, "network"),
            disks: Dice::named(seed, "disks"),
            clocks: Dice::named(seed, "clocks"),
            workload: Dice::named(seed, "workload"),
            order: Dice::named(seed, "order"),
            scenario: Dice::named(seed, "scenario"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_nothing_in_common() {
        let firsts = |seed| {
            let streams = Streams::new(seed);
            let Streams { network, disks, clocks, workload, order, scenario } = streams;
            [network, disks, clocks, workload, order, scenario].map(|mut dice| dice.draw())
        };
        let mut all: Vec<u64> = (0..100).flat_map(firsts).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 600);
        assert_eq!(firsts(7), firsts(7));
    }
}
