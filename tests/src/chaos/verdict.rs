//! What must be true at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::home::{Home, live_licenses};
use super::records::{Known, Slot, Status};
use super::{PEOPLE, Plans, Shared};
use crate::database::texts;
use crate::{FakeUpstreams, Mail, Server, assert_sound, poll};

/// How long the deliveries may take when nothing fails any more.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until everything was delivered and checks what is there. Returns the number of live licenses.
pub(super) fn judge(
    home: &Home,
    server: &Server,
    upstreams: &FakeUpstreams,
    shared: &Shared<'_>,
    plans: &[Plans],
) -> usize {
    let url = home.url();
    everything_is_delivered(&url, server);
    assert_sound(&url);
    let people: Vec<Vec<Known>> = shared.people.iter().map(|people| people.known().clone()).collect();
    let live = live_licenses(&url);
    answers_came_true(&live, &people, plans);
    following_plans_followed(&url, &live);
    the_shared_plan_kept_its_size(&url, &people, plans);
    mails_were_sent(&url, upstreams, &people, plans);
    events_were_told(&url, upstreams, plans);
    live.len()
}

fn everything_is_delivered(url: &str, server: &Server) {
    let count = |query: &str| texts(url, query)[0].parse::<usize>().expect("a number");
    let waiting = || count("SELECT CAST(count(*) AS text) AS text FROM outbox");
    let parked = || count("SELECT CAST(count(*) AS text) AS text FROM outbox WHERE parked_at IS NOT NULL");
    let done = poll(PATIENCE, || {
        if parked() > 0 {
            assert!(server.command(&["outbox", "retry", "--all-parked"]).succeeded);
        }
        (waiting() == 0).then_some(())
    });
    assert!(done.is_some(), "{} messages wait, {} of them parked", waiting(), parked());
}

/// Each person has the live licenses that the answers said, and no others.
fn answers_came_true(live: &BTreeMap<(String, String), String>, people: &[Vec<Known>], plans: &[Plans]) {
    let mut expected = BTreeMap::new();
    for (known, plans) in people.iter().zip(plans) {
        for (known, (slot, status)) in known.iter().flat_map(|known| known.held.iter().map(move |held| (known, held))) {
            expected.insert((plans.of(*slot).uuid.clone(), known.email.clone()), status.as_str().to_owned());
        }
    }
    let asked: BTreeSet<&str> =
        plans.iter().flat_map(|plans| Slot::ALL.map(|slot| plans.of(slot).uuid.as_str())).collect();
    let found: BTreeMap<_, _> = live
        .iter()
        .filter(|((plan, _), _)| asked.contains(plan.as_str()))
        .map(|(key, status)| (key.clone(), status.clone()))
        .collect();
    let wrong: Vec<_> = expected
        .iter()
        .filter(|(key, status)| found.get(*key) != Some(status))
        .chain(found.iter().filter(|(key, _)| !expected.contains_key(*key)))
        .collect();
    assert!(wrong.is_empty(), "{} licenses are not as was answered: {wrong:?}", wrong.len());
}

/// A renewed plan has the live licenses of its prior plan.
fn following_plans_followed(url: &str, live: &BTreeMap<(String, String), String>) {
    let of = |plan: &str| -> BTreeMap<&str, &str> {
        let own = live.iter().filter(|((own, _), _)| own == plan);
        own.map(|((_, email), status)| (email.as_str(), status.as_str())).collect()
    };
    let query =
        "SELECT CAST(prior_subscription_plan_uuid AS text) || ' ' || CAST(renewed_subscription_plan_uuid AS text)
                        AS text
                 FROM subscription_plan_renewal WHERE processed";
    for renewal in texts(url, query) {
        let (prior, following) = renewal.split_once(' ').expect("two ids");
        assert_eq!(of(following), of(prior), "the plan that follows {prior}");
    }
}

/// What is revoked is replaced.
fn the_shared_plan_kept_its_size(url: &str, people: &[Vec<Known>], plans: &[Plans]) {
    let query = format!(
        "SELECT CAST(count(*) AS text) AS text FROM license WHERE status <> 'revoked' AND subscription_plan_uuid = '{}'",
        plans[0].shared.uuid
    );
    assert_eq!(texts(url, &query), [(PEOPLE * people.len() + 20).to_string()]);
}

/// Every mail that is owed went out, and none went to anybody else.
fn mails_were_sent(url: &str, upstreams: &FakeUpstreams, people: &[Vec<Known>], plans: &[Plans]) {
    let pairs = |query: &str| -> BTreeMap<String, String> {
        let pair = |text: String| text.split_once(' ').map(|(one, other)| (one.to_owned(), other.to_owned()));
        texts(url, query).into_iter().filter_map(pair).collect()
    };
    // Keys belong to one person, in every version and in every copy.
    let owners = pairs(
        "SELECT DISTINCT CAST(activation_key AS text) || ' ' || user_email AS text FROM license_history
         WHERE activation_key IS NOT NULL AND user_email IS NOT NULL",
    );
    let known: BTreeMap<&str, &Known> = people.iter().flatten().map(|known| (known.email.as_str(), known)).collect();
    let mails = upstreams.mails();
    let mut sent: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    for Mail { campaign, address, key } in &mails {
        let recipient = known.get(address.as_str());
        let recipient = recipient.unwrap_or_else(|| panic!("a mail of the kind {campaign} went to {address}"));
        match (campaign.as_str(), owners.get(key)) {
            ("assignment" | "reminder", Some(owner)) => assert_eq!(owner, address, "a mail of the kind {campaign}"),
            ("assignment" | "reminder", None) => {
                assert!(recipient.is_retired, "a mail of the kind {campaign} to {address} has the unknown key {key}");
            }
            ("post_activation", _) => assert!(recipient.has_called, "{address} was welcomed"),
            (campaign, _) => panic!("a mail of the kind {campaign} went to {address}"),
        }
        sent.insert((campaign, address, key));
    }
    let kinds: BTreeSet<(&str, &str)> = sent.iter().map(|(campaign, address, _)| (*campaign, *address)).collect();
    let keys = pairs(
        "SELECT CAST(subscription_plan_uuid AS text) || '/' || user_email || ' ' || CAST(activation_key AS text) AS text
         FROM license WHERE status IN ('assigned', 'activated')",
    );
    for (known, plans) in people.iter().zip(plans) {
        for known in known {
            let email = known.email.as_str();
            for (slot, status) in &known.held {
                if *status == Status::Activated {
                    assert!(kinds.contains(&("post_activation", email)), "{email} was not welcomed");
                    continue;
                }
                let key = &keys[&format!("{}/{email}", plans.of(*slot).uuid)];
                assert!(sent.contains(&("assignment", email, key)), "{email} was not told of {slot:?}");
                if known.reminded.contains(slot) {
                    assert!(sent.contains(&("reminder", email, key)), "{email} was not reminded of {slot:?}");
                }
            }
        }
    }
}

/// Every event went out, and none about anything else.
fn events_were_told(url: &str, upstreams: &FakeUpstreams, plans: &[Plans]) {
    let told: BTreeSet<(String, String)> = upstreams.events().into_iter().collect();
    let licenses: BTreeSet<String> =
        texts(url, "SELECT DISTINCT CAST(uuid AS text) AS text FROM license_history").into_iter().collect();
    let strange: Vec<_> = told.iter().filter(|(_, license)| !licenses.contains(license)).collect();
    assert!(strange.is_empty(), "events about unknown licenses: {strange:?}");
    let asked: BTreeSet<&str> =
        plans.iter().flat_map(|plans| Slot::ALL.map(|slot| plans.of(slot).uuid.as_str())).collect();
    // The events of whoever was retired may not have gone out.
    let query = "SELECT CAST(uuid AS text) || ' ' || CAST(subscription_plan_uuid AS text) || ' ' || status || ' '
                        || CASE WHEN activation_date IS NULL THEN 'no' ELSE 'yes' END AS text
                 FROM license WHERE user_email IS NOT NULL";
    let mut missing = Vec::new();
    for text in texts(url, query) {
        let words: Vec<&str> = text.split(' ').collect();
        let &[license, plan, status, was_activated] = &words[..] else { panic!("four words: {text}") };
        let mut expected = vec![if asked.contains(plan) { "assigned" } else { "renewed" }];
        if was_activated == "yes" && asked.contains(plan) {
            expected.push("activated");
        }
        if status == "revoked" {
            expected.push("revoked");
        }
        let is_missing = |name: &&str| !told.contains(&((*name).to_owned(), license.to_owned()));
        missing.extend(expected.into_iter().filter(is_missing).map(|name| format!("{name} of {license}")));
    }
    assert!(missing.is_empty(), "{} events were not told: {missing:?}", missing.len());
}
