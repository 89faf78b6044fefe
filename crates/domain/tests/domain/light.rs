//! What embedding costs: the number of crates.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates that are built for the domain, each once.
fn crates(options: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(env!("CARGO"))
        .args(tree)
        .args(options)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let crates = lines.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some(format!("{} {}", words.next()?, words.next()?))
    });
    crates.collect()
}

#[test]
fn the_domain_without_features_needs_few_crates() {
    let least = crates(&["--no-default-features"]);
    assert!(least.len() < 40, "{} crates: {least:#?}", least.len());
    let heavy = ["ammonia", "cronexpr", "csv", "idna", "url", "tokio"];
    let found: Vec<_> =
        least.iter().filter(|found| heavy.iter().any(|name| found.starts_with(&format!("{name} ")))).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_domain_needs_no_runtime_and_no_database() {
    let all = crates(&["--all-features"]);
    for name in ["tokio", "diesel", "reqwest", "actix-web", "sqlx", "hyper"] {
        assert!(all.iter().all(|found| !found.starts_with(&format!("{name} "))), "{name}");
    }
}
