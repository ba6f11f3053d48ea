//! The servers under test, built once and found beside the tests.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Which of the two binaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frontend {
    Mio,
    AsyncStd,
}

impl Frontend {
    /// The name of the binary.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Frontend::Mio => "sansmq-mio",
            Frontend::AsyncStd => "sansmq-async",
        }
    }

    /// The binary, built from the sources as they are.
    #[must_use]
    pub fn binary(self) -> PathBuf {
        built().join(self.program())
    }
}

/// Builds both binaries in the tests' own profile and target folder; returns where they are.
fn built() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().expect("a running test is a file");
        // A test is TARGET/PROFILE/deps/test, a program TARGET/PROFILE/program.
        let folder = test.parent().expect("a file lies in a folder");
        let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
        let profile = profile.expect("profiles lie in the target folder").to_owned();
        let target = profile.parent().expect("profiles lie in the target folder");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "sansmq-mio", "--package", "sansmq-async"]);
        build.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().is_ok_and(|status| status.success()), "the servers do not build");
        profile
    })
}
