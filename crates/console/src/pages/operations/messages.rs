//! Messages of the outbox: what waits and why, dead letters, and what is done about them.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{MESSAGES_LOOKED_AT, MOST_COUNTED, MessageFilters};
use license_manager_domain::model::MessageId;
use license_manager_domain::outbox::{OutboxSelection, Topic, WaitingMessage};
use license_manager_domain::permissions::Action;
use license_manager_domain::queue::{Backlog, Queue};
use license_manager_domain::words;
use maud::{Markup, html};
use uuid::Uuid;

use super::{PATH, above, head, require};
use crate::dates::moment;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::pages::confirm::{Preview, Why, confirmed, preview};
use crate::pages::lists::{self, Sorted, choice, counted, number};
use crate::pages::paging::{id, page_number, pages, slice};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// The fields of the filters.
const FILTERS: [&str; 4] = ["state", "topic", "queue", "message"];

/// What the list shows.
fn filters(fields: &Fields) -> MessageFilters {
    if let Some(message) = id(fields, "message") {
        return MessageFilters { ids: Some(vec![MessageId(message)]), ..Default::default() };
    }
    let waiting = fields.text("state").as_deref() == Some("waiting");
    MessageFilters {
        dead_lettered: Some(!waiting),
        topic: fields.text("topic"),
        // Actions on all dead letters choose by topic alone.
        queue: fields.text("queue").filter(|_| waiting),
        ids: None,
    }
}

/// `GET /console/operations/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let query = Fields::of_query(&request);
    let filters = filters(&query);
    let page = page_number(&query);
    let sorted = Sorted { fields: &query, usual: "since" };
    let slice = slice(page, sorted);
    let shown = filters.clone();
    let (backlog, found) = visitor
        .read(move |console| Ok((console.manager.backlog(MOST_COUNTED)?, console.store.message_rows(&shown, slice)?)))
        .await?;
    let (is_dead, is_one) = (filters.dead_lettered == Some(true), filters.ids.is_some());
    let topics: Vec<(&str, String)> =
        Topic::ALL.into_iter().map(|topic| (topic.as_str(), topic.as_str().replace('_', " "))).collect();
    let mut topics: Vec<(&str, &str)> = topics.iter().map(|(name, words)| (*name, words.as_str())).collect();
    topics.insert(0, ("", "Every kind"));
    let mut queues: Vec<(&str, &str)> =
        Queue::MESSAGES.into_iter().map(|queue| (queue.as_str(), queue.as_str())).collect();
    queues.insert(0, ("", "Every queue"));
    let content = html! {
        (done(&query))
        (head(""))
        (queues_table(&backlog))
        @if is_one {
            p.quiet { "This is one message. " a href=(PATH) { "Show all dead letters" } }
        } @else {
            form.filters {
                (choice(&query, "state", "State", &[("", "Dead letters"), ("waiting", "Waiting")]))
                (choice(&query, "topic", "Kind of message", &topics))
                @if !is_dead { (choice(&query, "queue", "Queue", &queues)) }
                (lists::hidden(&query, &["order"]))
                button { "Show" }
                span.quiet { (total(found.total)) }
            }
        }
        @if !is_dead && (query.has("topic") || query.has("queue")) {
            p.quiet { "Only the first " (number(MESSAGES_LOOKED_AT)) " messages that wait were looked at." }
        }
        @if found.rows.is_empty() {
            p.note.good {
                @if is_one { "The message does not wait any more: it was delivered or dropped." }
                @else if (query.has("topic") || query.has("queue")) && !is_dead {
                    "No such message waits. " a href={ (PATH) "?state=waiting" } { "Show all that wait" }
                } @else if query.has("topic") { "No such dead letter. " a href=(PATH) { "Show all dead letters" } }
                @else if is_dead { "There are no dead letters: everything was delivered, or is still being tried." }
                @else { "Nothing waits: everything was delivered." }
            }
        } @else {
            form method="post" action={ (PATH) "messages/act/" } {
                (token(&visitor))
                (lists::hidden(&query, &FILTERS))
                (table(&found.rows, sorted))
                div.selected {
                    b data-selected="" role="status" { "Select messages" }
                    @if is_dead { label { input type="checkbox" name="all" value="yes"; " all dead letters of this list" } }
                    button name="act" value="retry" { "Try again" }
                    button.grave name="act" value="drop" { "Drop" }
                }
            }
            (pages(PATH, &query, page, found.total))
        }
    };
    Ok(layout::page(&visitor, Section::Operations, "Messages", &content))
}

/// Messages that wait or were given up, on the page of what they are about; nothing if there are none. Who looks after
/// the service gets links to them.
pub(crate) fn waiting(visitor: &Visitor, messages: &[WaitingMessage]) -> Markup {
    let operates = visitor.rights.may(Action::Operate);
    html! {
        @if !messages.is_empty() { section {
            h2 { "Mails and messages that wait" }
            div.card.wide tabindex="0" role="region" aria-label="Mails and messages that wait" { table {
                thead { tr {
                    th { "What" } th { "Since" } th.number { "Failed tries" } th { "Next try" } th { "Last error" }
                    @if operates { th { span.hidden { "Open" } } }
                } }
                tbody { @for message in messages { tr {
                    td { (message.topic.replace('_', " ")) }
                    td { (moment(message.created)) }
                    td.number { (message.attempts) }
                    td { @if message.dead_lettered_at.is_some() { span.wrong { "given up" } } @else { (moment(message.not_before)) } }
                    td.long { (message.last_error.as_deref().unwrap_or("–")) }
                    @if operates { td { a href={ (PATH) "?message=" (message.id) } { "Open" } } }
                } } }
            } }
        } }
    }
}

/// A number of rows that is not counted further than [`MOST_COUNTED`].
pub(crate) fn total(counted: i64) -> String {
    if counted >= MOST_COUNTED { format!("{} or more", number(MOST_COUNTED)) } else { number(counted) }
}

fn queues_table(backlog: &[(Queue, Backlog)]) -> Markup {
    html! {
        details.card {
            summary {
                "Queues: " (total(backlog.iter().map(|(_, backlog)| backlog.waiting).sum())) " waiting, "
                (words::counted(total(backlog.iter().map(|(_, backlog)| backlog.dead_lettered).sum()), "dead letter", "dead letters"))
            }
            div.wide tabindex="0" role="region" aria-label="Queues" { table {
                thead { tr { th { "Queue" } th { "Leads to" } th.number { "Waiting" } th.number { "Dead letters" } th { "Due since" } } }
                tbody { @for (queue, backlog) in backlog { tr {
                    td { (queue.as_str()) }
                    td { (service(*queue)) }
                    td.number { (total(backlog.waiting)) }
                    td.number { (total(backlog.dead_lettered)) }
                    td { @if let Some(since) = backlog.due_since { (moment(since)) } @else { span.quiet { "nothing is due" } } }
                } } }
            } }
        }
    }
}

fn service(queue: Queue) -> &'static str {
    match queue {
        Queue::Lms => "the LMS",
        Queue::Mail => "the mail service",
        Queue::Events => "the collector of events of accounts",
        Queue::Addresses => "the collector of events of addresses",
        Queue::Enrollment => "the LMS, for bulk enrollments",
        _ => "",
    }
}

fn table(messages: &[WaitingMessage], sorted: Sorted<'_>) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr {
                (lists::select_all())
                th { "Message" } th { "About" } (sorted.heading("since", "Since")) th.number { "Failed tries" } th { "State" } th { "Last error" }
            } }
            tbody { @for message in messages { tr {
                td { input type="checkbox" name="item" value=(message.id)
                        aria-label={ "Select the message " (message.topic.replace('_', " ")) " " (message.id) }; }
                td { (message.topic.replace('_', " ")) br; span.quiet { (message.queue) } }
                td {
                    @if let Some(license) = message.license { a href={ "/console/licenses/" (license) "/" } { "license" } " " }
                    @if let Some(plan) = message.plan { a href={ "/console/plans/" (plan) "/" } { "plan" } }
                    @if message.license.is_none() && message.plan.is_none() { span.quiet { "–" } }
                }
                td { (moment(message.created)) }
                td.number { (message.attempts) }
                td {
                    @if let Some(given_up) = message.dead_lettered_at { "given up " (moment(given_up)) }
                    @else { "next try " (moment(message.not_before)) }
                }
                td.long { (message.last_error.as_deref().unwrap_or("–")) }
            } } }
        } }
    }
}

/// What a form before has done.
fn done(query: &Fields) -> Markup {
    let number_done = query.text("number").and_then(|text| text.parse::<i64>().ok());
    let words = query.text("done").zip(number_done).and_then(|(what, count)| match what.as_str() {
        "retry" => Some(counted(count, "message is being tried again.", "messages are being tried again.")),
        "drop" => Some(counted(count, "message was dropped.", "messages were dropped.")),
        _ => None,
    });
    html! { @if let Some(words) = words { p.note.good role="status" { (words) } } }
}

/// What was selected.
struct Selected {
    selection: OutboxSelection,
    filters: MessageFilters,
}

fn selected(fields: &Fields) -> Selected {
    if fields.has("all") {
        let filters = MessageFilters { dead_lettered: Some(true), topic: fields.text("topic"), ..Default::default() };
        return Selected { selection: OutboxSelection::DeadLettered(filters.topic.clone()), filters };
    }
    let ids: Vec<MessageId> = fields.all("item").filter_map(|id| Uuid::parse_str(id).ok()).map(MessageId).collect();
    let filters = MessageFilters { ids: Some(ids.clone()), ..Default::default() };
    Selected { selection: OutboxSelection::Messages(ids), filters }
}

/// The page of the bulk enrollment that the form came from.
fn enrollment(fields: &Fields) -> Option<String> {
    let id = Uuid::parse_str(&fields.text("enrollment")?).ok()?;
    Some(format!("{PATH}enrollments/{id}/"))
}

/// `POST /console/operations/messages/act/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn act(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let drops = match fields.text("act").as_deref() {
        Some("retry") => false,
        Some("drop") => true,
        _ => return Err(PageError::BadForm("Say what to do: try again or drop.")),
    };
    let why = if drops { Why::Required } else { Why::Optional };
    let Selected { selection, filters } = selected(&fields);
    let Err(errors) = confirmed(&fields, why) else {
        let actor = visitor.actor(fields.text("reason").as_deref());
        let count = visitor.write(move |console| match drops {
            true => console.manager.discard_messages(&actor, &selection),
            false => console.manager.retry_messages(&actor, &selection),
        });
        let count = count.await?;
        if let Some(enrollment) = enrollment(&fields) {
            return Ok(redirect(&enrollment));
        }
        let what = if drops { "drop" } else { "retry" };
        return Ok(redirect(&lists::with_filters(
            PATH,
            &fields,
            &FILTERS,
            &[("done", what), ("number", &count.to_string())],
        )));
    };
    let topics = visitor.read(move |console| console.store.message_topics(&filters)).await?;
    let count: i64 = topics.iter().map(|(_, number)| number).sum();
    let title = if drops { "Drop messages: look before it happens" } else { "Try messages again" };
    let told = html! {
        @if count == 0 {
            p.note { "No message is selected, or the selected ones were delivered meanwhile. Nothing happens." }
        } @else if drops {
            p.note.bad { b { (words::counted(total(count), "message is", "messages are")) " dropped for good. " }
                "Nobody sends them again. Messages that are being delivered right now stay." }
        } @else {
            p.note { b { (words::counted(total(count), "message is", "messages are")) " tried again at once" }
                ", with all their tries. They become dead letters again if the reason is still there." }
        }
        @if count > 0 {
            ul { @for (topic, number_of_topic) in &topics { li {
                b { (number(*number_of_topic)) " " (topic.replace('_', " ")) }
                @if drops { ": " (loss(Topic::from_name(topic))) }
            } } }
        }
    };
    let button = (count > 0).then(|| format!("{} {}", if drops { "Drop" } else { "Try again:" }, total(count)));
    Ok(preview(
        &visitor,
        &fields,
        &errors,
        &Preview {
            section: Section::Operations,
            above: &above("", "Messages"),
            title,
            told,
            action: &format!("{PATH}messages/act/"),
            back: &enrollment(&fields).unwrap_or_else(|| lists::with_filters(PATH, &fields, &FILTERS, &[])),
            button,
            why,
            refused: None,
        },
    ))
}

/// What does not happen if a message is dropped.
fn loss(topic: Topic) -> &'static str {
    match topic {
        Topic::LicenseEvent => "the collector of events never hears of it. Webhooks have a delivery of their own.",
        Topic::Assignment => {
            "the learner is not linked to the customer and gets no mail with the activation link. Remind them later."
        }
        Topic::Reminder => "the learner gets no reminder. Remind them again later.",
        Topic::Activation => {
            "the profiles of the address and the account are not merged, and the learner gets no welcome mail."
        }
        Topic::AutoApplied => "the learner gets no welcome mail.",
        Topic::UtilizationThresholds => {
            "admins are not told now that few licenses are left. The next change of the plan tells them."
        }
        Topic::InitialUtilization => "admins do not get the mail about the plan's first week.",
        Topic::EndEnrollments => "the learner keeps enrollments that the revoked license paid for.",
        Topic::RevocationCapMail => "customer success is not told that the revocation cap is used up.",
        Topic::BulkEnrollment => "learners who are not enrolled yet stay so, and the bulk enrollment never ends.",
        Topic::EnrollmentResultsMail => "the requester gets no mail with the results.",
        Topic::EnrollmentResultsFile => "the results get to no file. The database keeps them.",
        Topic::Custom => "the program that embeds the service, and wrote it, does not get it.",
        Topic::Unknown => "another version of the service wrote it, and knows what it is for.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_are_shown_first_and_queues_only_of_what_waits() {
        let of = |query: &str| filters(&Fields::parse(query.as_bytes()));
        assert_eq!(of("").dead_lettered, Some(true));
        let waiting = of("state=waiting&queue=mail&topic=reminder");
        assert_eq!((waiting.dead_lettered, waiting.queue.as_deref()), (Some(false), Some("mail")));
        assert_eq!(of("queue=mail").queue, None, "the button on all dead letters would mean others too");
        let one = of("message=00000000-0000-0000-0000-000000000007&state=waiting");
        assert_eq!((one.ids, one.dead_lettered), (Some(vec![MessageId(Uuid::from_u128(7))]), None));
    }

    #[test]
    fn all_that_match_are_dead_letters_of_the_topic() {
        let Selected { selection, .. } = selected(&Fields::parse(b"all=yes&topic=reminder&item=nonsense"));
        assert_eq!(selection, OutboxSelection::DeadLettered(Some("reminder".to_owned())));
        let id = Uuid::from_u128(7);
        let Selected { selection, .. } = selected(&Fields::parse(format!("item={id}&item=nonsense").as_bytes()));
        assert_eq!(selection, OutboxSelection::Messages(vec![MessageId(id)]));
    }
}
