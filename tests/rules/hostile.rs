//! Rule files made by an attacker: a clear error, in bounded time and memory.

use std::time::{Duration, Instant};

use scap::rules::{Loader, Settings};

/// Loads a text; returns the error's code and message.
fn load(text: &str) -> Result<(), (&'static str, String)> {
    let started = Instant::now();
    let mut loader = Loader::new(Settings::default());
    loader.add("f", text);
    let (reports, _) = loader.finish();
    let taken = started.elapsed();
    assert!(taken < Duration::from_secs(20), "{taken:?}");
    match reports[0].errors().next() {
        None => Ok(()),
        Some(error) => Err((error.code.name(), error.message.clone())),
    }
}

fn rule(condition: &str) -> String {
    format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: info\n")
}

#[test]
fn bombs_of_aliases_and_lists() {
    let mut text = String::from("- &a0 {list: l, items: [x]}\n");
    for level in 1..30 {
        let before = level - 1;
        text.push_str(&format!(
            "- &a{level} {{list: l, items: [*a{before}, *a{before}, *a{before}]}}\n"
        ));
    }
    assert_eq!(load(&text).unwrap_err().0, "LOAD_ERR_YAML_PARSE");
    // A name many times, for a long list.
    let items = vec!["item"; 100_000].join(", ");
    let names = vec!["l"; 10_000].join(", ");
    let text = format!(
        "- list: l\n  items: [{items}]\n{}",
        rule(&format!("proc.name in ({names})"))
    );
    let (code, message) = load(&text).unwrap_err();
    assert_eq!(code, "LOAD_ERR_COMPILE_CONDITION");
    assert!(message.contains("with its lists"), "{message}");
    // Macros that double at each level.
    let mut text = String::from("- macro: m0\n  condition: fd.num=1\n");
    for level in 1..40 {
        let before = level - 1;
        text.push_str(&format!(
            "- macro: m{level}\n  condition: m{before} or m{before}\n"
        ));
    }
    let (code, message) = load(&(text + &rule("m39"))).unwrap_err();
    assert_eq!(code, "LOAD_ERR_COMPILE_CONDITION");
    assert!(message.contains("more than"), "{message}");
}

#[test]
fn long_and_deep_conditions() {
    let long = vec!["fd.num=1"; 1_100_000].join(" or ");
    let (code, message) = load(&rule(&long)).unwrap_err();
    assert_eq!(code, "LOAD_ERR_COMPILE_CONDITION", "{message}");
    let deep = format!("{}fd.num=1{}", "(".repeat(100_000), ")".repeat(100_000));
    let (code, message) = load(&rule(&deep)).unwrap_err();
    assert_eq!(code, "LOAD_ERR_COMPILE_CONDITION");
    assert!(message.contains("nested"), "{message}");
    let not = format!("{}fd.num=1", "not ".repeat(1_000_000));
    assert_eq!(load(&rule(&not)), Ok(()));
    let many: String = (0..1000)
        .map(|n| rule("evt.type=open and fd.num=1").replace("rule: r", &format!("rule: r{n}")))
        .collect();
    assert_eq!(load(&many), Ok(()));
}

#[test]
fn loops() {
    let macros = "- macro: a\n  condition: fd.num=1\n- macro: b\n  condition: a\n- macro: a\n  condition: b\n";
    assert_eq!(load(macros).unwrap_err().1, "reference loop in macro 'a'");
    let lists =
        "- list: a\n  items: [b, a]\n- list: b\n  items: [a, b]\n- list: a\n  items: [b, a]\n";
    assert_eq!(
        load(&format!("{lists}{}", rule("proc.name in (a, b)"))),
        Ok(())
    );
}
