//! Rows as history keeps them: names and values.

use chrono::{DateTime, Utc};

use super::FieldChange;
use crate::model::agreement::CustomerAgreement;
use crate::model::license::License;
use crate::model::plan::SubscriptionPlan;
use crate::model::product::Product;
use crate::model::renewal::SubscriptionPlanRenewal;

use FieldKind::{Flag, Moment, Plain};

/// How a field's value is to be read from JSON, where databases spell the same thing differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A text or a whole number.
    Plain,
    /// True or false, perhaps written 1 and 0.
    Flag,
    /// A moment: RFC 3339, or a number of microseconds since 1970 UTC.
    Moment,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// None.
    Empty,
    /// True or false.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text; ids of the kind UUID are texts too.
    Text(String),
    /// A moment.
    Moment(DateTime<Utc>),
}

impl FieldKind {
    /// The value that a JSON value stands for; `None` where it stands for none of this kind.
    pub fn read(self, json: &serde_json::Value) -> Option<Value> {
        use serde_json::Value as Json;
        match (self, json) {
            (_, Json::Null) => Some(Value::Empty),
            (Plain, Json::String(text)) => Some(Value::Text(text.clone())),
            (Plain, Json::Number(number)) => number.as_i64().map(Value::Number),
            (Flag, Json::Bool(flag)) => Some(Value::Flag(*flag)),
            (Flag, Json::Number(number)) => number.as_i64().map(|number| Value::Flag(number != 0)),
            (Moment, Json::String(text)) => {
                DateTime::parse_from_rfc3339(text).ok().map(|moment| Value::Moment(moment.to_utc()))
            }
            (Moment, Json::Number(number)) => {
                number.as_i64().and_then(DateTime::from_timestamp_micros).map(Value::Moment)
            }
            _ => None,
        }
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i16> for Value {
    fn from(number: i16) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<uuid::Uuid> for Value {
    fn from(id: uuid::Uuid) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(moment: DateTime<Utc>) -> Self {
        Self::Moment(moment)
    }
}

/// The fields of a row by name, in the order of [`super::EntityRef::fields`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row(Vec<(&'static str, Value)>);

impl Row {
    /// A row as a database spells it in JSON.
    ///
    /// # Errors
    /// The name of a field that is missing or of another kind.
    pub fn read(fields: &[(&'static str, FieldKind)], json: &serde_json::Value) -> Result<Self, &'static str> {
        let read = |&(name, kind): &(&'static str, FieldKind)| {
            json.get(name).and_then(|value| kind.read(value)).map(|value| (name, value)).ok_or(name)
        };
        fields.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The value of a field; empty where there is no such field.
    pub fn get(&self, name: &str) -> &Value {
        self.0.iter().find(|(field, _)| *field == name).map_or(&Value::Empty, |(_, value)| value)
    }

    /// The text in a field.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The UUID in a field.
    pub fn uuid(&self, name: &str) -> Option<uuid::Uuid> {
        self.text(name)?.parse().ok()
    }

    /// The number in a field.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The moment in a field.
    pub fn moment(&self, name: &str) -> Option<DateTime<Utc>> {
        match self.get(name) {
            Value::Moment(moment) => Some(*moment),
            _ => None,
        }
    }

    /// Whether a field is true or false.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// The fields whose values differ from those of an earlier row, but for `modified`.
    pub fn changes(&self, before: &Self) -> Vec<FieldChange> {
        let changed = self.0.iter().filter(|(name, to)| *name != "modified" && before.get(name) != to);
        changed.map(|(field, to)| FieldChange { field, from: before.get(field).clone(), to: to.clone() }).collect()
    }

    fn new<const N: usize>(fields: &'static [(&'static str, FieldKind); N], values: [Value; N]) -> Self {
        Self(fields.iter().map(|(name, _)| *name).zip(values).collect())
    }
}

pub(super) const AGREEMENT: &[(&str, FieldKind); 15] = &[
    ("uuid", Plain),
    ("enterprise_customer_uuid", Plain),
    ("enterprise_customer_slug", Plain),
    ("enterprise_customer_name", Plain),
    ("default_enterprise_catalog_uuid", Plain),
    ("disable_expiration_notifications", Flag),
    ("disable_onboarding_notifications", Flag),
    ("license_duration_before_purge_seconds", Plain),
    ("enable_auto_applied_subscriptions_with_universal_link", Flag),
    ("enable_auto_scaling_of_current_plan", Flag),
    ("auto_scaling_max_licenses", Plain),
    ("auto_scaling_threshold_percentage", Plain),
    ("auto_scaling_increment_percentage", Plain),
    ("created", Moment),
    ("modified", Moment),
];

impl From<&CustomerAgreement> for Row {
    fn from(agreement: &CustomerAgreement) -> Self {
        Self::new(
            AGREEMENT,
            [
                agreement.id.0.into(),
                agreement.customer.0.into(),
                agreement.customer_slug.as_deref().into(),
                agreement.customer_name.as_deref().into(),
                agreement.default_catalog.map(|catalog| catalog.0).into(),
                agreement.disable_expiration_notifications.into(),
                agreement.disable_onboarding_notifications.into(),
                agreement.license_duration_before_purge.num_seconds().into(),
                agreement.enable_auto_applied_subscriptions_with_universal_link.into(),
                agreement.auto_scaling.enabled.into(),
                agreement.auto_scaling.max_licenses.into(),
                agreement.auto_scaling.threshold_percentage.into(),
                agreement.auto_scaling.increment_percentage.into(),
                agreement.created.into(),
                agreement.modified.into(),
            ],
        )
    }
}

pub(super) const PLAN: &[(&str, FieldKind); 20] = &[
    ("uuid", Plain),
    ("title", Plain),
    ("start_date", Moment),
    ("expiration_date", Moment),
    ("expiration_processed", Flag),
    ("enterprise_catalog_uuid", Plain),
    ("customer_agreement_uuid", Plain),
    ("is_active", Flag),
    ("is_revocation_cap_enabled", Flag),
    ("revoke_max_percentage", Plain),
    ("num_revocations_applied", Plain),
    ("salesforce_opportunity_line_item", Plain),
    ("product_id", Plain),
    ("for_internal_use_only", Flag),
    ("can_freeze_unused_licenses", Flag),
    ("last_freeze_timestamp", Moment),
    ("should_auto_apply_licenses", Flag),
    ("desired_num_licenses", Plain),
    ("created", Moment),
    ("modified", Moment),
];

impl From<&SubscriptionPlan> for Row {
    fn from(plan: &SubscriptionPlan) -> Self {
        Self::new(
            PLAN,
            [
                plan.id.0.into(),
                plan.title.as_str().into(),
                plan.start_date.into(),
                plan.expiration_date.into(),
                plan.expiration_processed.into(),
                plan.catalog.0.into(),
                plan.agreement.0.into(),
                plan.is_active.into(),
                plan.is_revocation_cap_enabled.into(),
                plan.revoke_max_percentage.into(),
                plan.num_revocations_applied.into(),
                plan.salesforce_opportunity_line_item.as_deref().into(),
                plan.product.0.into(),
                plan.for_internal_use_only.into(),
                plan.can_freeze_unused_licenses.into(),
                plan.last_freeze_timestamp.into(),
                plan.should_auto_apply_licenses.into(),
                plan.desired_num_licenses.into(),
                plan.created.into(),
                plan.modified.into(),
            ],
        )
    }
}

pub(super) const LICENSE: &[(&str, FieldKind); 14] = &[
    ("uuid", Plain),
    ("subscription_plan_uuid", Plain),
    ("status", Plain),
    ("user_email", Plain),
    ("lms_user_id", Plain),
    ("activation_key", Plain),
    ("assigned_date", Moment),
    ("activation_date", Moment),
    ("last_remind_date", Moment),
    ("revoked_date", Moment),
    ("renewed_to_uuid", Plain),
    ("auto_applied", Flag),
    ("created", Moment),
    ("modified", Moment),
];

impl From<&License> for Row {
    fn from(license: &License) -> Self {
        let columns = license.columns();
        Self::new(
            LICENSE,
            [
                license.id.0.into(),
                license.plan.0.into(),
                columns.status.as_str().into(),
                columns.user_email.as_ref().map(|email| email.as_str()).into(),
                columns.lms_user_id.map(|id| id.0).into(),
                columns.activation_key.map(|key| key.0).into(),
                columns.assigned_date.into(),
                columns.activation_date.into(),
                columns.last_remind_date.into(),
                columns.revoked_date.into(),
                license.renewed_to.map(|id| id.0).into(),
                license.auto_applied.into(),
                license.created.into(),
                license.modified.into(),
            ],
        )
    }
}

pub(super) const PRODUCT: &[(&str, FieldKind); 6] = &[
    ("id", Plain),
    ("name", Plain),
    ("description", Plain),
    ("netsuite_id", Plain),
    ("salesforce_product_id", Plain),
    ("plan_type_id", Plain),
];

impl From<&Product> for Row {
    fn from(product: &Product) -> Self {
        Self::new(
            PRODUCT,
            [
                product.id.0.into(),
                product.name.as_str().into(),
                product.description.as_str().into(),
                product.netsuite_id.into(),
                product.salesforce_product_id.as_deref().into(),
                product.plan_type.id.0.into(),
            ],
        )
    }
}

pub(super) const RENEWAL: &[(&str, FieldKind); 15] = &[
    ("id", Plain),
    ("prior_subscription_plan_uuid", Plain),
    ("renewed_subscription_plan_uuid", Plain),
    ("salesforce_opportunity_id", Plain),
    ("number_of_licenses", Plain),
    ("effective_date", Moment),
    ("renewed_expiration_date", Moment),
    ("processed", Flag),
    ("processed_datetime", Moment),
    ("renewed_plan_title", Plain),
    ("license_types_to_copy", Plain),
    ("disable_auto_apply_licenses", Flag),
    ("exempt_from_batch_processing", Flag),
    ("created", Moment),
    ("modified", Moment),
];

impl From<&SubscriptionPlanRenewal> for Row {
    fn from(renewal: &SubscriptionPlanRenewal) -> Self {
        let terms = &renewal.terms;
        Self::new(
            RENEWAL,
            [
                renewal.id.0.into(),
                terms.prior_plan.0.into(),
                terms.renewed_plan.map(|plan| plan.0).into(),
                terms.salesforce_opportunity_id.as_deref().into(),
                terms.number_of_licenses.into(),
                terms.effective_date.into(),
                terms.renewed_expiration_date.into(),
                renewal.processed.into(),
                renewal.processed_datetime.into(),
                terms.renewed_plan_title.as_deref().into(),
                terms.license_types_to_copy.as_str().into(),
                terms.disable_auto_apply_licenses.into(),
                terms.exempt_from_batch_processing.into(),
                renewal.created.into(),
                renewal.modified.into(),
            ],
        )
    }
}
