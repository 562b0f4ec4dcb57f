//! Options of sysdig that `read` and `live` understand without having a use for them.

use super::error::CliError;

/// Options of sysdig. Those that ask for what scap does anyway are accepted, for the others the
/// error names the command to use.
#[derive(Debug, clap::Args)]
pub(super) struct SysdigOptions {
    /// Addresses and ports are printed as numbers
    #[arg(short = 'N', long = "dont-convert-port", hide = true)]
    numeric: bool,

    /// Captures are always compressed
    #[arg(short = 'z', long = "compress", hide = true)]
    compress: bool,

    /// Filters are always applied after the state has been updated
    #[arg(short = 'd', long = "displayflt", hide = true)]
    display_filter: bool,

    /// Written captures always keep the events that later ones depend on
    #[arg(short = 'F', long = "fatfile", hide = true)]
    fat: bool,

    #[arg(short = 'S', long = "summary", hide = true)]
    summary: bool,

    #[arg(short = 'l', long = "list", hide = true)]
    list: bool,

    #[arg(short = 'L', long = "list-events", hide = true)]
    list_events: bool,

    #[arg(long = "list-chisels", hide = true)]
    list_chisels: bool,

    #[arg(
        short = 'i',
        long = "chisel-info",
        value_name = "CHISEL",
        num_args = 0..=1,
        default_missing_value = "CHISEL",
        hide = true
    )]
    chisel_info: Option<String>,

    #[arg(short = 'R', long = "resolve-ports", hide = true)]
    resolve_ports: bool,
}

impl SysdigOptions {
    /// Returns the error for an option that another command is for.
    pub(super) fn check(&self) -> Result<(), CliError> {
        let describe = self
            .chisel_info
            .as_ref()
            .map(|name| format!("`scap chisel info {name}` describes a chisel"));
        let answers = [
            (
                self.summary,
                "-S",
                "`scap read -c topscalls FILE` counts calls, `scap info FILE` counts all events",
            ),
            (self.list, "-l", "`scap fields` lists the fields"),
            (
                self.list_events,
                "-L",
                "`scap events` lists the event types",
            ),
            (
                self.list_chisels,
                "--list-chisels",
                "`scap chisel list` lists the chisels",
            ),
            (
                describe.is_some(),
                "-i",
                describe.as_deref().unwrap_or_default(),
            ),
            (
                self.resolve_ports,
                "-R",
                "ports are printed as numbers, as they were recorded",
            ),
        ];
        match answers.into_iter().find(|(is_given, ..)| *is_given) {
            Some((_, option, answer)) => {
                Err(CliError::usage(format!("{option} is an option of sysdig")).hint(answer))
            }
            None => Ok(()),
        }
    }
}
