//! An audit event as a line: who did what to which object, with what result, and from where.

use super::json::{Json, Kind};
use super::uri;
use crate::event::text;

/// Appends the user of the request.
pub fn user(out: &mut Vec<u8>, event: Json<'_, '_>) {
    match event.path(&["user", "username"]) {
        Some(name) => escaped(out, name),
        None => out.extend_from_slice(b"<NA>"),
    }
}

/// Appends what was done: verb and object, the result, the client's address, the stage, and whom the user acted as. All
/// text is escaped.
pub fn request(out: &mut Vec<u8>, event: Json<'_, '_>) {
    match event.get("verb") {
        Some(verb) => escaped(out, verb),
        None => out.extend_from_slice(b"<NA>"),
    }
    out.push(b' ');
    object(out, event, escaped);
    if let Some(code) = event.path(&["responseStatus", "code"]) {
        pair(out, b"code", code);
    }
    if let Some(address) = event.get("sourceIPs").and_then(|ips| ips.items().last()) {
        pair(out, b"from", address);
    }
    if let Some(stage) = event.get("stage") {
        pair(out, b"stage", stage);
    }
    if let Some(other) = event.path(&["impersonatedUser", "username"]) {
        pair(out, b"as", other);
    }
    let mut command = Vec::new();
    command_line(&mut command, event);
    if !command.is_empty() {
        out.extend_from_slice(b" command=");
        text::escape_exact(out, &command);
    }
    out.push(b' ');
}

/// Appends the object of a request, such as `pods/exec shop/web`; the path, if the request has none. `write` appends a
/// part of it.
pub fn object(out: &mut Vec<u8>, event: Json<'_, '_>, write: impl Fn(&mut Vec<u8>, Json<'_, '_>)) {
    let Some(object) = event.get("objectRef").filter(|o| o.kind() == Kind::Object) else {
        match event.get("requestURI") {
            Some(uri) => write(out, uri),
            None => out.extend_from_slice(b"<NA>"),
        }
        return;
    };
    let part = |key: &str| object.get(key).filter(|part| part.raw() != b"\"\"");
    if let Some(resource) = part("resource") {
        write(out, resource);
    }
    if let Some(subresource) = part("subresource") {
        out.push(b'/');
        write(out, subresource);
    }
    let (namespace, name) = (part("namespace"), part("name"));
    if namespace.is_some() || name.is_some() {
        out.push(b' ');
    }
    if let Some(namespace) = namespace {
        write(out, namespace);
        out.push(b'/');
    }
    if let Some(name) = name {
        write(out, name);
    }
}

/// Appends the command that the event runs in a container, its words separated by blanks; nothing for other events.
pub fn command_line(out: &mut Vec<u8>, event: Json<'_, '_>) {
    let start = out.len();
    each_word(event, |word| {
        uri::decode(out, word);
        out.push(b' ');
    });
    if out.len() > start {
        out.pop();
    }
}

/// Calls `see` with each word of that command, still encoded.
pub fn each_word(event: Json<'_, '_>, see: impl FnMut(&[u8])) {
    if is_of_subresource(event, &["exec"]) {
        with_uri(event, |uri| uri::values(uri, "command").for_each(see));
    }
}

/// Whether the request is for one of these subresources of an object.
pub fn is_of_subresource(event: Json<'_, '_>, names: &[&str]) -> bool {
    let subresource = event
        .path(&["objectRef", "subresource"])
        .and_then(Json::text);
    subresource.is_some_and(|found| names.iter().any(|name| found.is(name)))
}

/// Calls `look` with the path of the request, if there is one.
pub fn with_uri<T>(event: Json<'_, '_>, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let uri = event.get("requestURI")?.text()?;
    Some(match uri.plain() {
        Some(plain) => look(plain),
        None => {
            let mut decoded = Vec::new();
            uri.write(&mut decoded);
            look(&decoded)
        }
    })
}

/// Whether a parameter of the request is true; `None` without a path.
pub fn is_set(event: Json<'_, '_>, name: &str) -> Option<bool> {
    let is_true = |value: &[u8]| matches!(value, b"true" | b"1" | b"t" | b"T" | b"TRUE" | b"True");
    with_uri(event, |uri| {
        uri::values(uri, name).next().is_some_and(is_true)
    })
}

fn pair(out: &mut Vec<u8>, name: &[u8], value: Json<'_, '_>) {
    out.push(b' ');
    out.extend_from_slice(name);
    out.push(b'=');
    escaped(out, value);
}

fn escaped(out: &mut Vec<u8>, value: Json<'_, '_>) {
    match value.text().map(super::json::Text::plain) {
        Some(Some(plain)) => text::escape_exact(out, plain),
        _ => {
            let mut decoded = Vec::new();
            value.write(&mut decoded);
            text::escape_exact(out, &decoded);
        }
    }
}
