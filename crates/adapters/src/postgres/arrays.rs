//! Arrays as parameters of statements over any number of rows.

use uuid::Uuid;

/// A column of the rows, as an array.
pub(super) fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Ids in the order of locking, without duplicates.
pub(super) fn sorted_uuids(uuids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut uuids: Vec<Uuid> = uuids.into_iter().collect();
    uuids.sort_unstable();
    uuids.dedup();
    uuids
}
