//! The example for embedders does what it says.

#[path = "../../examples/embedding.rs"]
mod embedding;

#[test]
fn the_example_comes_to_its_end() {
    embedding::main().unwrap();
}
