//! A request with a key is done once.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{AnswerQuota, IdempotencyKey, StoredAnswer, StoredBody};
use license_manager_domain::use_cases::{Begun, Claim};
use license_manager_domain::{LicenseManager, Settings};

fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey { username: "amy".to_owned(), key: key.to_owned(), operation: "POST /a/".to_owned() }
}

const REQUEST: [u8; 32] = [1; 32];

fn answer() -> StoredAnswer {
    StoredAnswer {
        status: 200,
        content_type: Some("application/json".to_owned()),
        body: Some(StoredBody::Plain(b"{}".to_vec())),
    }
}

impl World {
    fn begin(&self, name: &str) -> Begun {
        self.manager.begin_once(&key(name), REQUEST).unwrap()
    }

    #[track_caller]
    fn claim(&self, name: &str) -> Claim {
        match self.begin(name) {
            Begun::First(claim) => claim,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_first_does_it_and_the_others_wait_for_its_answer() {
    let world = World::new();
    let claim = world.claim("k");
    assert_eq!(world.begin("k"), Begun::Underway);
    assert!(world.manager.complete_claim(&claim, &answer()).unwrap());
    assert_eq!(world.begin("k"), Begun::Answered(answer()));
    world.claim("another");
}

#[test]
fn another_request_with_the_key_is_told_apart_before_and_after_the_answer() {
    let world = World::new();
    let claim = world.claim("k");
    let other = || world.manager.begin_once(&key("k"), [2; 32]).unwrap();
    assert_eq!(other(), Begun::OtherRequest);
    world.manager.complete_claim(&claim, &answer()).unwrap();
    assert_eq!(other(), Begun::OtherRequest);
}

#[test]
fn a_request_that_came_to_nothing_may_be_sent_again() {
    let world = World::new();
    let claim = world.claim("k");
    world.manager.release_claim(&claim).unwrap();
    world.claim("k");
}

#[test]
fn a_claim_outlasts_a_renewal_that_failed() {
    let world = World::new();
    let renewal = Duration::from_std(LicenseManager::CLAIM_RENEWAL).unwrap();
    assert!(renewal > Duration::zero());
    world.claim("k");
    world.clock.advance(renewal * 2);
    assert_eq!(world.begin("k"), Begun::Underway);
}

#[test]
fn a_server_that_died_blocks_its_keys_for_two_minutes() {
    let world = World::new();
    let dead = world.claim("k");
    world.clock.advance(Duration::seconds(119));
    assert_eq!(world.begin("k"), Begun::Underway);
    world.clock.advance(Duration::seconds(1));
    let alive = world.claim("k");
    // It was not dead after all, and is too late.
    assert!(!world.manager.renew_claim(&dead).unwrap());
    assert!(!world.manager.complete_claim(&dead, &StoredAnswer { status: 500, ..answer() }).unwrap());
    world.manager.release_claim(&dead).unwrap();
    assert!(world.manager.complete_claim(&alive, &answer()).unwrap());
    assert_eq!(world.begin("k"), Begun::Answered(answer()));
}

#[test]
fn work_may_take_as_long_as_it_says_that_it_goes_on() {
    let world = World::new();
    let claim = world.claim("k");
    for _ in 0..100 {
        world.clock.advance(Duration::from_std(license_manager_domain::LicenseManager::CLAIM_RENEWAL).unwrap());
        assert!(world.manager.renew_claim(&claim).unwrap());
    }
    assert_eq!(world.begin("k"), Begun::Underway);
}

#[test]
fn a_claim_outlasts_three_renewals_that_are_missed() {
    let pause = Duration::from_std(license_manager_domain::LicenseManager::CLAIM_RENEWAL).unwrap();
    assert!(pause > Duration::zero());
    let world = World::new();
    let claim = world.claim("k");
    world.clock.advance(pause * 3);
    assert_eq!(world.begin("k"), Begun::Underway);
    assert!(world.manager.renew_claim(&claim).unwrap());
    world.clock.advance(pause * 3);
    assert_eq!(world.begin("k"), Begun::Underway);
}

#[test]
fn an_answer_is_kept_for_a_day() {
    let world = World::new();
    for name in ["asked again", "forgotten"] {
        let claim = world.claim(name);
        world.manager.complete_claim(&claim, &answer()).unwrap();
    }
    world.clock.advance(Duration::hours(24) - Duration::seconds(1));
    assert_eq!(world.begin("asked again"), Begun::Answered(answer()));
    assert_eq!(world.manager.remove_expired_answers(), Ok(0));
    world.clock.advance(Duration::seconds(1));
    world.claim("asked again");
    assert_eq!(world.manager.remove_expired_answers(), Ok(1));
    assert_eq!(world.begin("asked again"), Begun::Underway);
}

#[test]
fn a_request_whose_answer_cannot_be_kept_is_not_begun() {
    let answer_quota = AnswerQuota { answer: 1_000, user: 2_100, total: 1 << 30 };
    let world = World::with(Settings { answer_quota, ..Settings::default() });
    let claim = world.claim("k");
    assert_eq!(world.begin("another"), Begun::NoRoom);
    assert_eq!(world.begin("k"), Begun::Underway);
    world.manager.complete_claim(&claim, &StoredAnswer { body: None, ..answer() }).unwrap();
    world.claim("a third");
    world.clock.advance(Duration::hours(24));
    world.manager.remove_expired_answers().unwrap();
    world.claim("another");
}
