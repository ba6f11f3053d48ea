//! Properties of the frame codec: nothing panics, nothing beyond the limit is asked for, encoding and decoding
//! are inverse, and chunking does not matter.

use bytes::Bytes;
use quickcheck::{Arbitrary, Gen, quickcheck};
use sansmq_core::wire::frame::{self, Head, Limits, Split};
use sansmq_core::wire::{Command, Encoding, Ext, ExtValue, FrameError, Language};
use std::borrow::Cow;

#[derive(Clone, Debug)]
struct AnyCommand(Command, bool);

impl Arbitrary for AnyCommand {
    fn arbitrary(g: &mut Gen) -> Self {
        let binary = bool::arbitrary(g);
        let text = |g: &mut Gen| {
            let text = String::arbitrary(g);
            if text.is_empty() { "x".to_owned() } else { text }
        };
        let mut ext = Ext::new();
        for _ in 0..usize::arbitrary(g) % 6 {
            ext.put(text(g), ExtValue::Text(Cow::Owned(text(g))));
        }
        let command = Command {
            code: i32::from(i16::arbitrary(g)),
            language: Language::from_code(u8::arbitrary(g) % 14),
            version: i32::from(i16::arbitrary(g)),
            opaque: i32::arbitrary(g),
            flag: i32::arbitrary(g),
            remark: bool::arbitrary(g).then(|| Cow::Owned(text(g))),
            // The binary form cannot tell an empty map from none.
            ext: (!ext.is_empty()).then_some(ext),
            body: Bytes::from(Vec::<u8>::arbitrary(g)),
        };
        AnyCommand(command, binary)
    }
}

/// Feeds `chunks` as a connection would: gather, split, decode; stops at the first error.
fn feed(chunks: &[Vec<u8>], limits: Limits) -> (Vec<Command>, Option<FrameError>, usize) {
    let (mut pending, mut frames, mut largest_wish) = (Vec::new(), Vec::new(), 0);
    let mut head = Head::default();
    for chunk in chunks {
        pending.extend_from_slice(chunk);
        loop {
            match frame::split(&pending, limits) {
                Ok(Split::Need(bytes)) => {
                    largest_wish = largest_wish.max(bytes);
                    break;
                }
                Ok(Split::Whole(bytes)) => match frame::decode(&mut pending[..bytes], &mut head) {
                    Ok(found) => {
                        frames.push(Command::from(&found));
                        pending.drain(..bytes);
                    }
                    Err(error) => return (frames, Some(error), largest_wish),
                },
                Err(error) => return (frames, Some(error), largest_wish),
            }
        }
    }
    (frames, None, largest_wish)
}

fn cut(bytes: &[u8], cuts: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut chunks) = (bytes, Vec::new());
    for &size in cuts {
        let (chunk, after) = rest.split_at(usize::from(size).min(rest.len()));
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks.push(rest.to_vec());
    chunks
}

/// A frame whose remark is written with `\uXXXX` for the characters chosen, and as it is for the others.
fn with_escapes(remark: &str, chosen: &[bool]) -> Vec<u8> {
    let mut text = String::new();
    for (at, letter) in remark.chars().enumerate() {
        if chosen.get(at % chosen.len().max(1)) == Some(&true) || letter.is_ascii() {
            let mut units = [0; 2];
            letter.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(letter);
        }
    }
    let header = format!("{{\"remark\":\"{text}\",\"code\":7,\"extFields\":{{\"k\":\"{text}\"}}}}");
    let length = u32::try_from(header.len()).unwrap();
    [&(length + 4).to_be_bytes()[..], &length.to_be_bytes(), header.as_bytes()].concat()
}

quickcheck! {
    fn escapes_and_what_they_stand_for_are_the_same(remark: String, chosen: Vec<bool>) -> bool {
        let command = Command::decode(&with_escapes(&remark, &chosen)).expect("a frame");
        let ext = command.ext_text("k");
        command.code == 7 && command.remark.as_deref() == Some(&*remark) && ext.as_deref() == Some(&*remark)
    }

    fn encode_then_decode_is_identity(command: AnyCommand) -> bool {
        let encoding = if command.1 { Encoding::RocketMq } else { Encoding::Json };
        Command::decode(&command.0.encode(encoding)) == Ok(command.0)
    }

    fn garbage_never_panics_nor_exceeds_the_limit(chunks: Vec<Vec<u8>>) -> bool {
        let limits = Limits { frame_bytes: 4096 };
        feed(&chunks, limits).2 <= 4096
    }

    fn damaged_frames_never_panic(command: AnyCommand, at: usize, byte: u8) -> bool {
        let encoding = if command.1 { Encoding::RocketMq } else { Encoding::Json };
        let mut bytes = command.0.encode(encoding).to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        feed(&[bytes], Limits { frame_bytes: 1 << 20 }).2 <= 1 << 20
    }

    fn chunking_does_not_matter(commands: Vec<AnyCommand>, tail: Vec<u8>, cuts: Vec<u8>) -> bool {
        let mut bytes = Vec::new();
        for AnyCommand(command, binary) in &commands {
            bytes.extend_from_slice(&command.encode(if *binary { Encoding::RocketMq } else { Encoding::Json }));
        }
        bytes.extend_from_slice(&tail);
        let whole = feed(core::slice::from_ref(&bytes), Limits::default());
        let parts = feed(&cut(&bytes, &cuts), Limits::default());
        whole.0 == parts.0 && whole.1 == parts.1 && whole.0.len() >= commands.len()
    }
}
