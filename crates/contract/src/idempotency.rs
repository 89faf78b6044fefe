//! Idempotency keys.

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::model::{
    AnswerQuota, Claimed, FirstRequest, IdempotencyKey, REQUEST_BYTES, StoredAnswer, StoredBody,
};
use license_manager_domain::ports::{Store, StoreExt};
use uuid::Uuid;

use super::Database;
use super::fixtures::*;

fn named(username: &str, key: &str, operation: &str) -> IdempotencyKey {
    IdempotencyKey { username: username.to_owned(), key: key.to_owned(), operation: operation.to_owned() }
}

fn amys() -> IdempotencyKey {
    named("amy", "key-1", "POST /a/")
}

fn owner(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A request at this time with a lease of a minute.
fn request(number: u8, created: DateTime<Utc>) -> FirstRequest {
    FirstRequest {
        fingerprint: [number; 32],
        owner: owner(number.into()),
        created,
        lease_until: created + Duration::minutes(1),
        reserved: 1_000,
        answer: None,
    }
}

fn answer() -> StoredAnswer {
    StoredAnswer {
        status: 207,
        content_type: Some("application/json".to_owned()),
        body: Some(StoredBody::Plain(b"{\"\0\": \"\xff\"}".to_vec())),
    }
}

/// Claims a key; answers are kept for a day.
fn claim(store: &dyn Store, key: &IdempotencyKey, request: &FirstRequest) -> Option<FirstRequest> {
    match claim_within(store, key, request, &AnswerQuota::default()) {
        Claimed::First => None,
        Claimed::Existing(first) => Some(first),
        Claimed::NoRoom => panic!("there is room"),
    }
}

fn claim_within(store: &dyn Store, key: &IdempotencyKey, request: &FirstRequest, quota: &AnswerQuota) -> Claimed {
    let expired = request.created - Duration::days(1);
    store.write(|unit| unit.idempotency().claim(key, request, expired, quota)).unwrap()
}

fn complete(store: &dyn Store, key: &IdempotencyKey, owner: Uuid, answer: &StoredAnswer) -> bool {
    store.write(|unit| unit.idempotency().complete(key, owner, answer)).unwrap()
}

/// A repeated request is carried out once.
pub fn the_first_request_of_a_key_is_claimed(db: &dyn Database) {
    let store = db.store();
    let first = request(1, day(1));
    assert_eq!(claim(&*store, &amys(), &first), None);
    assert_eq!(claim(&*store, &amys(), &request(2, day(1))), Some(first));
    let apart =
        [named("bob", "key-1", "POST /a/"), named("amy", "Key-1", "POST /a/"), named("amy", "key-1", "POST /b/")];
    for (number, other) in (3..).zip(apart) {
        assert_eq!(claim(&*store, &other, &request(number, day(1))), None, "{other:?}");
    }
}

/// A repeated request gets the first answer.
pub fn an_answer_comes_back_as_it_was_kept(db: &dyn Database) {
    let store = db.store();
    let nothing = StoredAnswer { status: 204, content_type: None, body: Some(StoredBody::Plain(Vec::new())) };
    let too_large = StoredAnswer { body: None, ..answer() };
    let compressed = StoredAnswer { body: Some(StoredBody::Compressed(vec![0, 1, 255])), ..answer() };
    for (number, kept) in (1..).zip([answer(), nothing, too_large, compressed]) {
        let key = named("amy", &number.to_string(), "POST /a/");
        let first = request(number, day(1));
        claim(&*store, &key, &first);
        assert!(complete(&*store, &key, first.owner, &kept));
        let standing = FirstRequest { answer: Some(kept), ..first };
        assert_eq!(claim(&*store, &key, &request(9, day(1))), Some(standing));
    }
}

/// A request of a dead server can be repeated.
pub fn a_request_under_way_stands_until_its_lease_ends(db: &dyn Database) {
    let store = db.store();
    let first = request(1, day(1));
    claim(&*store, &amys(), &first);
    let later = first.lease_until - Duration::microseconds(1);
    assert_eq!(claim(&*store, &amys(), &request(2, later)), Some(first.clone()));
    let second = request(3, first.lease_until);
    assert_eq!(claim(&*store, &amys(), &second), None);
    assert_eq!(claim(&*store, &amys(), &request(4, first.lease_until)), Some(second));
}

/// A slow request is not carried out twice.
pub fn a_renewed_lease_lasts_longer(db: &dyn Database) {
    let store = db.store();
    let first = request(1, day(1));
    claim(&*store, &amys(), &first);
    let lease_until = day(5);
    assert!(store.write(|unit| unit.idempotency().renew(&amys(), first.owner, lease_until)).unwrap());
    let standing = FirstRequest { lease_until, ..first };
    assert_eq!(claim(&*store, &amys(), &request(2, day(4))), Some(standing));
    assert_eq!(claim(&*store, &amys(), &request(3, day(5))), None);
}

/// A key works as long as promised.
pub fn an_answer_stands_until_it_expires(db: &dyn Database) {
    let store = db.store();
    let first = request(1, day(1));
    claim(&*store, &amys(), &first);
    complete(&*store, &amys(), first.owner, &answer());
    let standing = FirstRequest { answer: Some(answer()), ..first };
    assert_eq!(claim(&*store, &amys(), &request(2, day(2) - Duration::microseconds(1))), Some(standing));
    let second = request(3, day(2));
    assert_eq!(claim(&*store, &amys(), &second), None);
    assert_eq!(claim(&*store, &amys(), &request(4, day(2))), Some(second), "the old answer is gone");
}

/// A request that failed can be repeated at once.
pub fn a_released_key_is_free(db: &dyn Database) {
    let store = db.store();
    claim(&*store, &amys(), &request(1, day(1)));
    store.write(|unit| unit.idempotency().release(&amys(), owner(1))).unwrap();
    assert_eq!(claim(&*store, &amys(), &request(2, day(1))), None);
    store.write(|unit| unit.idempotency().release(&named("nobody", "x", "y"), owner(1))).unwrap();
}

/// A server that was too slow cannot replace the answer of the next one.
pub fn only_the_owner_of_a_request_writes_to_it(db: &dyn Database) {
    let store = db.store();
    let first = request(1, day(1));
    claim(&*store, &amys(), &first);
    let try_as = |owner: Uuid| {
        let renewed = store.write(|unit| unit.idempotency().renew(&amys(), owner, day(9))).unwrap();
        store.write(|unit| unit.idempotency().release(&amys(), owner)).unwrap();
        (renewed, complete(&*store, &amys(), owner, &StoredAnswer { status: 500, content_type: None, body: None }))
    };
    assert_eq!(try_as(owner(2)), (false, false));
    assert_eq!(claim(&*store, &amys(), &request(3, day(1))), Some(first.clone()));
    // After its completion nobody owns it.
    complete(&*store, &amys(), first.owner, &answer());
    assert_eq!(try_as(first.owner), (false, false));
    let standing = FirstRequest { answer: Some(answer()), ..first };
    assert_eq!(claim(&*store, &amys(), &request(3, day(1))), Some(standing));
}

/// Answers do not pile up.
pub fn expired_requests_are_removed(db: &dyn Database) {
    let store = db.store();
    for number in 1..=5 {
        let key = named("amy", &number.to_string(), "POST /a/");
        claim(&*store, &key, &request(number, day(number.into())));
        if number % 2 == 0 {
            complete(&*store, &key, owner(number.into()), &answer());
        }
    }
    let remove = |limit| store.write(|unit| unit.idempotency().remove_expired(day(4), limit)).unwrap();
    assert_eq!((remove(3), remove(3), remove(3)), (3, 1, 0));
    let left = named("amy", "5", "POST /a/");
    assert_eq!(claim(&*store, &left, &request(9, day(5))), Some(request(5, day(5))));
}

fn answer_of(bytes: usize) -> StoredAnswer {
    StoredAnswer { body: Some(StoredBody::Compressed(vec![7; bytes])), ..answer() }
}

/// One user cannot fill the database with answers.
pub fn a_user_has_room_for_so_many_bytes(db: &dyn Database) {
    let store = db.store();
    let key = |user: &str, number: u8| named(user, &number.to_string(), "POST /a/");
    // Two requests under way.
    let quota = AnswerQuota { answer: 1_000, user: 2 * (REQUEST_BYTES + 1_000), total: i64::MAX };
    let claim = |user, number| claim_within(&*store, &key(user, number), &request(number, day(1)), &quota);
    assert_eq!((claim("amy", 1), claim("amy", 2), claim("amy", 3)), (Claimed::First, Claimed::First, Claimed::NoRoom));
    assert_eq!(claim("bob", 1), Claimed::First, "others have room of their own");
    assert_eq!(claim("amy", 1), Claimed::Existing(request(1, day(1))), "what is there is found without room");

    // An answer needs less than was reserved for it.
    assert!(complete(&*store, &key("amy", 1), owner(1), &answer_of(488)));
    assert_eq!(claim("amy", 3), Claimed::NoRoom, "half of one is not enough");
    assert!(complete(&*store, &key("amy", 2), owner(2), &answer_of(0)));
    assert_eq!((claim("amy", 3), claim("amy", 4)), (Claimed::First, Claimed::NoRoom));
    store.write(|unit| unit.idempotency().release(&key("amy", 3), owner(3))).unwrap();
    assert_eq!(claim("amy", 4), Claimed::First);
}

/// All users together cannot fill the database with answers.
pub fn all_users_together_have_room_for_so_many_bytes(db: &dyn Database) {
    let store = db.store();
    let quota = AnswerQuota { answer: 1_000, user: i64::MAX, total: 3 * (REQUEST_BYTES + 1_000) };
    let claim = |user, number| claim_within(&*store, &named(user, "k", "POST /a/"), &request(number, day(1)), &quota);
    for (number, user) in (1..).zip(["amy", "bob", "eve"]) {
        assert_eq!(claim(user, number), Claimed::First, "{user}");
    }
    assert_eq!(claim("zoe", 9), Claimed::NoRoom);
    assert!(complete(&*store, &named("bob", "k", "POST /a/"), owner(2), &answer_of(10)));
    assert_eq!(claim("zoe", 9), Claimed::NoRoom);
    store.write(|unit| unit.idempotency().remove_expired(day(1), 2)).unwrap();
    assert_eq!(claim("zoe", 9), Claimed::First);
}

/// Quotas count what is there.
pub fn what_is_replaced_or_removed_needs_no_room(db: &dyn Database) {
    let store = db.store();
    let quota = AnswerQuota { answer: 1_000, user: REQUEST_BYTES + 1_000, total: i64::MAX };
    let claim = |number, moment| claim_within(&*store, &amys(), &request(number, moment), &quota);
    assert_eq!(claim(1, day(1)), Claimed::First);
    assert_eq!(claim(2, day(2)), Claimed::First, "its lease has ended");
    assert!(complete(&*store, &amys(), owner(2), &answer_of(1_000)));
    assert_eq!(claim(3, day(3)), Claimed::First, "it has expired");
    store.write(|unit| unit.idempotency().remove_expired(day(3), 10)).unwrap();
    assert_eq!(claim(4, day(3)), Claimed::First);
}
