//! A reading that several callers share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use license_manager_domain::Error;
use tokio::sync::Mutex;

/// A reading that is made at most once at a time, and serves everybody who asks within some time of its beginning.
pub struct SharedReading<T> {
    age: Duration,
    last: Arc<Mutex<Option<(Instant, T)>>>,
}

impl<T: Clone + Send + 'static> SharedReading<T> {
    /// `age` is how old a reading may be for somebody who asks. With 0 a reading serves those who asked before it began.
    pub fn new(age: Duration) -> Self {
        Self { age, last: Arc::default() }
    }

    /// The last reading if it is fresh, otherwise that of `read`. A reading goes on if the asker who began it is gone, so that
    /// those who hang up do not cause further ones.
    ///
    /// # Errors
    /// That of `read`, which the next asker tries again.
    pub async fn get<F>(&self, read: impl FnOnce() -> F + Send + 'static) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let (asked, age, last) = (Instant::now(), self.age, self.last.clone());
        let reading = tokio::spawn(async move {
            let mut last = last.lock().await;
            // Who waited for the lock takes what was read meanwhile.
            let fresh = last.as_ref().filter(|(begun, _)| *begun + age >= asked);
            if let Some((_, value)) = fresh {
                return Ok(value.clone());
            }
            let begun = Instant::now();
            let value = read().await?;
            *last = Some((begun, value.clone()));
            Ok(value)
        });
        reading.await.map_err(Error::internal)?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    struct Counter {
        shared: SharedReading<usize>,
        readings: Arc<AtomicUsize>,
    }

    impl Counter {
        fn new(age: Duration) -> Self {
            Self { shared: SharedReading::new(age), readings: Arc::default() }
        }

        async fn get(&self) -> usize {
            let readings = self.readings.clone();
            let read = move || async move {
                tokio::task::yield_now().await;
                Ok(readings.fetch_add(1, Ordering::SeqCst) + 1)
            };
            self.shared.get(read).await.unwrap()
        }

        fn readings(&self) -> usize {
            self.readings.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn those_who_ask_at_once_share_a_reading() {
        let counter = Counter::new(Duration::from_secs(3_600));
        let got = join_all((0..128).map(|_| counter.get())).await;
        assert!(got.iter().all(|reading| *reading == 1), "{got:?}");
        assert_eq!((counter.get().await, counter.readings()), (1, 1));
    }

    #[tokio::test]
    async fn a_reading_that_began_before_the_question_is_old_without_an_age() {
        let counter = Counter::new(Duration::ZERO);
        assert_eq!((counter.get().await, counter.get().await), (1, 2));
        join_all((0..128).map(|_| counter.get())).await;
        // One for the first, and one for all who asked while it was made.
        assert!(counter.readings() <= 4, "{}", counter.readings());
    }

    #[tokio::test]
    async fn a_reading_goes_on_without_its_asker() {
        let counter = Counter::new(Duration::from_secs(3_600));
        for _ in 0..10 {
            let asked = tokio::time::timeout(Duration::ZERO, counter.get()).await;
            assert!(asked.is_err() || asked == Ok(1));
        }
        assert_eq!((counter.get().await, counter.readings()), (1, 1));
    }

    #[tokio::test]
    async fn a_failed_reading_is_tried_again() {
        let shared = SharedReading::<u8>::new(Duration::from_secs(3_600));
        assert_eq!(shared.get(|| async { Err(Error::Unavailable) }).await, Err(Error::Unavailable));
        assert_eq!(shared.get(|| async { Ok(7) }).await, Ok(7));
    }
}
