//! The server as such: many connections, reports, limits, stopping.

use std::io::{self, Read as _, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::client::{NONE, finish};
use super::{DEVICE, NOW, PAYLOAD, World, set};
use crate::simulator::listener::PATIENCE;
use crate::simulator::{Provider, Report};

/// A writer that the test keeps a hold of.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn ten_thousand_requests_over_several_connections_are_counted_exactly() {
    const CONNECTIONS: u32 = 5;
    const EACH: u32 = 2_000;
    let world = Arc::new(World::new());
    let mut tasks = Vec::new();
    for connection in 0..CONNECTIONS {
        let world = Arc::clone(&world);
        tasks.push(tokio::spawn(async move {
            let mut client = world.apns().await;
            let mut fields = world.apns_fields();
            let mut responses = Vec::new();
            for number in 0..EACH {
                // Every tenth is sent a second time, every hundredth is refused.
                let id = if number % 10 == 9 { number - 1 } else { number };
                set(
                    &mut fields,
                    "apns-id",
                    &format!("{connection:08x}-0000-4000-8000-{id:012x}"),
                );
                let token = if number % 100 == 50 {
                    "0bad4100"
                } else {
                    DEVICE
                };
                let path = format!("/3/device/{token}");
                let response = client
                    .begin("POST", &path, &fields, PAYLOAD.as_bytes())
                    .await;
                responses.push(response.unwrap());
                if number == 0 || responses.len() == 200 {
                    for response in responses.drain(..) {
                        finish(response).await.unwrap();
                    }
                }
            }
            for response in responses {
                finish(response).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let counts = world.counts();
    assert_eq!(counts.received, 10_000);
    assert_eq!((counts.accepted, counts.refused), (9_900, 100));
    assert_eq!(
        (counts.doubled, counts.lost, counts.turned_away),
        (1_000, 0, 0)
    );
    assert_eq!(counts, world.counts_of(Provider::Apns));
}

#[tokio::test]
async fn lines_tell_of_each_push() {
    let out = Shared::default();
    let lines = Report::Lines(Box::new(out.clone()));
    let world = World::with(|options| options.report = lines);
    let mut client = world.apns().await;
    let mut fields = world.apns_fields();
    set(
        &mut fields,
        "apns-id",
        "0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11",
    );
    for token in [DEVICE, "0bad4100"] {
        let path = format!("/3/device/{token}");
        client
            .request("POST", &path, &fields, PAYLOAD.as_bytes())
            .await
            .unwrap();
    }
    assert_eq!(
        out.text(),
        "apns #0 200 9f3c0000… 0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11 25 bytes accepted\n\
         apns #0 410 0bad4100 0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11 25 bytes Unregistered\n"
    );
}

#[tokio::test]
async fn a_summary_is_written_at_the_end() {
    let out = Shared::default();
    let summary = Report::Summary(Box::new(out.clone()));
    let world = World::with(|options| options.report = summary);
    let mut client = world.apns().await;
    client
        .request(
            "POST",
            "/3/device/ab",
            &world.apns_fields(),
            PAYLOAD.as_bytes(),
        )
        .await
        .unwrap();
    let World { simulator, .. } = world;
    assert_eq!(simulator.stop().accepted, 1);
    let text = out.text();
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with("apns: 1 received, 1 accepted, 0 refused"),
        "{text}"
    );
    assert!(last.contains("; fcm: 0 received"), "{text}");
}

#[tokio::test]
async fn receipts_show_what_was_pushed() {
    let receipts = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&receipts);
    let world = World::with(|options| {
        options.report = Report::Each(Box::new(move |receipt| {
            let header = receipt
                .headers
                .iter()
                .find(|(name, _)| *name == "apns-push-type");
            kept.lock().unwrap().push((
                receipt.provider,
                receipt.at.as_secs(),
                receipt.device_token.to_owned(),
                receipt.path.to_owned(),
                header.map(|(_, value)| (*value).to_owned()),
                receipt.body.to_vec(),
                (receipt.status, receipt.reason),
            ));
        }));
    });
    let path = "/3/device/0bad4100";
    let fields = world.apns_fields();
    let mut client = world.apns().await;
    client
        .request("POST", path, &fields, PAYLOAD.as_bytes())
        .await
        .unwrap();
    let expected = (
        Provider::Apns,
        NOW,
        "0bad4100".to_owned(),
        path.to_owned(),
        Some("alert".to_owned()),
        PAYLOAD.as_bytes().to_vec(),
        (410, "Unregistered"),
    );
    assert_eq!(*receipts.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn connections_are_bounded() {
    let world = World::with(|options| options.max_connections = 2);
    let _first = world.apns().await;
    let second = world.fcm().await;
    let mut third = TcpStream::connect(world.addresses().apns).unwrap();
    // It may be closed or reset; it is not served.
    assert!(
        !matches!(third.read(&mut [0]), Ok(1..)),
        "a third connection is served"
    );
    drop(second.end().await);
    while world.connections() > 1 {
        tokio::task::yield_now().await;
    }
    let mut fourth = world.apns().await;
    let fields = world.apns_fields();
    let answer = fourth
        .request("POST", "/3/device/ab", &fields, PAYLOAD.as_bytes())
        .await;
    assert_eq!(answer.unwrap().status, 200);
}

#[test]
fn a_client_hello_without_end_is_not_waited_for() {
    let world = World::new();
    let mut stream = TcpStream::connect(world.addresses().fcm).unwrap();
    // Two records of a handshake message that claims to be longer than both.
    let mut bytes = vec![0x16, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff, 3, 3];
    bytes.resize(5 + 0x4000, 0);
    bytes.extend([0x16, 3, 1, 0x40, 0]);
    bytes.resize(2 * (5 + 0x4000), 0);
    let started = Instant::now();
    // The server may cut the connection while bytes are still on their way.
    drop(stream.write_all(&bytes));
    drop(stream.read_to_end(&mut Vec::new()));
    assert!(started.elapsed() < PATIENCE, "waited for more");
}

#[tokio::test]
async fn severed_connections_end_and_new_ones_are_served() {
    let world = World::new();
    let mut client = world.apns().await;
    let fields = world.apns_fields();
    let body = PAYLOAD.as_bytes();
    assert_eq!(
        client
            .request("POST", "/3/device/ab", &fields, body)
            .await
            .unwrap()
            .status,
        200
    );
    world.sever();
    assert!(
        client
            .request("POST", "/3/device/ab", &fields, body)
            .await
            .is_err()
    );
    let mut other = world.apns().await;
    assert_eq!(
        other
            .request("POST", "/3/device/ab", &fields, body)
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn a_stopped_simulator_listens_no_longer_and_may_start_again_on_its_ports() {
    let world = World::new();
    let mut client = world.apns().await;
    let (addresses, credentials) = (world.addresses(), Arc::clone(world.credentials()));
    let World { simulator, .. } = world;
    simulator.stop();
    assert!(
        client
            .request("POST", "/3/device/ab", NONE, b"{}")
            .await
            .is_err()
    );
    assert!(TcpStream::connect(addresses.apns).is_err());
    let again = World::with(|options| {
        options.ports.apns = addresses.apns.port();
        options.credentials = credentials;
    });
    assert_eq!(again.addresses().apns, addresses.apns);
}
