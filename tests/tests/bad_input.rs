//! Peers that send nonsense, never read, or never speak.

use std::io::Read as _;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use sansmq_core::wire::Command;
use sansmq_core::wire::code::request;
use sansmq_tests::{Client, Frontend, Pull, Server, bodies, eventually, ext, on_both_frontends, send};

on_both_frontends!(
    refused_frames_close_the_connection_and_are_logged,
    garbage_hurts_nobody_else,
    a_client_that_never_reads_is_held_back,
    a_client_that_reads_late_gets_everything,
    idle_connections_cost_little,
);

fn refused_frames_close_the_connection_and_are_logged(frontend: Frontend) {
    let server = Server::broker(frontend, "");
    let cases: [(&[u8], &str); 6] = [
        (b"\x7f\xff\xff\xff\0\0\0\0", "exceeds the limit"),
        (b"\xff\xff\xff\xff\0\0\0\0", "negative or shorter"),
        (b"\0\0\0\x14\0\xff\xff\xff", "header length"),
        (b"\0\0\0\x14\x09\0\0\x01", "unknown serialize type 9"),
        (b"\0\0\0\x08\0\0\0\x04{{{{", "JSON header is malformed"),
        (b"\0\0\0\x08\x01\0\0\x04zzzz", "binary header is malformed"),
    ];
    for (bytes, why) in cases {
        let mut client = server.client();
        client.must(&send("T", "before"));
        let from = client.stream.local_addr().expect("the connection stands").to_string();
        client.write(bytes);
        assert!(client.is_closed(), "{why}");
        let logged = |line: &str| line.contains(why) && line.contains(&from);
        eventually(5, why, || server.log().lines().any(logged));
    }
}

/// A generator good enough for nonsense (SplitMix64).
fn nonsense(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)).to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

fn garbage_hurts_nobody_else(frontend: Frontend) {
    let server = Server::broker(frontend, "");
    let mut bystander = server.client();
    let valid = send("T", "x").encode(sansmq_core::wire::Encoding::Json);
    for seed in 0..300u64 {
        let mut client = server.client();
        let mut bytes = nonsense(seed, 64 + 7 * seed as usize);
        if seed % 3 > 0 {
            // A good frame with some bytes of it changed reaches further than noise does.
            let at = seed as usize * 13 % (valid.len() - 3);
            let noise = [bytes[0], bytes[1]];
            bytes = valid.to_vec();
            bytes[at..at + 2].copy_from_slice(&noise);
        }
        client.write(&bytes);
        // It may be gone already.
        let _ = client.stream.shutdown(Shutdown::Write);
        let mut answers = Vec::new();
        let ends = client.stream.set_read_timeout(Some(Duration::from_secs(10)));
        ends.expect("the time is not zero");
        match client.stream.read_to_end(&mut answers) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "seed {seed}"),
        }
        if seed % 50 == 0 {
            bystander.must(&send("T", "still served"));
        }
    }
    assert!(server.rss_mib() < 200);
}

/// Pull requests for 1 MiB each that nobody takes the answers of.
fn pipeline(server: &Server, pulls: usize) -> Client {
    let mut client = server.client();
    client.stream.set_write_timeout(Some(Duration::from_millis(500))).expect("the time is not zero");
    for _ in 0..pulls {
        let pull = Command { opaque: 7, ..Pull { max: 1, ..Pull::from("T", 0) }.command() };
        let bytes = pull.encode(sansmq_core::wire::Encoding::Json);
        if std::io::Write::write_all(&mut client.stream, &bytes).is_err() {
            // The server has stopped reading, which is what it should do.
            break;
        }
    }
    client
}

fn a_client_that_never_reads_is_held_back(frontend: Frontend) {
    let server = Server::broker(frontend, "");
    server.client().must(&send("T", vec![b'x'; 1 << 20]));
    let silent: Vec<Client> = (0..4).map(|_| pipeline(&server, 20_000)).collect();
    let mut other = server.client();
    for number in 0..200 {
        other.must(&send("U", format!("{number}")));
    }
    assert!(!bodies(&other.must(&Pull::from("U", 0).command())).is_empty());
    let rss = server.rss_mib();
    println!("{frontend:?}: {rss} MiB with {} clients that do not read", silent.len());
    assert!(rss < 200, "{rss} MiB");
}

fn a_client_that_reads_late_gets_everything(frontend: Frontend) {
    let server = Server::broker(frontend, "");
    server.client().must(&send("T", vec![b'x'; 1 << 20]));
    let mut late = pipeline(&server, 60);
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..60 {
        let answer = late.receive();
        assert_eq!((answer.code, answer.opaque, answer.body.len() > 1 << 20), (0, 7, true));
    }
}

/// As many connections as SANSMQ_IDLE_CONNECTIONS says, 2000 without it; every one of them is served. For 10,000:
/// `SANSMQ_IDLE_CONNECTIONS=10000 cargo test -p sansmq-tests --test bad_input idle -- --nocapture --test-threads 1`
fn idle_connections_cost_little(frontend: Frontend) {
    let wanted = std::env::var("SANSMQ_IDLE_CONNECTIONS").ok().and_then(|text| text.parse().ok());
    let wanted: usize = wanted.unwrap_or(2_000);
    raise_open_files();
    let server = Server::namesrv(frontend);
    let before = server.rss_mib();
    let ask = Command::request(request::PUT_KV_CONFIG, ext("namespace=n key=k value=v"));
    let mut clients: Vec<Client> = Vec::new();
    for number in 0..wanted {
        let mut client = server.client();
        if number % 100 == 0 {
            client.must(&ask);
        }
        clients.push(client);
    }
    clients.iter_mut().for_each(|client| drop(client.must(&ask)));
    let rss = server.rss_mib();
    println!("{frontend:?}: {wanted} connections, {before} MiB before, {rss} MiB with them");
    let bound = before + 10 + wanted as u64 / 250;
    assert!(rss <= bound, "{rss} MiB, at most {bound} expected");
    // All leave at once, and the server takes new ones.
    let streams: Vec<TcpStream> = clients.into_iter().map(|client| client.stream).collect();
    drop(streams);
    server.client().must(&ask);
}

fn raise_open_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that the calls fill in and read.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}
