//! What happened, as a number to compare and as lines to read.

use std::collections::VecDeque;

/// Lines kept for a failure.
const KEPT: usize = 4_000;

#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    lines: VecDeque<String>,
    /// Print every line at once.
    loud: bool,
}

impl Trace {
    pub fn new(loud: bool) -> Self {
        Trace { loud, ..Trace::default() }
    }

    /// Mixes a number in.
    pub fn mix(&mut self, what: u64) {
        self.hash = (self.hash ^ what).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }

    pub fn mix_bytes(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    /// A line at a virtual time in nanoseconds.
    pub fn say(&mut self, now: u64, text: &str) {
        self.mix(now);
        self.mix_bytes(text.as_bytes());
        let line = format!("{:>12.6} {text}", now as f64 / 1e9);
        if self.loud {
            println!("{line}");
        }
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
