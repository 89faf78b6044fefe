//! The time that a client may take to send a body, or to read an answer.

use std::time::Duration;

/// The bytes that a client must send or read each second, beyond its patience.
pub const BYTES_PER_SECOND: u32 = 16 * 1024;

/// The time that clients have.
#[derive(Debug, Clone, Copy)]
pub struct ClientTimeout {
    patience: Duration,
}

impl ClientTimeout {
    /// `patience` is the time that a client has for any number of bytes.
    pub fn new(patience: Duration) -> Self {
        Self { patience }
    }

    /// The time for so many bytes: the patience, and a second for every [`BYTES_PER_SECOND`].
    pub fn time_for(self, bytes: usize) -> Duration {
        self.patience + Duration::from_secs((bytes / BYTES_PER_SECOND as usize) as u64)
    }

    /// The time left for the next bytes, of a client that has needed `elapsed` for so many. It may never pause for longer than its
    /// patience.
    pub fn time_left(self, bytes: usize, elapsed: Duration) -> Duration {
        self.time_for(bytes).saturating_sub(elapsed).min(self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_bytes_have_more_time() {
        let client_timeout = ClientTimeout::new(Duration::from_secs(30));
        for (bytes, seconds) in [(0, 30), (16_383, 30), (16_384, 31), (5 * 1024 * 1024, 350)] {
            assert_eq!(client_timeout.time_for(bytes), Duration::from_secs(seconds), "{bytes}");
        }
    }

    #[test]
    fn a_quick_start_allows_no_long_pause() {
        let client_timeout = ClientTimeout::new(Duration::from_secs(30));
        let left = |bytes, elapsed| client_timeout.time_left(bytes, Duration::from_secs(elapsed)).as_secs();
        assert_eq!((left(0, 10), left(0, 31), left(5 * 1024 * 1024, 1), left(5 * 1024 * 1024, 349)), (20, 0, 30, 1));
    }
}
