//! Keys and time stamps of seals. Keys are of Ed25519, in PEM files as `openssl genpkey -algorithm ed25519` makes them.
//!
//! What is signed, and what a seal proves, is in [`scap_capture_format::native::seal`].

pub mod stamp;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use ring::digest;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use scap_capture_format::event::Timestamp;
use scap_capture_format::native::seal::{Hash, Signature, Signer};
use scap_capture_format::native::{Header, MachineInfo};
use tokio_rustls::rustls::pki_types::{
    PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer,
    pem::{self, PemObject as _},
};

use crate::files;

/// Largest file of a key.
const MAX_FILE: u64 = 64 << 10;

/// What is before the 32 bytes of a public key in the DER of a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Longest value of a fact in a seal, in bytes.
const FACT: usize = 4096;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has another content.
    #[error("{} is not {wanted}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
        /// What is wrong.
        what: String,
    },
}

/// A private key.
#[derive(Debug)]
pub struct SealKey {
    pair: Ed25519KeyPair,
    public: Hash,
}

impl SealKey {
    /// Reads a private key from a PEM file (PKCS #8).
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = not(path, "a private key (PKCS #8, PEM)");
        let der = PrivatePkcs8KeyDer::from_pem_slice(&content(path)?);
        let der = der.map_err(|error| failed(reason(&error)))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map_err(|error| failed(format!("not of Ed25519 ({error})")))?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| failed("its public key is not of 32 bytes".to_owned()))?;
        Ok(Self { pair, public })
    }
}

impl Signer for SealKey {
    fn key(&self) -> Hash {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; size_of::<Signature>()];
        let made = self.pair.sign(message);
        // Of Ed25519 they are of this length.
        signature.copy_from_slice(made.as_ref());
        signature
    }
}

/// Reads a public key from a PEM file.
///
/// # Errors
///
/// See [`KeyError`].
pub fn public_key(path: &Path) -> Result<Hash, KeyError> {
    let failed = not(path, "a public key (PEM)");
    let der = SubjectPublicKeyInfoDer::from_pem_slice(&content(path)?);
    let der = der.map_err(|error| failed(reason(&error)))?;
    let key = der.strip_prefix(&SPKI).and_then(|key| key.try_into().ok());
    key.ok_or_else(|| failed("not of Ed25519".to_owned()))
}

/// Makes the error of a file that is not what is wanted.
fn not(path: &Path, wanted: &'static str) -> impl Fn(String) -> KeyError {
    move |what| KeyError::Content {
        path: path.to_owned(),
        wanted,
        what,
    }
}

fn content(path: &Path) -> Result<Vec<u8>, KeyError> {
    files::read_regular(path, MAX_FILE).map_err(|source| KeyError::Read {
        path: path.to_owned(),
        source,
    })
}

fn reason(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "no such key in it".to_owned(),
        other => other.to_string(),
    }
}

/// Whether `signature` is that of a message by a key.
pub fn is_signature(key: &Hash, message: &[u8], signature: &Signature) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(message, signature).is_ok()
}

/// Returns the name of a public key: the SHA-256 of its DER, as `openssl pkey -pubin -outform DER | sha256sum` prints it.
pub fn fingerprint(key: &Hash) -> String {
    let der = [SPKI.as_slice(), key].concat();
    format!(
        "SHA256:{}",
        hex(digest::digest(&digest::SHA256, &der).as_ref())
    )
}

/// Returns bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _written = write!(out, "{byte:02x}");
        out
    })
}

/// Returns what a seal says of a recording, by its header.
pub fn facts(header: &Header) -> Vec<(String, String)> {
    let MachineInfo {
        host_name, boot_id, ..
    } = &header.machine;
    let options: Vec<String> = header
        .options
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let facts = [
        ("host", host_name.clone()),
        ("boot-id", boot_id.clone()),
        ("recorder", header.writer.clone()),
        ("options", options.join(" ")),
        (
            "start",
            match header.start {
                Timestamp(0) => String::new(),
                start => crate::event::time::iso8601(start.0, 0),
            },
        ),
        (
            "sealed-by",
            concat!("scap ", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
    ];
    let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let cut = |value: String| value[..value.floor_char_boundary(FACT)].to_owned();
    known
        .map(|(name, value)| (name.to_owned(), cut(value)))
        .collect()
}

/// Returns the hash of a program, for the facts.
pub fn hash(bytes: &[u8]) -> String {
    format!(
        "SHA256:{}",
        hex(digest::digest(&digest::SHA256, bytes).as_ref())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A private key of 32 zeros, and its public key by `openssl pkey -pubout`.
    const PRIVATE: &str = include_str!("../../testdata/seal/zeros.pem");
    const PUBLIC: &str = include_str!("../../testdata/seal/zeros.pub.pem");

    #[test]
    fn keys_are_those_of_openssl() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let key = SealKey::read(&write("key", PRIVATE)).unwrap();
        let public = public_key(&write("public", PUBLIC)).unwrap();
        assert_eq!(key.key(), public);
        assert_eq!(
            fingerprint(&public),
            "SHA256:339e2ff917630507b6a423b5ce084e285d1fa65d93b3e27a6195d3bbebc9ae23"
        );
        let signature = key.sign(b"message");
        assert!(is_signature(&public, b"message", &signature));
        assert!(!is_signature(&public, b"massage", &signature));
        assert!(!is_signature(&[1; 32], b"message", &signature));

        let rsa = "-----BEGIN PUBLIC KEY-----\nMBsECQ==\n-----END PUBLIC KEY-----\n";
        for (content, what) in [
            (PRIVATE, "no such key in it"),
            ("", "no such key in it"),
            (rsa, "not of Ed25519"),
        ] {
            let error = public_key(&write("other", content)).unwrap_err();
            assert!(error.to_string().ends_with(what), "{error}");
        }
        let short = PRIVATE.replace("AAAAAAAA", "");
        for (content, what) in [(PUBLIC, "no such key in it"), (&*short, "not of Ed25519")] {
            let error = SealKey::read(&write("other", content)).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
        let error = SealKey::read(&dir.path().join("gone")).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot read the key"),
            "{error}"
        );
    }
}
