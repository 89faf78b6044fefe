//! Products and plan types.

use super::manager::LicenseManager;
use super::staff_actions::Done;
use crate::error::{Entity, Error, FieldErrors};
use crate::history::Actor;
use crate::model::edit::Edit;
use crate::model::ids::{PlanTypeId, ProductId};
use crate::model::product::{PlanType, Product};
use crate::model::staff_action::StaffActionKind;
use crate::ports::{StoreExt, UnitOfWork};

/// Changes of a product. `None` and [`Edit::Keep`] keep a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in Product
pub struct ProductChanges {
    pub name: Option<String>,
    pub description: Option<String>,
    pub netsuite_id: Edit<i32>,
    pub salesforce_product_id: Edit<String>,
    pub plan_type: Option<PlanTypeId>,
}

/// Changes of a plan type. `None` keeps a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in PlanType
pub struct PlanTypeChanges {
    pub label: Option<String>,
    pub description: Option<String>,
    pub is_paid_subscription: Option<bool>,
    pub ns_id_required: Option<bool>,
    pub sf_id_required: Option<bool>,
    pub internal_use_only: Option<bool>,
}

impl PlanTypeChanges {
    fn apply(&self, plan_type: &mut PlanType) {
        let changes = self.clone();
        set_fields! { plan_type, changes:
            label, description, is_paid_subscription, ns_id_required, sf_id_required, internal_use_only
        }
    }
}

impl LicenseManager {
    /// Every product.
    pub fn products(&self) -> Result<Vec<Product>, Error> {
        self.store.read(|unit| unit.products().list())
    }

    /// One product.
    ///
    /// # Errors
    /// [`Entity::Product`] not found.
    pub fn product(&self, id: ProductId) -> Result<Product, Error> {
        self.store.read(|unit| unit.products().find(id))?.ok_or(Error::NotFound(Entity::Product))
    }

    /// Creates a product of a plan type.
    ///
    /// # Errors
    /// An unknown plan type; [`Error::Invalid`] if an id is missing that the plan type requires;
    /// [`crate::Conflict::ProductNetsuiteId`].
    pub fn create_product(&self, actor: &Actor, plan_type: PlanTypeId, new: &ProductChanges) -> Result<Product, Error> {
        self.store.write(|unit| {
            let mut product = Product {
                id: ProductId(0),
                name: String::new(),
                description: String::new(),
                netsuite_id: None,
                salesforce_product_id: None,
                plan_type: referred_plan_type(unit, plan_type)?,
            };
            change_product(unit, &mut product, new)?;
            product.id = unit.products().add(&product, &actor.change(self.now()))?;
            Ok(product)
        })
    }

    /// Edits a product.
    ///
    /// # Errors
    /// [`Entity::Product`] not found; otherwise as for [`LicenseManager::create_product`].
    pub fn update_product(&self, actor: &Actor, id: ProductId, changes: &ProductChanges) -> Result<Product, Error> {
        self.store.write(|unit| {
            unit.products().lock()?;
            let mut product = unit.products().find(id)?.ok_or(Error::NotFound(Entity::Product))?;
            let before = product.clone();
            change_product(unit, &mut product, changes)?;
            if product != before {
                unit.products().save(&product, &actor.change(self.now()))?;
            }
            Ok(product)
        })
    }

    /// Every plan type.
    pub fn plan_types(&self) -> Result<Vec<PlanType>, Error> {
        self.store.read(|unit| unit.products().plan_types())
    }

    /// One plan type.
    ///
    /// # Errors
    /// [`Entity::PlanType`] not found.
    pub fn plan_type(&self, id: PlanTypeId) -> Result<PlanType, Error> {
        self.store.read(|unit| find_plan_type(unit, id))?.ok_or(Error::NotFound(Entity::PlanType))
    }

    /// Creates a plan type. Absent requirements are off.
    pub fn create_plan_type(&self, actor: &Actor, new: &PlanTypeChanges) -> Result<PlanType, Error> {
        let mut plan_type = PlanType {
            id: PlanTypeId(0),
            label: String::new(),
            description: String::new(),
            is_paid_subscription: false,
            ns_id_required: false,
            sf_id_required: false,
            internal_use_only: false,
        };
        new.apply(&mut plan_type);
        self.store.write(|unit| {
            let id = unit.products().add_plan_type(&plan_type)?;
            self.record(unit, actor, StaffActionKind::PlanTypeAdded, Done::to(&plan_type.label))?;
            Ok(PlanType { id, ..plan_type.clone() })
        })
    }

    /// Edits a plan type.
    ///
    /// # Errors
    /// [`Entity::PlanType`] not found; [`Error::Invalid`] if it requires an id that its products lack.
    pub fn update_plan_type(
        &self,
        actor: &Actor,
        id: PlanTypeId,
        changes: &PlanTypeChanges,
    ) -> Result<PlanType, Error> {
        self.store.write(|unit| {
            unit.products().lock()?;
            let mut plan_type = find_plan_type(unit, id)?.ok_or(Error::NotFound(Entity::PlanType))?;
            changes.apply(&mut plan_type);
            if plan_type.ns_id_required {
                let products = unit.products().list()?;
                let lack = |product: &&Product| product.plan_type.id == id && product.netsuite_id.is_none();
                let lacking: Vec<&str> = products.iter().filter(lack).map(|product| product.name.as_str()).collect();
                if !lacking.is_empty() {
                    let message = format!("These products have no NetSuite id: {}.", lacking.join(", "));
                    return Err(Error::Invalid(FieldErrors::one("ns_id_required", message)));
                }
            }
            unit.products().save_plan_type(&plan_type)?;
            self.record(unit, actor, StaffActionKind::PlanTypeChanged, Done::to(&plan_type.label))?;
            Ok(plan_type)
        })
    }
}

fn find_plan_type(unit: &mut dyn UnitOfWork, id: PlanTypeId) -> Result<Option<PlanType>, Error> {
    Ok(unit.products().plan_types()?.into_iter().find(|plan_type| plan_type.id == id))
}

fn referred_plan_type(unit: &mut dyn UnitOfWork, id: PlanTypeId) -> Result<PlanType, Error> {
    let unknown = Error::UnknownReference { field: "plan_type", entity: Entity::PlanType };
    find_plan_type(unit, id)?.ok_or(unknown)
}

fn change_product(unit: &mut dyn UnitOfWork, product: &mut Product, changes: &ProductChanges) -> Result<(), Error> {
    if let Some(plan_type) = changes.plan_type {
        product.plan_type = referred_plan_type(unit, plan_type)?;
    }
    let changes = changes.clone();
    set_fields! { product, changes: name, description, netsuite_id, salesforce_product_id }
    product.check()
}
