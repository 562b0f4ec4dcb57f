//! Requests and answers of time-stamping authorities (RFC 3161), as far as a seal needs them.
//!
//! The root of a seal is what is stamped: it goes where a SHA-256 is expected, which has the same length. Whether the authority's
//! signature is right is for `openssl ts -verify` to say; here is read what the answer is about.

use ring::digest::{SHA256, digest};
use scap_capture_format::native::seal::Hash;

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]`, with a value in it.
const CONTEXT_0: u8 = 0xa0;
/// A directory name in a `GeneralName`.
const DIRECTORY_NAME: u8 = 0xa4;

/// `AlgorithmIdentifier` of SHA-256.
const SHA256_ID: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
];
/// id-sha256, 2.16.840.1.101.3.4.2.1
const SHA256_OID: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// id-signedData, 1.2.840.113549.1.7.2
const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// id-ct-TSTInfo, 1.2.840.113549.1.9.16.1.4
const TST_INFO: [u8; 11] = [
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04,
];
/// id-at-commonName, 2.5.4.3
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// Largest answer that is stored, in bytes.
pub const MAX_RESPONSE: u64 = 1 << 20;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// What was stamped.
    pub imprint: Hash,
    /// The time, in ISO 8601, as exact as the authority gave it.
    pub time: String,
    /// The name that the authority gives itself; empty if it gives none.
    pub authority: String,
}

/// Returns a request to stamp the root of a seal (`TimeStampReq`), which asks for the authority's certificate.
pub fn request(root: &Hash) -> Vec<u8> {
    let imprint = value(SEQUENCE, &[&SHA256_ID, &value(OCTETS, &[root])]);
    // The answer repeats it, and so is to this request.
    let nonce = digest(&SHA256, root);
    let nonce: Vec<u8> = std::iter::once(&0x40)
        .chain(nonce.as_ref())
        .copied()
        .take(8)
        .collect();
    let parts: [&[u8]; 4] = [
        &value(INTEGER, &[&[1]]),
        &imprint,
        &value(INTEGER, &[&nonce]),
        &value(BOOLEAN, &[&[0xff]]),
    ];
    value(SEQUENCE, &parts)
}

/// Encodes a value of fewer than 128 bytes.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    debug_assert!(content.len() < 0x80, "a long value");
    [&[tag, content.len() as u8], content.as_slice()].concat()
}

/// Reads an answer (`TimeStampResp`, DER).
///
/// # Errors
///
/// What is wrong with it.
pub fn parse(response: &[u8]) -> Result<Stamped, &'static str> {
    const OTHER: &str = "not the answer of a time-stamping authority (TimeStampResp, DER)";
    let (status, mut response) = status(response).ok_or(OTHER)?;
    // Granted, or granted with changes.
    if !matches!(status, [0 | 1]) {
        return Err("the authority has not granted a time stamp");
    }
    stamped(&mut response).ok_or(OTHER)
}

/// Returns the status and what follows it.
fn status(mut response: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = take(&mut response, SEQUENCE)?;
    let mut status = take(&mut parts, SEQUENCE)?;
    Some((take(&mut status, INTEGER)?, parts))
}

fn stamped(token: &mut &[u8]) -> Option<Stamped> {
    let mut token = take(token, SEQUENCE)?;
    let mut signed = (take(&mut token, OID)? == SIGNED_DATA)
        .then(|| take(&mut take(&mut token, CONTEXT_0)?, SEQUENCE))??;
    take(&mut signed, INTEGER)?;
    take(&mut signed, SET)?;
    let mut content = take(&mut signed, SEQUENCE)?;
    if take(&mut content, OID)? != TST_INFO {
        return None;
    }
    let mut info = take(&mut take(&mut content, CONTEXT_0)?, OCTETS)?;
    let mut info = take(&mut info, SEQUENCE)?;
    take(&mut info, INTEGER)?;
    take(&mut info, OID)?;
    let mut imprint = take(&mut info, SEQUENCE)?;
    let mut algorithm = take(&mut imprint, SEQUENCE)?;
    if take(&mut algorithm, OID)? != SHA256_OID {
        return None;
    }
    let imprint = take(&mut imprint, OCTETS)?.try_into().ok()?;
    take(&mut info, INTEGER)?;
    let time = iso8601(take(&mut info, TIME)?)?;
    // Accuracy, ordering and the nonce may be between.
    let mut authority = String::new();
    while let Some((tag, name)) = next(&mut info) {
        if tag == CONTEXT_0 {
            authority = common_name(name).unwrap_or_default();
            break;
        }
    }
    Some(Stamped {
        imprint,
        time,
        authority,
    })
}

/// Returns the common name of a `GeneralName` that is a directory name.
fn common_name(mut name: &[u8]) -> Option<String> {
    let mut names = take(&mut name, DIRECTORY_NAME)?;
    let mut names = take(&mut names, SEQUENCE)?;
    while let Some((_, mut set)) = next(&mut names) {
        let mut part = take(&mut set, SEQUENCE)?;
        if take(&mut part, OID)? == COMMON_NAME {
            return Some(text(next(&mut part)?.1));
        }
    }
    None
}

/// Returns a time that is `YYYYMMDDhhmmss`, perhaps a fraction of a second, and `Z`.
fn iso8601(time: &[u8]) -> Option<String> {
    let time = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    if !time
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let part = |from: usize, to: usize| time.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, time.len())?);
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Takes the next value, which has to have a tag.
fn take<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, content) = next(rest)?;
    (found == tag).then_some(content)
}

/// Takes the next value: its tag and content.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let [tag, len, after @ ..] = *rest else {
        return None;
    };
    let (len, after) = match len {
        0..=0x7f => (usize::from(*len), after),
        0x81..=0x84 => {
            let (bytes, after) = after.split_at_checked(usize::from(len & 0x7f))?;
            let len = bytes
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            (len, after)
        }
        _ => return None,
    };
    let (content, after) = after.split_at_checked(len)?;
    *rest = after;
    Some((*tag, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] = include_bytes!("../../testdata/seal/stamp.tsr");
    const ROOT: &str = "baa093ad02c3fa05e9ac69ddb8282bce7f442c870e1dff6eeba86900e63dcbb9";

    #[test]
    fn an_answer_of_openssl() {
        let stamped = parse(RESPONSE).unwrap();
        assert_eq!(super::super::hex(&stamped.imprint), ROOT);
        assert_eq!(stamped.time, "2026-11-30T20:19:01Z");
        assert_eq!(stamped.authority, "Test TSA");
    }

    #[test]
    fn answers_that_are_cut_or_changed() {
        let whole = parse(RESPONSE).unwrap();
        // Behind what is read are the certificates and the signature.
        let read = 260;
        for at in 0..RESPONSE.len() {
            assert!(parse(&RESPONSE[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut changed = RESPONSE.to_vec();
                changed[at] ^= 1 << bit;
                let parsed = parse(&changed);
                assert!(
                    at < read || parsed.is_err() || parsed == Ok(whole.clone()),
                    "{at}"
                );
            }
        }
        for other in [
            &b""[..],
            b"0",
            b"\x30\x80\x00\x00",
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(parse(other).unwrap_err().starts_with("not the answer"));
        }
        let rejected = [0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02];
        assert!(parse(&rejected).unwrap_err().contains("not granted"));
    }
}
