use std::sync::Arc;
use std::time::{Duration, Instant};

use super::parting::LEAVE;
use super::{Faults, Reporter, Service, Stage, Surroundings};
use crate::http2::{Connection, ErrorCode, Options};
use crate::simulator::endpoint::LookAlike;
use crate::simulator::faults::Script;
use crate::simulator::fcm::Fcm;
use crate::simulator::ledger::Ledger;
use crate::simulator::oauth::AccessTokens;
use crate::simulator::provider::Provider;

fn service(now: Instant) -> Service {
    let fcm = Fcm {
        project: "project".to_owned(),
        access_tokens: Arc::new(AccessTokens::default()),
    };
    let faults = Arc::new(Faults::default());
    let around = Surroundings {
        endpoint: LookAlike::Fcm(Arc::new(fcm)),
        ledger: Arc::new(Ledger::new(1)),
        reporter: Arc::new(Reporter::Silent),
        recorder: None,
        seed: 0,
        stage: Arc::new(Stage::new(&faults, &Script::default(), Provider::Fcm, now)),
        started: now,
    };
    Service::new(Arc::new(around), 0, false, faults)
}

#[test]
fn a_client_that_does_not_leave_is_left() {
    let now = Instant::now();
    let (mut service, mut http2) = (service(now), Connection::server(Options::default(), now));
    assert_eq!(service.next_release(), None);
    service.dismiss(&mut http2, ErrorCode::NO_ERROR, b"bye", now);
    assert_eq!(service.next_release(), Some(now + LEAVE));
    service.release(
        &mut http2,
        now + LEAVE.saturating_sub(Duration::from_nanos(1)),
    );
    assert!(!http2.is_closed());
    service.release(&mut http2, now + LEAVE);
    assert!(http2.is_closed());
}
