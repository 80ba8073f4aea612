//! Decrypts PEM private keys: PKCS#8 with PBES2 (RFC 8018 §6.2), and the form before it, with a
//! `DEK-Info` header (RFC 1421 §4.6.1.3) and the key derivation of OpenSSL.

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, KeyInit, KeyIvInit};
use des::TdesEde3;
use md5::{Digest as _, Md5};
use pem::Pem;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

/// The first private key of a PEM text, decrypted. The error says what is wrong and shows nothing
/// of key and passphrase.
pub(super) fn decrypt(text: &[u8], passphrase: &str) -> Result<PrivateKeyDer<'static>, String> {
    let items = pem::parse_many(text).map_err(|error| error.to_string())?;
    let key = items.iter().find(|item| item.tag().ends_with(KEY_TAG));
    let key = key.ok_or("no private key in it")?;
    if key.tag() == PKCS8_TAG {
        let encrypted = EncryptedPrivateKeyInfoRef::try_from(key.contents())
            .map_err(|error| format!("the encrypted key is malformed: {error}"))?;
        let plain = encrypted
            .decrypt(passphrase.as_bytes())
            .map_err(|error| match error {
                pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed) => {
                    WRONG_PASSPHRASE.to_owned()
                }
                // What comes out of a wrong passphrase may happen to be padded well.
                pkcs8::Error::Asn1(_) => WRONG_PASSPHRASE.to_owned(),
                other => format!("its encryption is not known here: {other}"),
            })?;
        return Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into());
    }
    let plain = legacy(key, passphrase)?;
    // A DER sequence; the chance of a wrong passphrase to get this far is one in 65,536.
    if plain.first() != Some(&0x30) {
        return Err(WRONG_PASSPHRASE.to_owned());
    }
    match key.tag() {
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(plain).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(plain).into()),
        other => Err(format!("a {other} cannot be used for TLS here")),
    }
}

/// Decrypts what `Proc-Type: 4,ENCRYPTED` announces.
fn legacy(key: &Pem, passphrase: &str) -> Result<Vec<u8>, String> {
    let info = key.headers().get("DEK-Info");
    let (cipher, iv) = info
        .and_then(|info| info.split_once(','))
        .ok_or("it says that it is encrypted, and has no DEK-Info header")?;
    let iv = bytes(iv.trim()).ok_or("the DEK-Info header has no hexadecimal vector")?;
    match cipher.trim() {
        "AES-128-CBC" => cbc::<Aes128>(key.contents(), &iv, passphrase),
        "AES-192-CBC" => cbc::<Aes192>(key.contents(), &iv, passphrase),
        "AES-256-CBC" => cbc::<Aes256>(key.contents(), &iv, passphrase),
        "DES-EDE3-CBC" => cbc::<TdesEde3>(key.contents(), &iv, passphrase),
        other => Err(format!(
            "its encryption, {other}, is not known here (AES-128-CBC, AES-192-CBC, AES-256-CBC \
             and DES-EDE3-CBC are)"
        )),
    }
}

fn cbc<C>(encrypted: &[u8], iv: &[u8], passphrase: &str) -> Result<Vec<u8>, String>
where
    C: BlockCipherDecrypt + KeyInit,
{
    let salt = iv
        .get(..SALT_BYTES)
        .ok_or("the DEK-Info vector is too short")?;
    let secret = derived(passphrase.as_bytes(), salt, C::key_size());
    let decryptor = Decryptor::<C>::new_from_slices(&secret, iv)
        .map_err(|_| "the DEK-Info vector is not as long as its cipher needs")?;
    decryptor
        .decrypt_padded_vec::<Pkcs7>(encrypted)
        .map_err(|_| WRONG_PASSPHRASE.to_owned())
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round, as its PEM functions have it:
/// <https://docs.openssl.org/master/man3/PEM_read_bio_PrivateKey/#pem-encryption-format>.
fn derived(passphrase: &[u8], salt: &[u8], bytes: usize) -> Vec<u8> {
    let mut secret = Vec::new();
    let mut last = Vec::new();
    while secret.len() < bytes {
        let mut digest = Md5::new();
        digest.update(&last);
        digest.update(passphrase);
        digest.update(salt);
        last = digest.finalize().to_vec();
        secret.extend_from_slice(&last);
    }
    secret.truncate(bytes);
    secret
}

fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = hexadecimal.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

const KEY_TAG: &str = "PRIVATE KEY";
const PKCS8_TAG: &str = "ENCRYPTED PRIVATE KEY";
const WRONG_PASSPHRASE: &str = "the passphrase does not fit the key";
/// The salt is the first half of the vector, or all of it with triple DES.
const SALT_BYTES: usize = 8;
