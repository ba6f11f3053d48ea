//! The wire, byte by byte, against what the reference was seen to do.

use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::{Command, Encoding, Ext};
use sansmq_tests::{Client, Frontend, Pull, Server, bodies, ext, on_both_frontends, send};

on_both_frontends!(
    recorded_conversations,
    one_way_requests_are_never_answered,
    unknown_codes_say_so,
    both_encodings_are_read_and_the_own_one_is_written,
    frames_may_be_cut_anywhere,
    proxies_may_announce_the_client,
);

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("golden data is hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn unknown() -> Command {
    Command::request(9999, Ext::new())
}

fn recorded_conversations(frontend: Frontend) {
    let server = Server::namesrv(frontend);
    let text = include_str!("../golden/remoting/malformed.json");
    let golden: serde_json::Value = serde_json::from_str(text).expect("golden data is JSON");
    let cases = golden["cases"].as_array().expect("a list of cases");
    assert!(cases.len() > 25);
    for case in cases {
        let (name, expect) = (&case["name"], &case["expect"]);
        let mut client = server.client();
        client.write(&bytes(case["send"].as_str().expect("bytes to send")));
        if expect["closed"] == true {
            assert!(client.is_closed(), "{name}");
        } else if expect["openNoReply"] == true {
            assert!(client.is_silent(), "{name}");
        } else {
            let answer = client.receive();
            assert_eq!(i64::from(answer.code), expect["code"], "{name}: {answer:?}");
            assert_eq!(answer.flag, 1, "{name}");
            if let Some(opaque) = expect["opaque"].as_i64() {
                assert_eq!(i64::from(answer.opaque), opaque, "{name}");
            }
            if let Some(remark) = expect["remark"].as_str() {
                assert_eq!(answer.remark.as_deref(), Some(remark), "{name}");
            }
        }
    }
    server.client().must(&Command::request(request::GET_BROKER_CLUSTER_INFO, Ext::new()));
}

fn one_way_requests_are_never_answered(frontend: Frontend) {
    let server = Server::broker(frontend, "");
    let mut client = server.client();
    for command in [unknown(), send("", "no topic"), send("T", "fine"), Pull::from("T", 0).command()] {
        client.send(&command.oneway());
    }
    assert!(client.is_silent());
    let answer = client.call(&Pull::from("T", 0).command());
    assert_eq!(bodies(&answer), [b"fine"]);
}

fn unknown_codes_say_so(frontend: Frontend) {
    for server in [Server::namesrv(frontend), Server::broker(frontend, "")] {
        let answer = server.client().call(&unknown());
        assert_eq!(answer.code, response::REQUEST_CODE_NOT_SUPPORTED);
        assert_eq!(answer.remark.as_deref(), Some(" request type 9999 not supported"));
    }
}

fn both_encodings_are_read_and_the_own_one_is_written(frontend: Frontend) {
    for (own, mark) in [("JSON", 0), ("ROCKETMQ", 1)] {
        let env = [("ROCKETMQ_SERIALIZE_TYPE", own)];
        let server = Server::start(frontend, "namesrv", "bindAddress=127.0.0.1\n", &env);
        let mut client = server.client();
        let put = Command::request(request::PUT_KV_CONFIG, ext("namespace=n key=k value=v"));
        for encoding in [Encoding::Json, Encoding::RocketMq] {
            let opaque = client.send_as(&put, encoding);
            let answer = client.receive();
            assert_eq!((answer.code, answer.opaque, client.last_mark), (0, opaque, mark));
            let get = Command::request(request::GET_KV_CONFIG, ext("namespace=n key=k"));
            assert_eq!(client.must(&get).ext_text("value").as_deref(), Some("v"));
        }
    }
}

/// Requests back to back, cut at every place once, and into single bytes.
fn frames_may_be_cut_anywhere(frontend: Frontend) {
    let server = Server::namesrv(frontend);
    let encodings = [Encoding::Json, Encoding::RocketMq, Encoding::Json];
    let frame = |(opaque, encoding)| Command { opaque, ..unknown() }.encode(encoding);
    let stream: Vec<u8> = (1..).zip(encodings).flat_map(frame).collect();
    let check = |client: &mut Client, cut: usize| {
        let opaques: Vec<i32> = encodings.iter().map(|_| client.receive().opaque).collect();
        assert_eq!(opaques, [1, 2, 3], "cut at {cut}");
    };
    for cut in 0..stream.len() {
        let mut client = server.client();
        client.write(&stream[..cut]);
        // Long enough for the first part to be read alone most of the time.
        std::thread::sleep(std::time::Duration::from_micros(300));
        client.write(&stream[cut..]);
        check(&mut client, cut);
    }
    let mut client = server.client();
    stream.iter().for_each(|byte| client.write(&[*byte]));
    check(&mut client, 0);
}

fn proxies_may_announce_the_client(frontend: Frontend) {
    let server = Server::namesrv(frontend);
    let version_1: &[u8] = b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n";
    let local: &[u8] = b"PROXY UNKNOWN\r\n";
    let version_2: &[u8] =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x04\x57\x08\xae";
    for preface in [version_1, local, version_2] {
        let mut client = server.client();
        for byte in preface {
            client.write(&[*byte]);
        }
        client.call(&unknown());
    }
    for broken in [&b"PROXY TCP9 x\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0", b"\x16\x03\x01\x02\0"] {
        let mut client = server.client();
        client.write(broken);
        assert!(client.is_closed(), "{broken:?}");
    }
}
