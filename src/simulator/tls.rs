//! The servers' side of TLS.

use std::io;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

use super::credentials::Credentials;
use super::provider::Provider;

/// ALPN of HTTP/2.
pub(super) const H2: &[u8] = b"h2";
/// ALPN of HTTP/1.1.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The configuration of one endpoint: APNs speaks HTTP/2 only and asks for a client certificate.
pub(super) fn server_config(
    credentials: &Credentials,
    provider: Provider,
) -> io::Result<Arc<ServerConfig>> {
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&crypto))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let is_apples = matches!(provider, Provider::Apns | Provider::Channels);
    let builder = if is_apples {
        builder.with_client_cert_verifier(Arc::new(AnyCertificate { crypto }))
    } else {
        builder.with_no_client_auth()
    };
    let (certificate, key) = credentials.server_identity();
    let mut config = builder
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = match provider {
        Provider::Apns | Provider::Channels => vec![H2.to_vec()],
        Provider::Fcm | Provider::OAuth => vec![H2.to_vec(), HTTP_1_1.to_vec()],
    };
    Ok(Arc::new(config))
}

/// Takes any client certificate whose key the client holds: APNs refuses the wrong ones by GOAWAY,
/// not in the handshake.
#[derive(Debug)]
struct AnyCertificate {
    crypto: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto
            .signature_verification_algorithms
            .supported_schemes()
    }
}
