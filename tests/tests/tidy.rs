//! Files stay short enough to be read.

use std::path::{Path, PathBuf};

const LONGEST: usize = 800;
const MEDIAN: usize = 200;

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the sources are readable");
    for entry in entries.filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() {
            // Build output and hidden folders are not sources.
            if !name.starts_with('.') && !name.starts_with("target") {
                rust_files(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let count = |path: &PathBuf| std::fs::read_to_string(path).expect("sources are text").lines().count();
    let mut lengths: Vec<(usize, &PathBuf)> = files.iter().map(|path| (count(path), path)).collect();
    lengths.sort();
    assert!(lengths.len() > 100, "the sources were not found");
    let long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > LONGEST).collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:?}");
    let median = lengths[lengths.len() / 2].0;
    assert!(median <= MEDIAN, "half of the files are longer than {median} lines");
}
