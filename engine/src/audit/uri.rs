//! Parameters in the URI of a request.

/// Iterates over the parameters after the `?`, still encoded.
fn parameters(uri: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let uri = uri.split(|b| *b == b'#').next().unwrap_or_default();
    let start = memchr::memchr(b'?', uri).map_or(uri.len(), |at| at + 1);
    let query = uri.get(start..).unwrap_or_default();
    let pairs = query.split(|b| *b == b'&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| match memchr::memchr(b'=', pair) {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, &[][..]),
    })
}

/// Calls `see` with the encoded values of a parameter, in order.
pub fn values<'u>(uri: &'u [u8], name: &str) -> impl Iterator<Item = &'u [u8]> {
    let mut found = parameters(uri);
    std::iter::from_fn(move || {
        found
            .by_ref()
            .find(|(key, _)| decoded(key).eq(name.bytes()))
            .map(|(_, value)| value)
    })
}

/// Appends an encoded value, decoded. A NUL, which texts of fields cannot have, becomes `\u0000`.
pub fn decode(out: &mut Vec<u8>, encoded: &[u8]) {
    for byte in decoded(encoded) {
        match byte {
            0 => out.extend_from_slice(b"\\u0000"),
            byte => out.push(byte),
        }
    }
}

/// Decodes `%xx`, and `+` for a blank. A percent sign without two digits stands for itself.
fn decoded(encoded: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |byte: Option<&u8>| {
        let digit = char::from(*byte?).to_digit(16)?;
        u8::try_from(digit).ok()
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *encoded.get(at)?;
        at += 1;
        Some(match byte {
            b'+' => b' ',
            b'%' => match (digit(encoded.get(at)), digit(encoded.get(at + 1))) {
                (Some(high), Some(low)) => {
                    at += 2;
                    high << 4 | low
                }
                _ => b'%',
            },
            byte => byte,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let uri = b"/exec?command=%2Fbin%2Fsh&command=-c&command=id%3B+cat+100%25&a%2Bb=1&empty&=x#command=no";
        let all = |name: &str| {
            let text = |value| {
                let mut out = Vec::new();
                decode(&mut out, value);
                String::from_utf8(out).unwrap()
            };
            values(uri, name).map(text).collect::<Vec<_>>()
        };
        assert_eq!(all("command"), ["/bin/sh", "-c", "id; cat 100%"]);
        assert_eq!(all("a+b"), ["1"]);
        assert_eq!(all("empty"), [""]);
        assert_eq!(all("comman"), [""; 0]);
        let mut out = Vec::new();
        decode(&mut out, b"%zz%4%00%");
        assert_eq!(out, b"%zz%4\\u0000%");
        assert_eq!(values(b"/exec", "command").count(), 0);
    }
}
