//! A client of the `h2` and `rustls` crates, none of whose HTTP/2 is ours.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// No fields.
pub(super) const NONE: &[(&str, &str)] = &[];

/// An HTTP/2 client on one connection.
pub(super) struct Client {
    send: SendRequest<Bytes>,
    /// Ends with the connection, and with its error.
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// A whole response.
#[derive(Debug)]
pub(super) struct WholeResponse {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl WholeResponse {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Opens TLS to the simulator. `identity`: PEM files of a certificate and its key.
pub(super) async fn open(
    address: SocketAddr,
    ca: &Path,
    alpn: &[&[u8]],
    identity: Option<(&Path, &Path)>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_file(certificate).unwrap();
            let key = PrivateKeyDer::from_pem_file(key).unwrap();
            builder
                .with_client_auth_cert(vec![certificate], key)
                .unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let name = ServerName::IpAddress(address.ip().into());
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}

impl Client {
    pub(super) async fn connect(address: SocketAddr, ca: &Path) -> Self {
        Self::over(open(address, ca, &[b"h2"], None).await.unwrap()).await
    }

    /// The same, where a connection may not come about.
    pub(super) async fn try_connect(address: SocketAddr, ca: &Path) -> std::io::Result<Self> {
        let stream = open(address, ca, &[b"h2"], None).await?;
        let shaken = Builder::new().handshake(stream).await;
        let (send, connection) = shaken.map_err(std::io::Error::other)?;
        Ok(Self {
            send,
            driver: tokio::spawn(connection),
        })
    }

    /// A client with a certificate.
    pub(super) async fn connect_as(
        address: SocketAddr,
        ca: &Path,
        certificate: &Path,
        key: &Path,
    ) -> Self {
        let stream = open(address, ca, &[b"h2"], Some((certificate, key))).await;
        Self::over(stream.unwrap()).await
    }

    async fn over(stream: TlsStream<TcpStream>) -> Self {
        let (send, connection) = Builder::new().handshake(stream).await.unwrap();
        Self {
            send,
            driver: tokio::spawn(connection),
        }
    }

    /// One request, to its end.
    pub(super) async fn request<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(N, V)],
        body: &[u8],
    ) -> Result<WholeResponse, h2::Error> {
        let response = self.begin(method, path, fields, body).await?;
        finish(response).await
    }

    /// One request, of which the answer is awaited later.
    pub(super) async fn begin<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(N, V)],
        body: &[u8],
    ) -> Result<ResponseFuture, h2::Error> {
        let uri = format!("https://sterna.test{path}");
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(name.as_ref(), value.as_ref());
        }
        let request = request.body(()).unwrap();
        self.send = self.send.clone().ready().await?;
        let (response, mut stream) = self.send.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            // A server may answer before it has seen all of it.
            drop(stream.send_data(Bytes::copy_from_slice(body), true));
        }
        Ok(response)
    }

    /// The limit on streams that the server has set, once this answer had come.
    pub(super) fn stream_limit(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// The error that the connection ends with.
    pub(super) async fn end(self) -> Option<h2::Error> {
        drop(self.send);
        self.driver.await.unwrap().err()
    }
}

/// Awaits the rest of a response.
pub(super) async fn finish(response: ResponseFuture) -> Result<WholeResponse, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok(WholeResponse {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    })
}
