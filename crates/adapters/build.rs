//! Migrations are embedded at compile time; without this a new file would go unnoticed until something else changes.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
