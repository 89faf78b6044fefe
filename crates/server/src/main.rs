//! The `license-manager` program.

fn main() {}
