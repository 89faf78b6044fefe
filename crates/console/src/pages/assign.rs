//! Assigning licenses: addresses, then a look at what will happen, then the assignment.

use std::collections::HashSet;

use actix_web::{HttpResponse, web};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{Assignees, AssignmentMail, Email, Error};
use maud::{Markup, html};

use super::lists::{counted, number};
use super::plan::{Shown, find};
use super::sign_in::redirect;
use crate::addresses::{self, Addresses, BadLine};
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// The most people, and lines that cannot be read, that a page shows.
const SHOWN: usize = 100;

/// The longest words that an admin adds to a mail, in characters.
const MAX_WORDS: usize = 2_000;

/// `GET /console/plans/{plan}/assign/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path, Action::ManageSeats).await?;
    Ok(asked(&visitor, &shown, &Fields::default(), None))
}

fn asked(visitor: &Visitor, shown: &Shown, fields: &Fields, problem: Option<&str>) -> HttpResponse {
    let content = html! {
        (head(shown, "Assign licenses"))
        @if let Some(problem) = problem { p.note.bad role="alert" { (problem) } }
        p { (counted(shown.counts.unassigned, "license is", "licenses are")) " free." }
        (unusable(shown))
        form.card method="post" enctype="multipart/form-data" {
            (token(visitor))
            div.field {
                label for="addresses" { "Email addresses" }
                textarea #addresses name="addresses" rows="10" { (fields.text("addresses").unwrap_or_default()) }
                small { "One a line, separated by commas, or the text of a CSV file. With a heading “email”, only that column counts." }
            }
            div.field {
                label for="file" { "Or a file" }
                input #file type="file" name="file" accept=".csv,.txt,text/csv,text/plain" data-into="addresses";
            }
            (mail_fields(fields))
            div.title { button.first { "Look at what will happen" } a.button href=(shown.address("")) { "Back" } }
        }
    };
    layout::page(visitor, Section::Plans, "Assign licenses", &content)
}

/// Why learners cannot use the plan's licenses now.
fn unusable(shown: &Shown) -> Markup {
    let (plan, now) = (&shown.plan, shown.now);
    let why = match () {
        () if !plan.is_active => "The plan is not active.",
        () if plan.expiration_date < now => "The plan has ended.",
        () if now < plan.start_date => "The plan has not started yet.",
        () => return html! {},
    };
    html! {
        p.note { b { (why) } " Licenses can be assigned. Learners can activate and use them only while the plan is active and runs." }
    }
}

/// The fields of the mail. Unset ones are those of a new form.
fn mail_fields(fields: &Fields) -> Markup {
    html! {
        div.field {
            label for="greeting" { "Words before the mail's own text" }
            textarea #greeting name="greeting" rows="2" maxlength=(MAX_WORDS) { (fields.text("greeting").unwrap_or_default()) }
        }
        div.field {
            label for="closing" { "Words after it" }
            textarea #closing name="closing" rows="2" maxlength=(MAX_WORDS) { (fields.text("closing").unwrap_or_default()) }
        }
        div.field {
            label { input type="checkbox" name="silent" value="yes" checked[fields.has("silent")]; " Send no mail" }
        }
    }
}

/// What an assignment would do.
struct Preview {
    read: Addresses,
    /// Those who get a license.
    newcomers: Vec<Email>,
    /// Those who hold one already.
    holders: Vec<Email>,
}

/// `POST /console/plans/{plan}/assign/`: shows what will happen, or assigns once that was confirmed.
pub(crate) async fn assign(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, &path, Action::ManageSeats).await?;
    let too_long = ["greeting", "closing"]
        .iter()
        .any(|name| fields.text(name).is_some_and(|words| words.chars().count() > MAX_WORDS));
    if too_long {
        return Ok(asked(&visitor, &shown, &fields, Some("The words of the mail are too long.")));
    }
    if fields.has("again") {
        let lines: Vec<&str> =
            ["addresses", "unreadable", "corrected"].into_iter().flat_map(|name| fields.all(name)).collect();
        let fields = fields.clone().without("addresses").and("addresses", lines.join("\n"));
        return Ok(asked(&visitor, &shown, &fields, None));
    }
    // Corrected lines are read like the others.
    let typed = fields.text("addresses").into_iter().chain(fields.all("corrected").map(str::to_owned));
    let typed = typed.filter(|text| !text.trim().is_empty()).collect::<Vec<_>>().join("\n");
    // A file may be separated in another way than what was typed.
    let read = addresses::read(fields.text("file").iter().chain([&typed]));
    if read.good.is_empty() && read.bad.is_empty() {
        return Ok(asked(&visitor, &shown, &fields, Some("Name at least one email address.")));
    }
    if read.good.len() > addresses::MOST {
        let problem =
            format!("These are more than {} addresses. Assign them in parts.", number(addresses::MOST as i64));
        return Ok(asked(&visitor, &shown, &fields, Some(&problem)));
    }
    if fields.has("confirmed") {
        return confirmed(&visitor, &shown, &fields, read.good).await;
    }
    let preview = preview(&visitor, &shown, read).await?;
    Ok(previewed(&visitor, &shown, &fields, &preview, None))
}

async fn preview(visitor: &Visitor, shown: &Shown, read: Addresses) -> Result<Preview, PageError> {
    let (plan, forms) = (shown.plan.id, Email::all_stored_forms(&read.good));
    let holding: HashSet<Email> = visitor
        .read(move |console| console.manager.store().read(|unit| unit.licenses().live_emails(plan, &forms)))
        .await?
        .into_iter()
        .collect();
    let holds = |email: &Email| email.is_among(&holding);
    let (holders, newcomers) = read.good.iter().cloned().partition(holds);
    Ok(Preview { read, newcomers, holders })
}

async fn confirmed(
    visitor: &Visitor,
    shown: &Shown,
    fields: &Fields,
    emails: Vec<Email>,
) -> Result<HttpResponse, PageError> {
    let mail = AssignmentMail {
        notify: !fields.has("silent"),
        greeting: fields.text("greeting").unwrap_or_default(),
        closing: fields.text("closing").unwrap_or_default(),
    };
    let learners: Assignees = emails.iter().cloned().collect();
    let (actor, plan) = (visitor.actor(None), shown.plan.id);
    let done = visitor.write(move |console| console.manager.assign(&actor, plan, &learners, &mail)).await;
    match done {
        Ok(assignments) => {
            let number = assignments.assigned.len();
            Ok(redirect(&format!("{}?done=assigned&number={number}", shown.address(""))))
        }
        Err(PageError::Domain(error @ Error::Refused(_))) => {
            let read = Addresses { good: emails, ..Addresses::default() };
            let preview = preview(visitor, shown, read).await?;
            Ok(previewed(visitor, shown, fields, &preview, Some(&error.to_string())))
        }
        Err(error) => Err(error),
    }
}

fn previewed(
    visitor: &Visitor,
    shown: &Shown,
    fields: &Fields,
    preview: &Preview,
    refused: Option<&str>,
) -> HttpResponse {
    let Preview { read, newcomers, holders } = preview;
    let (wanted, free) = (newcomers.len() as i64, shown.counts.unassigned);
    let fits = wanted <= free;
    let all: Vec<&str> = read.good.iter().map(Email::as_str).collect();
    let silent = fields.has("silent");
    let content = html! {
        (head(shown, "Assign licenses: look before it happens"))
        (layout::refusal(refused))
        @if !fits {
            p.note.bad role="alert" {
                b { (counted(wanted, "person", "people")) " would get a license, and " (counted(free, "license is", "licenses are")) " free." }
                " Name fewer people, or add licenses to the plan."
            }
        } @else if wanted > 0 {
            p.note.good {
                b { (counted(wanted, "person gets", "people get")) " a license" }
                @if silent { ", without a mail. " } @else { " and a mail. " }
                (number(free - wanted)) " will be left."
            }
        } @else {
            p.note { "Nobody gets a license: there is nobody new." }
        }
        (people("Who gets a license", newcomers))
        (unusable(shown))
        @if !holders.is_empty() {
            p.note { (counted(holders.len() as i64, "person holds", "people hold")) " a license of this plan already. Nothing happens to them." }
            (people("Who holds a license already", holders))
        }
        @if read.repeated > 0 { p.note { (counted(read.repeated as i64, "address was", "addresses were")) " there more than once." } }
        form method="post" {
            (token(visitor))
            textarea hidden name="addresses" aria-label="Addresses" { (all.join("\n")) }
            @for name in ["greeting", "closing", "silent"] {
                input type="hidden" name=(name) value=(fields.text(name).unwrap_or_default());
            }
            @if !read.bad.is_empty() {
                @let unreadable: Vec<&str> = read.bad.iter().map(|line| line.text.as_str()).collect();
                textarea hidden name="unreadable" aria-label="Lines that cannot be read" { (unreadable.join("\n")) }
                (bad_lines(&read.bad))
            }
            div.title {
                // The first one is what the Enter key does in a field.
                @if !read.bad.is_empty() { button { "Check the corrections" } }
                @if fits && wanted > 0 {
                    button.first name="confirmed" value="yes" {
                        "Assign " (counted(wanted, "license", "licenses"))
                        @if !read.bad.is_empty() { " without these lines" }
                    }
                }
                button name="again" value="yes" { "Change something" }
                a.button href=(shown.address("")) { "Back" }
                span.quiet { "Your name goes into the history." }
            }
        }
    };
    layout::page(visitor, Section::Plans, "Assign licenses", &content)
}

/// The addresses, to be unfolded.
fn people(title: &str, emails: &[Email]) -> Markup {
    html! {
        @if !emails.is_empty() {
            details.note {
                summary { (title) }
                ul { @for email in emails.iter().take(SHOWN) { li { (email.as_str()) } } }
                @if emails.len() > SHOWN { p.quiet { "Only the first " (SHOWN) " are shown." } }
            }
        }
    }
}

fn bad_lines(bad: &[BadLine]) -> Markup {
    html! {
        section {
            p.note.bad { b { (counted(bad.len() as i64, "line", "lines")) " cannot be read." } " What you do not correct here is left out." }
            div.card.wide { table {
                thead { tr { th.number { "Line" } th { "What it says" } th { "What is wrong" } th { "Correct it" } } }
                tbody { @for line in bad.iter().take(SHOWN) { tr {
                    td.number { (line.line) }
                    td.long.mono { (line.text) }
                    td.long { (line.problem) }
                    td { input name="corrected" maxlength="254" aria-label={ "Line " (line.line) }; }
                } } }
            } }
            @if bad.len() > SHOWN { p.quiet { "Only the first " (SHOWN) " are shown." } }
        }
    }
}

/// The way to the plan, and the title of the page.
pub(crate) fn head(shown: &Shown, title: &str) -> Markup {
    html! {
        div {
            (crumbs(&[("/console/plans/".to_owned(), "Plans".to_owned()), (shown.address(""), shown.plan.title.clone())]))
            div.title { h1 { (title) } }
        }
    }
}
