//! Products and plan types.

use license_manager_domain::model::seeded_products;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{Conflict, PlanType, PlanTypeId, Product, ProductId};

use super::Database;
use super::fixtures::*;

/// Plans are sold with the rules of their product's type.
pub fn a_product_comes_back_with_its_plan_type(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    for product in seeded_products() {
        assert_eq!(store.read(|unit| unit.products().find(product.id)), Ok(Some(product)));
    }
}

/// An unknown product is reported as such, not as a failure.
pub fn an_unknown_product_is_not_found(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    assert_eq!(store.read(|unit| unit.products().find(ProductId(99))), Ok(None));
}

/// Every start may seed: products that staff changed stay so.
pub fn seeding_again_changes_nothing(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    with_products(&*store);
    for product in seeded_products() {
        let history = db.history("product", &product.id.to_string());
        assert_eq!(history.iter().map(|entry| entry.kind).collect::<Vec<_>>(), ['+'], "product {}", product.id);
    }
}

/// An upgrade adds its products and touches no other.
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

/// Lists have one order, so pages neither repeat nor miss an item.
pub fn products_and_plan_types_are_listed_by_id(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    assert_eq!(store.read(|unit| unit.products().list()), Ok(seeded_products()));
    let types: Vec<_> = store.read(|unit| unit.products().plan_types()).unwrap();
    assert_eq!(types.iter().map(|plan_type| plan_type.id.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(types[0], seeded_products()[0].plan_type);
}

/// A product's id is never given twice, and its history begins with it.
pub fn a_new_product_follows_the_others_and_is_recorded(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    let new = Product { name: "Gift".to_owned(), netsuite_id: Some(120), ..seeded_products().remove(0) };
    let id = store.write(|unit| unit.products().add(&new, &change(3))).unwrap();
    assert_eq!(id, ProductId(6));
    assert_eq!(store.read(|unit| unit.products().find(id)), Ok(Some(Product { id, ..new.clone() })));
    let edited = Product { id, netsuite_id: None, salesforce_product_id: Some("01t1".to_owned()), ..new };
    store.write(|unit| unit.products().save(&edited, &change(4))).unwrap();
    assert_eq!(store.read(|unit| unit.products().find(id)), Ok(Some(edited.clone())));
    let history = db.history("product", "6");
    assert_eq!(history.iter().map(|entry| (entry.kind, entry.at)).collect::<Vec<_>>(), [('+', day(3)), ('~', day(4))]);
    let missing = Product { id: ProductId(9), ..edited };
    assert!(store.write(|unit| unit.products().save(&missing, &change(5))).is_err());
}

/// A sale in NetSuite leads to one product.
pub fn a_netsuite_id_names_one_product(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    let taken = seeded_products().remove(0);
    let conflict = Conflict::ProductNetsuiteId;
    assert_eq!(store.write(|unit| unit.products().add(&taken, &change(3))), Err(conflict.clone().into()));
    let second = Product { netsuite_id: taken.netsuite_id, ..seeded_products().remove(1) };
    assert_eq!(store.write(|unit| unit.products().save(&second, &change(3))), Err(conflict.into()));
    assert_eq!(store.read(|unit| unit.products().list()), Ok(seeded_products()));
}

/// Staff can sell new kinds of plans without a migration.
pub fn a_plan_type_can_be_added_and_changed(db: &dyn Database) {
    let store = db.store();
    with_products(&*store);
    let new = PlanType { label: "Gift".to_owned(), ns_id_required: false, ..seeded_products().remove(0).plan_type };
    let id = store.write(|unit| unit.products().add_plan_type(&new)).unwrap();
    assert_eq!(id, PlanTypeId(5));
    let edited = PlanType { id: PlanTypeId(1), description: "Another one".to_owned(), ..new.clone() };
    store.write(|unit| unit.products().save_plan_type(&edited)).unwrap();
    let types = store.read(|unit| unit.products().plan_types()).unwrap();
    assert_eq!((&types[0], &types[4]), (&edited, &PlanType { id, ..new.clone() }));
    assert_eq!(store.read(|unit| unit.products().find(ProductId(1))).unwrap().unwrap().plan_type, edited);
    let missing = PlanType { id: PlanTypeId(9), ..new };
    assert!(store.write(|unit| unit.products().save_plan_type(&missing)).is_err());
}
