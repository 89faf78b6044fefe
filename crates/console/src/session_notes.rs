//! Which sessions somebody notes the use of.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sessions whose use is being noted, by the hashes of their ids. While writers wait long, each page of a session
/// would add one more that waits.
#[derive(Default)]
pub struct SessionNotes(Arc<Mutex<HashSet<Vec<u8>>>>);

impl SessionNotes {
    /// Begins to note the use of a session, unless somebody does so already.
    pub(crate) fn begin(&self, session: Vec<u8>) -> Option<SessionNote> {
        locked(&self.0).insert(session.clone()).then(|| SessionNote { session, all: self.0.clone() })
    }
}

/// That the use of a session is being noted, until this is dropped.
pub(crate) struct SessionNote {
    /// The hash of its id.
    pub(crate) session: Vec<u8>,
    all: Arc<Mutex<HashSet<Vec<u8>>>>,
}

impl Drop for SessionNote {
    fn drop(&mut self) {
        locked(&self.all).remove(&self.session);
    }
}

fn locked(sessions: &Mutex<HashSet<Vec<u8>>>) -> MutexGuard<'_, HashSet<Vec<u8>>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_a_session_is_noted_once_at_a_time() {
        let notes = SessionNotes::default();
        let first = notes.begin(vec![1]);
        assert!(first.is_some() && notes.begin(vec![1]).is_none());
        assert!(notes.begin(vec![2]).is_some(), "another session");
        drop(first);
        assert!(notes.begin(vec![1]).is_some(), "it is noted, or failed");
    }
}
