//! Retiring a person: removing their personal data, with a look at what is erased.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{Footprint, LicenseRow};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{CustomerScope, StoreExt, User};
use license_manager_domain::use_cases::Retirement;
use license_manager_domain::{Email, FieldErrors, LicenseId, LicenseStatus, LmsUserId};
use maud::{Markup, html};

use super::confirm::{Preview, Why, confirmed, preview};
use super::license_edit::{field, input};
use super::lists::{self, counted, number};
use super::person::names;
use super::records::users::lms_user_id;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::session::Visitor;

/// The address of this page.
pub(crate) const PATH: &str = "/console/people/retire/";

/// The most licenses that are looked for.
const LOOKED_FOR: i64 = 1_000;

fn require(visitor: &Visitor) -> Result<(), PageError> {
    if visitor.rights.may(Action::Retire) { Ok(()) } else { Err(PageError::Forbidden) }
}

/// `GET /console/people/retire/`.
pub(crate) async fn form(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    Ok(page(&visitor, &Fields::of_query(&request), &FieldErrors::default()))
}

/// What is known of the person.
struct Found {
    user: Option<User>,
    licenses: Vec<LicenseRow>,
    footprint: Footprint,
    emails: Vec<Email>,
}

/// `POST /console/people/retire/`: shows what is erased, or erases it once that was confirmed.
pub(crate) async fn retire(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let (id, username) = match read(&fields) {
        Ok(read) => read,
        Err(errors) => return Ok(page(&visitor, &fields, &errors)),
    };
    let Err(errors) = confirmed(&fields, Why::Required) else {
        let (actor, name) = (visitor.actor(fields.text("reason").as_deref()), username.clone());
        let done = visitor.write(move |console| console.manager.retire(&actor, id, &name)).await?;
        return Ok(retired(&visitor, done));
    };
    let name = username.clone();
    let found = visitor
        .read(move |console| {
            let user = console.manager.store().read(|unit| unit.users().find(&name))?;
            let emails: Vec<Email> =
                user.iter().filter_map(|user| Email::to_look_up(user.email.as_deref()?).ok()).collect();
            let licenses = console.store.licenses_of_person(&CustomerScope::All, &emails, Some(id), LOOKED_FOR)?;
            let ids: Vec<LicenseId> = licenses.iter().map(|license| license.id).collect();
            Ok(Found { footprint: console.store.footprint(id, &ids)?, user, licenses, emails })
        })
        .await?;
    Ok(preview(
        &visitor,
        &fields,
        &errors,
        &Preview {
            section: Section::None,
            above: &[],
            title: "Retire this person: look at what is erased",
            told: told(id, &username, &found),
            action: PATH,
            back: &format!("{PATH}?lms_user_id={}", id.0),
            button: Some("Erase this for good".to_owned()),
            why: Why::Required,
            refused: None,
        },
    ))
}

fn read(fields: &Fields) -> Result<(LmsUserId, String), FieldErrors> {
    let mut errors = FieldErrors::default();
    let id = lms_user_id(fields, "lms_user_id");
    if id.is_none() {
        errors.add("lms_user_id", "An LMS user id is a whole number above 0.");
    }
    let username = fields.text("username");
    if username.is_none() {
        errors.add("username", "Say their user name in the LMS.");
    }
    id.zip(username).ok_or(errors)
}

/// What is erased.
fn told(id: LmsUserId, username: &str, found: &Found) -> Markup {
    let is_own = |row: &&LicenseRow| names(row, &found.emails, Some(id));
    let (now, before): (Vec<&LicenseRow>, Vec<&LicenseRow>) = found.licenses.iter().partition(is_own);
    let live = now.iter().filter(|row| LicenseStatus::LIVE.contains(&row.status)).count() as i64;
    html! {
        p.note.bad { b { "This cannot be undone." } " It is what the law asks for when somebody wants their data erased, and what the LMS does by itself." }
        section.card { dl {
            dt { "LMS user" } dd { (id.0) }
            dt { "User name" } dd {
                (username)
                @if found.user.is_none() { " " span.quiet { "not known here: only what has the LMS user id is found" } }
            }
            dt { "Licenses now" } dd {
                (number(now.len() as i64)) ", " (number(live)) " of them live. "
                "Live ones become free, revoked ones stay revoked; all lose the person."
            }
            dt { "Licenses before" } dd { (number(before.len() as i64)) " that named the person once. Such a license stays as it is; its history loses the person." }
            dt { "History" } dd { "Of these licenses, " (counted(found.footprint.versions, "version loses", "versions lose")) " address, LMS user id and key. Times and states stay." }
            dt { "Messages" } dd { (counted(found.footprint.messages, "message that waits or was given up is", "messages that wait or were given up are")) " deleted: the person gets no more mails." }
            dt { "Bulk enrollments" } dd { (counted(found.footprint.enrollments, "that the person asked for loses", "that the person asked for lose")) " their name; as a learner, the person is taken out of all of them, and of the files of results." }
            dt { "User" } dd {
                @if let Some(user) = &found.user {
                    "The user is deleted, with address and " (counted(user.roles.len() as i64, "role", "roles")) "."
                } @else { "There is no such user." }
            }
        } }
        @if !found.licenses.is_empty() { (lists::licenses(&found.licenses)) }
        @if found.licenses.len() as i64 == LOOKED_FOR { p.quiet { "Only the first " (number(LOOKED_FOR)) " licenses are shown and counted; all are erased." } }
    }
}

fn retired(visitor: &Visitor, done: Retirement) -> HttpResponse {
    let content = html! {
        div.title { h1 { "The person was retired" } }
        p.note.good role="status" {
            (counted(done.licenses as i64, "license", "licenses")) " lost the person. "
            @if done.user_was_known { "The user was deleted." } @else { "There was no such user." }
        }
        p { a href="/console/" { "Home" } }
    };
    layout::page(visitor, Section::None, "The person was retired", &content)
}

fn page(visitor: &Visitor, fields: &Fields, errors: &FieldErrors) -> HttpResponse {
    let content = html! {
        div.title { h1 { "Retire a person" } }
        p { "Erases the personal data of one person at every customer. The next page shows what is erased; nothing happens before." }
        form.card method="post" action=(PATH) {
            (token(visitor))
            (field("lms_user_id", "LMS user id", errors, &input(fields, "lms_user_id", 19)))
            (field("username", "User name in the LMS", errors, &input(fields, "username", 255)))
            button.first { "Look at what is erased" }
        }
    };
    layout::page(visitor, Section::None, "Retire a person", &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_an_id_and_a_name() {
        let of = |form: &str| read(&Fields::parse(form.as_bytes()));
        assert_eq!(of("lms_user_id=7&username=amy"), Ok((LmsUserId(7), "amy".to_owned())));
        for wrong in ["", "lms_user_id=7", "username=amy", "lms_user_id=0&username=amy", "lms_user_id=x&username=amy"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
