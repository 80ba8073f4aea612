//! Our own certificate and its private key.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{TlsError, provider};
use crate::regular::shell_word;

/// A certificate chain and the key that belongs to it.
#[derive(Clone, Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
}

/// A PEM file that was read.
#[derive(Clone, Copy)]
pub struct PemFile<'f> {
    /// Where it is.
    pub path: &'f Path,
    /// What stands in it.
    pub bytes: &'f [u8],
}

impl<'f> PemFile<'f> {
    /// What was read from the file at that path; a byte order mark must have been taken away.
    pub fn new(path: &'f Path, bytes: &'f [u8]) -> Self {
        Self { path, bytes }
    }
}

impl Identity {
    /// Reads a certificate with its chain, and its key, which may be PKCS#8, PKCS#1 or SEC1, and in
    /// the same file as the chain. An encrypted key needs `passphrase`, and another must not have
    /// one.
    ///
    /// # Errors
    ///
    /// When there is none in the file, the key is encrypted and cannot be decrypted (the text then
    /// has the `openssl` line that decrypts it), or it does not belong to the first certificate.
    pub fn from_pem(
        certificate: PemFile<'_>,
        key: PemFile<'_>,
        passphrase: Option<&str>,
    ) -> Result<Self, TlsError> {
        let chain =
            chain(certificate.bytes).map_err(|error| TlsError::of_file(certificate.path, error))?;
        let signing_key = read_key(key, passphrase)?;
        let certified =
            CertifiedKey::from_der(chain, signing_key, &provider()).map_err(|error| {
                let files = format!("{} and {}", certificate.path.display(), key.path.display());
                match error {
                    rustls::Error::InconsistentKeys(_) => TlsError::new(format!(
                        "{files}: the key does not belong to the certificate"
                    )),
                    other => TlsError::new(format!("{files}: {other}")),
                }
            })?;
        Ok(Self {
            certified: Arc::new(certified),
        })
    }

    /// The chain, our own certificate first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    pub(super) fn certified(self) -> CertifiedKey {
        Arc::unwrap_or_clone(self.certified)
    }
}

/// The certificates of a PEM text, our own one first.
///
/// # Errors
///
/// When there is none in it.
pub fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| what(&error).to_owned())?;
    if chain.is_empty() {
        return Err("no PEM certificate (-----BEGIN CERTIFICATE-----) in it".to_owned());
    }
    Ok(chain)
}

fn read_key(
    file: PemFile<'_>,
    passphrase: Option<&str>,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let PemFile { path, bytes } = file;
    match (is_encrypted(bytes), passphrase) {
        (false, None) => {}
        (true, given) => return decrypted(bytes, given).map_err(|why| cannot_decrypt(path, &why)),
        (false, Some(_)) => {
            let text = "the private key is not encrypted, and there is a passphrase for it; \
                        remove the passphrase";
            return Err(TlsError::of_file(path, text));
        }
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
        let text = match error {
            pem::Error::NoItemsFound => "no PEM private key (-----BEGIN PRIVATE KEY-----) in it",
            other => what(&other),
        };
        TlsError::of_file(path, text)
    })
}

/// What is wrong with a PEM file. The library's own words would repeat a line of it: a key that has
/// lost its line ends is one.
pub(super) const fn what(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "a -----BEGIN line is there, and no -----END line of its own; has the file lost its \
             line ends?"
        }
        pem::Error::IllegalSectionStart { .. } => {
            "a -----BEGIN line goes on behind its dashes; has the file lost its line ends?"
        }
        pem::Error::Base64Decode(_) => "what stands between the dashes is not base64",
        pem::Error::SectionTooLarge => "it is too large",
        pem::Error::NoItemsFound => "there is nothing in it",
        _ => "it cannot be read as PEM",
    }
}

#[cfg(feature = "encrypted-keys")]
fn decrypted(text: &[u8], passphrase: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let passphrase = passphrase.ok_or("there is no passphrase for it")?;
    super::encrypted_key::decrypt(text, passphrase)
}

#[cfg(not(feature = "encrypted-keys"))]
fn decrypted(_text: &[u8], _passphrase: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    Err("this binary was built without the feature encrypted-keys".to_owned())
}

fn cannot_decrypt(path: &Path, why: &str) -> TlsError {
    let text = format!(
        "the private key is encrypted: {why}; by hand it is decrypted with: openssl pkey -in {} \
         -out {} (and name that file instead)",
        shell_word(path),
        shell_word(&path.with_extension("decrypted.pem")),
    );
    TlsError::of_file(path, text)
}

/// PKCS#8 says so in its label, the older forms in a header (RFC 1421 §4.6.1.1).
fn is_encrypted(text: &[u8]) -> bool {
    let has = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

/// Our limit: bytes of a certificate or key file; a long chain has some 10 KiB.
pub const MAX_PEM_FILE: usize = 1024 * 1024;
