//! The tests of obligations, declared by group. What each group has is in the modules.

mod groups;
mod seats;

/// Declares a test for each obligation.
///
/// `contract_suite!(make)` declares all; `contract_suite!(make; plans, license_writes)` those of these groups;
/// `contract_suite!(make; plans { plans_are_filtered })` single ones. `make` is the path of a function without
/// arguments that returns a [`Database`](crate::Database) without rows. The [front page](crate) lists the groups.
///
/// The tests are in modules that have the names of the groups. Where your program has such a name in scope, for example
/// that of its own crate, call the macro within a module.
#[macro_export]
macro_rules! contract_suite {
    (@named $make:path; $module:ident { $($name:ident)* }) => {
        mod $module {
            use super::*;

            $(#[test]
            fn $name() {
                $crate::$module::$name(&$make());
            })*
        }
    };
    (@group $make:path; $module:ident { $($name:ident)* }) => {
        $crate::contract_suite!(@named $make; $module { $($name)* });
    };
    (@group $make:path; seats) => {
        $crate::contract_suite_seats!($make);
    };
    (@group $make:path; $group:ident) => {
        $crate::contract_suite_group!($make; $group);
    };
    ($make:path) => {
        $crate::contract_suite!($make; units_of_work, products, agreements, plans, license_reads, license_writes, license_pages, lookups, retirement, renewals, transfers, operations, schedule, purge, users, outbox, deliveries, webhooks, jobs, history, utilization, deletions, staff_actions, staff_records, idempotency, enrollment_jobs, following, concurrency);
    };
    ($make:path; $($group:ident $({ $($name:ident)* })?),+ $(,)?) => {
        $($crate::contract_suite!(@group $make; $group $({ $($name)* })?);)+
    };
}
