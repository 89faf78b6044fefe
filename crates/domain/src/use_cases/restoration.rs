//! Restoring an earlier version of a plan or an agreement from its history.

use chrono::Duration;

use super::agreement_settings::AgreementSettingsChanges;
use super::agreements::AgreementChanges;
use super::history::HistoricChange;
use super::manager::{LicenseManager, find_agreement};
use super::plans::{PlanChanges, PlanOverview};
use crate::error::{Error, FieldErrors};
use crate::history::{Actor, ChangeKind, EntityRef, FieldChange, Row, Version};
use crate::model::agreement::CustomerAgreement;
use crate::model::edit::Edit;
use crate::model::ids::{AgreementId, CatalogId, PlanId, ProductId};
use crate::model::plan::ChangeReason;
use crate::ports::{LimitOffset, StoreExt, UnitOfWork};

/// The fields of a plan that restoring a version does not change, because they record what happened to the plan.
const KEPT_OF_PLANS: [&str; 6] = [
    "uuid",
    "customer_agreement_uuid",
    "expiration_processed",
    "num_revocations_applied",
    "last_freeze_timestamp",
    "created",
];

/// The same for an agreement.
const KEPT_OF_AGREEMENTS: [&str; 3] = ["uuid", "enterprise_customer_uuid", "created"];

/// An earlier version, compared with the present one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EarlierVersion {
    /// The version.
    pub version: Version,
    /// The fields that restoring it would change.
    pub changes: Vec<FieldChange>,
    /// The fields that differ and would stay as they are now.
    pub kept: Vec<FieldChange>,
}

impl LicenseManager {
    /// The changes of a row, newest first, up to `limit`.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it never existed.
    pub fn latest_changes(&self, of: EntityRef, limit: i64) -> Result<Vec<HistoricChange>, Error> {
        Ok(self.history(of, |_| Ok::<_, Error>(LimitOffset { offset: 0, limit }))?.items)
    }

    /// An earlier version of a plan, and what restoring it would change.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found, or it has no such version, or that version deleted it.
    pub fn earlier_plan(&self, id: PlanId, number: i64) -> Result<EarlierVersion, Error> {
        self.store.read(|unit| earlier(unit, EntityRef::Plan(id), number, &KEPT_OF_PLANS))
    }

    /// An earlier version of an agreement, and what restoring it would change.
    ///
    /// # Errors
    /// [`crate::Entity::Agreement`] not found, or it has no such version, or that version deleted it.
    pub fn earlier_agreement(&self, id: AgreementId, number: i64) -> Result<EarlierVersion, Error> {
        self.store.read(|unit| earlier(unit, EntityRef::Agreement(id), number, &KEPT_OF_AGREEMENTS))
    }

    /// Gives a plan the fields of an earlier version, as an edit. Its licenses, its counted revocations, its freezing
    /// and the processing of its expiration do not change.
    ///
    /// # Errors
    /// As of [`LicenseManager::earlier_plan`] and [`LicenseManager::update_plan`].
    pub fn restore_plan(
        &self,
        actor: &Actor,
        reason: ChangeReason,
        id: PlanId,
        number: i64,
    ) -> Result<PlanOverview, Error> {
        let earlier = self.earlier_plan(id, number)?;
        self.update_plan(actor, reason, id, plan_changes(&earlier.version.row)?)
    }

    /// Gives an agreement the fields of an earlier version. Its expiration message, and the plan whose licenses are
    /// auto-applied, do not change, because they are in other rows.
    ///
    /// # Errors
    /// As of [`LicenseManager::earlier_agreement`], [`LicenseManager::update_agreement`] and
    /// [`LicenseManager::update_agreement_settings`].
    pub fn restore_agreement(&self, actor: &Actor, id: AgreementId, number: i64) -> Result<CustomerAgreement, Error> {
        self.store.write(|unit| {
            let now = self.now();
            unit.agreements().lock(id)?;
            let mut agreement = find_agreement(unit, id)?;
            let row = earlier(unit, EntityRef::Agreement(id), number, &KEPT_OF_AGREEMENTS)?.version.row;
            let (changes, settings) = agreement_changes(&row)?;
            if let Edit::Set(catalog) = changes.default_catalog
                && agreement.default_catalog != Some(catalog)
            {
                self.check_catalog("default_enterprise_catalog_uuid", agreement.customer, catalog)?;
            }
            changes.apply(&mut agreement)?;
            settings.apply(&mut agreement)?;
            agreement.modified = now;
            unit.agreements().save(&agreement, &actor.change(now))?;
            Ok(agreement)
        })
    }
}

/// A version, and what differs from the present row.
fn earlier(unit: &mut dyn UnitOfWork, of: EntityRef, number: i64, kept: &[&str]) -> Result<EarlierVersion, Error> {
    let versions = unit.history().versions(of, LimitOffset { offset: 0, limit: i64::MAX })?;
    let missing = || Error::NotFound(of.entity());
    let present = versions.first().filter(|version| version.kind != ChangeKind::Deleted).ok_or_else(missing)?;
    let version = versions.iter().find(|version| version.number == number).ok_or_else(missing)?;
    let differing = version.row.changes(&present.row);
    let (kept, changes) = differing.into_iter().partition(|change| kept.contains(&change.field));
    Ok(EarlierVersion { version: version.clone(), changes, kept })
}

/// A field that every version has.
fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| {
        Error::Invalid(FieldErrors::one(field, "This version has no value for this field. Choose another version."))
    })
}

/// A field as a smaller number; one that does not fit was never stored.
fn small<T: TryFrom<i64>>(row: &Row, field: &str) -> Option<T> {
    T::try_from(row.number(field)?).ok()
}

fn plan_changes(row: &Row) -> Result<PlanChanges, Error> {
    let flag = |field| required(field, row.flag(field)).map(Some);
    let text = |field| Edit::from(row.text(field).map(str::to_owned));
    Ok(PlanChanges {
        agreement: None,
        title: Some(required("title", row.text("title"))?.to_owned()),
        start_date: Some(required("start_date", row.moment("start_date"))?),
        expiration_date: Some(required("expiration_date", row.moment("expiration_date"))?),
        catalog: Some(CatalogId(required("enterprise_catalog_uuid", row.uuid("enterprise_catalog_uuid"))?)),
        is_active: flag("is_active")?,
        is_revocation_cap_enabled: flag("is_revocation_cap_enabled")?,
        revoke_max_percentage: Some(required("revoke_max_percentage", small(row, "revoke_max_percentage"))?),
        salesforce_opportunity_line_item: text("salesforce_opportunity_line_item"),
        product: Some(ProductId(required("product", small(row, "product_id"))?)),
        for_internal_use_only: flag("for_internal_use_only")?,
        can_freeze_unused_licenses: flag("can_freeze_unused_licenses")?,
        should_auto_apply_licenses: row.flag("should_auto_apply_licenses").into(),
        desired_num_licenses: small(row, "desired_num_licenses").into(),
    })
}

fn agreement_changes(row: &Row) -> Result<(AgreementChanges, AgreementSettingsChanges), Error> {
    let flag = |field| required(field, row.flag(field)).map(Some);
    let text = |field| Edit::from(row.text(field).map(str::to_owned));
    let kept = "license_duration_before_purge_seconds";
    let changes = AgreementChanges {
        customer: None,
        customer_slug: text("enterprise_customer_slug"),
        customer_name: text("enterprise_customer_name"),
        default_catalog: row.uuid("default_enterprise_catalog_uuid").map(CatalogId).into(),
        disable_expiration_notifications: flag("disable_expiration_notifications")?,
        enable_auto_applied_subscriptions_with_universal_link: flag(
            "enable_auto_applied_subscriptions_with_universal_link",
        )?,
    };
    let settings = AgreementSettingsChanges {
        license_duration_before_purge: Some(Duration::seconds(required(kept, row.number(kept))?)),
        disable_onboarding_notifications: flag("disable_onboarding_notifications")?,
        auto_scaling_enabled: flag("enable_auto_scaling_of_current_plan")?,
        auto_scaling_max_licenses: small(row, "auto_scaling_max_licenses").into(),
        auto_scaling_threshold_percentage: small(row, "auto_scaling_threshold_percentage").into(),
        auto_scaling_increment_percentage: small(row, "auto_scaling_increment_percentage").into(),
        ..AgreementSettingsChanges::default()
    };
    Ok((changes, settings))
}
