//! Converts the description of a container from old recorders to JSON.

use crate::event::Params;

/// Makes the JSON text, with its NUL, from the parameters of a `container` event: id, type, name and
/// image.
pub(super) fn json(params: &Params<'_>) -> Vec<u8> {
    let ty = params.get(1).and_then(|v| v.first_chunk());
    let ty = ty.map_or(0, |v| u32::from_le_bytes(*v));
    let mut out = String::from("{\"container\":{");
    field(&mut out, "id", params.get(0));
    out.push_str(&format!(",\"type\":{ty}"));
    for (name, i) in [("name", 2), ("image", 3)] {
        out.push(',');
        field(&mut out, name, params.get(i));
    }
    out.push_str("}}\0");
    out.into_bytes()
}

fn field(out: &mut String, name: &str, value: Option<&[u8]>) {
    let value = value.unwrap_or(&[]);
    let text = value.split(|b| *b == 0).next().unwrap_or(&[]);
    out.push('"');
    out.push_str(name);
    out.push_str("\":\"");
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let values: [&[u8]; 4] = [b"12ab\0", &[6, 0, 0, 0], b"a\"b\\\n\0", b""];
        let lens = values.map(|v| v.len() as u32);
        let bytes = values.concat();
        let params = Params::new(&lens, &bytes).unwrap();
        assert_eq!(
            String::from_utf8(json(&params)).unwrap(),
            "{\"container\":{\"id\":\"12ab\",\"type\":6,\"name\":\"a\\\"b\\\\\\u000a\",\"image\":\"\"}}\0"
        );
    }
}
