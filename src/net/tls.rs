//! TLS: whom we trust ([`Roots`]), who we are ([`Identity`]), what we offer.
//!
//! rustls with the aws-lc-rs provider, named explicitly: the process default is never read or set.
//! TLS 1.2 or later, and of TLS 1.2 only the ephemeral AEAD suites that RFC 9113 §9.2.2 leaves.
//! Sessions are resumed (one store per configuration); early data stays off, since a POST replayed
//! is a push sent twice.

#[cfg(feature = "encrypted-keys")]
mod encrypted_key;
mod identity;
mod roots;
mod stance;
mod validity;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use identity::{Identity, MAX_PEM_FILE, PemFile, chain};
pub use roots::{Authorities, Roots, SystemRoots, authorities, first_doubts};
pub use stance::Stance;
pub use validity::{Validity, subject, validity};

/// ALPN's name of HTTP/2 over TLS (RFC 9113 §3.1).
pub const ALPN_H2: &[u8] = b"h2";

/// ALPN's name of HTTP/1.1 (RFC 7301 §6).
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Why a certificate, key or root file cannot be used; says which file and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    path: Option<PathBuf>,
    text: String,
}

/// The configuration of outgoing connections: whom we trust, our certificate if there is one, and
/// the protocols offered.
pub fn client_config(
    roots: &Roots,
    identity: Option<Identity>,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::new(error.to_string()))?
        .with_root_certificates(roots.store());
    let mut config = match identity {
        Some(identity) => {
            let resolver = SingleCertAndKey::from(identity.certified());
            builder.with_client_cert_resolver(Arc::new(resolver))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The configuration of a server: its chain and key, the roots that client certificates must come
/// from (`None`: none are asked for; a client may also send none), and the protocols spoken.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_roots: Option<Arc<RootCertStore>>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::new(error.to_string()))?;
    let builder = match client_roots {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsError::new(format!("client certificates: {error}")))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::new(format!("server certificate: {error}")))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The only cryptography in use.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// What went wrong in TLS, and what may be done about it.
pub(super) fn explain(error: &rustls::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError, Error};
    let advice = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            " (its issuer is not among the trusted roots; ca_path adds one)"
        }
        Error::InvalidCertificate(CertificateError::Expired) => {
            " (or the clock of this machine is wrong)"
        }
        Error::AlertReceived(Alert::NoApplicationProtocol) => {
            " (the server does not speak the protocol offered by ALPN)"
        }
        Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => " (the server does not accept our certificate)",
        Error::InvalidMessage(_) => " (the server does not speak TLS on this port)",
        _ => "",
    };
    format!("{error}{advice}")
}

impl TlsError {
    fn new(text: String) -> Self {
        Self { path: None, text }
    }

    fn of_file(path: &Path, text: impl fmt::Display) -> Self {
        Self {
            path: Some(path.to_owned()),
            text: text.to_string(),
        }
    }

    /// The file that it is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What is wrong with that.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for TlsError {}

#[cfg(test)]
mod tests;
