//! `rolecall snapshot`

use std::io::Write;

use super::args::SnapshotArgs;

/// Collects a snapshot and writes it; tells on `said` how far it is and what came of it.
///
/// # Errors
/// Where the cluster cannot be read, or the snapshot cannot be written.
#[cfg(feature = "aws")]
pub fn snapshot(args: &SnapshotArgs, out: &mut dyn Write, said: &mut dyn Write) -> anyhow::Result<()> {
    use crate::config::Config;
    use crate::sources::aws::{Aws, Wanted};
    use crate::sources::{Manifests, Target, Written, wait};

    let config = args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let roles = Manifests::load(&args.manifests)?.named_roles();
    let wanted = Wanted { roles, policies: args.policies };
    wait(async {
        let target = Target::open(&args.output, &config.aws).await?;
        let aws = Aws::connect(config.aws.clone(), &args.cluster).await?;
        let bar = super::progress::Bar::new();
        let collected = aws.collect(&wanted, None, &bar).await;
        bar.end();
        if let Some(error) = collected.cluster.error {
            return Err(error.into());
        }
        let document = collected.document();
        let mut text = serde_json::to_string(&document)?;
        text.push('\n');
        let time = collected.collected_at.unwrap_or_default();
        let written = target.write(&text, time, out).await?;
        // Standard error may be closed; the snapshot is written all the same.
        let _ = super::snapshot_summary::tell(&collected, &args.output, text.len(), written, said);
        let _ = match written {
            Written::Done => Ok(()),
            Written::NewerThere(time) => {
                writeln!(said, "{}: a newer snapshot, of {time}, stands there and was left", args.output)
            }
        };
        Ok(())
    })?
}

/// Refuses: this build cannot collect.
///
/// # Errors
/// Always.
#[cfg(not(feature = "aws"))]
pub fn snapshot(_: &SnapshotArgs, _: &mut dyn Write, _: &mut dyn Write) -> anyhow::Result<()> {
    anyhow::bail!("snapshot: this build has no feature `aws`, which collects")
}
