//! Our own certificate and its private key.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{TlsError, provider};
use crate::regular::{self, shell_word};

/// A certificate chain and the key that belongs to it.
#[derive(Clone, Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads PEM files; the key may be PKCS#8, PKCS#1 or SEC1, and in the same file as the chain.
    /// An encrypted key needs `passphrase`, and another must not have one.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, the key is encrypted and cannot be decrypted (the text then has
    /// the `openssl` line that decrypts it), or it does not belong to the first certificate.
    pub fn from_pem_files(
        certificate: &Path,
        key: &Path,
        passphrase: Option<&str>,
    ) -> Result<Self, TlsError> {
        let chain = read_chain(certificate)?;
        let signing_key = read_key(key, passphrase)?;
        let certified =
            CertifiedKey::from_der(chain, signing_key, &provider()).map_err(|error| {
                let files = format!("{} and {}", certificate.display(), key.display());
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

/// The certificates of a PEM file, our own one first.
///
/// # Errors
///
/// When the file cannot be read, or there is none in it.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::new(format!("{}: {}", path.display(), what(&error))))?;
    if chain.is_empty() {
        return Err(TlsError::new(format!(
            "{}: no PEM certificate (-----BEGIN CERTIFICATE-----) in it{}",
            path.display(),
            hint_of_pkcs12(&text, path),
        )));
    }
    Ok(chain)
}

fn read_key(path: &Path, passphrase: Option<&str>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    match (is_encrypted(&text), passphrase) {
        (false, None) => {}
        (true, given) => return decrypted(&text, given).map_err(|why| cannot_decrypt(path, &why)),
        (false, Some(_)) => {
            return Err(TlsError::new(format!(
                "{}: the private key is not encrypted, and there is a passphrase for it; remove \
                 the passphrase",
                path.display()
            )));
        }
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let shown = path.display();
        TlsError::new(match error {
            pem::Error::NoItemsFound => format!(
                "{shown}: no PEM private key (-----BEGIN PRIVATE KEY-----) in it{}",
                hint_of_pkcs12(&text, path),
            ),
            other => format!("{shown}: {}", what(&other)),
        })
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
    TlsError::new(format!(
        "{}: the private key is encrypted: {why}; by hand it is decrypted with: openssl pkey -in \
         {} -out {} (and name that file instead)",
        path.display(),
        shell_word(path),
        shell_word(&path.with_extension("decrypted.pem")),
    ))
}

/// Reads a PEM file; one that is too long costs no more memory than one that is not.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let fail = |what: &dyn std::fmt::Display| TlsError::new(format!("{}: {what}", path.display()));
    let octets = regular::read(path, MAX_PEM_FILE).map_err(|error| fail(&error))?;
    if octets.len() > MAX_PEM_FILE {
        return Err(fail(&format_args!(
            "over {MAX_PEM_FILE} bytes, and no PEM file is that long"
        )));
    }
    Ok(octets)
}

/// PKCS#8 says so in its label, the older forms in a header (RFC 1421 §4.6.1.1).
fn is_encrypted(text: &[u8]) -> bool {
    let has = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

/// A `.p12` file is what Apple's Keychain exports.
fn hint_of_pkcs12(text: &[u8], path: &Path) -> String {
    // A DER sequence with a two-octet length: no PEM file begins like that.
    if !text.starts_with(&[0x30, 0x82]) {
        return String::new();
    }
    format!(
        "; it looks like a PKCS#12 (.p12) file, convert it with: openssl pkcs12 -in {} -nodes \
         -out {}",
        shell_word(path),
        shell_word(&path.with_extension("pem")),
    )
}

/// Bytes of a certificate or key file at most; a long chain has some 10 KiB.
pub(super) const MAX_PEM_FILE: usize = 1024 * 1024;
