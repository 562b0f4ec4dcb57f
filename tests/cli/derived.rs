//! Captures that are made from others: what they say about these.

#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;
use std::path::Path;

use crate::common::{file, scap, seen, story, write};
use serde_json::{Value, json};

/// Runs scap, which succeeds without a word on standard error; returns its output.
fn quiet(args: &[&str]) -> String {
    let (out, err, code) = seen(&scap(args, None));
    assert_eq!((err.as_str(), code), ("", 0), "{args:?}");
    out
}

fn info(path: &str) -> Value {
    serde_json::from_str(&quiet(&["info", "--json", path])).unwrap()
}

#[test]
fn copies_name_what_they_were_made_from() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let bytes = write(&story(), 4, true);
    let whole = file(dir.path(), "whole.scap", &bytes);
    let whole = whole.to_str().unwrap();
    let parent = json!({
        "file": "whole.scap",
        "bytes": bytes.len(),
        "blake3": blake3::hash(&bytes).to_hex().to_string(),
    });
    assert_eq!(info(whole)["derivation"], Value::Null);

    let part = path("part.scap");
    quiet(&[
        "read",
        whole,
        "-w",
        &part,
        "--from",
        "#2",
        "evt.type=openat",
    ]);
    let derivation = &info(&part)["derivation"];
    assert_eq!(derivation["operation"], "read");
    let options = json!([
        {"name": "filter", "value": "evt.type=openat"},
        {"name": "from", "value": "#2"},
    ]);
    assert_eq!(derivation["options"], options);
    assert_eq!(derivation["parents"], json!([parent]));
    let text = quiet(&["info", &part]);
    let hash = blake3::hash(&bytes).to_hex();
    let lines = [
        "\nmade by    read of scap 0.1.0, filter evt.type=openat, from #2\n",
        "\nmade from  whole.scap, ",
        &format!(", BLAKE3 {hash}\n"),
    ];
    for line in lines {
        assert!(text.contains(line), "{text}");
    }

    // Several parents in their order, and the copy of a copy.
    let both = path("both.scap");
    quiet(&["read", &part, whole, "-w", &both]);
    let derivation = &info(&both)["derivation"];
    assert_eq!(derivation["parents"][0]["file"], "part.scap");
    assert_eq!(derivation["parents"][1], parent);
    let copy = path("copy.scap");
    quiet(&["convert", "--to", "native", &both, &copy]);
    let hash = blake3::hash(&fs::read(Path::new(&both)).unwrap())
        .to_hex()
        .to_string();
    assert_eq!(info(&copy)["derivation"]["operation"], "convert");
    assert_eq!(
        info(&copy)["derivation"]["parents"][0]["blake3"],
        json!(hash)
    );

    // A pipe has no identity, which is said.
    let (_, _, code) = seen(&scap(
        &["convert", "--to", "native", "-", &copy],
        Some(&bytes),
    ));
    assert_eq!(code, 0);
    let parents = json!([{"file": "standard input", "bytes": null, "blake3": null}]);
    assert_eq!(info(&copy)["derivation"]["parents"], parents);
}

#[test]
fn what_the_timeline_saves_is_proved_with_its_parents() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let whole = file(dir.path(), "whole.scap", &write(&story(), 4, true));
    let whole = whole.to_str().unwrap();
    let other = file(dir.path(), "other.scap", &write(&story()[..4], 4, true));
    let other = other.to_str().unwrap();
    let theirs = path("theirs.scap");
    quiet(&["convert", "--to", "sysdig", "-q", whole, &theirs]);
    for (number, parents) in [&[whole][..], &[theirs.as_str()], &[whole, other]]
        .iter()
        .enumerate()
    {
        let saved = path(&format!("saved{number}.scap"));
        let keys = format!("2w{saved}<Enter>");
        let view = ["--no-rules", "--script", &keys, "--screenshot", "-"];
        quiet(&[&["view"], *parents, &["evt.type=close"], &view].concat());
        let derivation = &info(&saved)["derivation"];
        assert_eq!(derivation["operation"], "view");
        assert_eq!(
            derivation["options"][0],
            json!({"name": "filter", "value": "evt.type=close"})
        );
        let named = derivation["parents"].as_array().unwrap();
        assert_eq!(named.len(), parents.len());
        for (parent, bytes) in named
            .iter()
            .zip(parents.iter().map(|path| fs::read(path).unwrap()))
        {
            assert_eq!(
                parent["blake3"],
                json!(blake3::hash(&bytes).to_hex().to_string())
            );
        }
        let of = parents.iter().flat_map(|parent| ["--parent", parent]);
        let args: Vec<&str> = ["verify", "--json", &saved].into_iter().chain(of).collect();
        let (out, err, code) = seen(&scap(&args, None));
        let proof: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(proof.to_string().contains("\"proved\":true"), "{proof}");
    }
    // Another file is not the parent.
    let (_, _, code) = seen(&scap(
        &["verify", &path("saved0.scap"), "--parent", other],
        None,
    ));
    assert_ne!(code, 0);
}
