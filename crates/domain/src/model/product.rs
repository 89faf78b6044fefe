//! Products and their plan types (RULES.md, "Entities").

use crate::error::{Error, FieldErrors};
use crate::history::rows::Row;
use crate::model::ids::{PlanTypeId, ProductId};

/// A kind of sale, and the ids it requires.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PlanType {
    /// Its id.
    pub id: PlanTypeId,
    /// Its name on the wire, such as `Standard Paid`.
    pub label: String,
    /// Its description.
    pub description: String,
    /// Whether customers pay for it.
    pub is_paid_subscription: bool,
    /// Whether a product of this type needs a NetSuite id.
    pub ns_id_required: bool,
    /// Whether a plan of this type needs a Salesforce opportunity line item.
    pub sf_id_required: bool,
    /// Whether it is for internal use only.
    pub internal_use_only: bool,
}

/// A product that customers buy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its id in NetSuite, unique.
    pub netsuite_id: Option<i32>,
    /// Its id in Salesforce.
    pub salesforce_product_id: Option<String>,
    /// Its plan type.
    pub plan_type: PlanType,
}

impl Product {
    /// Checks that it has the ids its plan type requires.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a required NetSuite id.
    pub fn check(&self) -> Result<(), Error> {
        if self.plan_type.ns_id_required && self.netsuite_id.is_none() {
            let message = format!("A product of the plan type {} needs a NetSuite id.", self.plan_type.label);
            return Err(Error::Invalid(FieldErrors::one("netsuite_id", message)));
        }
        Ok(())
    }
}

/// The default product: B2B Paid.
pub const DEFAULT_PRODUCT: ProductId = ProductId(1);

/// The initial products and plan types.
pub fn seeded_products() -> Vec<Product> {
    let plan_type = |id, label: &str, description: &str, paid, ns, sf, internal| PlanType {
        id: PlanTypeId(id),
        label: label.to_owned(),
        description: description.to_owned(),
        is_paid_subscription: paid,
        ns_id_required: ns,
        sf_id_required: sf,
        internal_use_only: internal,
    };
    let standard = plan_type(1, "Standard Paid", "A plan the customer pays for", true, true, true, false);
    let oce = plan_type(2, "OCE", "Online Campus Essentials", false, false, true, false);
    let trial = plan_type(3, "Trial", "A plan to try the catalog with", false, false, true, false);
    let test = plan_type(4, "Test", "A plan for our own tests", false, false, false, true);
    let product = |id, name: &str, description: &str, netsuite_id, plan_type: &PlanType| Product {
        id: ProductId(id),
        name: name.to_owned(),
        description: description.to_owned(),
        netsuite_id,
        salesforce_product_id: None,
        plan_type: plan_type.clone(),
    };
    vec![
        product(1, "B2B Paid", "Subscription for a business", Some(106), &standard),
        product(2, "OC Paid", "Subscription for an online campus", Some(110), &standard),
        product(3, "Trial", "Subscription on trial", None, &trial),
        product(4, "Test", "Subscription for our own tests", None, &test),
        product(5, "OCE", "Subscription to Online Campus Essentials", None, &oce),
    ]
}

/// What history keeps of a product.
impl From<&Product> for Row {
    fn from(product: &Product) -> Self {
        Self::from([
            ("id", product.id.0.into()),
            ("name", product.name.as_str().into()),
            ("description", product.description.as_str().into()),
            ("netsuite_id", product.netsuite_id.into()),
            ("salesforce_product_id", product.salesforce_product_id.as_deref().into()),
            ("plan_type_id", product.plan_type.id.0.into()),
        ])
    }
}
