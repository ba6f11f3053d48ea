//! Requests encoded once, of which only the opaque and the messages' ids change.

use sansmq_core::wire::{Command, Encoding};

/// Opaques start here, so that they always have nine digits.
pub const FIRST_OPAQUE: i32 = 100_000_000;
/// Where a template's ids stand.
const ID_MARK: &str = "4D514245";
/// Digits of an id that change.
const ID_DIGITS: usize = 16;
/// Where the opaque stands in a frame with a binary header.
const BINARY_OPAQUE: usize = 13;

/// The id a template has to hold wherever a message's id belongs.
#[must_use]
pub fn marked_id() -> String {
    format!("{ID_MARK}{ID_MARK}{}", "0".repeat(ID_DIGITS))
}

/// An encoded request.
#[derive(Clone, Debug)]
pub struct Template {
    frame: Vec<u8>,
    opaque_at: usize,
    text_opaque: bool,
    ids_at: Vec<usize>,
}

impl Template {
    #[must_use]
    pub fn new(command: Command, encoding: Encoding) -> Self {
        let frame = Command { opaque: FIRST_OPAQUE, ..command }.encode(encoding).to_vec();
        let opaque_text = format!("\"opaque\":{FIRST_OPAQUE}");
        let found = positions(&frame, opaque_text.as_bytes()).into_iter().next();
        let (opaque_at, text_opaque) = match found.filter(|_| encoding == Encoding::Json) {
            Some(at) => (at + "\"opaque\":".len(), true),
            None => (BINARY_OPAQUE, false),
        };
        let mark = marked_id();
        let first_digit = mark.len() - ID_DIGITS;
        let ids_at = positions(&frame, mark.as_bytes()).into_iter().map(|at| at + first_digit).collect();
        Template { frame, opaque_at, text_opaque, ids_at }
    }

    /// Appends the request for a slot; every id in it takes the next number of `ids`.
    pub fn push(&self, slot: u32, ids: &mut u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        let frame = &mut out[start..];
        let opaque = FIRST_OPAQUE.cast_unsigned() + slot;
        if self.text_opaque {
            decimal(opaque, &mut frame[self.opaque_at..self.opaque_at + 9]);
        } else {
            frame[self.opaque_at..self.opaque_at + 4].copy_from_slice(&opaque.to_be_bytes());
        }
        for at in &self.ids_at {
            hexadecimal(*ids, &mut frame[*at..*at + ID_DIGITS]);
            *ids += 1;
        }
    }
}

fn positions(bytes: &[u8], mark: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(mark.len()).enumerate();
    windows.filter(|(_, window)| *window == mark).map(|(at, _)| at).collect()
}

fn decimal(mut number: u32, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn hexadecimal(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789ABCDEF"[(number & 15) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansmq_core::wire::Ext;

    #[test]
    fn slots_and_ids_are_filled_in() {
        for encoding in [Encoding::Json, Encoding::RocketMq] {
            let ext = Ext::new().with("i", format!("UNIQ_KEY\u{1}{}\u{2}", marked_id()));
            let template = Template::new(Command::request(310, ext).with_body(&b"x"[..]), encoding);
            let (mut out, mut ids) = (Vec::new(), 0xAB);
            template.push(77, &mut ids, &mut out);
            let request = Command::decode(&out).unwrap();
            assert_eq!((request.opaque, ids), (FIRST_OPAQUE + 77, 0xAC));
            let id = request.ext_text("i").unwrap();
            assert_eq!(id, "UNIQ_KEY\u{1}4D5142454D51424500000000000000AB\u{2}");
        }
    }
}
