//! What may stand before the first frame of an accepted connection (`spec/remoting.md` section 5): a HAProxy
//! header, version 1 or 2, that names the real client; or a TLS ClientHello.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest version 1 line the protocol allows, CRLF included.
const V1_LONGEST: usize = 107;

/// The start of a connection's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preface {
    /// More input decides.
    Undecided,
    /// Frames follow right away.
    None,
    /// A HAProxy header of `length` bytes; `client` is absent for health checks (`LOCAL`, `UNKNOWN`).
    Proxied { length: usize, client: Option<SocketAddr> },
    /// A TLS ClientHello: its first byte would make a frame of more than 16 MiB.
    Tls,
    /// Starts like a HAProxy header but is none.
    Malformed,
}

/// Looks at the first bytes of a connection.
#[must_use]
pub fn detect(bytes: &[u8]) -> Preface {
    match bytes.first() {
        None => Preface::Undecided,
        Some(0x16) => Preface::Tls,
        Some(b'P') if b"PROXY ".starts_with(&bytes[..bytes.len().min(6)]) => version_1(bytes),
        Some(b'\r') if V2_SIGNATURE.starts_with(&bytes[..bytes.len().min(12)]) => version_2(bytes),
        Some(_) => Preface::None,
    }
}

fn version_1(bytes: &[u8]) -> Preface {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() > V1_LONGEST { Preface::Malformed } else { Preface::Undecided };
    };
    let Ok(line) = core::str::from_utf8(&bytes[..end]) else {
        return Preface::Malformed;
    };
    let mut words = line.split(' ').skip(1);
    let client = match words.next() {
        Some("UNKNOWN") => None,
        Some("TCP4" | "TCP6") => {
            let (address, port) = (words.next(), words.nth(1));
            match (address.and_then(|a| a.parse().ok()), port.and_then(|p| p.parse().ok())) {
                (Some(address), Some(port)) => Some(SocketAddr::new(address, port)),
                _ => return Preface::Malformed,
            }
        }
        _ => return Preface::Malformed,
    };
    Preface::Proxied { length: end + 2, client }
}

fn version_2(bytes: &[u8]) -> Preface {
    let Some(fixed) = bytes.get(12..16) else {
        return Preface::Undecided;
    };
    let length = 16 + usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    let (version, command, family) = (fixed[0] >> 4, fixed[0] & 15, fixed[1] >> 4);
    if version != 2 || command > 1 {
        return Preface::Malformed;
    }
    let Some(addresses) = bytes.get(16..length) else {
        return Preface::Undecided;
    };
    let client = match (command, family) {
        (1, 1) => addresses.first_chunk::<12>().map(|block| {
            let ip = Ipv4Addr::new(block[0], block[1], block[2], block[3]);
            SocketAddr::new(IpAddr::V4(ip), u16::from_be_bytes([block[8], block[9]]))
        }),
        (1, 2) => addresses.first_chunk::<36>().map(|block| {
            let mut ip = [0; 16];
            ip.copy_from_slice(&block[..16]);
            SocketAddr::new(IpAddr::V6(Ipv6Addr::from(ip)), u16::from_be_bytes([block[32], block[33]]))
        }),
        _ => None,
    };
    Preface::Proxied { length, client }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_names_the_client() {
        let client = "1.2.3.4:1111".parse().ok();
        let line = b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\nrest";
        assert_eq!(detect(line), Preface::Proxied { length: 38, client });
        assert_eq!(detect(&line[..20]), Preface::Undecided);
        assert_eq!(detect(b"PROXY TCP4 nobody\r\n"), Preface::Malformed);
    }

    #[test]
    fn frames_and_tls_are_told_apart() {
        assert_eq!(detect(&[0, 0, 1, 0]), Preface::None);
        assert_eq!(detect(&[0x16, 3, 1]), Preface::Tls);
        assert_eq!(detect(b"GET / HTTP/1.1\r\n"), Preface::None);
    }
}
