//! Parses the command line, installs the cryptography, runs, and turns the outcome into an exit code: 0 nothing found,
//! 1 findings, 2 bad usage, unreadable input or no source, 3 an answer that depends.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rolecall::cli::{self, Cli, Command, Exit};
use rolecall::run;

/// Gives back to the system what loading a large snapshot took, which the system's own allocator keeps; and is faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    rolecall_certs::install_crypto_provider();
    match cli.color {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    let ended = match &cli.command {
        Command::Serve(args) => run::serve(args).map(|()| Exit::Clean),
        Command::Check(args) => buffered(&mut out, |out| cli::check(args, out, &mut std::io::stderr())),
        Command::Scan(args) => buffered(&mut out, |out| cli::scan(args, out)),
        Command::Replay(args) => buffered(&mut out, |out| cli::replay(args, out, &mut std::io::stderr())),
        Command::CanI(args) => buffered(&mut out, |out| cli::can_i(args, out)),
        Command::WhoCan(args) => buffered(&mut out, |out| cli::who_can(args, out)),
        Command::Explain(args) => buffered(&mut out, |out| cli::explain(args, out).map(|()| Exit::Clean)),
        Command::Config(args) => buffered(&mut out, |out| cli::config(args, out).map(|()| Exit::Clean)),
        Command::Schema(args) => buffered(&mut out, |out| cli::schema(args, out).map(|()| Exit::Clean)),
        Command::Snapshot(args) => cli::snapshot(args, &mut out, &mut std::io::stderr()).map(|()| Exit::Clean),
        Command::Completions(args) => buffered(&mut out, |out| cli::completions(args, out).map(|()| Exit::Clean)),
        Command::Version => buffered(&mut out, |out| cli::version(out).map(|()| Exit::Clean)),
        Command::Try(args) => run::demo(args, &mut out).map(|()| Exit::Clean),
    };
    match ended {
        Ok(Exit::Clean) => ExitCode::SUCCESS,
        Ok(Exit::Findings) => ExitCode::from(1),
        Ok(Exit::Unreadable) => ExitCode::from(2),
        Ok(Exit::Depends) => ExitCode::from(3),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(format!("error: {error:#}\n"));
            ExitCode::from(2)
        }
    }
}

/// Writes on standard error, which may be closed, or full without a reader: the exit code then has to do.
fn say(text: String) {
    let (ending, ended) = std::sync::mpsc::channel::<()>();
    let writing = std::thread::Builder::new().spawn(move || {
        let _ = std::io::stderr().write_all(text.as_bytes());
        drop(ending);
    });
    if writing.is_ok() {
        let _ = ended.recv_timeout(std::time::Duration::from_secs(2));
    }
}

/// A report is written in few calls.
fn buffered(out: &mut dyn Write, command: impl FnOnce(&mut dyn Write) -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    let mut buffer = std::io::BufWriter::new(out);
    let exit = command(&mut buffer)?;
    buffer.flush()?;
    Ok(exit)
}

/// The reader of the report has closed the pipe, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
