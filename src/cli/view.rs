//! `scap view`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::audit::AuditArgs;
use super::convert::to_native;
use super::error::{CliError, Outcome, warn};
use super::input::Input;
use super::positionals;
use super::read::{cannot_write, refuse_same};
use super::record::on_signals;
use super::rules::RuleFiles;
use super::window;
use crate::files;
use crate::filter::When;
use crate::inspect::alerts::Rules;
use crate::record::{self, Destination, Notice};
use crate::replay::Span;
use crate::replay::{IndexedCapture, IndexedCaptureError};
use crate::tui::{self, Picture, Theme, ViewError};

/// Size limit of a live recording, in bytes: nobody manages the temporary file, so it must not fill
/// the disk.
const LIVE_BYTES: u64 = 1 << 30;
/// Time limit for the recorder's first events.
const FIRST_EVENTS: Duration = Duration::from_secs(30);

/// Arguments of `scap view`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The capture; several are merged by time; the words after the files are an initial filter
    #[arg(value_name = "FILE… [FILTER")]
    words: Vec<OsString>,

    /// Start at a time (`2026-11-24 03:12:01.5`, `03:12:01`) or an offset from the first event
    /// (`+12.5s`)
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,

    /// End at this time or offset
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,

    /// Follow a capture that is being recorded; without FILE, record this machine and show it
    #[arg(long)]
    live: bool,

    /// The colour theme
    #[arg(
        long,
        help_heading = "Options",
        value_name = "THEME",
        default_value = "auto"
    )]
    theme: ThemeChoice,

    /// Press these keys instead of reading a terminal: characters, `<Enter>`, `<F2>`, `<S-Left>`, `<lt>` for `<`
    #[arg(long, value_name = "KEYS", requires = "screenshot")]
    script: Option<String>,

    /// After the script, write the screen to this file: SVG if its name ends in .svg, else text;
    /// `-` is standard output
    #[arg(long, value_name = "FILE")]
    screenshot: Option<PathBuf>,

    /// Size of the screenshot
    #[arg(long, value_name = "COLSxROWS", default_value = "120x40", value_parser = size)]
    size: (u16, u16),

    #[command(flatten)]
    audit: AuditArgs,

    #[command(flatten, next_help_heading = "Options about rules")]
    rules: RuleFiles,

    /// Do not evaluate rules
    #[arg(long, conflicts_with = "rules")]
    no_rules: bool,
}

/// Values of `--theme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ThemeChoice {
    /// Dark, or none if NO_COLOR is set
    Auto,
    /// For a dark background
    Dark,
    /// For a light background
    Light,
    /// No colours
    None,
}

impl ThemeChoice {
    fn theme(self) -> Theme {
        let refused = || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        match self {
            Self::Auto if refused() => Theme::Plain,
            Self::Auto | Self::Dark => Theme::Dark,
            Self::Light => Theme::Light,
            Self::None => Theme::Plain,
        }
    }
}

/// Columns and rows: `120x40`.
fn size(text: &str) -> Result<(u16, u16), String> {
    let parse = |part: &str| part.parse().ok().filter(|n| (1..=1000).contains(n));
    let parts = text.split_once('x');
    parts
        .and_then(|(columns, rows)| Some((parse(columns)?, parse(rows)?)))
        .ok_or_else(|| "columns and rows, such as 120x40".to_owned())
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let is_script = args.screenshot.is_some();
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if !is_script && !is_terminal {
        return Err(CliError::usage("standard output is not a terminal").hint(
            "use `scap read` or `scap info`, or write the screen to a file with --screenshot",
        ));
    }
    // Nothing has to be restored after a script, so that signals end it at once.
    let stop = match is_script {
        true => Arc::default(),
        false => on_signals()
            .map_err(|error| CliError::failed(format!("cannot handle signals: {error}")))?,
    };
    let rules = rules(args)?;
    if args.live && args.words.is_empty() && args.audit.is_empty() {
        return live(args, rules, &stop);
    }
    let (files, filter) = positionals::split(&[], &args.words, args.audit.is_empty())?;
    if let Some(text) = &filter {
        positionals::filter(text)?;
    }
    let inputs: Vec<Input> = files
        .iter()
        .map(|file| Input::open(file))
        .collect::<Result<_, _>>()?;
    if let Some(target) = &args.screenshot {
        for file in &files {
            refuse_same(file, target)?;
        }
        if target.as_os_str() != "-" {
            files::check(target).map_err(|error| cannot_write(target, &error))?;
        }
    }
    let mut names: Vec<&str> = inputs.iter().map(|input| &*input.name).collect();
    names.extend((!args.audit.is_empty()).then_some("audit logs"));
    let name = names.join(", ");
    if let ([file], [input]) = (&files[..], &inputs[..])
        && input.is_seekable()
        && args.audit.is_empty()
    {
        let shown = Shown {
            path: file,
            beside: Some(file.clone()),
            parents: files.clone(),
            name,
            kind: Kind::of(args.live),
            rules,
        };
        return show(args, shown, filter, &stop);
    }
    if args.live {
        return Err(CliError::usage(
            "only a single native capture in a file can be followed",
        ));
    }
    // Several captures, and captures that are not seekable, are converted to one seekable capture
    // first.
    let copy = temporary()?;
    let kind = match to_native(inputs, args.audit.open()?, &copy)? {
        Outcome::Done => Kind::Whole,
        Outcome::Damaged => Kind::OfDamaged,
    };
    let path = files::path_of(&copy);
    let beside = match &files[..] {
        [file] if file.as_os_str() != "-" => Some(file.clone()),
        _ => None,
    };
    let shown = Shown {
        path: &path,
        beside,
        parents: files.iter().chain(args.audit.files()).cloned().collect(),
        name,
        kind,
        rules,
    };
    show(args, shown, filter, &stop)
}

/// Loads the rules whose alerts are shown.
fn rules(args: &Args) -> Result<Option<Arc<Rules>>, CliError> {
    if args.no_rules {
        return Ok(None);
    }
    let settled = args.rules.settle()?;
    let rules = args.rules.load(&settled.settings, false)?;
    settled.check(&rules)?;
    let rules = Rules::new(rules, settled.selection, settled.matching);
    Ok(Some(Arc::new(rules)))
}

/// The kind of capture that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A complete capture.
    Whole,
    /// A capture that is being recorded.
    Growing,
    /// A capture converted from a damaged or incomplete one, which was reported.
    OfDamaged,
}

impl Kind {
    fn of(live: bool) -> Self {
        if live { Self::Growing } else { Self::Whole }
    }
}

/// A capture that is shown.
struct Shown<'a> {
    path: &'a Path,
    /// The file of the user that it is, or was made of.
    beside: Option<PathBuf>,
    /// All files that it is, or was made of.
    parents: Vec<PathBuf>,
    name: String,
    kind: Kind,
    rules: Option<Arc<Rules>>,
}

/// Makes the file of a capture that only this program reads.
fn temporary() -> Result<File, CliError> {
    files::nameless()
        .map_err(|error| CliError::failed(format!("cannot make a temporary file: {error}")))
}

/// Shows a capture.
fn show(
    args: &Args,
    shown: Shown<'_>,
    filter: Option<String>,
    stop: &Arc<AtomicBool>,
) -> Result<Outcome, CliError> {
    let Shown {
        path,
        beside,
        parents,
        name,
        kind,
        rules,
    } = shown;
    let options = tui::Options {
        range: range(args, &name, path)?,
        name,
        beside,
        parents,
        theme: args.theme.theme(),
        filter: filter.unwrap_or_default(),
        live: kind == Kind::Growing,
        of_damaged: kind == Kind::OfDamaged,
        rules,
    };
    let name = options.name.clone();
    let outcome = |is_damaged: bool| {
        if is_damaged && kind == Kind::Whole {
            warn(
                &format!(
                    "{name}: the capture is damaged or incomplete; its readable part was shown"
                ),
                Some("`scap info` lists the damage and what is readable"),
            );
        }
        Outcome::of_damage(is_damaged)
    };
    let Some(target) = &args.screenshot else {
        let is_damaged = tui::run(path, options, stop).map_err(|e| failed(&name, e))?;
        return Ok(outcome(is_damaged));
    };
    let is_svg = target
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("svg"));
    let picture = if is_svg { Picture::Svg } else { Picture::Text };
    let keys = args.script.as_deref().unwrap_or_default();
    let (drawn, is_damaged) =
        tui::picture(path, options, keys, args.size, picture).map_err(|e| failed(&name, e))?;
    if target.as_os_str() == "-" {
        let written = io::stdout().write_all(drawn.as_bytes());
        written.map_err(|error| CliError::output(&error))?;
    } else {
        files::write(target, drawn.as_bytes()).map_err(|error| cannot_write(target, &error))?;
    }
    Ok(outcome(is_damaged))
}

/// Returns the range of `--from` and `--to`.
fn range(args: &Args, name: &str, path: &Path) -> Result<Option<Span>, CliError> {
    if args.from.is_none() && args.to.is_none() {
        return Ok(None);
    }
    // They are parsed as in all commands.
    let selection = positionals::selection(None, args.from.as_deref(), args.to.as_deref())?;
    let capture = IndexedCapture::open(path).map_err(|error| failed(name, error.into()))?;
    let Some(whole) = capture.span() else {
        return Ok(None);
    };
    let time = |when: Option<When>, otherwise: u64| match when {
        Some(When::Event(_)) => Err(CliError::usage("--from and --to accept only times here")
            .hint("use evt.num in the filter for event numbers")),
        Some(when) => Ok(when
            .within(whole.from, whole.to)
            .time(capture.first_time())
            .unwrap_or(otherwise)),
        None => Ok(otherwise),
    };
    let from = time(selection.from, whole.from)?;
    let to = time(selection.to, whole.to)?;
    let range = Span {
        from,
        to: to.max(from),
    };
    match range.intersection(whole) {
        Some(range) => Ok(Some(range)),
        None => Err(CliError::failed("the capture has no events in this range")
            .hint(window::range_text((whole.from, whole.to)))),
    }
}

fn failed(name: &str, error: ViewError) -> CliError {
    match error {
        ViewError::Capture(IndexedCaptureError::Capture(error)) => CliError::capture(name, &error),
        ViewError::Key(_) => CliError::usage(format!("--script: {error}")).hint(
            "characters stand for themselves; other keys are <Enter>, <F2>, <C-c>, <S-Left>, <lt>",
        ),
        ViewError::Notes(_) => CliError::failed(error.to_string())
            .hint("move the file away: notes are only added to a readable file"),
        other => CliError::failed(super::error::with_sources(&other)),
    }
}

/// Records this machine into a temporary capture and shows it.
fn live(
    args: &Args,
    rules: Option<Arc<Rules>>,
    stop: &Arc<AtomicBool>,
) -> Result<Outcome, CliError> {
    let file = temporary()?;
    let path = files::path_of(&file);
    let copy = file.try_clone();
    let copy = copy.map_err(|error| CliError::failed(format!("cannot record: {error}")))?;
    let over = Arc::new(AtomicBool::new(false));
    let recorder = {
        let over = Arc::clone(&over);
        let work = move || {
            let mut watch = |notice: Notice<'_>| {
                if let Notice::Status(status) = notice
                    && status.bytes > LIVE_BYTES
                {
                    over.store(true, Ordering::Relaxed);
                }
            };
            let options = record::Options::default();
            record::record(
                &options,
                Destination::Stream(copy),
                None,
                None,
                &over,
                &mut watch,
            )
        };
        let builder = thread::Builder::new().name("scap-record".to_owned());
        builder
            .spawn(work)
            .map_err(|error| CliError::failed(format!("cannot start a thread: {error}")))?
    };
    let begun = Instant::now();
    let has_events = || IndexedCapture::open(&path).is_ok_and(|capture| capture.span().is_some());
    while !recorder.is_finished() && !has_events() && !stop.load(Ordering::Relaxed) {
        if begun.elapsed() > FIRST_EVENTS {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let shown = match has_events() {
        true => show(
            args,
            Shown {
                path: &path,
                beside: None,
                parents: Vec::new(),
                name: "this machine".to_owned(),
                kind: Kind::Growing,
                rules,
            },
            None,
            stop,
        ),
        false => Ok(Outcome::Done),
    };
    let was_over = over.swap(true, Ordering::Relaxed);
    let recorded = recorder
        .join()
        .map_err(|_| CliError::failed("the recorder crashed"))?;
    recorded.map_err(CliError::from)?;
    if was_over {
        warn(
            &format!(
                "the recording stopped at its limit of {} MiB",
                LIVE_BYTES >> 20
            ),
            Some("`scap record -w FILE` has no size limit; `scap view --live FILE` follows it"),
        );
    }
    shown
}
