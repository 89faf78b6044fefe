use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{MemoryUnit, size};
use crate::error::Error;
use crate::model::idempotency::{AnswerQuota, Claimed, FirstRequest, IdempotencyKey, StoredAnswer};
use crate::ports::IdempotencyRepository;

impl MemoryUnit<'_> {
    fn claimed(&mut self, key: &IdempotencyKey, owner: Uuid) -> Result<Option<&mut FirstRequest>, Error> {
        let request = self.written()?.idempotency.get_mut(key);
        Ok(request.filter(|request| request.owner == owner && request.answer.is_none()))
    }
}

impl IdempotencyRepository for MemoryUnit<'_> {
    fn claim(
        &mut self,
        key: &IdempotencyKey,
        request: &FirstRequest,
        expired: DateTime<Utc>,
        quota: &AnswerQuota,
    ) -> Result<Claimed, Error> {
        let requests = &mut self.written()?.idempotency;
        let stands = |first: &&FirstRequest| match first.answer {
            Some(_) => first.created > expired,
            None => first.lease_until > request.created,
        };
        if let Some(first) = requests.get(key).filter(stands) {
            return Ok(Claimed::Existing(first.clone()));
        }
        requests.insert(key.clone(), request.clone());
        let sum = |user: Option<&str>| -> i64 {
            let counted = requests.iter().filter(|(key, _)| user.is_none_or(|user| key.username == user));
            counted.map(|(_, request)| request.size()).sum()
        };
        if sum(Some(&key.username)) > quota.user || sum(None) > quota.total {
            requests.remove(key);
            return Ok(Claimed::NoRoom);
        }
        Ok(Claimed::First)
    }

    fn renew(&mut self, key: &IdempotencyKey, owner: Uuid, lease_until: DateTime<Utc>) -> Result<bool, Error> {
        let request = self.claimed(key, owner)?;
        Ok(request.map(|request| request.lease_until = lease_until).is_some())
    }

    fn complete(&mut self, key: &IdempotencyKey, owner: Uuid, answer: &StoredAnswer) -> Result<bool, Error> {
        let request = self.claimed(key, owner)?;
        Ok(request.map(|request| request.answer = Some(answer.clone())).is_some())
    }

    fn release(&mut self, key: &IdempotencyKey, owner: Uuid) -> Result<(), Error> {
        if self.claimed(key, owner)?.is_some() {
            self.written()?.idempotency.remove(key);
        }
        Ok(())
    }

    fn remove_expired(&mut self, expired: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        let requests = &mut self.written()?.idempotency;
        let old = requests.iter().filter(|(_, request)| request.created <= expired).map(|(key, _)| key.clone());
        let old: Vec<_> = old.take(size(limit)).collect();
        old.iter().for_each(|key| drop(requests.remove(key)));
        Ok(old.len())
    }
}
