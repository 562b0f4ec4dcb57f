//! Rule files: order, append, override, exceptions, lists, macros, errors and warnings.

use scap::rules::{Loader, Report, RuleSet, Settings};

/// Loads texts as files `0.yaml`, `1.yaml`, ….
fn load(texts: &[&str]) -> (Vec<Report>, Option<RuleSet>) {
    let mut loader = Loader::new(Settings {
        suggested: false,
        ..Settings::default()
    });
    for (number, text) in texts.iter().enumerate() {
        loader.add(&format!("{number}.yaml"), text);
    }
    loader.finish()
}

/// Loads texts that have no error.
fn rules(texts: &[&str]) -> RuleSet {
    let (reports, rules) = load(texts);
    let errors: Vec<String> = reports
        .iter()
        .flat_map(Report::errors)
        .map(|error| format!("{}: {}", error.code.name(), error.message))
        .collect();
    assert!(errors.is_empty(), "{errors:?} in {texts:#?}");
    rules.unwrap()
}

/// Returns the condition of a rule as it is evaluated, with single blanks.
fn condition(texts: &[&str], name: &str) -> String {
    let rules = rules(texts);
    let rule = rules.rules().iter().find(|rule| rule.name == name).unwrap();
    rule.condition_text()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the codes of what was found, in order, over all files.
fn codes(texts: &[&str]) -> Vec<&'static str> {
    let (reports, _) = load(texts);
    let findings = reports.iter().flat_map(|report| &report.findings);
    findings.map(|finding| finding.code.name()).collect()
}

/// Returns code and message of the only error.
fn error(texts: &[&str]) -> (&'static str, String) {
    let (reports, rules) = load(texts);
    assert!(rules.is_none(), "{texts:#?}");
    let errors: Vec<_> = reports.iter().flat_map(Report::errors).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    (errors[0].code.name(), errors[0].message.clone())
}

fn rule(condition: &str) -> String {
    format!(
        "- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: info\n  warn_evttypes: false\n"
    )
}

#[test]
fn lists_and_macros_are_put_in() {
    let text = "
- list: shells
  items: [sh, 'two words', '\"(quoted)\"']
- list: all
  items: [shells, zsh]
- list: none
  items: []
- list: single
  items: [evt]
- macro: shell
  condition: proc.name in (all, none)
";
    let of = |text: &str, condition_text: &str| condition(&[text, &rule(condition_text)], "r");
    assert_eq!(
        of(text, "proc.name in (all) and shell and proc.name=single"),
        "proc.name in ( sh, \"two words\", \"(quoted)\", zsh ) and shell and proc.name= evt"
    );
    assert_eq!(
        of(text, "proc.name in (all, none) and shell"),
        "proc.name in ( sh, \"two words\", \"(quoted)\", zsh ) and shell"
    );
    // Words that only begin with the name.
    assert_eq!(
        of(text, "proc.name in (alls, x.all) and shell"),
        "proc.name in (alls, x.all) and shell"
    );
    // A list within a list within a list: its items, one level.
    let nested = "
- list: a
  items: [x]
- list: b
  items: [a, y]
- list: c
  items: [b, z]
";
    // The innermost is not put in again, since its turn is over.
    assert_eq!(of(nested, "proc.name in (c)"), "proc.name in ( a, y, z )");
    // A list that comes later is a word.
    let later = "
- list: c
  items: [d, z]
- list: d
  items: [w]
";
    assert_eq!(of(later, "proc.name in (c)"), "proc.name in ( w , z )");
}

#[test]
fn a_macro_sees_what_was_defined_before_its_last_change() {
    let undefined = "Undefined macro 'b' used in filter.";
    let before = "
- macro: a
  condition: b and proc.name=x
- macro: b
  condition: proc.name=y
";
    assert_eq!(
        error(&[before]),
        ("LOAD_ERR_VALIDATE", undefined.to_owned())
    );
    // Changed later, it sees it.
    let changed = "
- macro: a
  condition: proc.name=x
- macro: b
  condition: proc.name=y
- macro: a
  condition: or b
  override: {condition: append}
";
    assert_eq!(condition(&[changed, &rule("a")], "r"), "a");
    let looped = format!("{changed}- macro: b\n  condition: a\n");
    assert_eq!(error(&[&looped]).1, "reference loop in macro 'a'");
    // Rules see all macros of the files so far, and none of later files.
    assert_eq!(condition(&[&format!("{}{changed}", rule("b"))], "r"), "b");
    assert_eq!(
        error(&[&rule("b"), changed]),
        ("LOAD_ERR_VALIDATE", undefined.to_owned())
    );
}

#[test]
fn definitions_are_appended_to_and_replaced() {
    let base = "
- list: l
  items: [a]
- macro: m
  condition: proc.name in (l)
- rule: r
  desc: first
  condition: m
  output: one %proc.name
  priority: info
  warn_evttypes: false
  tags: [x]
";
    let with = |text: &str| condition(&[base, text], "r");
    assert_eq!(
        with("- rule: r\n  condition: and fd.num=3\n  override: {condition: append}\n"),
        "m and fd.num=3"
    );
    assert_eq!(
        with("- rule: r\n  condition: or fd.num=3\n  append: true\n"),
        "m or fd.num=3"
    );
    assert_eq!(
        with("- rule: r\n  condition: fd.num=3\n  override: {condition: replace}\n"),
        "fd.num=3"
    );
    let changed = rules(&[
        base,
        "- rule: r\n  output: two\n  desc: second\n  tags: [y, x]\n  priority: ERROR\n  enabled: no\n  override: {output: append, desc: append, tags: append, priority: replace, enabled: replace}\n",
    ]);
    let changed = &changed.rules()[0];
    assert_eq!(changed.output, "one %proc.name two");
    assert_eq!(changed.description, "first second");
    assert_eq!(changed.tags, ["x", "y"]);
    assert_eq!(changed.priority.name(), "Error");
    assert!(!changed.enabled);
    // A rule that is defined again keeps its place.
    let other = rule("fd.num=1").replace("rule: r", "rule: other");
    let again = rules(&[base, &other, &rule("fd.num=2")]);
    let names: Vec<_> = again.rules().iter().map(|rule| &*rule.name).collect();
    assert_eq!(names, ["r", "other"]);
    // A list is appended to for everything that uses it.
    let appended = "- list: l\n  items: [b]\n  override: {items: append}\n- macro: m\n  condition: and fd.num=1\n  append: true\n";
    let appended = rules(&[base, appended, &rule("proc.name in (l)")]);
    assert_eq!(
        appended.rules()[0].condition_text(),
        "proc.name in ( a, b )"
    );
    // Switched off by itself, as old files do.
    let switched = ["- rule: r\n  enabled: false\n"];
    assert_eq!(codes(&[base, switched[0]]), ["LOAD_DEPRECATED_ITEM"]);
    assert!(!rules(&[base, switched[0]]).rules()[0].enabled);
}

#[test]
fn changes_of_nothing_and_of_the_wrong_kind_are_errors() {
    let base = &rule("fd.num=1");
    for (text, message) in [
        (
            "- list: l\n  items: [a]\n  append: true\n",
            "List uses 'append' or 'override.items: append' but no list by that name already exists",
        ),
        (
            "- macro: m\n  condition: fd.num=1\n  override: {condition: append}\n",
            "Macro uses 'append' or 'override.condition: append' but no macro by that name already exists",
        ),
        (
            "- rule: x\n  condition: and fd.num=1\n  override: {condition: append}\n",
            "Rule uses 'append' or 'override.condition: append' but no rule by that name already exists",
        ),
        (
            "- rule: x\n  priority: info\n  override: {priority: replace}\n",
            "An 'override.priority: replace' to a rule was requested but no rule by that name already exists",
        ),
        (
            "- rule: x\n  enabled: true\n",
            "Rule has 'enabled' key but no rule by that name already exists",
        ),
        (
            "- rule: r\n  priority: info\n  override: {priority: append}\n",
            "Key 'priority' cannot be appended to, use 'replace' instead",
        ),
        (
            "- rule: r\n  source: x\n  override: {source: replace}\n",
            "Key 'source' cannot be replaced",
        ),
        (
            "- rule: r\n  desc: x\n  override: {desc: remove}\n",
            "Invalid override operation for key 'desc': 'remove'. Valid values are 'append', 'replace'",
        ),
        (
            "- rule: r\n  desc: x\n  output: y\n  override: {desc: append}\n",
            "Unexpected key 'output': no corresponding entry under 'override' is defined.",
        ),
        (
            "- rule: r\n  override: {desc: append}\n",
            "An append override for 'desc' was specified but 'desc' is not defined",
        ),
        (
            "- rule: r\n  append: true\n  desc: x\n",
            "Appended rule must have exceptions or condition property",
        ),
        (
            "- rule: r\n  append: true\n  condition: and fd.num=2\n  override: {condition: append}\n",
            "Keys 'override' and 'append: true' cannot be used together. Add an append entry (e.g. 'condition: append') under override instead.",
        ),
        (
            "- rule: r\n  desc: d\n  condition: fd.num=1\n  output: o\n  priority: info\n  source: k8s_audit\n",
            "Rule has been re-defined with a different source",
        ),
        (
            "- required_engine_version: 1.0.0\n",
            "Rules require engine version 1.0.0, but engine version is 0.63.0",
        ),
        (
            "- required_engine_version: 99\n",
            "Rules require engine version 0.99.0, but engine version is 0.63.0",
        ),
        (
            "- required_engine_version: new\n",
            "Unable to parse engine version 'new' as a semver string. Expected \"x.y.z\" semver format.",
        ),
        (
            "- required_plugin_versions: [{name: gone, version: 1.0.0, alternatives: [{name: json, version: 9.0.0}]}]\n",
            "Plugin requirement not satisfied, must load one of: gone (>= 1.0.0), json (>= 9.0.0)",
        ),
    ] {
        assert_eq!(
            error(&[base, text]),
            ("LOAD_ERR_VALIDATE", message.to_owned()),
            "{text}"
        );
    }
    assert!(rules(&[base, "- required_engine_version: 26\n- required_plugin_versions: [{name: gone, version: 1.0.0, alternatives: [{name: json, version: 0.7.0}]}]\n"]).rules().len() == 1);
}

#[test]
fn the_structure_of_files_is_checked() {
    for (text, message) in [
        ("rule: x\n", "Rules content is not yaml array of objects"),
        ("text\n", "Rules content is not yaml array of objects"),
        (
            "- [a]\n",
            "Unexpected element type. Each element should be a yaml associative array.",
        ),
        (
            "- rule: r\n  condition: x\n",
            "Item has no mapping for key 'output'",
        ),
        ("- list: l\n", "Item has no mapping for key 'items'"),
        ("- list: l\n  items:\n", "Mapping for key 'items' is empty"),
        ("- list: l\n  items: text\n", "Value is not a sequence"),
        (
            "- list: l\n  items: [~]\n",
            "Can't decode YAML scalar value",
        ),
        ("- list: ''\n  items: []\n", "Value must be non-empty"),
        (
            "- macro: [m]\n  condition: x\n",
            "Value is not a scalar value",
        ),
        (
            "- rule: r\n  desc: d\n  condition: fd.num=1\n  output: o\n  priority: urgent\n",
            "Invalid priority",
        ),
        (
            "- rule: r\n  desc: d\n  condition: fd.num=1\n  output: o\n  priority: info\n  enabled: perhaps\n",
            "Can't decode YAML scalar value",
        ),
    ] {
        assert_eq!(
            error(&[text]),
            ("LOAD_ERR_YAML_VALIDATE", message.to_owned()),
            "{text}"
        );
    }
    for text in ["- rule: [\n", "- a: b: c\n", "- 'open\n"] {
        assert_eq!(error(&[text]).0, "LOAD_ERR_YAML_PARSE", "{text}");
    }
    // Nothing, comments, and empty documents and items are files.
    for text in ["", "# nothing\n", "---\n---\n- \n", "- null\n"] {
        assert_eq!(codes(&[text]), [""; 0], "{text}");
    }
}

#[test]
fn exceptions_become_conditions() {
    let with = |exceptions: &str| {
        let text = rule("fd.num>1 or fd.num<9") + "  exceptions:\n" + exceptions;
        condition(&[&text], "r")
    };
    assert_eq!(
        with(
            "  - name: a\n    fields: [proc.name, fd.directory]\n    comps: [=, in]\n    values: [[cat, [/etc, /usr]], [ls, /tmp]]\n"
        ),
        "(fd.num>1 or fd.num<9) and not ((proc.name = cat and fd.directory in (/etc, /usr)) or (proc.name = ls and fd.directory in (/tmp)))"
    );
    assert_eq!(
        with(
            "  - name: a\n    fields: proc.name\n    values: [cat, two words]\n  - name: b\n    fields: fd.name\n    comps: pmatch\n    values: [/var/run]\n  - name: unused\n    fields: [fd.num]\n"
        ),
        "(fd.num>1 or fd.num<9) and not (proc.name in (cat, \"two words\")) and not (fd.name pmatch (/var/run))"
    );
    assert_eq!(
        with(
            "  - name: a\n    fields: [tolower(proc.name), proc.cmdline]\n    comps: [=, startswith anyof]\n    values: [[toupper(proc.pname), [a, b c]]]\n"
        ),
        "(fd.num>1 or fd.num<9) and not ((tolower(proc.name) = toupper(proc.pname) and proc.cmdline startswith anyof (a, \"b c\")))"
    );
    let base = rule("fd.num>1")
        + "  exceptions:\n  - name: a\n    fields: [proc.name]\n    values: [[x]]\n";
    let append = "- rule: r\n  exceptions:\n  - name: a\n    values: [[y]]\n  - name: b\n    fields: proc.pname\n    values: [z]\n  override: {exceptions: append}\n";
    assert_eq!(
        condition(&[&base, append], "r"),
        "(fd.num>1) and not ((proc.name = x) or (proc.name = y)) and not (proc.pname in (z))"
    );
    for (exceptions, message) in [
        ("  - name: a\n", "Item has no mapping for key 'fields'"),
        (
            "  - name: a\n    fields: [proc.name]\n    comps: [=, =]\n",
            "Fields and comps lists must have equal length",
        ),
        (
            "  - name: a\n    fields: [proc.name]\n    comps: [is]\n",
            "'is' is not a supported comparison operator",
        ),
        (
            "  - name: a\n    fields: proc.name\n    comps: startswith\n",
            "'startswith' is not a supported comparison operator",
        ),
        (
            "  - name: a\n    fields: [proc.nmae]\n",
            "'proc.nmae' is not a supported filter field",
        ),
        (
            "  - name: a\n    fields: [proc.name]\n    values: [[a, b]]\n",
            "Fields and values lists must have equal length",
        ),
        (
            "  - name: a\n    fields: [proc.name]\n    values: [a]\n",
            "Fields and values lists must have equal length",
        ),
    ] {
        let text = rule("fd.num>1") + "  exceptions:\n" + exceptions;
        assert_eq!(
            error(&[&text]),
            ("LOAD_ERR_VALIDATE", message.to_owned()),
            "{exceptions}"
        );
    }
    let same = "- rule: r\n  exceptions:\n  - name: a\n    fields: [fd.num]\n    values: [[y]]\n  override: {exceptions: append}\n";
    assert_eq!(
        error(&[&base, same]).1,
        "Can not append exception fields/comps to existing exception, only values"
    );
    let nothing = "- rule: r\n  exceptions:\n  - name: a\n  override: {exceptions: append}\n";
    assert_eq!(codes(&[&base, nothing]), ["LOAD_APPEND_NO_VALUES"]);
    let twice = rule("fd.num>1")
        + "  exceptions:\n  - {name: a, fields: fd.num}\n  - {name: a, fields: fd.num}\n";
    assert_eq!(codes(&[&twice]), ["LOAD_EXCEPTION_NAME_NOT_UNIQUE"]);
}

#[test]
fn conditions_and_outputs_are_compiled() {
    for (text, code) in [
        (rule("fd.num = x"), "LOAD_ERR_COMPILE_CONDITION"),
        (rule("fd.nmu = 1"), "LOAD_ERR_COMPILE_CONDITION"),
        (rule("fd.num = 1 and"), "LOAD_ERR_COMPILE_CONDITION"),
        (rule("evt.type = opne"), "LOAD_ERR_COMPILE_CONDITION"),
        (
            rule("fd.num = 1").replace("output: o", "output: \"%fd.nmu\""),
            "LOAD_ERR_COMPILE_OUTPUT",
        ),
        (
            rule("fd.num = 1").replace("output: o", "output: \"100%\""),
            "LOAD_ERR_COMPILE_OUTPUT",
        ),
    ] {
        assert_eq!(error(&[&text]).0, code, "{text}");
        // What is unknown is left out if the rule says so; what is wrong is not.
        let skipping = text.clone() + "  skip-if-unknown-filter: true\n";
        let is_unknown = ["nmu", "opne", "100%"]
            .iter()
            .any(|word| text.contains(word));
        if is_unknown {
            assert_eq!(codes(&[&skipping]), ["LOAD_UNKNOWN_FILTER"], "{text}");
            assert_eq!(rules(&[&skipping]).rules().len(), 0);
        } else {
            assert_eq!(error(&[&skipping]).0, code);
        }
    }
    // The error is at its place, also behind lists and in a folded text.
    let text = "- list: l\n  items: [some, longer, words]\n- rule: r\n  desc: d\n  condition: >\n    proc.name in (l) and\n    fd.num = wrong\n  output: o\n  priority: info\n";
    let (reports, _) = load(&[text]);
    let finding = reports[0].errors().next().unwrap();
    let place = finding.context.last().unwrap();
    assert_eq!((place.item, place.mark.line), ("condition expression", 6));
    assert_eq!(finding.span.start, text.find("wrong").unwrap());
}

#[test]
fn warnings_have_the_codes_of_falco() {
    for (text, expected) in [
        (
            rule("fd.num=1") + "  color: red\n",
            vec!["LOAD_UNKNOWN_KEY"],
        ),
        (
            rule("fd.num=1").replace("- rule", "- {thing: 1}\n- rule"),
            vec!["LOAD_UNKNOWN_ITEM"],
        ),
        (
            rule("fd.num=1") + "  source: aws\n",
            vec!["LOAD_UNKNOWN_SOURCE"],
        ),
        (
            "- macro: m\n  condition: fd.num=1\n".to_owned(),
            vec!["LOAD_UNUSED_MACRO"],
        ),
        (
            "- list: l\n  items: []\n".to_owned(),
            vec!["LOAD_UNUSED_LIST"],
        ),
        (
            "- macro: m-1\n  condition: fd.num=1\n".to_owned(),
            vec!["LOAD_INVALID_MACRO_NAME", "LOAD_UNUSED_MACRO"],
        ),
        (
            "- list: l (x)\n  items: []\n".to_owned(),
            vec!["LOAD_INVALID_LIST_NAME", "LOAD_UNUSED_LIST"],
        ),
        (
            rule("evt.type=openat and evt.dir=<"),
            vec!["LOAD_DEPRECATED_ITEM"],
        ),
        (
            rule("proc.name=x").replace("warn_evttypes: false", "warn_evttypes: true"),
            vec!["LOAD_NO_EVTTYPE"],
        ),
        (rule("proc.name=x"), vec![]),
        (rule("evt.num=0"), vec![]),
        (
            rule("evt.type=openat and proc.name=proc.pname"),
            vec!["LOAD_COMPILE_CONDITION"],
        ),
        (
            rule("evt.type=openat and proc.name='toupper(proc.pname)'"),
            vec!["LOAD_COMPILE_CONDITION"],
        ),
        (
            rule("evt.type=openat").replace("output: o", "output: o %container.info"),
            vec!["LOAD_DEPRECATED_ITEM"],
        ),
    ] {
        assert_eq!(codes(&[&text]), expected, "{text}");
    }
}

#[test]
fn reports_have_the_form_of_falcos_validation() {
    let (reports, _) = load(&[&rule("fd.num = x")]);
    assert_eq!(reports[0].summary(), "0.yaml: Invalid");
    let json = reports[0].to_json();
    assert_eq!(json["successful"], false);
    let error = &json["errors"][0];
    assert_eq!(error["code"], "LOAD_ERR_COMPILE_CONDITION");
    assert_eq!(error["codedesc"], "Error compiling condition");
    let locations = error["context"]["locations"].as_array().unwrap();
    let items: Vec<_> = locations
        .iter()
        .map(|l| l["item_type"].as_str().unwrap())
        .collect();
    assert_eq!(items, ["rules content", "rule", "condition expression"]);
    assert_eq!(locations[1]["item_name"], "r");
    assert_eq!(locations[1]["position"]["line"], 0);
    assert!(
        error["context"]["snippet"]
            .as_str()
            .unwrap()
            .contains("fd.num = x")
    );
    let (reports, _) = load(&["- macro: m\n  condition: fd.num=1\n"]);
    assert_eq!(reports[0].summary(), "0.yaml: Ok, with warnings");
    let (reports, _) = load(&[""]);
    assert_eq!(reports[0].summary(), "0.yaml: Ok");
}

#[test]
fn rules_of_lower_priority_are_not_loaded() {
    let text = rule("fd.num=1")
        + &rule("fd.nmu=1")
            .replace("rule: r", "rule: s")
            .replace("info", "debug");
    let mut loader = Loader::new(Settings {
        minimum: scap::rules::Priority::Informational,
        ..Settings::default()
    });
    loader.add("f", &text);
    let (reports, rules) = loader.finish();
    assert!(reports[0].is_ok());
    assert_eq!(rules.unwrap().rules().len(), 1);
}
