//! `rolecall completions`

use std::io::Write;

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs};

/// Prints a script that completes commands and options in a shell.
///
/// # Errors
/// Where writing fails.
pub fn completions(args: &CompletionsArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    // The generator panics where writing fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rolecall", &mut script);
    out.write_all(&script)?;
    Ok(())
}
