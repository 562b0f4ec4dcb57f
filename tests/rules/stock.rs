//! Rule files and captures of others: what the set of all rules finds is what each rule finds by itself.

use std::fs;
use std::io;
use std::ops::ControlFlow;

use scap::event::EventExt as _;
use scap::event::bytes::BufferFormat;
use scap::fields::{Context, Session, TimeFormat};
use scap::filter::Filter;
use scap::replay::{EventSink, Pipeline, Selection, SysdigSource};
use scap::rules::{Engine, Loader, Matching, RuleSet, Settings};
use scap_capture_format::schema::{EventInfo, SourceCategory};

use crate::common::extra_data;
use crate::detect::{counts, scap};

/// Evaluates an engine, and each condition by itself.
struct Both {
    engine: Engine,
    single: Vec<Filter>,
    together: Vec<u64>,
    alone: Vec<u64>,
}

impl EventSink for Both {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.engine.evaluate(cx, |found| {
            self.together[found.index] += 1;
            Ok::<(), io::Error>(())
        })?;
        // Rules see each call once, when it has ended.
        let of_call = |info: &EventInfo| info.source_category.contains(SourceCategory::SYSCALL);
        let is_enter = cx.event.ty.is_enter() && cx.event.info().is_some_and(of_call);
        if !is_enter && !cx.event.is_internal() {
            for (filter, count) in self.single.iter_mut().zip(&mut self.alone) {
                *count += u64::from(filter.matches(cx));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn load(text: &str) -> RuleSet {
    let mut loader = Loader::new(Settings::default());
    loader.add("f", text);
    let (reports, rules) = loader.finish();
    rules.unwrap_or_else(|| panic!("{:#?}", reports[0].findings))
}

#[test]
fn the_stock_rules_are_loaded_without_an_error() {
    let Some(path) = extra_data("rules/falco_rules.yaml") else {
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    let mut loader = Loader::new(Settings::default());
    loader.add("falco_rules.yaml", &text);
    let (reports, rules) = loader.finish();
    assert_eq!(reports[0].findings.len(), 0, "{:#?}", reports[0].findings);
    let rules = rules.unwrap();
    assert_eq!(rules.rules().len(), 25);
    for rule in rules.rules() {
        let needs = rules.needs(rule);
        assert!(!needs.events.is_empty(), "{}", rule.name);
        assert!(
            !needs.fields.is_empty() && !needs.output_fields.is_empty(),
            "{}",
            rule.name
        );
    }
}

#[test]
fn all_rules_together_find_what_each_finds_by_itself() {
    let (Some(rules), Some(captures)) =
        (extra_data("rules/falco_rules.yaml"), extra_data("captures"))
    else {
        return;
    };
    // Rules that match much, with what they have in common, beside the stock rules, which match little.
    let own = r#"
- macro: spawned
  condition: (evt.type in (execve, execveat))
- macro: opened
  condition: (evt.type in (open, openat, openat2) and fd.num>=0)
- macro: known
  condition: (proc.name exists and not proc.name in ("<NA>", sh))
- rule: a
  desc: d
  condition: spawned and known and (proc.pname exists or proc.args contains x)
  output: o
  priority: info
- rule: b
  desc: d
  condition: opened and known and (fd.name startswith /etc or fd.name endswith .so or fd.directory=/proc)
  output: o
  priority: info
- rule: c
  desc: d
  condition: not (opened or spawned) and known and not evt.type in (read, write, close, mmap, futex, switch)
  output: o
  priority: info
- rule: d
  desc: d
  condition: evt.type != read and (fd.type=file or fd.sport=80 or evt.failed=true) and not fd.name startswith /etc
  output: o
  priority: info
- rule: e
  desc: d
  condition: evt.type in (madvise, sched_yield, getrandom, clock_nanosleep, rseq) or (known and evt.type=brk)
  output: o
  priority: info
- rule: f
  desc: d
  condition: proc.aname in (bash, sh, sshd) and (opened or evt.type=connect)
  output: o
  priority: info
- rule: g
  desc: d
  condition: evt.arg.flags contains O_RDONLY or evt.rawres < 0 or evt.arg[0] exists and evt.type = connect
  output: o
  priority: info
"#;
    let stock = fs::read_to_string(rules).unwrap();
    let mut hits = 0;
    for text in [own, &stock] {
        for entry in fs::read_dir(&captures).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "scap") {
                continue;
            }
            let set = load(text);
            let mut definitions = scap::filter::Definitions::new();
            for (name, text) in set.macro_texts() {
                definitions.add_macro(name, text).unwrap();
            }
            let single = set
                .rules()
                .iter()
                .map(|rule| Filter::with_definitions(rule.condition_text(), &definitions).unwrap());
            let single: Vec<Filter> = single.collect();
            let count = single.len();
            let mut sink = Both {
                engine: set
                    .into_engine(&scap::rules::Selection::default(), Matching::All)
                    .unwrap(),
                single,
                together: vec![0; count],
                alone: vec![0; count],
            };
            let mut source = SysdigSource::new(fs::File::open(&path).unwrap()).unwrap();
            let session = Session::new(None, BufferFormat::Dots, TimeFormat::Human);
            let mut pipeline = Pipeline::new(session, &[], Selection::default());
            pipeline.run(&mut source, &mut sink).unwrap();
            assert_eq!(sink.together, sink.alone, "{}", path.display());
            hits += sink.alone.iter().filter(|count| **count > 0).count();
        }
    }
    assert!(hits > 40, "{hits}");
}

#[test]
fn the_rules_of_scap_find_a_break_in_and_nothing_else() {
    let mut loader = Loader::new(Settings::default());
    loader.add(scap::rules::BUILT_IN_NAME, scap::rules::BUILT_IN);
    let (reports, rules) = loader.finish();
    assert_eq!(reports[0].findings.len(), 0, "{:#?}", reports[0].findings);
    let documented = include_str!("../../docs/rules.md");
    for rule in rules.unwrap().rules() {
        assert!(
            documented.contains(&format!("| {} |", rule.name)),
            "{}",
            rule.name
        );
        assert!(
            !scap::rules::Tactic::of_tags(&rule.tags).is_empty(),
            "{}",
            rule.name
        );
        assert!(
            rule.tags.iter().any(|tag| scap::rules::is_technique(tag)),
            "{}",
            rule.name
        );
    }
    let found = |capture: &str| {
        counts(&scap(&["detect", capture]))
            .into_iter()
            .collect::<Vec<_>>()
    };
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/");
    let expected = [
        ("Shell on a network connection", 3),
        ("Written script executed", 1),
    ];
    let expected = expected.map(|(rule, count)| (rule.to_owned(), count));
    assert_eq!(found(&format!("{data}intrusion.scap")), expected);
    assert_eq!(
        found(&format!("{data}sample.scap")),
        [("Written script executed".to_owned(), 1)]
    );
    // Ordinary work of others.
    let Some(captures) = extra_data("captures") else {
        return;
    };
    for name in [
        "libs-0.26-container.scap",
        "sysdig-0.40-container.scap",
        "libs-curl-google.scap",
        "docker-curl-https.scap",
    ] {
        assert_eq!(found(captures.join(name).to_str().unwrap()), [], "{name}");
    }
}
