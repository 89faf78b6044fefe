//! The docs of the license manager list its methods by subject.

use std::fs;
use std::path::Path;

/// The source files of a folder and its folders.
fn sources(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false => found.push(fs::read_to_string(&path).unwrap()),
        }
    }
    found
}

#[test]
fn every_method_is_listed() {
    let all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let table: String =
        all.iter().flat_map(|source| source.lines()).filter(|line| line.starts_with("/// | ")).collect();
    let mut methods = Vec::new();
    for source in &all {
        for rest in source.split("\nimpl LicenseManager {\n").skip(1) {
            let body = rest.split("\n}\n").next().unwrap_or_default();
            let starts = body
                .lines()
                .filter_map(|line| line.strip_prefix("    pub fn ").or_else(|| line.strip_prefix("    pub async fn ")));
            methods.extend(starts.filter_map(|start| start.split(['(', '<']).next()));
        }
    }
    assert!(methods.len() > 100, "{methods:?}");
    methods.retain(|method| !table.contains(&format!("(Self::{method})")));
    assert!(methods.is_empty(), "the table at LicenseManager lacks {methods:?}");
}
