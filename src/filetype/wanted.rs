//! What a file is to be: what that is called, where it comes from, and where one is written that is
//! converted to it.

use std::path::{Path, PathBuf};

use Wanted::{Authorities, Certificate, CertificateKey, ServiceAccount, SigningKey, Text};

/// What a file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Apple's `.p8` file.
    SigningKey,
    /// PEM with our own certificate and its chain.
    Certificate,
    /// PEM with the private key of that certificate.
    CertificateKey,
    /// PEM with certificates to trust.
    Authorities,
    /// Google's service-account file.
    ServiceAccount,
    /// Lines of text.
    Text,
}

/// What is wanted, as it is called.
pub(super) const fn place_of(wanted: Wanted) -> &'static str {
    match wanted {
        SigningKey => P8_FILE,
        Certificate => "a certificate in PEM",
        CertificateKey => "a private key in PEM",
        Authorities => "certificates in PEM",
        ServiceAccount => "a service-account file, which is JSON",
        Text => "text",
    }
}

/// Where what is wanted comes from.
pub(super) const fn source_of(wanted: Wanted) -> &'static str {
    match wanted {
        SigningKey => {
            "take the .p8 file as it was downloaded, or make another key in Apple's developer \
             account, under keys"
        }
        Certificate => {
            "export the certificate again, from Keychain with its key, or download it from Apple's \
             developer account"
        }
        CertificateKey => "export the private key again, from Keychain with its certificate",
        Authorities => "name the PEM file of those who have issued the server's certificate",
        ServiceAccount => {
            "make a key in Firebase console, project settings, service accounts, generate new \
             private key"
        }
        Text => "write it as text in UTF-8",
    }
}

/// The file that a conversion writes: beside, and never itself.
pub(super) fn converted(path: &Path, wanted: Wanted) -> PathBuf {
    path.with_extension(match wanted {
        SigningKey => "converted.p8",
        Certificate | CertificateKey | Authorities => "converted.pem",
        ServiceAccount => "converted.json",
        Text => "converted.txt",
    })
}

pub(super) const P8_FILE: &str = "the .p8 file that Apple hands out for token authentication";
