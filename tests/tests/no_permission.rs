//! Files and folders that the process may not read or write: the start names them and changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sansmq_tests::{Folder, Frontend, Server, free_ports, on_both_frontends, send};

on_both_frontends!(
    a_configuration_file_that_may_not_be_read_is_named,
    folders_of_the_store_that_may_not_be_used_are_named,
    files_of_the_store_that_may_not_be_used_are_named,
    tables_that_may_not_be_read_are_not_taken_for_empty,
    foreign_files_are_left_alone,
);

fn set_mode(path: &Path, mode: u32) {
    let changed = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    changed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Runs a broker that has to give up; what it said.
fn refusal(frontend: Frontend, folder: &Folder) -> String {
    let file = folder.join("server.conf");
    if !Path::new(&file).exists() {
        let ports = format!("bindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\nlistenPort={}\n", free_ports());
        folder.write("server.conf", &ports);
    }
    let args = ["broker", "-c", &file, "--data", &folder.join("data")];
    let out = Server::run_subject_to_modes(frontend, &args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code().is_some_and(|code| code != 0), "{:?}: {said}", out.status);
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn assert_denied(said: &str, path: &Path) {
    let named = said.contains(&path.display().to_string());
    assert!(named && said.contains("ermission denied"), "{} in: {said}", path.display());
}

/// A folder with the store of a broker that has ended, in order or not.
fn used(frontend: Frontend, in_order: bool) -> Folder {
    let mut server = Server::broker(frontend, "");
    server.client().must(&send("T", "kept"));
    if in_order {
        assert!(server.stop().success());
    } else {
        server.kill();
    }
    server.take_folder()
}

fn a_configuration_file_that_may_not_be_read_is_named(frontend: Frontend) {
    let folder = Folder::new();
    let file = folder.write("server.conf", "brokerName=x\n");
    set_mode(Path::new(&file), 0);
    assert_denied(&refusal(frontend, &folder), Path::new(&file));
    assert!(!folder.path().join("data/store").exists(), "nothing is begun");
}

fn folders_of_the_store_that_may_not_be_used_are_named(frontend: Frontend) {
    for (name, mode) in
        [("", 0), ("", 0o500), ("commitlog", 0), ("consumequeue", 0), ("consumequeue/T", 0), ("index", 0)]
    {
        let folder = used(frontend, true);
        let dir = folder.path().join("data/store").join(name);
        set_mode(&dir, mode);
        let said = refusal(frontend, &folder);
        set_mode(&dir, 0o700);
        assert_denied(&said, &dir);
        assert!(!folder.path().join("data/store/abort").exists(), "{name}: a refused start leaves no trace");
    }
    // neither can the store be begun in a folder of others
    let folder = Folder::new();
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("logs")).expect("the temporary folder is writable");
    set_mode(&data, 0o500);
    let said = refusal(frontend, &folder);
    set_mode(&data, 0o700);
    assert_denied(&said, &data);
}

fn files_of_the_store_that_may_not_be_used_are_named(frontend: Frontend) {
    for in_order in [true, false] {
        for (name, mode) in [
            ("commitlog/00000000000000000000", 0),
            ("commitlog/00000000000000000000", 0o400),
            ("consumequeue/T/0/00000000000000000000", 0),
            ("checkpoint", 0),
            ("lock", 0),
        ] {
            let folder = used(frontend, in_order);
            let file = folder.path().join("data/store").join(name);
            let before = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            set_mode(&file, mode);
            let said = refusal(frontend, &folder);
            assert_denied(&said, &file);
            set_mode(&file, 0o600);
            assert!(fs::read(&file).is_ok_and(|after| after == before), "{name} was changed");
        }
    }
}

fn tables_that_may_not_be_read_are_not_taken_for_empty(frontend: Frontend) {
    for name in ["topics.json", "subscriptionGroup.json", "consumerOffset.json", "delayOffset.json"] {
        let folder = Folder::new();
        fs::create_dir_all(folder.join("data/store/config")).expect("the temporary folder is writable");
        // a backup that could be read is older, and no reason to go on
        folder.write(&format!("data/store/config/{name}.bak"), "{}");
        let file = folder.write(&format!("data/store/config/{name}"), "{}");
        set_mode(Path::new(&file), 0);
        let said = refusal(frontend, &folder);
        assert_denied(&said, Path::new(&file));
        assert!(!said.contains("Restore"), "a table that may not be read is not damaged: {said}");
        set_mode(Path::new(&file), 0o600);
        assert_eq!(fs::read(&file).ok().as_deref(), Some(&b"{}"[..]));
    }
}

fn foreign_files_are_left_alone(frontend: Frontend) {
    let folder = used(frontend, false);
    let foreign = [
        "commitlog/notes.txt",
        "commitlog/.0000.swp",
        "consumequeue/README",
        "consumequeue/T/lost+found",
        "consumequeue/T/0/core.17",
        "index/backup.tar",
        "config/topics.json.orig",
    ];
    for name in foreign {
        folder.write(&format!("data/store/{name}"), "somebody else's");
    }
    let server = Server::broker_in(folder, frontend);
    server.client().must(&send("T", "second"));
    for name in foreign {
        let text = fs::read_to_string(server.folder.path().join("data/store").join(name));
        assert!(text.is_ok_and(|text| text == "somebody else's"), "{name}");
    }
}
