//! Offset message ids: upper-case hex of store host ip, port and log offset (`spec/store.md` section 3).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The id of the record at byte `offset` of the log of the broker at `store_host`: 32 characters for IPv4,
/// 56 for IPv6.
#[must_use]
pub fn encode(store_host: SocketAddr, offset: u64) -> String {
    let mut hex = [0; 56];
    let ip_len = match store_host.ip() {
        IpAddr::V4(ip) => write_hex(&mut hex, &ip.octets()),
        IpAddr::V6(ip) => write_hex(&mut hex, &ip.octets()),
    };
    let port_len = write_hex(&mut hex[ip_len..], &u32::from(store_host.port()).to_be_bytes());
    let len = ip_len + port_len;
    let len = len + write_hex(&mut hex[len..], &offset.to_be_bytes());
    core::str::from_utf8(&hex[..len]).unwrap_or_default().to_owned()
}

/// Takes an id apart; `None` unless it has one of the two lengths, is hex and names a real port.
///
/// A client's unique id has the same lengths, so success does not prove that the id is an offset id.
#[must_use]
pub fn decode(id: &str) -> Option<(SocketAddr, u64)> {
    let mut raw = [0u8; 28];
    let len = match id.len() {
        32 => 16,
        56 => 28,
        _ => return None,
    };
    let text = id.as_bytes();
    for (byte, pair) in raw.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    let (ip, rest) = raw[..len].split_at(len - 12);
    let ip: IpAddr = match *ip {
        [a, b, c, d] => Ipv4Addr::new(a, b, c, d).into(),
        _ => Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?).into(),
    };
    let port = u32::from_be_bytes(rest[..4].try_into().ok()?);
    let offset = u64::from_be_bytes(rest[4..].try_into().ok()?);
    Some((SocketAddr::new(ip, u16::try_from(port).ok()?), offset))
}

/// Two digits a byte; how many digits.
fn write_hex(out: &mut [u8], bytes: &[u8]) -> usize {
    for (digits, byte) in out.chunks_exact_mut(2).zip(bytes) {
        digits[0] = HEX[usize::from(byte >> 4)];
        digits[1] = HEX[usize::from(byte & 15)];
    }
    bytes.len() * 2
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_id() {
        let host = "127.0.0.1:21110".parse().unwrap();
        assert_eq!(encode(host, 0x57981), "7F000001000052760000000000057981");
        assert_eq!(decode("7F000001000052760000000000057981"), Some((host, 0x57981)));
    }

    #[test]
    fn both_families_survive() {
        for host in ["10.1.2.3:65535", "[2001:db8::7]:10911"] {
            let host: SocketAddr = host.parse().unwrap();
            assert_eq!(decode(&encode(host, u64::MAX)), Some((host, u64::MAX)));
        }
    }

    #[test]
    fn refuses_what_is_no_id() {
        assert_eq!(decode(""), None);
        assert_eq!(decode("7F00000100005276000000000005798"), None);
        assert_eq!(decode("7F0000010000527600000000000579ZZ"), None);
        assert_eq!(decode("7F000001FFFFFFFF0000000000057981"), None);
        assert_eq!(decode("ééééééééééééééé!"), None);
    }

    quickcheck::quickcheck! {
        fn never_panics(text: String) -> bool {
            let _ = decode(&text);
            true
        }
    }
}
