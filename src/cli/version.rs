//! `rolecall version`

use std::io::Write;

/// The commit that was built, where the build says so in this variable.
const COMMIT: Option<&str> = option_env!("ROLECALL_COMMIT");

/// Prints the version, and how this program was built.
///
/// # Errors
/// Where writing fails.
pub fn version(out: &mut dyn Write) -> anyhow::Result<()> {
    let features: Vec<&str> = [("aws", cfg!(feature = "aws")), ("kube", cfg!(feature = "kube"))]
        .into_iter()
        .filter_map(|(name, is_built)| is_built.then_some(name))
        .collect();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    writeln!(out, "rolecall {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "commit: {}", COMMIT.unwrap_or("unknown"))?;
    writeln!(out, "platform: {}/{}", std::env::consts::OS, std::env::consts::ARCH)?;
    writeln!(out, "features: {features}")?;
    writeln!(out, "profile: {}", if cfg!(debug_assertions) { "debug" } else { "release" })?;
    Ok(())
}
