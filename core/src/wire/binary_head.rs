//! The ROCKETMQ header (`RocketMQSerializable`, `spec/remoting.md` section 2.2), read with nom.

use nom::bytes::complete::take;
use nom::number::complete::{be_i16, be_i32, be_u8};
use nom::{IResult, Parser};

use super::{FrameError, Head, Language, Span};

type Input<'a> = &'a [u8];

pub(super) fn decode(header: &[u8], head: &mut Head) -> Result<(), FrameError> {
    match fixed(header, header, head) {
        Ok(_) => Ok(()),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => {
            Err(FrameError::Binary(header.len() - error.input.len()))
        }
        Err(nom::Err::Incomplete(_)) => Err(FrameError::Binary(header.len())),
    }
}

fn fixed<'a>(whole: Input<'a>, input: Input<'a>, head: &mut Head) -> IResult<Input<'a>, ()> {
    let (input, (code, language, version, opaque, flag)) =
        (be_i16, be_u8, be_i16, be_i32, be_i32).parse(input)?;
    head.code = i32::from(code);
    head.language = Language::from_code(language);
    head.version = i32::from(version);
    head.opaque = opaque;
    head.flag = flag;
    let (input, remark) = long_text(whole, input)?;
    head.remark = (remark.start != remark.end).then_some(remark);
    let (input, entries) = length_bounded(input)?;
    head.has_ext = !entries.is_empty();
    let mut rest = entries;
    while !rest.is_empty() {
        let (after, (name, value)) = entry(whole, rest)?;
        head.ext.push((name, value));
        rest = after;
    }
    Ok((input, ()))
}

fn entry<'a>(whole: Input<'a>, input: Input<'a>) -> IResult<Input<'a>, (Span, Span)> {
    let (after, length) = be_i16(input)?;
    let length = usize::try_from(length).map_err(|_| malformed(input))?;
    let (after, name) = take(length)(after)?;
    let name = span(whole, name).ok_or_else(|| malformed(input))?;
    let (after, value) = long_text(whole, after)?;
    Ok((after, (name, value)))
}

fn long_text<'a>(whole: Input<'a>, input: Input<'a>) -> IResult<Input<'a>, Span> {
    let (after, text) = length_bounded(input)?;
    let text = span(whole, text).ok_or_else(|| malformed(input))?;
    Ok((after, text))
}

/// `i32 length` and that many bytes, never more than there are.
fn length_bounded(input: Input<'_>) -> IResult<Input<'_>, Input<'_>> {
    let (after, length) = be_i32(input)?;
    let length = usize::try_from(length).map_err(|_| malformed(input))?;
    take(length)(after)
}

/// Where `part`, a slice of `whole`, lies; `None` when it is not UTF-8.
fn span(whole: Input<'_>, part: Input<'_>) -> Option<Span> {
    core::str::from_utf8(part).ok()?;
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    Some(Span::new(start, start + part.len()))
}

fn malformed(input: Input<'_>) -> nom::Err<nom::error::Error<Input<'_>>> {
    nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Verify))
}
