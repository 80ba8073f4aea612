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
        Identity::from_pem_files(&self.path("cert.pem"), &self.path(key), None)
            .map_err(|error| error.to_string())
    }

    #[cfg(feature = "encrypted-keys")]
    fn load_with(&self, key: &str, passphrase: &str) -> Result<Identity, String> {
        let (certificate, key) = (self.path("cert.pem"), self.path(key));
        Identity::from_pem_files(&certificate, &key, Some(passphrase))
            .map_err(|error| error.to_string())
    }
}

/// `PrivateKeyInfo` (RFC 5208 §5): version, algorithm, then the key in an octet string.
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
            let octets = usize::from(long & 0x7f);
            let length = der[2..2 + octets]
                .iter()
                .fold(0, |length, octet| length << 8 | usize::from(*octet));
            (length, 2 + octets)
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
            .fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet))
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
    assert!(Identity::from_pem_files(&both, &both, None).is_ok());
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
    fs::write(files.path("bag.p12"), [0x30, 0x82, 0x01, 0x00]).unwrap();
    fs::write(
        files.path("broken.pem"),
        "-----BEGIN PRIVATE KEY-----\n!!!!\n",
    )
    .unwrap();
    for (key, expected) in [
        ("empty.pem", "empty.pem: no PEM private key"),
        ("bag.p12", "openssl pkcs12 -in "),
        ("broken.pem", "broken.pem: "),
        ("missing.pem", "missing.pem: No such file"),
        ("cert.pem", "cert.pem: no PEM private key"),
    ] {
        let error = files.load(key).unwrap_err();
        assert!(error.contains(expected), "{key}: {error}");
    }
    let error = Identity::from_pem_files(&files.path("key.pem"), &files.path("key.pem"), None);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("key.pem: no PEM certificate"), "{error}");
}

#[test]
fn oversized_pem_files_are_not_read() {
    let files = Files::new(&KeyPair::generate().unwrap());
    let path = files.path("big.pem");
    fs::File::create(&path)
        .and_then(|file| file.set_len(identity::MAX_PEM_FILE as u64 + 1))
        .unwrap();
    let endless = files.path("endless.pem");
    std::os::unix::fs::symlink("/dev/zero", endless).unwrap();
    for (name, said) in [
        ("big.pem", "over 1048576 bytes"),
        ("endless.pem", "it is a device, not a file"),
    ] {
        let error = files.load(name).unwrap_err();
        assert!(error.contains(said), "{error}");
        let error = Roots::from_file(&files.path(name)).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_ca_file_must_hold_certificates() {
    let files = Files::new(&KeyPair::generate().unwrap());
    for (name, expected) in [
        ("key.pem", "no PEM certificate"),
        ("missing.pem", "ca_path"),
    ] {
        let error = Roots::from_file(&files.path(name)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
    }
    let ok = Roots::from_file(&Authority::new().path());
    assert_eq!(ok.unwrap().store().len(), 1);
}

#[test]
fn no_root_at_all_says_what_to_do() {
    let error = Roots::from_certificates(Vec::new(), None)
        .unwrap_err()
        .to_string();
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

/// What the process's environment says about roots can only be tried in a process of its own.
#[test]
fn the_environment_may_name_the_roots() {
    const NAME: &str = "net::tls::tests::the_environment_may_name_the_roots";
    const EXPECTED: &str = "STERNA_TEST_EXPECTED_ROOTS";
    if let Ok(expected) = std::env::var(EXPECTED) {
        let found = Roots::load(None).map(|roots| roots.store().len());
        assert_eq!(found.unwrap_or(0).to_string(), expected);
        return;
    }
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    for (file, expected) in [(authority.path(), "1"), (empty, "0")] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env("SSL_CERT_FILE", file)
            .env_remove("SSL_CERT_DIR")
            .env(EXPECTED, expected)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }
}
