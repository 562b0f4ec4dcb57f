//! Malformed JSON, for tests.

use serde_json::{Value as Json, json};

/// Calls `check` with many variants of `json`, in each of which one member, at any depth, is replaced by something
/// else.
pub(super) fn each_with_odd_members(json: &Json, check: &mut dyn FnMut(&Json)) {
    let mut places = Vec::new();
    collect(json, String::new(), &mut places);
    for place in places {
        for odd in [
            Json::Null,
            json!(true),
            json!(-1),
            json!(u64::MAX),
            json!(""),
            json!("\u{0}/:@-,=é"),
            json!([[], {}, null, "x"]),
            json!({ "x": {}, "": [] }),
        ] {
            let mut changed = json.clone();
            if let Some(member) = changed.pointer_mut(&place) {
                *member = odd;
            }
            check(&changed);
        }
    }
}

fn collect(json: &Json, place: String, places: &mut Vec<String>) {
    match json {
        Json::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect(member, format!("{place}/{key}"), places);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{place}/{index}"), places);
            }
        }
        _ => {}
    }
    places.push(place);
}
