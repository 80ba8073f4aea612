use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use tempfile::TempDir;

use super::*;
use crate::net::fixture::Authority;

/// A directory with a key in several forms, and a certificate for it.
struct Files {
    dir: TempDir,
    pkcs8: Vec<u8>,
}

impl Files {
    fn new(key: &KeyPair) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certificate = Authority::new().certify("client", key);
        fs::write(dir.path().join("cert.pem"), certificate.pem()).unwrap();
        fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self {
            dir,
            pkcs8: key.serialize_der(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the key inside the PKCS#8 envelope under its older label.
    fn write_inner(&self, name: &str, label: &str) {
        let pem = pem_of(label, pkcs8_inner(&self.pkcs8));
        fs::write(self.path(name), pem).unwrap();
    }

    fn load(&self, key: &str) -> Result<Identity, String> {
        from_files(&self.path("cert.pem"), &self.path(key), None)
    }

    #[cfg(feature = "encrypted-keys")]
    fn load_with(&self, key: &str, passphrase: &str) -> Result<Identity, String> {
        let (certificate, key) = (self.path("cert.pem"), self.path(key));
        from_files(&certificate, &key, Some(passphrase))
    }
}

fn from_files(
    certificate: &Path,
    key: &Path,
    passphrase: Option<&str>,
) -> Result<Identity, String> {
    let [chain, pem] = [certificate, key].map(|path| fs::read(path).unwrap());
    let (chain, pem) = (PemFile::new(certificate, &chain), PemFile::new(key, &pem));
    Identity::from_pem(chain, pem, passphrase).map_err(|error| error.to_string())
}

/// `PrivateKeyInfo` (RFC 5208 §5): version, algorithm, then the key in a byte string.
fn pkcs8_inner(der: &[u8]) -> &[u8] {
    let (_, body, _) = der_item(der);
    let (_, _, rest) = der_item(body);
    let (_, _, rest) = der_item(rest);
    let (tag, key, _) = der_item(rest);
    assert_eq!(tag, 0x04);
    key
}

/// Tag, content, what follows.
fn der_item(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ 0..0x80 => (usize::from(short), 2),
        long => {
            let bytes = usize::from(long & 0x7f);
            let length = der[2..2 + bytes]
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            (length, 2 + bytes)
        }
    };
    (der[0], &der[start..start + length], &der[start + length..])
}

fn pem_of(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (i, chunk) in der.chunks(3).enumerate() {
        if i > 0 && i % 16 == 0 {
            text.push('\n');
        }
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            let padding = digit > chunk.len();
            text.push(if padding {
                '='
            } else {
                char::from(ALPHABET[index as usize])
            });
        }
    }
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn openssl(arguments: &str, dir: &TempDir) {
    let status = Command::new("sh")
        .args(["-c", &format!("openssl {arguments}")])
        .current_dir(dir)
        .status();
    assert!(status.unwrap().success(), "openssl {arguments}");
}

#[test]
fn ec_keys_are_read_in_both_forms() {
    let files = Files::new(&KeyPair::generate().unwrap());
    files.write_inner("sec1.pem", "EC PRIVATE KEY");
    for key in ["key.pem", "sec1.pem"] {
        let identity = files.load(key).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(identity.certificates().len(), 1, "{key}");
    }
}

#[test]
fn rsa_keys_are_read_in_both_forms() {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let files = Files::new(&key);
    files.write_inner("pkcs1.pem", "RSA PRIVATE KEY");
    for key in ["key.pem", "pkcs1.pem"] {
        files
            .load(key)
            .unwrap_or_else(|error| panic!("{key}: {error}"));
    }
}

#[test]
fn chain_and_key_may_share_a_file() {
    let files = Files::new(&KeyPair::generate().unwrap());
    let both = [files.path("cert.pem"), files.path("key.pem")]
        .map(|path| fs::read_to_string(path).unwrap())
        .concat();
    fs::write(files.path("both.pem"), both).unwrap();
    let both = files.path("both.pem");
    assert!(from_files(&both, &both, None).is_ok());
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let files = Files::new(&KeyPair::generate().unwrap());
    let other = KeyPair::generate().unwrap().serialize_pem();
    fs::write(files.path("other.pem"), other).unwrap();
    let error = files.load("other.pem").unwrap_err();
    assert!(
        error.ends_with("the key does not belong to the certificate"),
        "{error}"
    );
    assert!(
        error.contains("cert.pem and ") && error.contains("other.pem"),
        "{error}"
    );
}

#[test]
fn the_line_that_decrypts_an_encrypted_key_works() {
    let files = Files::new(&KeyPair::generate().unwrap());
    let secret = "-passout pass:secret";
    openssl(
        &format!("pkcs8 -topk8 -in key.pem -out 'a b.pem' {secret}"),
        &files.dir,
    );
    openssl(
        &format!("ec -aes256 -in key.pem -out old.pem {secret}"),
        &files.dir,
    );
    for (name, mark) in [
        ("a b.pem", "BEGIN ENCRYPTED PRIVATE KEY"),
        ("old.pem", "Proc-Type: 4,ENCRYPTED"),
    ] {
        let text = fs::read_to_string(files.path(name)).unwrap();
        assert!(text.contains(mark), "{name} is not what the test is about");
        let error = files.load(name).unwrap_err();
        let line = error
            .split_once("decrypted with: openssl ")
            .and_then(|(_, line)| line.split_once(" (and"))
            .unwrap_or_else(|| panic!("{error}"))
            .0;
        assert!(line.contains(files.path(name).to_str().unwrap()), "{line}");
        openssl(&format!("{line} -passin pass:secret"), &files.dir);
        let decrypted = name.replace(".pem", ".decrypted.pem");
        files
            .load(&decrypted)
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[cfg(feature = "encrypted-keys")]
#[test]
fn a_passphrase_decrypts_what_openssl_encrypts() {
    let ec = Files::new(&KeyPair::generate().unwrap());
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let rsa = Files::new(&rsa);
    // The label of the key's own kind is OpenSSL's older form.
    for (files, name, made_by, mark) in [
        (&ec, "aes128.pem", "ec -aes128", "DEK-Info: AES-128-CBC,"),
        (&ec, "aes192.pem", "ec -aes192", "DEK-Info: AES-192-CBC,"),
        (
            &rsa,
            "aes256.pem",
            "rsa -traditional -aes256",
            "DEK-Info: AES-256-CBC,",
        ),
        (
            &rsa,
            "des.pem",
            "rsa -traditional -des3",
            "DEK-Info: DES-EDE3-CBC,",
        ),
        (&ec, "pbes2.pem", "pkcs8 -topk8", "ENCRYPTED PRIVATE KEY"),
        (
            &rsa,
            "sha1.pem",
            "pkcs8 -topk8 -v2prf hmacWithSHA1",
            "ENCRYPTED PRIVATE KEY",
        ),
        (
            &rsa,
            "v2des.pem",
            "pkcs8 -topk8 -v2 des3",
            "ENCRYPTED PRIVATE KEY",
        ),
        (
            &ec,
            "scrypt.pem",
            "pkcs8 -topk8 -scrypt",
            "ENCRYPTED PRIVATE KEY",
        ),
    ] {
        openssl(
            &format!("{made_by} -in key.pem -out {name} -passout pass:'s€cret word'"),
            &files.dir,
        );
        let text = fs::read_to_string(files.path(name)).unwrap();
        assert!(text.contains(mark), "{name} is not what the test is about");
        files
            .load_with(name, "s€cret word")
            .unwrap_or_else(|error| panic!("{made_by}: {error}"));
        let error = files.load_with(name, "s€cret").unwrap_err();
        assert!(
            error.contains("the passphrase does not fit the key"),
            "{made_by}: {error}"
        );
        assert!(error.contains("openssl pkey -in "), "{made_by}: {error}");
    }
}

#[cfg(feature = "encrypted-keys")]
#[test]
fn what_cannot_be_decrypted_says_why() {
    let files = Files::new(&KeyPair::generate().unwrap());
    let legacy = |info: &str| {
        format!(
            "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n{info}\n\nAAAA\n\
             -----END EC PRIVATE KEY-----\n"
        )
    };
    for (text, expected) in [
        (
            legacy("DEK-Info: DES-CBC,0011223344556677"),
            "its encryption, DES-CBC, is not known",
        ),
        (
            legacy("DEK-Info: AES-128-CBC,00"),
            "the DEK-Info vector is too short",
        ),
        (
            legacy("DEK-Info: AES-128-CBC,0011223344556677"),
            "the DEK-Info vector is not as long as its cipher needs",
        ),
        (legacy("DEK-Info: AES-128-CBC,é"), "no hexadecimal vector"),
        (legacy("X-Other: 1"), "has no DEK-Info header"),
        (
            pem_of("ENCRYPTED PRIVATE KEY", &[0x30, 0x00]),
            "the encrypted key is malformed",
        ),
    ] {
        fs::write(files.path("bad.pem"), &text).unwrap();
        let error = files.load_with("bad.pem", "secret").unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let error = files.load_with("key.pem", "secret").unwrap_err();
    assert!(
        error.contains("the private key is not encrypted"),
        "{error}"
    );
}

#[test]
fn files_without_what_is_looked_for_are_named() {
    let files = Files::new(&KeyPair::generate().unwrap());
    fs::write(files.path("empty.pem"), "").unwrap();
    fs::write(
        files.path("broken.pem"),
        "-----BEGIN PRIVATE KEY-----\n!!!!\n",
    )
    .unwrap();
    for (key, expected) in [
        ("empty.pem", "empty.pem: no PEM private key"),
        ("broken.pem", "broken.pem: "),
        ("cert.pem", "cert.pem: no PEM private key"),
    ] {
        let error = files.load(key).unwrap_err();
        assert!(error.contains(expected), "{key}: {error}");
    }
    let error = from_files(&files.path("key.pem"), &files.path("key.pem"), None);
    let error = error.unwrap_err();
    assert!(error.contains("key.pem: no PEM certificate"), "{error}");
}

#[test]
fn one_bad_certificate_among_good_ones_is_left_out_and_named() {
    let [one, other] = [(); 2].map(|()| fs::read(Authority::new().path()).unwrap());
    let broken = pem_of("CERTIFICATE", &[0x30, 0x03, 0x02, 0x01, 0x05]);
    let cut = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let file = [&one, broken.as_bytes(), cut.as_bytes(), &other].concat();
    let found = authorities(&file).unwrap();
    assert_eq!(found.good.len(), 2);
    assert_eq!(found.good[1].0.split(" (").next(), Some("certificate 4"));
    let [broken_told, cut_told] = &found.useless[..] else {
        panic!("{found:?}");
    };
    assert!(broken_told.starts_with("certificate 2: "), "{broken_told}");
    assert!(
        cut_told.starts_with("certificate 3: ") && cut_told.contains("base64"),
        "{cut_told}"
    );
    let key = pem_of("PRIVATE KEY", &[0x30, 0]);
    for (file, expected) in [
        (broken.as_str(), "certificate 1: "),
        (&key, "no PEM certificate"),
        ("", "no PEM certificate"),
    ] {
        let error = authorities(file.as_bytes()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_root_that_is_there_twice_is_trusted_once() {
    let [one, other] = [(); 2].map(|()| fs::read(Authority::new().path()).unwrap());
    let file = [&*one, &*other, &*one].concat();
    let own = authorities(&file).unwrap().good;
    let own = own.into_iter().map(|(_, certificate)| certificate);
    let roots = Roots::of(&SystemRoots::default(), own).unwrap();
    assert_eq!(roots.store().len(), 2);
}

#[test]
fn no_root_at_all_says_what_to_do() {
    let error = Roots::of(&SystemRoots::default(), []).unwrap_err();
    let error = error.to_string();
    for what in ["ca-certificates", "SSL_CERT_FILE", "ca_path"] {
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn configurations_offer_what_they_are_told() {
    let authority = Authority::new();
    let config = authority.client(&[ALPN_H2, ALPN_HTTP1]);
    assert_eq!(config.alpn_protocols, [ALPN_H2, ALPN_HTTP1]);
    assert!(!config.enable_early_data);
    let shown = format!("{:?}", config.crypto_provider().kx_groups);
    assert!(!shown.is_empty());
}
