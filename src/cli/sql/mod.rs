//! `scap sql`.

mod lists;
mod print;
mod scan;
mod state;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::lists::List;
use self::print::Format;
use self::scan::CaptureScanner;
use super::aggregate::Threads;
use super::error::{CliError, Outcome};
use super::output::Output;
use super::stderr;
use super::table::{self, Side};
use crate::sql::{self, Database, FUNCTIONS, MAX_LEN, Options, VIEWS};
use crate::tables::{EVENTS, Source};

/// Arguments of `scap sql`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The query, unless -f is given; then captures. Several are merged by time
    #[arg(value_name = "QUERY] FILE…", required_unless_present = "tables")]
    words: Vec<PathBuf>,

    /// Read the query from a file
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// The form of the result
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT")]
    format: Format,

    /// Print a JSON object per line: `--format jsonl`
    #[arg(short = 'j', long)]
    json: bool,

    /// Add a table from a file: CSV with a header, a JSON array, or a JSON object per line
    #[arg(long, value_name = "NAME=FILE")]
    table: Vec<List>,

    /// The instant of the tables of the state (processes, fds …): a time, an offset (`+12.5s`), an event (`#123`), `start`
    /// or `end`
    #[arg(long, value_name = "WHEN", default_value = "end")]
    at: String,

    /// Most memory for the query, in MiB
    #[arg(long, value_name = "MIB", default_value = "512", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    memory: u64,

    /// Print which conditions became filters, and how much of the captures was read and skipped
    #[arg(short, long, alias = "explain")]
    verbose: bool,

    /// Read everything, and use no condition as filter; the result is the same
    #[arg(long)]
    no_skip: bool,

    #[command(flatten)]
    threads: Threads,

    /// List the columns of the tables, and the functions
    #[arg(long)]
    tables: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    if args.tables {
        return tables();
    }
    let (query, files) = query(args)?;
    let is_damaged = Arc::new(AtomicBool::new(false));
    let name = |file: &PathBuf| match file.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => file.display().to_string(),
    };
    let scanner = CaptureScanner {
        names: files.iter().map(name).collect(),
        files: files.clone(),
        threads: args.threads.count(),
        may_skip: !args.no_skip,
        verbose: args.verbose,
        is_damaged: Arc::clone(&is_damaged),
    };
    let options = Options {
        memory: args.memory << 20,
        pushes: !args.no_skip,
    };
    let failed = |error: rusqlite::Error| CliError::failed(sql::message(&error));
    let database = Database::new(Box::new(scanner), options).map_err(failed)?;
    for list in &args.table {
        list.add(&database)?;
    }
    if state::add(&database, &query, &files, &args.at)? {
        is_damaged.store(true, Ordering::Relaxed);
    }
    let mut statement = database.prepare(&query).map_err(CliError::failed)?;
    let format = match args.json {
        true => Format::Jsonl,
        false => args.format,
    };
    let printed = print::rows(&mut statement, format);
    drop(statement);
    if args.verbose {
        for scan in database.scans() {
            stderr::print(&format!("events: {scan}\n"));
        }
    }
    printed?;
    Ok(Outcome::of_damage(is_damaged.load(Ordering::Relaxed)))
}

/// Returns the query and the captures.
fn query(args: &Args) -> Result<(String, Vec<PathBuf>), CliError> {
    let (query, files) = match (&args.file, args.words.split_first()) {
        (Some(file), _) => {
            let shown = file.display();
            let failed = |error| CliError::failed(format!("cannot read {shown}: {error}"));
            let len = fs::metadata(file).map_err(failed)?.len();
            if len > MAX_LEN as u64 {
                return Err(CliError::failed(format!(
                    "{shown}: the query is longer than {MAX_LEN} bytes"
                )));
            }
            let text = fs::read(file).map_err(failed)?;
            (String::from_utf8(text).ok(), args.words.clone())
        }
        (None, Some((query, files))) => (query.to_str().map(str::to_owned), files.to_vec()),
        (None, None) => return Err(CliError::usage("a query is missing")),
    };
    let query = query.ok_or_else(|| CliError::usage("the query is not valid UTF-8"))?;
    if files.is_empty() {
        return Err(CliError::usage(
            "a capture is missing: scap sql 'SELECT …' FILE…",
        ));
    }
    Ok((query, files))
}

/// Prints the tables.
fn tables() -> Result<Outcome, CliError> {
    let mut output = Output::new();
    output.buffer().extend_from_slice(b"events\n");
    let row = |column: &crate::tables::EventColumn| {
        let field = match column.source {
            Source::Field(name) => name,
            _ => "",
        };
        [column.name, column.ty.name(), field, column.about]
            .map(str::to_owned)
            .to_vec()
    };
    let rows: Vec<Vec<String>> = EVENTS.iter().map(row).collect();
    let head = [
        ("column", Side::Left),
        ("type", Side::Left),
        ("field", Side::Left),
        ("", Side::Whole),
    ];
    table::write(output.buffer(), &head, &rows);
    let views = VIEWS.iter().map(|(name, about, _)| (name, about));
    let rows: Vec<Vec<String>> = state::TABLES
        .iter()
        .map(|(name, about, _)| (name, about))
        .chain(views)
        .map(|(name, about)| vec![(*name).to_owned(), (*about).to_owned()])
        .collect();
    output.buffer().extend_from_slice(b"\nother tables\n");
    let head = [("name", Side::Left), ("", Side::Whole)];
    table::write(output.buffer(), &head, &rows);
    output.buffer().extend_from_slice(
        b"\nAny field is a column as well: \"fd.sip\", or field('proc.aname[2]'). \
          WHERE filter = '...' takes a condition in the filter language.\n\nfunctions\n",
    );
    let rows: Vec<Vec<String>> = FUNCTIONS
        .iter()
        .map(|(name, _, about)| vec![(*name).to_owned(), (*about).to_owned()])
        .collect();
    table::write(
        output.buffer(),
        &[("name", Side::Left), ("", Side::Whole)],
        &rows,
    );
    output.finish()?;
    Ok(Outcome::Done)
}
