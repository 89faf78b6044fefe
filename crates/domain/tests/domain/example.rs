//! The examples for embedders do what they say.

#[path = "../../examples/embedding.rs"]
mod embedding;
#[path = "../../examples/own_store/main.rs"]
pub mod own_store;

#[test]
fn a_year_of_a_customer_comes_to_its_end() {
    embedding::main().unwrap();
}

#[test]
fn a_store_of_one_s_own_serves_assigning_activating_and_revoking() {
    own_store::main().unwrap();
}
