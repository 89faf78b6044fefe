//! Products and plan types.

use license_manager_domain::ports::StoreExt;
use license_manager_domain::{PlanType, PlanTypeId, Product, ProductId, seeded_products};

use super::Database;
use super::fixtures::*;

pub fn a_product_comes_back_with_its_plan_type(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    for product in seeded_products() {
        assert_eq!(store.read(|unit| unit.products().find(product.id)), Ok(Some(product)));
    }
}

pub fn an_unknown_product_is_not_found(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    assert_eq!(store.read(|unit| unit.products().find(ProductId(99))), Ok(None));
}

pub fn seeding_again_changes_nothing(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    with_products(&*store);
    for product in seeded_products() {
        let history = db.history("product", &product.id.to_string());
        assert_eq!(history.iter().map(|entry| entry.kind).collect::<Vec<_>>(), ['+'], "product {}", product.id);
    }
}

pub fn seeding_adds_what_is_missing_and_leaves_what_exists(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    let mut products = seeded_products();
    products[0].name = "Another name".to_owned();
    let added = Product {
        id: ProductId(6),
        name: "Gift".to_owned(),
        description: "Subscription as a gift".to_owned(),
        netsuite_id: Some(120),
        salesforce_product_id: Some("01t000000000000001".to_owned()),
        plan_type: PlanType {
            id: PlanTypeId(5),
            label: "Gift".to_owned(),
            description: "A plan somebody else pays for".to_owned(),
            is_paid_subscription: true,
            ns_id_required: true,
            sf_id_required: false,
            internal_use_only: false,
        },
    };
    products.push(added.clone());
    store.write(|unit| unit.products().seed(&products, &change(1))).unwrap();
    assert_eq!(store.read(|unit| unit.products().find(ProductId(6))), Ok(Some(added)));
    assert_eq!(store.read(|unit| unit.products().find(ProductId(1))), Ok(seeded_products().into_iter().next()));
}
