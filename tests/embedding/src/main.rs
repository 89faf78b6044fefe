//! Twelve learners ask for five seats at the same time.

use embedding::Seats;
use license_manager_domain::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seats = Seats::new(5).await?;
    let asking = (0..12).map(|number| {
        let seats = seats.clone();
        tokio::spawn(async move {
            let email: Email = format!("learner{number}@example.com").parse().expect("this is an address");
            let key = seats.assign("admin", &email).await?;
            Ok::<_, license_manager_domain::Error>((email, key))
        })
    });
    let mut seated = Vec::new();
    let mut refused = Vec::new();
    for answer in asking.collect::<Vec<_>>() {
        match answer.await? {
            Ok(seat) => seated.push(seat),
            Err(error) => refused.push(error.code()),
        }
    }
    assert_eq!((seated.len(), refused), (5, vec!["refused.not_enough_licenses"; 7]));

    let (email, key) = &seated[0];
    let status = seats.activate(key.ok_or("a seat has a key")?, email).await?;
    assert_eq!(status, LicenseStatus::Activated);
    assert_eq!(seats.revoke("admin", email).await?, 1);
    let counts = seats.counts().await?;
    assert_eq!(counts, LicenseCounts { activated: 0, assigned: 4, unassigned: 1, revoked: 1 });
    println!("{counts:?}");
    Ok(())
}
