//! Requests with idempotency keys at the same time.

use license_manager_domain::model::{AnswerQuota, Claimed, FirstRequest, IdempotencyKey, REQUEST_BYTES};
use license_manager_domain::ports::StoreExt;

use super::at_once;
use crate::Database;
use crate::fixtures::*;

/// A repeated request is carried out once, also at the same time.
pub fn a_key_is_claimed_by_one_of_many(db: &dyn Database) {
    let store = db.store();
    let key = IdempotencyKey { username: "amy".to_owned(), key: "k".to_owned(), operation: "POST /a/".to_owned() };
    let claims = at_once(16, |thread| {
        let request = FirstRequest {
            fingerprint: [7; 32],
            owner: key_owner(thread),
            created: day(1),
            lease_until: day(2),
            reserved: 1_000,
            answer: None,
        };
        store.write(|unit| unit.idempotency().claim(&key, &request, day(0), &AnswerQuota::default())).unwrap()
    });
    let winners: Vec<usize> = (0..16).filter(|&thread| claims[thread] == Claimed::First).collect();
    let [winner] = winners.as_slice() else { panic!("{winners:?} claimed it") };
    for (thread, claim) in claims.iter().enumerate().filter(|(thread, _)| thread != winner) {
        assert!(
            matches!(claim, Claimed::Existing(standing) if standing.owner == key_owner(*winner)),
            "{thread}: {claim:?}"
        );
    }
}

/// Quotas hold at the same time too.
pub fn a_user_who_comes_many_times_at_once_keeps_within_their_room(db: &dyn Database) {
    let store = db.store();
    let quota = AnswerQuota { answer: 1_000, user: 5 * (REQUEST_BYTES + 1_000), total: i64::MAX };
    let claims = at_once(16, |thread| {
        let key =
            IdempotencyKey { username: "amy".to_owned(), key: thread.to_string(), operation: "POST /a/".to_owned() };
        let request = FirstRequest {
            fingerprint: [7; 32],
            owner: key_owner(thread),
            created: day(1),
            lease_until: day(2),
            reserved: quota.answer,
            answer: None,
        };
        store.write(|unit| unit.idempotency().claim(&key, &request, day(0), &quota)).unwrap()
    });
    assert_eq!(claims.iter().filter(|claim| **claim == Claimed::First).count(), 5);
    assert_eq!(claims.iter().filter(|claim| **claim == Claimed::NoRoom).count(), 11);
}

fn key_owner(thread: usize) -> uuid::Uuid {
    uuid::Uuid::from_u128(thread as u128 + 1)
}
