//! An APNs and FCM look-alike over the `h2` crate.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::join::Entry;

/// How the server behaves; as it comes it is good.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manners {
    /// Each such request is refused unprocessed.
    pub(crate) refuses_every: Option<u64>,
    /// Each such request is processed, and its stream reset with `CANCEL`.
    pub(crate) cancels_every: Option<u64>,
    /// After so many requests on a connection it ends.
    pub(crate) leaves_after: Option<(u64, Farewell)>,
    /// Before each answer.
    pub(crate) delay: Duration,
    /// `INITIAL_WINDOW_SIZE`.
    pub(crate) window: Option<u32>,
    /// `MAX_CONCURRENT_STREAMS`.
    pub(crate) streams: Option<u32>,
}

/// How often each of the manners was seen: who asks for one learns whether it happened.
#[derive(Debug, Default)]
struct Struck {
    refusals: AtomicU64,
    cancellations: AtomicU64,
    leavings: AtomicU64,
    delays: AtomicU64,
    /// Requests whose content was longer than the window and came in pieces that fit.
    narrow: AtomicU64,
    /// Requests that came while as many as there may be were under way.
    full: AtomicU64,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// `graceful_shutdown` of the `h2` crate: two GOAWAYs, all is answered.
    Graceful,
    /// `abrupt_shutdown`: one GOAWAY, and the end.
    Abrupt,
    /// Without a word.
    Dropped,
}

/// The running server.
pub(crate) struct Foreign {
    pub(crate) url: String,
    /// Its CA, and the other one.
    pub(crate) ca_path: String,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

struct Shared {
    manners: Manners,
    struck: Struck,
    requests: AtomicU64,
    connections: AtomicU64,
    /// What was seen, each with the provider that it was meant for.
    entries: Mutex<Vec<(&'static str, Entry)>>,
}

impl Foreign {
    /// Starts it; `others` is a CA to be trusted beside its own.
    pub(crate) fn start(manners: Manners, directory: &Path, others: &Path) -> Self {
        let (tls, ca) = identity();
        let tls = TlsAcceptor::from(tls);
        let ca_path = directory.join("both-ca.pem");
        fs::write(&ca_path, ca + &fs::read_to_string(others).unwrap()).unwrap();
        let shared = Arc::new(Shared {
            manners,
            struck: Struck::default(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            entries: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime.unwrap(), async {
                tokio::select! {
                    () = accept(listener, tls, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            url: format!("https://{address}"),
            ca_path: ca_path.to_str().unwrap().to_owned(),
            shared,
            stop,
            thread,
        }
    }

    /// Ends it; what it saw, with the provider each request was meant for. Fails if one of its
    /// manners was never seen.
    pub(crate) fn stop(self) -> Vec<(&'static str, Entry)> {
        // It may have ended in a panic, which the join tells.
        let _heard = self.stop.send(());
        self.thread.join().unwrap();
        self.shared.check_struck();
        std::mem::take(&mut *self.shared.entries.lock().unwrap())
    }
}

async fn accept(listener: std::net::TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        tokio::task::spawn_local(serve(socket, tls.clone(), Arc::clone(&shared)));
    }
}

async fn serve(socket: TcpStream, tls: TlsAcceptor, shared: Arc<Shared>) {
    socket.set_nodelay(true).unwrap();
    let Ok(stream) = tls.accept(socket).await else {
        return;
    };
    let mut builder = Builder::new();
    if let Some(window) = shared.manners.window {
        builder.initial_window_size(window);
    }
    builder.max_concurrent_streams(shared.manners.streams.unwrap_or(1_000));
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    let number = shared.connections.fetch_add(1, Ordering::Relaxed);
    let mut requests = 0;
    let manners = &shared.manners;
    let (struck, open) = (&shared.struck, Arc::new(AtomicU64::new(0)));
    while let Some(Ok((request, respond))) = connection.accept().await {
        requests += 1;
        let under_way = open.fetch_add(1, Ordering::Relaxed) + 1;
        // Bulk pushes leave one stream of so few to others.
        if manners
            .streams
            .is_some_and(|streams| under_way >= u64::from(streams) - 1)
        {
            count(&struck.full);
        }
        if shared
            .manners
            .leaves_after
            .is_some_and(|(after, _)| after == requests)
        {
            count(&struck.leavings);
        }
        let (open, of_all) = (Arc::clone(&open), Arc::clone(&shared));
        tokio::task::spawn_local(async move {
            answer(request, respond, number, of_all).await;
            open.fetch_sub(1, Ordering::Relaxed);
        });
        match manners.leaves_after {
            Some((after, Farewell::Graceful)) if after == requests => {
                connection.graceful_shutdown();
            }
            Some((after, Farewell::Abrupt)) if after == requests => {
                connection.abrupt_shutdown(Reason::NO_ERROR);
                shared.doubt(number);
            }
            Some((after, Farewell::Dropped)) if after == requests => break,
            _ => {}
        }
    }
    drop(connection);
    if shared
        .manners
        .leaves_after
        .is_some_and(|(_, farewell)| farewell != Farewell::Graceful)
    {
        shared.doubt(number);
    }
}

/// One request, to its answer.
async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    connection: u64,
    shared: Arc<Shared>,
) {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let manners = &shared.manners;
    let every = |period: Option<u64>| period.is_some_and(|period| number.is_multiple_of(period));
    let (head, mut body) = request.into_parts();
    let (mut content, mut largest) = (Vec::new(), 0);
    while let Some(data) = body.data().await {
        // The connection ended first: nothing was processed.
        let Ok(data) = data else { return };
        largest = largest.max(data.len());
        drop(body.flow_control().release_capacity(data.len()));
        content.extend_from_slice(&data);
    }
    let struck = &shared.struck;
    let window = manners.window.map(|window| window as usize);
    if window.is_some_and(|window| content.len() > window && largest <= window) {
        count(&struck.narrow);
    }
    let (provider, token) = addressee(head.uri.path(), &content);
    let id = head
        .headers
        .get("apns-id")
        .map_or("", |id| id.to_str().unwrap());
    let mut entry = Entry {
        connection,
        id: id.to_owned(),
        token,
        processed: true,
        status: 200,
        reason: String::new(),
        head: false,
        answered: Some(false),
    };
    if every(manners.refuses_every) {
        entry.processed = false;
        "REFUSED_STREAM".clone_into(&mut entry.reason);
        shared.entries.lock().unwrap().push((provider, entry));
        count(&struck.refusals);
        return respond.send_reset(Reason::REFUSED_STREAM);
    }
    let at = {
        let mut entries = shared.entries.lock().unwrap();
        entries.push((provider, entry));
        entries.len() - 1
    };
    if every(manners.cancels_every) {
        count(&struck.cancellations);
        return respond.send_reset(Reason::CANCEL);
    }
    if !manners.delay.is_zero() {
        tokio::time::sleep(manners.delay).await;
        count(&struck.delays);
    }
    if send(&mut respond, provider, id).is_ok() {
        shared.entries.lock().unwrap()[at].1.answered = Some(true);
    }
}

fn send(respond: &mut SendResponse<Bytes>, provider: &str, id: &str) -> Result<(), h2::Error> {
    let response = Response::builder().status(200);
    if provider == "apns" {
        let response = response.header("apns-id", id).body(()).unwrap();
        return respond.send_response(response, true).map(drop);
    }
    let response = response
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    let name = r#"{"name":"projects/sterna-simulated/messages/0:1"}"#;
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(Bytes::from_static(name.as_bytes()), true)
}

/// Whose look-alike is asked, and for which device.
pub(crate) fn addressee(path: &str, content: &[u8]) -> (&'static str, String) {
    if let Some(token) = path.strip_prefix("/3/device/") {
        return ("apns", token.to_owned());
    }
    assert!(path.ends_with("/messages:send"), "{path}");
    let body: serde_json::Value = serde_json::from_slice(content).unwrap();
    ("fcm", body["message"]["token"].as_str().unwrap().to_owned())
}

fn count(times: &AtomicU64) {
    times.fetch_add(1, Ordering::Relaxed);
}

impl Shared {
    #[track_caller]
    fn check_struck(&self) {
        let (manners, struck) = (&self.manners, &self.struck);
        for (asked, times, what) in [
            (manners.refuses_every.is_some(), &struck.refusals, "refusal"),
            (
                manners.cancels_every.is_some(),
                &struck.cancellations,
                "cancellation",
            ),
            (manners.leaves_after.is_some(), &struck.leavings, "leaving"),
            (!manners.delay.is_zero(), &struck.delays, "delay"),
            (manners.window.is_some(), &struck.narrow, "narrow window"),
            (manners.streams.is_some(), &struck.full, "limit on streams"),
        ] {
            let is_so = times.load(Ordering::Relaxed) > 0;
            assert!(is_so || !asked, "never struck: {what} of {manners:?}");
        }
    }

    /// What was answered on a connection may not have left it.
    fn doubt(&self, connection: u64) {
        for (_, entry) in self.entries.lock().unwrap().iter_mut() {
            if entry.connection == connection && entry.answered == Some(true) {
                entry.answered = None;
            }
        }
    }
}

/// A certificate for 127.0.0.1, and the CA that has signed it, in PEM.
pub(crate) fn identity() -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
    let certificate = params.signed_by(&key, &ca).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (Arc::new(config), ca.pem())
}
