//! Requests that wait for the disk.

use super::admission::keyed;
use super::statuses::{GORUSH, site_with_journal_and_room};
use super::*;
use crate::http1::fixture::until;

/// A push by each of the ways in.
fn request(number: usize) -> String {
    match number % 3 {
        0 => keyed(&format!("k{number}"), ONE),
        1 => keyed("", ONE).replace("Idempotency-Key: \r\n", ""),
        _ => keyed(&format!("k{number}"), GORUSH).replace("POST /push", "POST /api/push"),
    }
}

#[test]
fn as_many_requests_share_a_sync_as_wait_for_it_and_others_are_answered_meanwhile() {
    const CALLERS: usize = 210;
    let (site, files) = site_with_journal_and_room(2 * CALLERS);
    let mut web = web(site);
    let address = web.listener.local_addr().unwrap();
    let lane = Arc::clone(&web.ios.as_ref().unwrap().running);
    let outstanding = || lane.lane.room().callers().outstanding();
    let (held, before, left) = (files.hold_syncs(), files.syncs(), outstanding());
    let mut callers: Vec<Client> = (0..CALLERS).map(|_| Client::connect(address)).collect();
    for (number, client) in callers.iter_mut().enumerate() {
        client.send(request(number));
    }
    // More than there are threads.
    until("all have room", || outstanding() == left + CALLERS);
    assert_eq!(web.ask("GET", "/healthz", "").status, 200);
    drop(held);
    for (number, client) in callers.iter_mut().enumerate() {
        let got = client.answer();
        assert_eq!(got.status, 200, "{number}: {}", got.body);
        let is_gorushs = got.body.contains("\"success\":\"ok\"");
        assert_eq!(is_gorushs, number % 3 == 2, "{number}: {}", got.body);
    }
    // Of whoever came first, of those that had room and were not there yet, and of all others.
    let syncs = files.syncs() - before;
    assert!(syncs <= 10, "{syncs} syncs");
    // What was answered under a key is known.
    let again = callers[0].ask(request(0));
    assert_eq!(again.status, 200);
    assert_eq!(outstanding(), left + CALLERS);
}

#[test]
fn what_the_disk_does_not_keep_gives_its_room_and_its_key_back() {
    let (site, files) = site_with_journal_and_room(10);
    let mut web = web(site);
    let lane = Arc::clone(&web.ios.as_ref().unwrap().running);
    let outstanding = || lane.lane.room().callers().outstanding();
    let before = outstanding();
    files.fail_syncs(true);
    let got = web.client.ask(request(0));
    assert_eq!(got.status, 500, "{}", got.body);
    until("its room is given back", || outstanding() == before);
    // Not 409: nobody is at it any more.
    assert_eq!(web.client.ask(request(0)).status, 503);
    assert!(web.ios.as_ref().unwrap().tokens().is_empty());
}
