//! A fault that a test asks for and that never strikes fails the test, whoever is to strike.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::foreign::server::{Foreign, Manners};
use crate::harness::simulator::{Simulate, Simulated};
use crate::harness::site::Site;

/// What a failing test says.
fn failure(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_fault_that_never_strikes_fails_its_test() {
    let told = failure(|| {
        drop(Simulated::with(|options| {
            options.faults.strikes = "rst@answered=100".parse().unwrap();
        }));
    });
    let expected = "never struck: apns strike rst@answered, fcm strike rst@answered";
    assert_eq!(told, expected);

    let site = Site::with_logs();
    let told = failure(|| drop(Simulate::start(&site, &["--refuse=100"]).stop()));
    assert!(
        told.contains("Never struck, though asked for: apns refuse, fcm refuse"),
        "{told}"
    );

    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, "").unwrap();
    let manners = Manners {
        refuses_every: Some(1),
        ..Manners::default()
    };
    let told = failure(|| drop(Foreign::start(manners, directory.path(), &ca).stop()));
    assert!(told.starts_with("never struck: refusal of "), "{told}");
}
