//! The fix of a finding in every form.

use rolecall_core::fix::{Change, Fix};
use rolecall_message::fix::{self, Format};
use serde::Serialize;

/// What fixes a finding, in each form that there is for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedFixes {
    /// What to change, in plain words.
    pub sentence: String,
    /// AWS CLI and kubectl commands, one to a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cli: Option<String>,
    /// Terraform of the `aws` and `kubernetes` providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terraform: Option<String>,
    /// eksctl commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eksctl: Option<String>,
    /// CloudFormation, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudformation: Option<String>,
    /// The statement of the trust policy after the change, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// Whether it gives access that did not exist.
    pub grants_access: bool,
    /// The account of AWS in which to make the change, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The cluster in which to make the change, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Each step with its commands.
    #[serde(skip)]
    pub(super) steps: Vec<(String, Option<String>)>,
}

impl From<&Fix> for ReportedFixes {
    fn from(fix: &Fix) -> Self {
        let of = |place: fn(&Change) -> Option<&str>| fix.steps.iter().find_map(place).map(str::to_owned);
        Self {
            sentence: fix::sentence(fix),
            cli: fix::rendered(fix, Format::Cli),
            terraform: fix::rendered(fix, Format::Terraform),
            eksctl: fix::rendered(fix, Format::Eksctl),
            cloudformation: fix::rendered(fix, Format::CloudFormation),
            statement: fix::statement(fix).map(str::to_owned),
            grants_access: fix.grants_access(),
            account: of(Change::account),
            cluster: of(Change::cluster),
            steps: fix::steps(fix),
        }
    }
}

impl ReportedFixes {
    /// The fix in a format.
    pub(super) fn rendered(&self, format: Format) -> Option<&str> {
        match format {
            Format::Cli => self.cli.as_deref(),
            Format::Terraform => self.terraform.as_deref(),
            Format::Eksctl => self.eksctl.as_deref(),
            Format::CloudFormation => self.cloudformation.as_deref(),
        }
    }
}
