//! Entities are written and read by serde, with the feature `serde`.

use std::fmt::Debug;

use crate::support::*;
use license_manager_domain::model::{TransferOrder, TransferredLicenses};
use license_manager_domain::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What is written, after it was read again as the same.
fn written<T: Serialize + DeserializeOwned + PartialEq + Debug>(entity: &T) -> Value {
    let value = serde_json::to_value(entity).unwrap();
    assert_eq!(&serde_json::from_value::<T>(value.clone()).unwrap(), entity);
    value
}

#[test]
fn entities_are_read_as_they_were_written() {
    let world = World::new();
    let (prior, other) = (world.plan(4), world.plan(1));
    world.activate(prior, "amy@example.com", 7);
    world.activate(prior, "bob@example.com", 8);
    world.revoke(prior, &["bob@example.com"]).unwrap();
    world.assign(prior, &learners(["zoe@example.com"])).unwrap();
    let renewal = world.schedule(&world.terms(prior, 3));
    let following = world.renew(renewal).unwrap();

    let states: Vec<Value> = world.licenses(prior).iter().map(|license| written(license)["state"].clone()).collect();
    let has = |name: &str| states.iter().any(|state| state == name || state.get(name).is_some());
    assert!(["unassigned", "assigned", "activated", "revoked"].into_iter().all(has), "{states:?}");

    for (plan, side) in [(prior, "following"), (following, "prior")] {
        let details = written(&world.manager.plan(plan).unwrap().details);
        assert_eq!(details[side]["license_types_to_copy"], json!("assigned_and_activated"));
    }
    written(&world.manager.plan(prior).unwrap().counts);
    written(&world.manager.renewal(renewal).unwrap());

    world.rewrite_agreement(|agreement| {
        agreement.auto_scaling.max_licenses = Some(9);
        agreement.expiration_message = Some(ExpirationMessage {
            modal_header_text: "Over".to_owned(),
            modal_messaging: "<p>It is over.</p>".to_owned(),
            button_label: "Go on".to_owned(),
            button_url: "https://example.com".to_owned(),
        });
    });
    let agreement = written(&world.manager.agreement(world.agreement).unwrap().details.agreement);
    assert_eq!(agreement["auto_scaling"]["max_licenses"], json!(9));
    assert_eq!(agreement["expiration_message"]["button_label"], json!("Go on"));

    let product = written(&world.manager.product(ProductId(4)).unwrap());
    assert_eq!(product["plan_type"]["id"], json!(world.manager.product(ProductId(4)).unwrap().plan_type.id));

    let order = TransferOrder {
        agreement: world.agreement,
        old_plan: prior,
        new_plan: other,
        notes: None,
        is_dry_run: true,
        licenses: TransferredLicenses::All,
    };
    let job = world.manager.create_transfer_job(&admin(), &order).unwrap();
    assert_eq!(written(&job)["order"]["licenses"], json!("all"));
}
