//! Alerts on the screen.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::*;

fn shown(screen: &Screen) -> String {
    screenshot::text(&screen.draw())
}

fn intrusion() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/intrusion.scap")
}

/// Opens a capture with scap's own rules.
fn open_with_own_rules(path: &Path, size: (u16, u16)) -> Screen {
    let mut loader = Loader::new(Settings::default());
    loader.add(crate::rules::BUILT_IN_NAME, crate::rules::BUILT_IN);
    let rules = loader.finish().1.unwrap();
    let rules = Rules::new(rules, Selection::default(), Matching::First);
    let options = Options {
        rules: Some(Arc::new(rules)),
        ..options()
    };
    let capture = Arc::new(IndexedCapture::open(path).unwrap());
    Screen::open(&capture, options, Notes::default(), size).unwrap()
}

#[test]
fn from_the_overview_to_the_alerts_of_a_rule_to_an_event_and_back() {
    let mut screen = open_with_own_rules(&intrusion(), (120, 40));
    let overview = shown(&screen);
    // The most severe rule comes first, and the lane has the letter of the most severe alert.
    let lines: Vec<&str> = overview.lines().collect();
    let rule = lines
        .iter()
        .position(|l| l.starts_with("C Critical       3  "));
    assert!(lines[rule.unwrap()].contains("Shell on a network connection: cat, uname, ls"));
    assert!(
        lines[rule.unwrap() + 1].starts_with("W Warning        1  "),
        "{overview}"
    );
    let lane = lines
        .iter()
        .find(|line| line.starts_with("alerts"))
        .unwrap();
    assert!(lane.contains("C  C  C"), "{lane}");
    press(&mut screen, "<Home><Enter>");
    let list = shown(&screen);
    assert!(
        list.contains("1/3 ") && list.contains("cat                26015"),
        "{list}"
    );
    press(&mut screen, "<Down><Enter>");
    // The event is among those around it, and its details begin with the alert.
    let event = shown(&screen);
    assert!(
        event.contains("event 10020") && event.contains("10,020/17,280"),
        "{event}"
    );
    let Some(Overlay::Detail(pane)) = screen.model.layers.last() else {
        panic!("no details");
    };
    let group = &pane.detail.as_ref().unwrap().groups[0];
    assert_eq!((group.title, group.entries.len()), ("Alerts", 1));
    assert_eq!(group.entries[0].name, "Critical");
    assert!(
        group.entries[0]
            .value
            .starts_with("Shell on a network connection: A shell ")
    );
    press(&mut screen, "<Esc><Backspace>");
    assert_eq!(shown(&screen).replace("2/3 ", "1/3 "), list);
    press(&mut screen, "<Backspace>");
    assert_eq!(shown(&screen), overview);
}

#[test]
fn alerts_are_those_of_the_range_and_the_filter() {
    let mut screen = open_with_own_rules(&intrusion(), (120, 40));
    press(&mut screen, "A");
    assert!(shown(&screen).contains("1/2 "));
    press(&mut screen, ":proc.name = ls<Enter>");
    let filtered = shown(&screen);
    assert!(
        filtered.contains("1/1 ") && filtered.contains("Critical         1"),
        "{filtered}"
    );
    press(&mut screen, ":<C-u>proc.name = nginx<Enter>");
    assert!(shown(&screen).contains("no rows"));
    press(&mut screen, ":<C-u><Enter>");
    // Only the first alert is in this range.
    let (first, second) = (9_831, 10_020);
    let ts = |num| {
        let alerts = screen.model.alerts.list().unwrap();
        alerts.of_event(num).next().unwrap().1.ts
    };
    let span = Span {
        from: ts(first),
        to: ts(second) - 1,
    };
    screen.model.selection = Some(span);
    let commands = screen.model.refresh();
    screen.carry_out(commands);
    screen.settle().unwrap();
    let range = shown(&screen);
    assert!(
        range.contains("1/1 ") && range.contains("Critical         1"),
        "{range}"
    );
    // The events of a rule, whatever else they have in common.
    press(&mut screen, "<Esc>d");
    let events = shown(&screen);
    assert!(
        events.contains("everything \u{25b8} rule Shell on a network connection"),
        "{events}"
    );
    assert!(events.contains("1/3 "), "{events}");
}

#[test]
fn by_tactic_each_has_its_rules() {
    let mut screen = open_with_own_rules(&intrusion(), (120, 40));
    press(&mut screen, "Ax");
    let rows: Vec<(u16, String)> = {
        let table = screen.model.pane.table.as_ref().unwrap();
        let name = |row: &crate::stats::table::Row| cells::text(row.cells.last().unwrap(), 99);
        table
            .rows
            .iter()
            .map(|row| (row.depth, name(row)))
            .collect()
    };
    let row = |depth, name: &str| (depth, name.to_owned());
    let expected = [
        row(0, "Execution"),
        row(1, "Shell on a network connection"),
        row(1, "Written script executed"),
        row(0, "Command and Control"),
        row(1, "Shell on a network connection"),
    ];
    assert_eq!(rows, expected);
    press(&mut screen, "<Enter>");
    assert!(shown(&screen).contains("1/4 "));
    press(&mut screen, "x");
    assert!(shown(&screen).contains("1/2 "), "by rule again");
}

#[test]
fn an_alert_for_each_of_very_many_events_is_counted_and_some_are_listed() {
    const EVENTS: u64 = 30_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("many.scap");
    let mut made = MadeUp::new(&path);
    for n in 0..EVENTS {
        let uid = 0_u32.to_le_bytes();
        made.push(types::SYSCALL_GETUID_X, n * 1_000_000, 1, Some(1), &[&uid]);
    }
    made.finish();
    let mut screen = open_with_rules(&path, (120, 60));
    press(&mut screen, "A");
    let all = shown(&screen);
    assert!(
        all.contains("30,000") && all.contains("(incomplete)"),
        "{all}"
    );
    press(&mut screen, "<Enter>");
    let rows = screen.model.pane.order.len();
    assert!((1_000..10_000).contains(&rows), "{rows}");
    assert!(shown(&screen).contains("(incomplete)"));
    // The lane has no gaps.
    let lane = all.lines().find(|line| line.starts_with("alerts")).unwrap();
    assert_eq!(lane.matches('I').count(), 110, "{lane}");
    // Any event has its alert, kept or not.
    let alerts = screen.model.alerts.list().unwrap();
    let missing = (1..EVENTS)
        .find(|num| alerts.of_event(*num).next().is_none())
        .unwrap();
    press(&mut screen, &format!("2:evt.num={missing}<Enter><Enter>"));
    let detail = shown(&screen);
    assert!(
        detail.contains("Informational") && detail.contains("every "),
        "{detail}"
    );
}

#[test]
fn without_rules_there_is_no_lane() {
    let options = Options {
        rules: None,
        ..options()
    };
    let capture = Arc::new(IndexedCapture::open(&intrusion()).unwrap());
    let mut screen = Screen::open(&capture, options, Notes::default(), (80, 24)).unwrap();
    assert!(!shown(&screen).contains("alerts"));
    press(&mut screen, "A");
    assert!(
        shown(&screen).contains("no rules are evaluated"),
        "{}",
        shown(&screen)
    );
}

#[test]
fn the_mouse_opens_the_alerts_of_a_rule() {
    let mut screen = open_with_own_rules(&intrusion(), (120, 40));
    let overview = shown(&screen);
    let row = overview
        .lines()
        .position(|l| l.starts_with("W Warning"))
        .unwrap();
    let click = |screen: &mut Screen, row: usize| {
        screen.send(Message::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: 20,
            row: row as u16,
            modifiers: KeyModifiers::NONE,
        }));
        screen.settle().unwrap();
    };
    click(&mut screen, row);
    assert_eq!(screen.model.alerts.line, Some(1));
    // A tile below is still a tile.
    click(&mut screen, row + 1);
    assert_eq!((screen.model.alerts.line, screen.model.tile), (None, 0));
    click(&mut screen, row);
    click(&mut screen, row);
    let list = shown(&screen);
    assert!(
        list.contains("1/1 ") && list.contains(".cache-upd"),
        "{list}"
    );
    // The letters are explained.
    press(&mut screen, "<F7>");
    assert!(
        shown(&screen).contains("C            Critical"),
        "{}",
        shown(&screen)
    );
}
