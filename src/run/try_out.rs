//! `rolecall try`
use crate::cli::TryArgs;
/// x
pub fn try_out(_: &TryArgs, _: &mut dyn std::io::Write) -> anyhow::Result<()> {
    Ok(())
}
