//! The recording options that `record` and `live` share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::error::CliError;
use crate::cli::positionals;
use crate::cli::stderr;
use crate::record::{self, AuditOptions, ContainerOptions, KernelChoice, Options};

/// Selects what is recorded.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct What {
    /// Record only events that match this filter in the language of sysdig and Falco, such as
    /// 'proc.name=sshd and evt.type=execve'
    #[arg(value_name = "FILTER")]
    filter: Vec<OsString>,

    #[command(flatten)]
    how: How,
}

/// How events are recorded.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct How {
    /// Stop after this many seconds
    #[arg(short = 'M', long = "duration", value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// Keep at most this many bytes of each data buffer
    #[arg(
        short = 's',
        long = "snaplen",
        value_name = "BYTES",
        default_value_t = record::DEFAULT_SNAPLEN,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(record::MAX_SNAPLEN))
    )]
    snaplen: u32,

    /// Size of the ring buffer between kernel and recorder, per CPU
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = record::DEFAULT_BUFFER_MIB,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(record::MAX_BUFFER_MIB))
    )]
    buffer_size: u32,

    /// Record only these processes; a leading `!` excludes the listed ones
    #[arg(long, value_name = "[!]PID", value_delimiter = ',')]
    pid: Vec<String>,

    /// Record only threads with these names; a leading `!` excludes the listed ones
    #[arg(long, value_name = "[!]NAME", value_delimiter = ',')]
    comm: Vec<String>,

    /// Record only these syscalls; a leading `!` excludes the listed ones
    #[arg(long, value_name = "[!]NAME", value_delimiter = ',')]
    syscall: Vec<String>,

    /// Mount point of the machine's root directory, for recording from a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    host_root: PathBuf,

    /// Also query the container runtime at this socket, in addition to the detected ones
    #[arg(long, value_name = "PATH")]
    container_socket: Vec<PathBuf>,

    /// Keep the environment variables of containers, which can contain secrets
    #[arg(long)]
    container_env: bool,

    /// Query no container runtime: containers have ids but no names
    #[arg(long)]
    no_container_names: bool,

    /// Run this command, record it and all its descendants, and stop when it ends
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Parses a number of seconds, with or without a fraction.
pub(in crate::cli) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl What {
    /// Returns the text of the filter, if any.
    pub(in crate::cli) fn filter_text(&self) -> Result<Option<String>, CliError> {
        let text = positionals::join(&self.filter)?;
        Ok(Some(text).filter(|text| !text.trim().is_empty()))
    }

    /// Converts the command line to the recorder's options.
    pub(in crate::cli) fn options(&self, max_events: Option<u64>) -> Result<Options, CliError> {
        self.how.options(self.filter_text()?.as_deref(), max_events)
    }
}

impl How {
    /// Converts the options, with the text of a filter, to the recorder's.
    pub(in crate::cli) fn options(
        &self,
        filter: Option<&str>,
        max_events: Option<u64>,
    ) -> Result<Options, CliError> {
        let (pids, not_pids) = split(&self.pid, "--pid")?;
        let (comms, not_comms) = split(&self.comm, "--comm")?;
        let (syscalls, not_syscalls) = split(&self.syscall, "--syscall")?;
        let numbers = |words: Vec<String>| -> Result<Vec<u32>, CliError> {
            let number = |word: &String| {
                word.parse()
                    .map_err(|_| CliError::usage(format!("--pid: {word:?} is not a process id")))
            };
            words.iter().map(number).collect()
        };
        let mut given = vec![
            ("snaplen".to_owned(), self.snaplen.to_string()),
            ("buffer-size".to_owned(), self.buffer_size.to_string()),
        ];
        let mut note = |name: &str, words: &[String]| {
            if !words.is_empty() {
                given.push((name.to_owned(), words.join(",")));
            }
        };
        note("pid", &self.pid);
        note("comm", &self.comm);
        note("syscall", &self.syscall);
        given.extend(filter.map(|text| ("filter".to_owned(), text.to_owned())));
        let command: Vec<String> = self
            .command
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        if !command.is_empty() {
            given.push(("command".to_owned(), command.join(" ")));
        }
        Ok(Options {
            duration: self.duration,
            max_events,
            snaplen: self.snaplen,
            buffer_mib: self.buffer_size,
            pids: numbers(pids)?,
            not_pids: numbers(not_pids)?,
            comms,
            not_comms,
            syscalls,
            not_syscalls,
            filter: filter.map(positionals::filter).transpose()?,
            types: None,
            host_root: self.host_root.clone(),
            containers: ContainerOptions {
                enabled: !self.no_container_names,
                sockets: self.container_socket.clone(),
                env: self.container_env,
                ..ContainerOptions::default()
            },
            audit: AuditOptions::default(),
            command: self.command.clone(),
            holder: std::env::current_exe().map_err(|error| {
                CliError::failed(format!("cannot find the program's own file: {error}"))
            })?,
            given,
        })
    }
}

/// Splits values into those without and those with a leading `!`. A mixture would be ambiguous.
fn split(words: &[String], option: &str) -> Result<(Vec<String>, Vec<String>), CliError> {
    let (exclude, include): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with('!'));
    if !exclude.is_empty() && !include.is_empty() {
        return Err(CliError::usage(format!(
            "{option}: values with and without `!` cannot be mixed"
        ))
        .hint("use only included or only excluded values"));
    }
    let bare = |word: &String| word.trim_start_matches('!').to_owned();
    Ok((
        include.into_iter().cloned().collect(),
        exclude.into_iter().map(bare).collect(),
    ))
}

/// Prints what is filtered in the kernel and what in userspace, for `-v`.
pub(in crate::cli) fn print_choice(options: &Options) {
    let KernelChoice {
        recorded,
        all,
        depends_on_all,
        elsewhere,
    } = record::kernel_choice(options);
    let mut text = if recorded.len() < all {
        format!(
            "in the kernel: {} of {all} syscalls are recorded: {}\n",
            recorded.len(),
            recorded.join(", ")
        )
    } else {
        let why = match (depends_on_all, &options.filter) {
            (Some(field), _) => format!(", since {field} depends on them"),
            (None, Some(_)) => ", since the filter can match any of them".to_owned(),
            (None, None) => String::new(),
        };
        format!("in the kernel: all {all} syscalls are recorded{why}\n")
    };
    if let Some(elsewhere) = elsewhere {
        text.push_str(&format!(
            "in the kernel: {elsewhere} of them only for their effect on the state, in containers that the filter rules out\n"
        ));
    }
    if options.filter.is_some() {
        text.push_str("in userspace: the filter is applied to each event\n");
    }
    stderr::print(&text);
}
