//! Where and how reports are written.

use std::io::IsTerminal;

use super::args::ReportArgs;
use crate::config::Config;
use crate::report::TextOptions;

/// How the text report is written.
pub(super) fn text_options(args: &ReportArgs, config: &Config) -> TextOptions {
    let fixes = config.fix_format(args.fix_format.map(Into::into));
    TextOptions { fixes, detail: args.detail(), width: width() }
}

/// Columns of the terminal: `COLUMNS`, else what the terminal says; `None` where the output goes elsewhere.
fn width() -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let of_terminal = || {
        let size = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        size.map(|(width, _)| usize::from(width.0))
    };
    asked.or_else(of_terminal).filter(|columns| *columns > 0)
}
