//! The certificates that a server's chain must end in.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, Digest, SHA256};
use openssl_probe::ProbeResult;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{TlsError, identity, subject};
use crate::pasted;
use crate::regular::{self, without_mark};

/// Whom we trust.
#[derive(Clone, Debug)]
pub struct Roots {
    store: Arc<RootCertStore>,
    /// Of the certificates in it.
    digest: Digest,
}

/// Whom the system trusts, read once for all that need it.
#[derive(Debug, Default)]
pub struct SystemRoots {
    certificates: Vec<CertificateDer<'static>>,
    /// What of it could not be read, each naming the file or the variable.
    pub doubts: Vec<String>,
    /// Why none of it is to be used.
    unusable: Option<TlsError>,
    /// What was made of it, by the certificates that were added: many lanes trust the same ones.
    made: Mutex<Vec<(Vec<CertificateDer<'static>>, Roots)>>,
}

impl SystemRoots {
    /// The system's, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name in its place.
    pub fn load() -> Self {
        // An empty one is how a unit or a shell takes it back.
        let [file, directories] =
            VARIABLES.map(|name| std::env::var_os(name).filter(|named| !named.is_empty()));
        let mut found = Self::default();
        if file.is_none() && directories.is_none() {
            found.take_system();
        }
        let [of_file, of_directories] = VARIABLES;
        if let Some(file) = file {
            found.take(of_file, &file, |found, path| found.take_file(of_file, path));
        }
        if let Some(directories) = directories {
            found.take(of_directories, &directories, |found, _| {
                let parts = std::env::split_paths(&directories);
                for path in parts.filter(|path| !path.as_os_str().is_empty()) {
                    found.take_directory(&path);
                }
            });
        }
        found.doubts = first_doubts(found.doubts);
        found
    }

    /// Takes those that the distribution has put together, whatever the environment says.
    fn take_system(&mut self) {
        let ProbeResult {
            cert_file,
            cert_dir,
        } = openssl_probe::probe();
        let mut directories = cert_dir.iter().map(PathBuf::as_path);
        let first = (cert_file.as_deref(), directories.next());
        let rest = directories.map(|directory| (None, Some(directory)));
        for (file, directory) in std::iter::once(first).chain(rest) {
            let found = rustls_native_certs::load_certs_from_paths(file, directory);
            self.certificates.extend(found.certs);
            let errors = found.errors.iter();
            self.doubts
                .extend(errors.map(|error| format!("system root certificates: {error}")));
        }
    }

    /// Takes what a variable names, unless it holds a key itself.
    fn take(&mut self, name: &str, value: &OsStr, take: impl FnOnce(&mut Self, &Path)) {
        let (text, path) = (value.to_string_lossy(), Path::new(value));
        if let Some(why) = pasted::why_no_path(&text, path, Path::exists) {
            self.unusable = Some(TlsError::new(format!("{name}: {why}")));
            return;
        }
        if let Ok(there) = fs::metadata(path)
            && !there.is_dir()
            && let Err(error) = regular::check(there.file_type())
        {
            let text = format!("{name}: {}: {error}", path.display());
            self.unusable = Some(TlsError::new(text));
            return;
        }
        let before = self.doubts.len();
        take(self, path);
        if pasted::why_no_file(&text, path, Path::exists).is_some() {
            for doubt in self.doubts.iter_mut().skip(before) {
                *doubt = pasted::without(doubt.as_bytes(), &[&text]).into_owned();
            }
        }
    }

    fn take_file(&mut self, name: &str, path: &Path) {
        let shown = path.display();
        match read(path).and_then(|file| authorities(without_mark(&file))) {
            Ok(found) => {
                let useless = found.useless.iter();
                let doubts = useless.map(|text| format!("{name}: {shown}: {text}"));
                self.doubts.extend(doubts);
                let good = found.good.into_iter().map(|(_, it)| it);
                self.certificates.extend(good);
            }
            Err(error) => self.doubts.push(format!("{name}: {shown}: {error}")),
        }
    }

    /// As OpenSSL's `rehash` leaves it: certificates in files, and links to them.
    fn take_directory(&mut self, path: &Path) {
        let (name, shown) = (VARIABLES[1], path.display());
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.doubts.push(format!("{name}: {shown}: {error}")),
        };
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        let before = self.certificates.len();
        for file in files {
            match read(&file) {
                // Lists of revoked certificates and others may be among them.
                Ok(file) => {
                    let found = authorities(without_mark(&file))
                        .map(|found| found.good)
                        .unwrap_or_default();
                    self.certificates
                        .extend(found.into_iter().map(|(_, it)| it));
                }
                Err(error) => {
                    let file = file.display();
                    self.doubts.push(format!("{name}: {file}: {error}"));
                }
            }
        }
        if self.certificates.len() == before {
            let text = format!("{name}: {shown}: no PEM certificate in any of its files");
            self.doubts.push(text);
        }
    }
}

/// The certificates of a PEM file.
#[derive(Debug, Default)]
pub struct Authorities {
    /// Those that can be trusted, each with what it is called in messages.
    pub good: Vec<(String, CertificateDer<'static>)>,
    /// Why each of the others cannot.
    pub useless: Vec<String>,
}

/// Reads certificates to be trusted from PEM, which begins without a byte order mark.
///
/// # Errors
///
/// When none of them can be.
pub fn authorities(file: &[u8]) -> Result<Authorities, String> {
    let mut found = Authorities::default();
    for (number, item) in (1..).zip(CertificateDer::pem_slice_iter(file)) {
        let certificate = match item {
            Ok(certificate) => certificate,
            Err(error) => {
                let what = identity::what(&error);
                found.useless.push(format!("certificate {number}: {what}"));
                continue;
            }
        };
        let name = match subject(&certificate) {
            Some(subject) => format!("certificate {number} ({subject})"),
            None => format!("certificate {number}"),
        };
        match RootCertStore::empty().add(certificate.clone()) {
            Ok(()) => found.good.push((name, certificate)),
            Err(error) => found.useless.push(format!("{name}: {error}")),
        }
    }
    if !found.good.is_empty() {
        return Ok(found);
    }
    Err(if found.useless.is_empty() {
        "no PEM certificate (-----BEGIN CERTIFICATE-----) in it".to_owned()
    } else {
        first_doubts(found.useless).join(", ")
    })
}

/// What is said of a source of certificates: of the first of them, and how many more there are.
pub fn first_doubts(mut doubts: Vec<String>) -> Vec<String> {
    let more = doubts.len().saturating_sub(DOUBTS_MAX);
    if more > 0 {
        doubts.truncate(DOUBTS_MAX);
        doubts.push(format!("the like is to be said of {more} more"));
    }
    doubts
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = regular::read(path, SYSTEM_FILE_MAX).map_err(|error| error.to_string())?;
    if file.len() > SYSTEM_FILE_MAX {
        return Err(format!(
            "over {SYSTEM_FILE_MAX} bytes, and no file of this kind is that long"
        ));
    }
    Ok(file)
}

impl Roots {
    /// The system's and our own.
    ///
    /// # Errors
    ///
    /// If there is none at all, or the system's cannot be used as they were named.
    pub fn of(
        system: &SystemRoots,
        own: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, TlsError> {
        if let Some(error) = &system.unusable {
            return Err(error.clone());
        }
        let own: Vec<_> = own.into_iter().collect();
        // A panic in here leaves a whole list.
        let mut made = system.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, roots)) = made.iter().find(|(with, _)| *with == own) {
            return Ok(roots.clone());
        }
        let mut store = RootCertStore::empty();
        // A system's bundle may hold certificates that no TLS library reads any more.
        let all = system.certificates.iter().chain(&own).cloned();
        let mut all: Vec<CertificateDer<'static>> = all.collect();
        // A directory has links to its files, and a bundle of them all.
        all.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        all.dedup();
        let mut context = Context::new(&SHA256);
        for certificate in &all {
            context.update(&certificate.len().to_le_bytes());
            context.update(certificate);
        }
        let (_, ignored) = store.add_parsable_certificates(all);
        if ignored > 0 {
            log::debug!("{ignored} system root certificates are of no use");
        }
        if store.is_empty() {
            return Err(TlsError::new(
                "no root certificates: install the distribution's ca-certificates package, or name \
                 a PEM bundle by the environment variable SSL_CERT_FILE or by ca_path"
                    .to_owned(),
            ));
        }
        let roots = Self {
            store: Arc::new(store),
            digest: context.finish(),
        };
        made.push((own, roots.clone()));
        Ok(roots)
    }

    /// Nobody, for what is spoken without TLS.
    pub fn none() -> Self {
        Self {
            store: Arc::new(RootCertStore::empty()),
            digest: Context::new(&SHA256).finish(),
        }
    }

    pub(super) fn digest(&self) -> &[u8] {
        self.digest.as_ref()
    }

    pub(super) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.store)
    }
}

/// What names others than the system's own: a file, and directories.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// Our limit: bytes of a file of the system's; the largest bundles have half a MiB.
const SYSTEM_FILE_MAX: usize = 16 * 1024 * 1024;
/// Our limit: certificates of one source of which something is said.
const DOUBTS_MAX: usize = 20;
