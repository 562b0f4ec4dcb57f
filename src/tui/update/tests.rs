//! Tests of the model by sequences of messages, without background threads.

use std::path::Path;
use std::sync::Arc;

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::inspect::aggregator::Progress;
use crate::inspect::page::{Line, Page, Tone};
use crate::replay::IndexedCapture;
use crate::replay::Span;
use crate::stats::tally::{self, Tally};
use crate::tui::Options;
use crate::tui::message::Request;
use crate::tui::message::Response;
use crate::tui::notes::Notes;
use crate::tui::theme::Theme;

/// A model of the sample intrusion, aggregated.
fn model() -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/intrusion.scap");
    let capture = Arc::new(IndexedCapture::open(&path).unwrap());
    let options = Options {
        name: "intrusion.scap".to_owned(),
        theme: Theme::Dark,
        filter: String::new(),
        range: None,
        live: false,
        beside: None,
        of_damaged: false,
        parents: Vec::new(),
        rules: None,
    };
    let (mut model, commands) = Model::new(capture, options, Notes::default(), (80, 24));
    assert!(matches!(&commands[..], [Command::SetScope(scope)] if scope.filter.is_empty()));
    count(&mut model);
    model
}

/// Aggregates the scope like the background.
fn count(model: &mut Model) {
    let mut replayer = crate::replay::SegmentReplayer::new(&model.capture).unwrap();
    let scope = model.scope();
    let never = std::sync::atomic::AtomicBool::new(false);
    let tally = tally::tally(&mut replayer, &scope, &never).unwrap();
    progress(model, tally);
}

fn progress(model: &mut Model, tally: Tally) {
    let progress = Progress {
        capture: Arc::clone(&model.capture),
        scope: model.scope(),
        tally: Arc::new(tally),
        done: 1,
        total: 1,
        finished: true,
        failed: None,
        damages: 0,
    };
    update(model, Message::Progress(progress));
}

/// Presses keys; returns the commands.
fn press(model: &mut Model, script: &str) -> Vec<Command> {
    let keys = keys::parse(script).unwrap();
    keys.into_iter()
        .flat_map(|key| update(model, Message::Key(key)))
        .collect()
}

fn surveys(commands: &[Command]) -> usize {
    commands
        .iter()
        .filter(|c| matches!(c, Command::SetScope(_)))
        .count()
}

fn line(num: u64) -> Line {
    Line {
        num,
        ts: 1_000 + num,
        cpu: 0,
        tid: 7,
        pid: 7,
        comm: "sh".to_owned(),
        container: String::new(),
        enter: false,
        name: "openat".to_owned(),
        args: "name=/etc/passwd".to_owned(),
        latency: None,
        tone: Tone::Plain,
    }
}

fn page(first: u64, nums: std::ops::Range<u64>) -> Page {
    Page {
        first,
        lines: nums.map(line).collect(),
        wanted: 0,
    }
}

/// Responds to the newest request for lines.
fn answer_page(model: &mut Model, page: Page) -> Vec<Command> {
    let ticket = model.pending.page.unwrap();
    update(
        model,
        Message::Response(ticket, Box::new(Response::Page(page))),
    )
}

#[test]
fn zooming_and_panning_keep_to_the_capture() {
    let mut model = model();
    let whole = model.whole;
    model.cursor = whole.from + whole.len_ns() / 3;
    let cursor = model.cursor;
    let commands = press(&mut model, "+");
    assert_eq!(surveys(&commands), 1);
    assert_eq!(model.window.len_ns(), whole.len_ns().div_ceil(2));
    // The position of the cursor on the screen is unchanged.
    let share = |m: &Model| (m.cursor - m.window.from) as f64 / m.window.len_ns() as f64;
    assert!((share(&model) - 1.0 / 3.0).abs() < 0.001);
    assert_eq!(model.cursor, cursor);
    press(&mut model, "]]]]]]]]");
    assert_eq!(model.window.to, whole.to);
    assert!(model.window.contains(model.cursor));
    press(&mut model, "[[[[[[[[[");
    assert_eq!(model.window.from, whole.from);
    press(&mut model, "-");
    assert_eq!(model.window, whole, "also of an odd number of nanoseconds");
    assert_eq!(surveys(&press(&mut model, "-")), 0, "nothing has changed");
    press(&mut model, &"+".repeat(100));
    assert_eq!(model.window.len_ns(), crate::tui::model::SHORTEST_NS);
    press(&mut model, "Z");
    assert_eq!(model.window, whole);
}

#[test]
fn the_timeline_stays_exact_when_a_range_is_selected() {
    let mut model = model();
    let exact = model.exact.clone();
    assert_eq!(exact.as_ref().map(|exact| exact.span), Some(model.window));
    press(&mut model, "<S-Right><S-Right>");
    count(&mut model);
    assert_eq!(model.exact, exact);
    press(&mut model, "z");
    count(&mut model);
    assert_eq!(model.exact.as_ref().map(|e| e.span), Some(model.window));
}

#[test]
fn who_goes_back_in_time_is_not_taken_to_the_end() {
    let grow = |model: &mut Model| {
        let capture = Arc::clone(&model.capture);
        update(model, Message::Grown(capture));
        count(model);
    };
    let mut model = model();
    (model.live, model.follow) = (true, true);
    press(&mut model, "6");
    let last = model.pane.order.len() - 1;
    grow(&mut model);
    assert_eq!((model.follow, model.pane.selected), (true, last));
    press(&mut model, "<Up><Up>");
    grow(&mut model);
    assert_eq!((model.follow, model.pane.selected), (false, last - 2));
    press(&mut model, "F");
    grow(&mut model);
    assert_eq!(model.pane.selected, last);
    // In another sort order the newest row can be anywhere.
    press(&mut model, "<Home>F>G<Enter>");
    grow(&mut model);
    assert_eq!(model.pane.selected, 0);
    assert_eq!(model.cursor, model.whole.to);
    press(&mut model, "<Left>");
    let cursor = model.cursor;
    grow(&mut model);
    assert_eq!((model.follow, model.cursor), (false, cursor));
}

#[test]
fn a_range_is_selected_with_keys_and_with_the_mouse() {
    let mut model = model();
    press(&mut model, "<Right><Right>");
    assert_eq!(model.selection, None);
    let from = model.cursor;
    press(&mut model, "<S-Right><S-Right><S-Right>");
    let selection = model.selection.unwrap();
    assert_eq!((selection.from, selection.to), (from, model.cursor));
    assert_eq!(model.range(), selection);
    press(&mut model, "<S-Left><S-Left><S-Left><S-Left>");
    assert_eq!(model.selection.unwrap().to, from, "it turned round");
    press(&mut model, "<Esc>");
    assert_eq!(model.selection, None);

    let mouse = |kind, column| {
        Message::Mouse(MouseEvent {
            kind,
            column,
            row: 4,
            modifiers: KeyModifiers::NONE,
        })
    };
    update(
        &mut model,
        mouse(MouseEventKind::Down(MouseButton::Left), 30),
    );
    let commands = update(
        &mut model,
        mouse(MouseEventKind::Drag(MouseButton::Left), 44),
    );
    assert_eq!(
        surveys(&commands),
        0,
        "only the end of the range is counted"
    );
    let commands = update(&mut model, mouse(MouseEventKind::Up(MouseButton::Left), 44));
    assert_eq!(surveys(&commands), 1);
    let selection = model.selection.unwrap();
    // 15 of 70 columns.
    let share = selection.len_ns() as f64 / model.whole.len_ns() as f64;
    assert!((share - 15.0 / 70.0).abs() < 0.001, "{share}");
    press(&mut model, "z");
    assert_eq!((model.window, model.selection), (selection, None));
    let before = model.window;
    update(&mut model, mouse(MouseEventKind::ScrollDown, 40));
    assert!(model.window.len_ns() > before.len_ns());
}

#[test]
fn narrowing_leaves_a_trail_and_goes_back() {
    let mut model = model();
    press(&mut model, "3");
    assert_eq!(model.view, View::Processes);
    press(&mut model, "<Down><Down>");
    let row = model.pane.selected;
    let commands = press(&mut model, "<Enter>");
    assert_eq!(surveys(&commands), 1);
    assert_eq!((model.view, model.trail.len()), (View::Events, 1));
    assert!(model.filter().starts_with("proc.pid"), "{}", model.filter());
    count(&mut model);
    press(&mut model, "8");
    press(&mut model, "<Enter>");
    assert_eq!(model.trail.len(), 2);
    assert!(
        model.filter().starts_with("(proc.pid"),
        "{}",
        model.filter()
    );
    assert!(crate::filter::Filter::parse(&model.filter()).is_ok());
    press(&mut model, "<Backspace>");
    assert_eq!((model.view, model.trail.len()), (View::Calls, 1));
    press(&mut model, "<Backspace>");
    count(&mut model);
    assert_eq!(
        (model.view, model.trail.len(), model.pane.selected),
        (View::Processes, 0, row)
    );
    press(&mut model, "<Backspace>");
    assert!(model.status.is_some());
}

#[test]
fn values_are_kept_or_left_out() {
    let mut model = model();
    press(&mut model, "7=");
    assert!(matches!(model.layers.last(), Some(Overlay::List(list)) if !list.items.is_empty()));
    press(&mut model, "<Esc>");
    assert!(model.layers.is_empty() && model.trail.is_empty());
    press(&mut model, "!<Enter>");
    assert!(model.filter().starts_with("not ("), "{}", model.filter());
    assert_eq!(model.view, View::Errors);
}

#[test]
fn the_filter_bar_says_where_a_filter_is_wrong_and_completes_names() {
    let mut model = model();
    press(&mut model, ":proc.nmae=sh<Enter>");
    let Some(Overlay::Prompt(prompt)) = model.layers.last() else {
        panic!("the line is gone");
    };
    let (span, message) = prompt.error.clone().unwrap();
    assert_eq!(span, 0..9);
    assert!(message.contains("unknown field"), "{message}");
    press(&mut model, "<End><C-u>proc.nam<Tab>=sh<Enter>");
    assert_eq!(model.filter(), "proc.name=sh");
    press(&mut model, ":<C-u>evt.type=exec");
    let Some(Overlay::Prompt(prompt)) = model.layers.last() else {
        panic!("the line is gone");
    };
    assert_eq!(prompt.suggestions, Vec::<String>::new(), "not counted yet");
    press(&mut model, "<Esc>");
    count(&mut model);
    press(&mut model, ":<C-u>evt.type=exec<Tab><Enter>");
    assert_eq!(model.filter(), "evt.type=execve");
    press(&mut model, ":<C-u><Enter>");
    assert_eq!(model.filter(), "");
    // What was typed before.
    press(&mut model, ":<Up><Up><Enter>");
    assert_eq!(model.filter(), "proc.name=sh");
}

#[test]
fn lines_are_fetched_as_they_are_looked_at() {
    let mut model = model();
    let commands = press(&mut model, "2");
    assert!(matches!(
        &commands[..],
        [Command::Ask(
            _,
            Request::Page {
                at: At::Time(_),
                ..
            }
        )]
    ));
    assert!(answer_page(&mut model, page(0, 1..601)).is_empty());
    assert_eq!(model.events.selected_line().unwrap().num, 1);
    assert!(press(&mut model, &"<Down>".repeat(20)).is_empty());
    assert_eq!(model.events.selected_line().unwrap().num, 21);
    assert_eq!(model.cursor, 1_021, "the cursor goes with the event");
    let commands = press(&mut model, "<End>");
    let last = model.listed() - 1;
    let is_end = |q: &Request| matches!(q, Request::Page { at: At::Index(at), .. } if *at == last);
    assert!(matches!(&commands[..], [Command::Ask(_, question)] if is_end(question)));
    let old = model.pending.page.unwrap();
    press(&mut model, "<Home>");
    // A response to an outdated request is ignored.
    update(
        &mut model,
        Message::Response(old, Box::new(Response::Page(page(9_000, 9_000..9_600)))),
    );
    assert_eq!(model.events.page.first, 0);
    // A change of the scope keeps the event.
    model.events.going = None;
    press(&mut model, "<Down>");
    let num = model.events.selected_line().unwrap().num;
    let commands = press(&mut model, "=<Enter>");
    assert!(commands.iter().any(|c| {
        matches!(c, Command::Ask(_, Request::Page { at: At::Event(n), .. }) if *n == num)
    }));
}

#[test]
fn details_echo_and_state_ask_and_close() {
    let mut model = model();
    press(&mut model, "2");
    answer_page(&mut model, page(0, 1..601));
    let commands = press(&mut model, "<Enter>");
    assert!(matches!(
        &commands[..],
        [Command::Ask(_, Request::Detail(1, false))]
    ));
    press(&mut model, "<Esc>");
    assert!(model.layers.is_empty() && model.pending.detail.is_none());
    let commands = press(&mut model, "e");
    assert!(matches!(
        &commands[..],
        [Command::Ask(_, Request::IoStream(_, Follow::FdOf(1)))]
    ));
    press(&mut model, "<Esc>");
    let commands = press(&mut model, "t<Down><Down><Down><Enter>");
    assert!(
        matches!(&commands[..], [Command::Ask(_, Request::SystemView(time, SystemView::Files))] if *time == model.cursor)
    );
    press(&mut model, "3");
    assert!(
        model.layers.is_empty(),
        "another view closes what lay over the old one"
    );
}

#[test]
fn notes_are_kept_and_found_again() {
    let mut model = model();
    press(&mut model, "2");
    answer_page(&mut model, page(0, 1..601));
    let commands = press(&mut model, "<Down>mlook here<Enter>");
    let [Command::WriteNotes(notes)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(
        (notes.list[0].event, notes.list[0].text.as_str()),
        (Some(2), "look here")
    );
    press(&mut model, "1");
    press(&mut model, "M<Enter>");
    assert_eq!(model.view, View::Events);
    press(&mut model, "M");
    let commands = press(&mut model, "d");
    assert!(matches!(&commands[..], [Command::WriteNotes(notes)] if notes.list.is_empty()));
}

#[test]
fn a_rectangle_of_the_spectrogram_becomes_a_range_and_a_condition() {
    let mut model = model();
    press(&mut model, "<F2>");
    let Some(Overlay::List(list)) = model.layers.last() else {
        panic!("no menu");
    };
    let at = list
        .items
        .iter()
        .position(|i| i.choice == Choice::Show(View::Spectrogram));
    press(&mut model, &"<Down>".repeat(at.unwrap()));
    press(&mut model, "<Enter>");
    assert_eq!(model.view, View::Spectrogram);
    press(&mut model, "<Space><Right><Right><Up><Enter>");
    assert!(
        model.filter().starts_with("evt.latency >= "),
        "{}",
        model.filter()
    );
    assert_eq!(model.view, View::Events);
    let range = model.selection.unwrap();
    let share = range.len_ns() as f64 / model.whole.len_ns() as f64;
    assert!((share - 3.0 / 128.0).abs() < 0.002, "{share}");
}

#[test]
fn progress_of_another_scope_is_not_shown() {
    let mut model = model();
    let old = Progress {
        capture: Arc::clone(&model.capture),
        scope: model.scope(),
        tally: Arc::new(Tally::default()),
        done: 1,
        total: 2,
        finished: false,
        failed: None,
        damages: 0,
    };
    press(&mut model, "+");
    assert!(model.tally().is_none() && model.is_waiting());
    update(&mut model, Message::Progress(old));
    assert!(model.tally().is_none());
}

#[test]
fn every_key_of_the_help_does_something_or_says_why_not() {
    for binding in keys::BINDINGS.iter().filter(|b| b.context == Context::Main) {
        for view in TABS {
            let mut model = model_cheap();
            show(&mut model, view.0);
            for name in binding.keys {
                press(&mut model, name);
            }
        }
    }
}

/// A model without aggregation.
fn model_cheap() -> Model {
    let mut model = model_of("testdata/sample.scap");
    progress(&mut model, Tally::default());
    model
}

fn model_of(path: &str) -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let capture = Arc::new(IndexedCapture::open(&path).unwrap());
    let options = Options {
        name: "sample".to_owned(),
        theme: Theme::Plain,
        filter: String::new(),
        range: None,
        live: false,
        beside: None,
        of_damaged: false,
        parents: Vec::new(),
        rules: None,
    };
    Model::new(capture, options, Notes::default(), (80, 24)).0
}

#[test]
fn a_range_to_begin_with_is_the_window() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap");
    let capture = Arc::new(IndexedCapture::open(&path).unwrap());
    let whole = capture.span().unwrap();
    let range = Span {
        from: whole.from + 100,
        to: whole.from + 200_000,
    };
    let options = Options {
        name: "sample".to_owned(),
        theme: Theme::Plain,
        filter: "proc.name=curl".to_owned(),
        range: Some(range),
        live: false,
        beside: None,
        of_damaged: false,
        parents: Vec::new(),
        rules: None,
    };
    let (model, _) = Model::new(capture, options, Notes::default(), (80, 24));
    assert_eq!((model.window, model.cursor), (range, range.from));
    assert_eq!(model.filter(), "proc.name=curl");
}
