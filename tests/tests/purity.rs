//! The core depends on nothing that could reach outside.

use std::collections::BTreeSet;
use std::process::Command;

/// Everything the core may link, directly or not. A new entry is a decision: it must do no IO, read no clock,
/// start no thread and draw no random numbers. What openraft brings along (from `anyerror` on, in its own order)
/// is allowed for it alone: it asks the core's runtime for time, tasks and chance (`core/src/raft/runtime`), and
/// no code of ours may name these crates (see below).
const ALLOWED: [&str; 15] = [
    "adler2",
    "bytes",
    "cfg-if",
    "crc32fast",
    "flate2",
    "memchr",
    "miniz_oxide",
    "nom",
    "once_cell",
    "pin-project-lite",
    "sansmq-core",
    "simd-adler32",
    "thiserror",
    "tracing",
    "tracing-core",
];
const BELOW_OPENRAFT: [&str; 44] = [
    "anyerror",
    "backoff-series",
    "base2histogram",
    "block-buffer",
    "chacha20",
    "chrono",
    "chrono-tz",
    "cpufeatures",
    "crypto-common",
    "derive_more",
    "digest",
    "display-more",
    "either",
    "futures-channel",
    "futures-core",
    "futures-task",
    "futures-util",
    "generic-array",
    "getrandom",
    "iana-time-zone",
    "itertools",
    "itoa",
    "libc",
    "maplit",
    "num-traits",
    "openraft",
    "openraft-rt",
    "peel-off",
    "phf",
    "phf_shared",
    "quorum-set",
    "rand",
    "rand_core",
    "semver",
    "serde",
    "serde_core",
    "serde_json",
    "sha2",
    "siphasher",
    "slab",
    "smallvec",
    "typenum",
    "validit",
    "zmij",
];
/// Run by the compiler only.
const MACROS: [&str; 13] = [
    "convert_case",
    "derive_more-impl",
    "futures-macro",
    "openraft-macros",
    "proc-macro2",
    "quote",
    "serde_derive",
    "syn",
    "thiserror-impl",
    "tracing-attributes",
    "unicode-ident",
    "unicode-segmentation",
    "unicode-xid",
];

#[test]
fn the_core_links_nothing_with_io() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--package", "sansmq-core", "--edges", "normal", "--prefix", "none"]);
    let out = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    let linked: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(linked.contains("bytes"), "{text}");
    let known: BTreeSet<&str> = ALLOWED.into_iter().chain(BELOW_OPENRAFT).chain(MACROS).collect();
    let new: Vec<_> = linked.difference(&known).collect();
    assert!(new.is_empty(), "new below sansmq-core: {new:?}");
}

/// Clippy refuses these by type and method (core/clippy.toml); this also sees what macros hide.
#[test]
fn the_core_names_nothing_with_io() {
    let words = [
        "std::net::Tcp",
        "std::fs",
        "std::thread",
        "std::process",
        "time::Instant",
        "SystemTime",
        "unsafe {",
        "tokio",
        "chrono::",
        "getrandom",
        "libc::",
        "rand::rng()",
        "rand::random",
        "rngs::Sys",
    ];
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources are readable").filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            seen += 1;
            let text = std::fs::read_to_string(&path).expect("sources are text");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code: Vec<&str> = code.collect();
            for word in words {
                let found = code.iter().find(|line| line.contains(word));
                assert!(found.is_none(), "{}: {found:?}", path.display());
            }
        }
    }
    assert!(seen > 50, "the sources were not found");
}
