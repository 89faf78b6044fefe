//! Users and their roles.

use super::Mapped;
use crate::DjangoError;
use crate::values::Cells;

pub(crate) const USER: &[&str] =
    &["id", "username", "email", "is_staff", "is_superuser", "is_active", "date_joined", "last_login"];

pub(crate) fn user(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let is_active = cells.flag("is_active");
    if !is_active && (cells.flag("is_staff") || cells.flag("is_superuser")) {
        to.mend("inactive_user");
    }
    to.keep("id", cells.text("id"));
    if !is_active {
        for flag in ["is_active", "is_staff", "is_superuser"] {
            to.keep(flag, Some(u8::from(cells.flag(flag)).to_string()));
        }
    }
    let email = to.address(cells.filled("email"));
    let joined = cells.fixed_moment("date_joined")?;
    let seen = cells.moment("last_login")?.unwrap_or(joined);
    to.row
        .text("username", Some(&cells.text("username").unwrap_or_default()))
        .text("email", email.as_deref())
        .flag("is_staff", Some(is_active && cells.flag("is_staff")))
        .flag("is_superuser", Some(is_active && cells.flag("is_superuser")))
        .number("created", Some(joined))
        .number("modified", Some(seen));
    Ok(())
}

pub(crate) const ROLE: &[&str] = &["id", "created", "enterprise_customer_uuid"];

pub(crate) fn role_assignment(cells: &Cells<'_>, to: &mut Mapped) -> Result<(), DjangoError> {
    let role = cells.text("role").unwrap_or_default();
    let is_known = matches!(role.as_str(), "enterprise_subscriptions_admin" | "enterprise_subscriptions_learner");
    if !is_known {
        to.leave("unknown_role");
    } else if !cells.flag("is_active") {
        to.leave("role_of_inactive_user");
    }
    to.goes_over = is_known && cells.flag("is_active");
    to.row
        .number("id", cells.number("id")?)
        .text("username", cells.text("username").as_deref())
        .text("role", Some(&role))
        .uuid("enterprise_customer_uuid", cells.uuid("enterprise_customer_uuid")?)
        .number("created", Some(cells.fixed_moment("created")?));
    Ok(())
}
