//! Fixes: as one sentence that says what to change, as AWS CLI and kubectl commands, as Terraform, eksctl or CloudFormation.

mod advice;
mod association;
mod cli;
mod cloudformation;
mod eksctl;
mod hcl;
mod jq;
mod owner;
mod sentence;
mod task_definition;
mod terraform;

pub use advice::unresolved;
use rolecall_core::fix::{CUT, Change, Fix, TrustChange};

/// How a fix is written besides its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// AWS CLI and kubectl commands.
    Cli,
    /// Terraform (HCL) of the `aws` and `kubernetes` providers; OpenTofu reads it too.
    Terraform,
    /// eksctl commands: for associations and OIDC providers.
    Eksctl,
    /// CloudFormation as JSON: for trust policies and associations.
    CloudFormation,
}

impl Format {
    /// All, in the order of the help.
    pub const ALL: [Self; 4] = [Self::Cli, Self::Terraform, Self::Eksctl, Self::CloudFormation];

    /// The name on the command line and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Terraform => "terraform",
            Self::Eksctl => "eksctl",
            Self::CloudFormation => "cloudformation",
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What to change, in plain words without a full stop. What to do instead, where that may be meant, comes last.
pub fn sentence(fix: &Fix) -> String {
    let mut text = first_words(fix.grants_access()).to_owned();
    text.push_str(&fix.steps.iter().map(sentence::of).collect::<Vec<_>>().join("; then "));
    if let Some(alternative) = &fix.alternative {
        text.push_str(&format!("; {}", instead(alternative)));
    }
    text
}

/// What gives access says so first.
fn first_words(grants_access: bool) -> &'static str {
    if grants_access { "grants access: " } else { "" }
}

/// What to do instead.
fn instead(alternative: &Change) -> String {
    let grants = first_words(alternative.grants_access());
    format!("{} {grants}{}", sentence::or(alternative), sentence::of(alternative))
}

/// Each step as a sentence, and its commands where there are any. The alternative comes last.
pub fn steps(fix: &Fix) -> Vec<(String, Option<String>)> {
    let step = |change: &Change| (sentence::of(change), command(change));
    let mut steps: Vec<_> = fix.steps.iter().map(step).collect();
    if let Some((sentence, _)) = steps.first_mut() {
        sentence.insert_str(0, first_words(fix.grants_access()));
    }
    if let Some(alternative) = &fix.alternative {
        steps.push((instead(alternative), command(alternative)));
    }
    steps
}

/// Everything on one line: each sentence with its commands behind a colon.
pub fn line(fix: &Fix) -> String {
    let parts = steps(fix).into_iter().map(|(sentence, command)| match command {
        Some(command) => format!("{sentence}: {command}"),
        None => sentence,
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// The commands of one step, on one line.
fn command(change: &Change) -> Option<String> {
    let commands = cli::of(change);
    (!commands.is_empty()).then(|| commands.join("; "))
}

/// The fix in a format; `None` where that format has nothing for it.
pub fn rendered(fix: &Fix, format: Format) -> Option<String> {
    let of = match format {
        Format::Cli => |change: &Change| Some(cli::of(change).join("\n")).filter(|text| !text.is_empty()),
        Format::Terraform => terraform::of,
        Format::Eksctl => eksctl::of,
        Format::CloudFormation => cloudformation::of,
    };
    // A value that was cut makes no usable configuration.
    let parts: Vec<String> = fix.steps.iter().filter_map(of).filter(|part| !part.contains(CUT)).collect();
    match format {
        _ if parts.is_empty() => None,
        Format::Cli | Format::Eksctl => Some(parts.join("\n")),
        Format::Terraform => Some(parts.join("\n\n")),
        Format::CloudFormation => cloudformation::joined(&parts),
    }
}

/// The statement that a trust policy gets or has after the change, as JSON on one line: people read it faster than an edit.
pub fn statement(fix: &Fix) -> Option<&str> {
    let statement = fix.steps.iter().find_map(|change| match change {
        Change::Trust(edit) => match &edit.change {
            TrustChange::Add { statement, .. } => Some(&**statement),
            TrustChange::Statement(edit) => Some(&*edit.after),
            TrustChange::NarrowDeny { .. } | TrustChange::NarrowAllow { .. } | TrustChange::ReplacePrincipal { .. } => {
                None
            }
        },
        _ => None,
    });
    statement.filter(|statement| !statement.contains(CUT))
}
