//! TLS for the webhook.

use std::{io, path::Path, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};

use super::TlsOptions;
use crate::files;
use crate::record::RecordError;

/// Largest file of certificates or keys.
const MAX_FILE: u64 = 1 << 20;

/// Reads certificates and key.
pub(super) fn acceptor(options: &TlsOptions) -> Result<TlsAcceptor, RecordError> {
    let provider = Arc::new(ring::default_provider());
    let of = |path: &Path, error: &dyn std::fmt::Display| RecordError::Audit {
        what: format!("use {} for TLS", path.display()),
        source: io::Error::other(error.to_string()),
    };
    let own = certificates(&options.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&options.key)?)
        .map_err(|error| of(&options.key, &error))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| of(&options.cert, &error))?;
    let builder = match &options.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root).map_err(|error| of(path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.build().map_err(|error| of(path, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(own, key)
        .map_err(|error| of(&options.cert, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(path: &Path) -> Result<Vec<u8>, RecordError> {
    files::read_regular(path, MAX_FILE).map_err(|source| RecordError::Audit {
        what: format!("read {}", path.display()),
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RecordError> {
    let failed = |error: String| RecordError::Audit {
        what: format!("use {} for TLS", path.display()),
        source: io::Error::other(error),
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|error| failed(error.to_string()))?;
    match found.is_empty() {
        true => Err(failed("no certificate in it".to_owned())),
        false => Ok(found),
    }
}
