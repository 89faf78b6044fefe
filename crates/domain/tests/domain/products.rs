//! Staff keep products, plan types and roles.

use crate::support::*;
use license_manager_domain::model::StaffActionKind;
use license_manager_domain::ports::{RoleAssignment, RoleAssignmentFilter, StaffActionFilter, StoreExt};
use license_manager_domain::use_cases::{PlanTypeChanges, ProductChanges};
use license_manager_domain::*;

fn named(name: &str) -> ProductChanges {
    ProductChanges { name: Some(name.to_owned()), ..ProductChanges::default() }
}

fn wrong_field<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    let Err(Error::Invalid(errors)) = outcome else { panic!("{outcome:?}") };
    errors.iter().map(|(field, _)| field.to_owned()).collect()
}

#[test]
fn a_product_has_the_ids_its_plan_type_asks_for() {
    let world = World::new();
    let paid = PlanTypeId(1);
    assert_eq!(wrong_field(world.manager.create_product(&admin(), paid, &named("Gift"))), "netsuite_id");
    let complete = ProductChanges { netsuite_id: Edit::Set(120), ..named("Gift") };
    let product = world.manager.create_product(&admin(), paid, &complete).unwrap();
    assert_eq!(world.manager.product(product.id), Ok(product.clone()));
    let without = ProductChanges { netsuite_id: Edit::Clear, ..ProductChanges::default() };
    assert_eq!(wrong_field(world.manager.update_product(&admin(), product.id, &without)), "netsuite_id");
    let trial = ProductChanges { plan_type: Some(PlanTypeId(3)), ..without };
    assert_eq!(world.manager.update_product(&admin(), product.id, &trial).unwrap().netsuite_id, None);
    let taken = ProductChanges { netsuite_id: Edit::Set(106), ..ProductChanges::default() };
    let refused = world.manager.update_product(&admin(), product.id, &taken);
    assert_eq!(refused, Err(Conflict::ProductNetsuiteId.into()));
}

#[test]
fn a_product_of_an_unknown_plan_type_is_refused() {
    let world = World::new();
    let unknown = Err(Error::UnknownReference { field: "plan_type", entity: Entity::PlanType });
    assert_eq!(world.manager.create_product(&admin(), PlanTypeId(99), &named("Gift")), unknown);
    let moved = ProductChanges { plan_type: Some(PlanTypeId(99)), ..ProductChanges::default() };
    assert_eq!(world.manager.update_product(&admin(), ProductId(1), &moved), unknown);
    assert_eq!(world.manager.update_product(&admin(), ProductId(99), &moved), Err(Error::NotFound(Entity::Product)));
}

#[test]
fn an_edit_that_changes_nothing_is_not_recorded() {
    let world = World::new();
    let before = world.store.history().len();
    world.manager.update_product(&admin(), ProductId(3), &named("Trial")).unwrap();
    assert_eq!(world.store.history().len(), before);
    world.manager.update_product(&admin(), ProductId(3), &named("Try")).unwrap();
    assert_eq!(world.store.history().len(), before + 1);
}

#[test]
fn a_plan_type_asks_for_no_id_that_its_products_lack() {
    let world = World::new();
    let asking = PlanTypeChanges { ns_id_required: Some(true), ..PlanTypeChanges::default() };
    assert_eq!(wrong_field(world.manager.update_plan_type(&admin(), PlanTypeId(3), &asking)), "ns_id_required");
    let new = PlanTypeChanges { label: Some("Gift".to_owned()), ..asking };
    let gift = world.manager.create_plan_type(&admin(), &new).unwrap();
    assert!(gift.ns_id_required && !gift.sf_id_required);
    let renamed = PlanTypeChanges { label: Some("Present".to_owned()), ..PlanTypeChanges::default() };
    world.manager.update_plan_type(&admin(), gift.id, &renamed).unwrap();
    assert_eq!(world.manager.plan_type(gift.id).unwrap().label, "Present");
    assert_eq!(world.manager.plan_type(PlanTypeId(99)), Err(Error::NotFound(Entity::PlanType)));
}

#[test]
fn a_role_can_be_given_before_its_user_ever_called() {
    let world = World::new();
    let role = RoleAssignment { role: "enterprise_subscriptions_admin".to_owned(), customer: Some(customer()) };
    let (given, new) = world.manager.give_role(&admin(), "amy", &role).unwrap();
    assert!(new);
    assert_eq!(world.manager.give_role(&admin(), "amy", &role), Ok((given.clone(), false)));
    let amy = world.store.read(|unit| unit.users().find("amy")).unwrap().unwrap();
    assert_eq!((amy.email, amy.is_staff, amy.roles), (None, false, vec![role]));
    let unknown = RoleAssignment { role: "enterprise_admin".to_owned(), customer: None };
    assert_eq!(wrong_field(world.manager.give_role(&admin(), "amy", &unknown)), "role");
    world.manager.take_role(&admin(), given.id).unwrap();
    assert_eq!(world.manager.take_role(&admin(), given.id), Err(Error::NotFound(Entity::RoleAssignment)));
    let all = world.manager.role_assignments::<Error>(&RoleAssignmentFilter::default(), |_| Ok(ALL)).unwrap();
    assert_eq!((all.total, all.items), (0, vec![]));
    let actions = world.manager.staff_actions::<Error>(&StaffActionFilter::default(), |_| Ok(ALL)).unwrap().items;
    let mut told: Vec<_> =
        actions.iter().map(|action| (action.kind, action.by.as_deref(), action.user.as_deref())).collect();
    told.sort_unstable();
    let (given, taken) = (StaffActionKind::RoleGiven, StaffActionKind::RoleTaken);
    let by = admin().username;
    assert_eq!(
        told,
        [(given, by.as_deref(), Some("amy")), (taken, by.as_deref(), Some("amy"))],
        "what changed nothing is left out"
    );
}

#[test]
fn a_superuser_is_made_before_they_ever_called_and_unmade() {
    let world = World::new();
    let superuser = || world.store.read(|unit| unit.users().find("amy")).unwrap().map(|amy| amy.is_superuser);
    assert_eq!((world.manager.unmake_superuser("amy"), superuser()), (Ok(false), None), "nobody knows amy");
    for _ in 0..2 {
        world.manager.make_superuser("amy").unwrap();
        assert_eq!(superuser(), Some(true));
    }
    assert_eq!((world.manager.unmake_superuser("amy"), superuser()), (Ok(true), Some(false)));
}

#[test]
fn every_plan_type_is_listed() {
    let world = World::new();
    let types = world.manager.plan_types().unwrap();
    for product in world.store.read(|unit| unit.products().list()).unwrap() {
        assert!(types.iter().any(|kind| kind.id == product.plan_type.id), "{}", product.name);
    }
    for kind in types {
        assert_eq!(world.manager.plan_type(kind.id), Ok(kind));
    }
}
