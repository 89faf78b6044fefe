//! Retiring a person: removing their personal data, with a look at what is erased.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{Footprint, LicenseRow, Slice, UserFilters, UserRow};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{CustomerScope, StoreExt, User};
use license_manager_domain::use_cases::Retirement;
use license_manager_domain::{Email, Error, FieldErrors, LicenseId, LicenseStatus, LmsUserId};
use maud::{Markup, html};

use super::confirm::{Preview, Why, confirmed, preview};
use super::license_edit::{field, input};
use super::lists::{self, counted, number};
use super::records::users::lms_user_id;
use crate::Console;
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

/// How the form names the person.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    /// By their account in the LMS.
    Account(LmsUserId, String),
    /// By the address alone, because they have no account.
    Address(Email),
}

impl Whom {
    fn lms_user_id(&self) -> Option<LmsUserId> {
        match self {
            Self::Account(id, _) => Some(*id),
            Self::Address(_) => None,
        }
    }

    /// The form that names them again.
    fn form(&self) -> String {
        match self {
            Self::Account(id, _) => format!("{PATH}?lms_user_id={id}"),
            Self::Address(address) => by_address(address.as_str()),
        }
    }
}

/// The form for somebody without an account.
pub(super) fn by_address(address: &str) -> String {
    let address: String = form_urlencoded::byte_serialize(address.as_bytes()).collect();
    format!("{PATH}?email={address}")
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
    let whom = match read(&fields) {
        Ok(whom) => whom,
        Err(errors) => return Ok(page(&visitor, &fields, &errors)),
    };
    let found = find(&visitor, whom.clone()).await?;
    let refused = refusal(&whom, &found);
    let errors = match confirmed(&fields, Why::Required) {
        Ok(()) if refused.is_none() => {
            let (actor, person) = (visitor.actor(fields.text("reason").as_deref()), whom.clone());
            let done = visitor.write(move |console| match &person {
                Whom::Account(id, username) => console.manager.retire(&actor, *id, username),
                Whom::Address(address) => console.manager.retire_address(&actor, address),
            });
            return Ok(retired(&visitor, &whom, done.await?));
        }
        Ok(()) => FieldErrors::default(),
        Err(errors) => errors,
    };
    Ok(preview(
        &visitor,
        &fields,
        &errors,
        &Preview {
            section: Section::None,
            above: &[],
            title: "Retire this person: look at what is erased",
            told: told(&whom, &found),
            action: PATH,
            back: &refused.as_ref().map_or_else(|| whom.form(), |(_, form)| form.clone()),
            button: refused.is_none().then(|| "Erase this for good".to_owned()),
            why: Why::Required,
            refused: refused.map(|(why, _)| why),
        },
    ))
}

async fn find(visitor: &Visitor, whom: Whom) -> Result<Found, PageError> {
    visitor
        .read(move |console| {
            let (user, emails) = match &whom {
                Whom::Account(_, name) => {
                    let user = console.manager.store().read(|unit| unit.users().find(name))?;
                    let emails: Vec<Email> =
                        user.iter().filter_map(|user| Email::to_look_up(user.email.as_deref()?).ok()).collect();
                    (user, emails)
                }
                Whom::Address(address) => (user_with(console, address)?, vec![address.clone()]),
            };
            let id = whom.lms_user_id();
            let licenses = console.store.licenses_of_person(&CustomerScope::All, &emails, id, LOOKED_FOR)?;
            let ids: Vec<LicenseId> = licenses.iter().map(|license| license.id).collect();
            Ok(Found { footprint: console.store.footprint(id, &ids)?, user, licenses, emails })
        })
        .await
}

/// A user who has this address.
fn user_with(console: &Console, address: &Email) -> Result<Option<User>, Error> {
    let filters = UserFilters { name: Some(address.as_str().to_owned()), ..UserFilters::default() };
    let users = console.store.user_rows(&filters, Slice::new(0, lists::ROWS))?.rows;
    let has_it = |row: &UserRow| {
        let own = row.email.as_deref().and_then(|email| Email::to_look_up(email).ok());
        own.is_some_and(|own| own == *address)
    };
    match users.into_iter().find(has_it) {
        Some(row) => console.manager.store().read(|unit| unit.users().find(&row.username)),
        None => Ok(None),
    }
}

/// Whether the license names the person now.
pub(super) fn names(license: &LicenseRow, emails: &[Email], lms_user_id: Option<LmsUserId>) -> bool {
    let address = license.email.as_deref().and_then(|email| Email::to_look_up(email).ok());
    let has_id = lms_user_id.is_some_and(|id| license.lms_user_id == Some(id.0));
    has_id || address.is_some_and(|address| emails.contains(&address))
}

/// Why the person cannot be retired by their address, and the form that names the account they have: it has more that
/// names them.
fn refusal(whom: &Whom, found: &Found) -> Option<(String, String)> {
    let Whom::Address(_) = whom else { return None };
    let account = found.licenses.iter().filter(|row| names(row, &found.emails, None)).find_map(|row| row.lms_user_id);
    let username = found.user.as_ref().map(|user| user.username.as_str());
    let is = match (account, username) {
        (Some(id), _) => format!("LMS user {id}"),
        (None, Some(name)) => format!("the user {name}"),
        (None, None) => return None,
    };
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("lms_user_id", &account.map_or(String::new(), |id| id.to_string()));
    form.append_pair("username", username.unwrap_or_default());
    let why = format!("They have an account: {is}. Go back, and retire them by it.");
    Some((why, format!("{PATH}?{}", form.finish())))
}

fn read(fields: &Fields) -> Result<Whom, FieldErrors> {
    let mut errors = FieldErrors::default();
    if let Some(address) = fields.text("email") {
        if fields.has("lms_user_id") || fields.has("username") {
            return Err(FieldErrors::one("email", "Leave this empty for who has an account."));
        }
        return match Email::to_look_up(&address) {
            Ok(address) => Ok(Whom::Address(address)),
            Err(_) => Err(FieldErrors::one("email", "This is no email address.")),
        };
    }
    let id = lms_user_id(fields, "lms_user_id");
    if id.is_none() {
        errors.add("lms_user_id", "An LMS user id is a whole number above 0.");
    }
    let username = fields.text("username");
    if username.is_none() {
        errors.add("username", "Say their user name in the LMS.");
    }
    id.zip(username).map(|(id, username)| Whom::Account(id, username)).ok_or(errors)
}

/// What is erased.
fn told(whom: &Whom, found: &Found) -> Markup {
    let is_own = |row: &&LicenseRow| names(row, &found.emails, whom.lms_user_id());
    let (now, before): (Vec<&LicenseRow>, Vec<&LicenseRow>) = found.licenses.iter().partition(is_own);
    let live = now.iter().filter(|row| LicenseStatus::LIVE.contains(&row.status)).count() as i64;
    html! {
        p.note.bad { b { "This cannot be undone." } " It is what the law asks for when somebody wants their data erased, and what the LMS does by itself." }
        section.card { dl {
            @match whom {
                Whom::Account(id, username) => {
                    dt { "LMS user" } dd { (id) }
                    dt { "User name" } dd {
                        (username)
                        @if found.user.is_none() { " " span.quiet { "not known here: only what has the LMS user id is found" } }
                    }
                }
                Whom::Address(address) => { dt { "Address" } dd { (address.as_str()) } }
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

fn retired(visitor: &Visitor, whom: &Whom, done: Retirement) -> HttpResponse {
    let content = html! {
        div.title { h1 { "The person was retired" } }
        p.note.good role="status" {
            (counted(done.licenses as i64, "license", "licenses")) " lost the person. "
            @if done.user_was_known { "The user was deleted." }
            @else if whom.lms_user_id().is_some() { "There was no such user." }
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
            (field("email", "Or the address, if they have no account in the LMS", errors, &input(fields, "email", Email::MAX_LENGTH)))
            button.first { "Look at what is erased" }
        }
    };
    layout::page(visitor, Section::None, "Retire a person", &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_an_id_and_a_name_or_an_address() {
        let of = |form: &str| read(&Fields::parse(form.as_bytes()));
        assert_eq!(of("lms_user_id=7&username=amy&email="), Ok(Whom::Account(LmsUserId(7), "amy".to_owned())));
        let address = of("lms_user_id=&username=&email=Amy%40example.com").unwrap();
        assert_eq!(address, Whom::Address("amy@example.com".parse().unwrap()));
        assert_eq!(address.form(), "/console/people/retire/?email=amy%40example.com");
        for wrong in [
            "",
            "lms_user_id=7",
            "username=amy",
            "lms_user_id=0&username=amy",
            "lms_user_id=x&username=amy",
            "email=amy",
            "lms_user_id=7&email=amy%40example.com",
            "lms_user_id=7&username=amy&email=amy%40example.com",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
