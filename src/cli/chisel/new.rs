//! `scap chisel new`: writes a script template.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use crate::cli::error::{CliError, Outcome};
use crate::cli::output::Output;
use crate::files;

/// Arguments of `scap chisel new`.
#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    /// Name of the chisel; its script is written to NAME.lua
    #[arg(value_name = "NAME")]
    name: String,
}

const TEMPLATE: &str = include_str!("template.lua");

pub(super) fn run(args: &NewArgs) -> Result<Outcome, CliError> {
    let name = args.name.strip_suffix(".lua").unwrap_or(&args.name);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.starts_with('-') || !name.chars().all(is_name) {
        return Err(CliError::usage(
            "a chisel name consists of letters, digits, `_` and `-`, and does not begin with `-`",
        ));
    }
    let path = PathBuf::from(format!("{name}.lua"));
    let shown = path.display();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => CliError::failed(format!("{shown} exists already")),
        _ => CliError::failed(format!("cannot write {shown}: {error}")),
    };
    let mut file = files::create_new(&path).map_err(failed)?;
    file.write_all(TEMPLATE.as_bytes()).map_err(failed)?;
    let mut output = Output::new();
    let next = format!(
        "wrote {shown}\n\
         run it:   scap read CAPTURE -c ./{shown}\n\
         test it:  write `$ scap read CAPTURE -c {name}` into {name}.test, then\n          \
                   scap chisel test --update {shown}; from then on without --update\n"
    );
    output.buffer().extend_from_slice(next.as_bytes());
    output.finish()?;
    Ok(Outcome::Done)
}
