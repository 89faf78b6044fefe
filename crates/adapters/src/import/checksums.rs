//! The checksum of a row in SQLite, which has no function for one.

use diesel::{QueryResult, SqliteConnection};

// Diesel declares more than registering the function needs.
#[allow(dead_code, unused_imports)]
mod declared {
    use diesel::sql_types::{BigInt, Text};

    #[diesel::declare_sql_function]
    extern "SQL" {
        /// The checksum of a row as a JSON array.
        fn row_checksum(row: Text) -> BigInt;
    }
}

/// Lets statements of a connection call `row_checksum`.
pub(super) fn register(connection: &mut SqliteConnection) -> QueryResult<()> {
    declared::row_checksum_utils::register_impl(connection, |row: String| checksum_of(&row))
}

/// FNV-1a, which needs no key and stays the same from one version to the next.
fn checksum_of(text: &str) -> i64 {
    let mixed = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, mixed).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_the_published_examples() {
        for (text, sum) in
            [("", 0xcbf2_9ce4_8422_2325_u64), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(checksum_of(text), sum.cast_signed(), "{text}");
        }
    }
}
