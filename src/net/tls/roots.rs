//! The certificates that a server's chain must end in.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{TlsError, identity};
use crate::pasted;
use crate::regular;

/// Whom we trust.
#[derive(Clone, Debug)]
pub struct Roots {
    store: Arc<RootCertStore>,
}

impl Roots {
    /// The system's roots (or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name), and those of
    /// `ca_path` besides. Fails if there is none at all, or if `ca_path` holds none.
    pub fn load(ca_path: Option<&Path>) -> Result<Self, TlsError> {
        let mut hidden = Vec::new();
        for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            let value = std::env::var_os(name).unwrap_or_default();
            let text = value.to_string_lossy();
            if let Some(why) = pasted::why_no_path(&text, Path::new(&value), Path::exists) {
                return Err(TlsError::new(format!("{name}: {why}")));
            }
            // One that is missing is told below.
            if let Ok(found) = std::fs::metadata(&value)
                && !found.is_dir()
                && let Err(error) = regular::check(found.file_type())
            {
                let path = value.display();
                return Err(TlsError::new(format!("{name}: {path}: {error}")));
            }
            if pasted::why_no_file(&text, Path::new(&value), Path::exists).is_some() {
                hidden.push(text.into_owned());
            }
        }
        let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            let told = pasted::without(error.to_string().as_bytes(), &hidden);
            log::warn!("system root certificates: {told}");
        }
        Self::from_certificates(system.certs, ca_path)
    }

    /// Those of `ca_path` only.
    pub fn from_file(ca_path: &Path) -> Result<Self, TlsError> {
        Self::from_certificates(Vec::new(), Some(ca_path))
    }

    pub(super) fn from_certificates(
        system: Vec<CertificateDer<'static>>,
        ca_path: Option<&Path>,
    ) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        // A system's bundle may hold certificates that no TLS library reads any more.
        let (_, ignored) = store.add_parsable_certificates(system);
        if ignored > 0 {
            log::debug!("{ignored} system root certificates are of no use");
        }
        if let Some(path) = ca_path {
            add_file(&mut store, path)?;
        }
        if store.is_empty() {
            return Err(TlsError::new(
                "no root certificates: install the distribution's ca-certificates package, or name \
                 a PEM bundle by the environment variable SSL_CERT_FILE or by ca_path"
                    .to_owned(),
            ));
        }
        Ok(Self {
            store: Arc::new(store),
        })
    }

    pub(super) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.store)
    }
}

fn add_file(store: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let shown = path.display();
    let file = identity::read(path).map_err(|error| TlsError::new(format!("ca_path {error}")))?;
    let found = CertificateDer::pem_slice_iter(&file)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::new(format!("ca_path {shown}: {}", identity::what(&error))))?;
    if found.is_empty() {
        let text =
            format!("ca_path {shown}: no PEM certificate (-----BEGIN CERTIFICATE-----) in it");
        return Err(TlsError::new(text));
    }
    for certificate in found {
        store
            .add(certificate)
            .map_err(|error| TlsError::new(format!("ca_path {shown}: {error}")))?;
    }
    Ok(())
}
