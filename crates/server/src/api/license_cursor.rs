//! Cursors of lists of licenses: the place of a page's last license in the list, as opaque text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, Utc};
use license_manager_domain::ports::{LicenseField, LicenseOrder, LicensePosition};
use license_manager_domain::{Email, LicenseId, LicenseStatus};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::http::ApiResult;
use crate::http::fields::FieldErrors;

/// The content of a cursor. Fields that the list is not sorted by are left out.
#[derive(Serialize, Deserialize)]
struct Cursor {
    /// The fields that the list is sorted by; `-` for descending.
    by: Vec<String>,
    id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// In microseconds since 1970, as storage keeps moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    activated: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reminded: Option<i64>,
}

/// The cursor of the page after this place.
pub fn write(order: &[LicenseOrder], place: &LicensePosition) -> String {
    let sorts = |field| order.iter().any(|key| key.field == field);
    let micros = |moment: Option<DateTime<Utc>>| moment.map(|moment| moment.timestamp_micros());
    let cursor = Cursor {
        by: names(order),
        id: place.id.0,
        status: sorts(LicenseField::Status).then(|| place.status.as_str().to_owned()),
        email: place
            .user_email
            .as_ref()
            .filter(|_| sorts(LicenseField::UserEmail))
            .map(|email| email.as_str().to_owned()),
        activated: micros(place.activation_date).filter(|_| sorts(LicenseField::ActivationDate)),
        reminded: micros(place.last_remind_date).filter(|_| sorts(LicenseField::LastRemindDate)),
    };
    // Texts and numbers always have a JSON form.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
}

/// The place of a cursor; `None` for the empty one, which is that of the first page.
///
/// # Errors
/// 400 if it is no cursor of a list with this order.
pub fn read(text: &str, order: &[LicenseOrder]) -> ApiResult<Option<LicensePosition>> {
    if text.is_empty() {
        return Ok(None);
    }
    let message = "This is no cursor of this list. Send next_cursor of the page before, with the same ordering, or nothing \
                   for the first page.";
    let place = place(text, order).ok_or_else(|| FieldErrors::field("cursor", message))?;
    Ok(Some(place))
}

fn place(text: &str, order: &[LicenseOrder]) -> Option<LicensePosition> {
    let cursor: Cursor = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    // Databases store neither null characters nor years of five digits.
    let storable = cursor.email.as_ref().is_none_or(|email| !email.contains('\0'));
    (cursor.by == names(order) && storable).then_some(())?;
    let status = match order.iter().any(|key| key.field == LicenseField::Status) {
        true => LicenseStatus::from_name(&cursor.status?)?,
        false => LicenseStatus::Unassigned,
    };
    let moment = |micros: Option<i64>| match micros {
        None => Some(None),
        Some(micros) => DateTime::from_timestamp_micros(micros).filter(|at| (1..=9999).contains(&at.year())).map(Some),
    };
    Some(LicensePosition {
        id: LicenseId(cursor.id),
        status,
        user_email: cursor.email.map(Email::from_storage),
        activation_date: moment(cursor.activated)?,
        last_remind_date: moment(cursor.reminded)?,
    })
}

/// The fields of an order as a query names them.
fn names(order: &[LicenseOrder]) -> Vec<String> {
    let name = |key: &LicenseOrder| {
        let field = match key.field {
            LicenseField::Status => "status",
            LicenseField::UserEmail => "user_email",
            LicenseField::ActivationDate => "activation_date",
            LicenseField::LastRemindDate => "last_remind_date",
        };
        format!("{}{field}", if key.descending { "-" } else { "" })
    };
    order.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: [LicenseField; 4] =
        [LicenseField::Status, LicenseField::UserEmail, LicenseField::ActivationDate, LicenseField::LastRemindDate];

    fn order(fields: &[LicenseField], descending: bool) -> Vec<LicenseOrder> {
        fields.iter().map(|&field| LicenseOrder { field, descending }).collect()
    }

    fn place() -> LicensePosition {
        LicensePosition {
            id: LicenseId(Uuid::from_u128(7)),
            status: LicenseStatus::Assigned,
            user_email: Some("amy@example.com".parse().unwrap()),
            activation_date: Some(DateTime::UNIX_EPOCH),
            last_remind_date: None,
        }
    }

    #[test]
    fn a_place_comes_back_from_its_cursor() {
        let all = order(&BY, false);
        let cursor = write(&all, &place());
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{cursor}");
        assert_eq!(read(&cursor, &all).unwrap(), Some(place()));
        assert_eq!(read("", &all).unwrap(), None);
        let nobody = LicensePosition { user_email: None, activation_date: None, ..place() };
        assert_eq!(read(&write(&all, &nobody), &all).unwrap(), Some(nobody));
    }

    #[test]
    fn a_cursor_has_only_what_the_list_is_sorted_by() {
        let by_date = order(&BY[2..3], true);
        let read = read(&write(&by_date, &place()), &by_date).unwrap().unwrap();
        assert_eq!((read.user_email, read.activation_date, read.id), (None, Some(DateTime::UNIX_EPOCH), place().id));
    }

    #[test]
    fn what_is_no_cursor_of_the_list_is_refused() {
        let all = order(&BY, false);
        let by_status = order(&BY[..1], false);
        let sealed = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let id = Uuid::from_u128(7);
        for cursor in [
            "x".to_owned(),
            "*".to_owned(),
            sealed("{}"),
            sealed("[1]"),
            sealed(&format!(r#"{{"by":["status"],"id":"{id}","status":"asleep"}}"#)),
            sealed(&format!(r#"{{"by":["status"],"id":"{id}"}}"#)),
            sealed(r#"{"by":["status"],"id":"7","status":"assigned"}"#),
            sealed(&format!(r#"{{"by":["status"],"id":"{id}","status":"assigned","email":"a\u0000"}}"#)),
            sealed(&format!(r#"{{"by":["status"],"id":"{id}","status":"assigned","activated":{}}}"#, i64::MAX)),
            write(&all, &place()),
            write(&order(&BY[..1], true), &place()),
        ] {
            assert!(read(&cursor, &by_status).is_err(), "{cursor}");
        }
        assert!(read(&write(&by_status, &place()), &by_status).is_ok());
    }
}
