//! The section `aws` of the configuration.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::setting_error::InvalidField;

/// How AWS is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AwsSettings {
    /// What of IAM is read.
    pub collect: Collect,
    /// Whether the policies of roles are read too, which only declared needs ask for.
    pub policies: bool,
    /// Other accounts whose roles are read, through a role there.
    pub accounts: Vec<CrossAccount>,
    /// Token buckets, by service (`iam`, `eks`, `sts`) or by call (`iam:GetRole`), which then has one of its own beside its
    /// service's. Each call waits for a token.
    pub rates: BTreeMap<String, Rate>,
    /// Calls under way at one time.
    pub concurrency: usize,
    /// Attempts at a call, the first included; between them the SDK backs off.
    pub attempts: u32,
    /// Seconds that an attempt may take.
    pub timeout_seconds: u64,
}

/// What of IAM is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Collect {
    /// The roles that service accounts, associations and nodes name, one by one.
    #[default]
    Named,
    /// All roles and managed policies, page by page.
    Account,
}

/// Another account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrossAccount {
    /// Its twelve-digit ID.
    pub id: String,
    /// The role there that rolecall assumes.
    pub role_arn: String,
    /// What that role's trust policy asks for as `sts:ExternalId`.
    pub external_id: Option<String>,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    /// Tokens that come in each second; fractions are fine.
    pub per_second: f64,
    /// Tokens that it holds, and starts with.
    pub burst: u32,
}

impl Default for AwsSettings {
    fn default() -> Self {
        let rate = |per_second, burst| Rate { per_second, burst };
        Self {
            collect: Collect::Named,
            policies: false,
            accounts: Vec::new(),
            // AWS publishes no numbers for IAM, whose limits hold for a whole account; EKS allows describing calls more
            // than ten times as often (EKS User Guide, "Service quotas", request throttling).
            rates: [("iam", rate(5.0, 50)), ("eks", rate(10.0, 50)), ("sts", rate(5.0, 10))]
                .map(|(service, rate)| (service.to_owned(), rate))
                .into(),
            concurrency: 8,
            attempts: 4,
            timeout_seconds: 10,
        }
    }
}

impl AwsSettings {
    /// Services whose calls are counted.
    const SERVICES: [&str; 3] = ["eks", "iam", "sts"];

    /// Fills in the rates of services that the section leaves out, and checks what was said.
    ///
    /// # Errors
    /// A value out of bounds, by its field.
    pub fn complete(mut self) -> Result<Self, InvalidField> {
        for (api, rate) in &self.rates {
            let service = api.split(':').next().unwrap_or_default();
            if !Self::SERVICES.contains(&service) {
                let problem = "is none of iam, eks, sts, or a call such as iam:GetRole";
                return Err(InvalidField::new(format!("aws.rates.{api}"), problem));
            }
            if !(rate.per_second > 0.0 && rate.per_second <= 1e6) || rate.burst == 0 {
                let problem = "perSecond and burst must be over 0, perSecond at most 1000000";
                return Err(InvalidField::new(format!("aws.rates.{api}"), problem));
            }
        }
        for (service, rate) in Self::default().rates {
            self.rates.entry(service).or_insert(rate);
        }
        for (index, account) in self.accounts.iter().enumerate() {
            let place = format!("aws.accounts[{index}]");
            if !rolecall_iam::is_account_id(&account.id) {
                let problem = format!("`{}` is not a twelve-digit account ID; quote it", account.id);
                return Err(InvalidField::new(format!("{place}.id"), problem));
            }
            let problem = match rolecall_iam::RoleArn::parse(&account.role_arn) {
                Ok(arn) if arn.account == account.id => continue,
                Ok(_) => format!("is not a role of account {}", account.id),
                Err(error) => format!("`{}`: {error}", account.role_arn),
            };
            return Err(InvalidField::new(format!("{place}.roleArn"), problem));
        }
        InvalidField::check("aws.concurrency", self.concurrency, 1..=256)?;
        InvalidField::check("aws.attempts", self.attempts, 1..=20)?;
        InvalidField::check("aws.timeoutSeconds", self.timeout_seconds, 1..=300)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AwsSettings, String> {
        serde_saphyr::from_str::<AwsSettings>(text).map_err(|e| e.to_string())?.complete().map_err(|e| e.to_string())
    }

    #[test]
    fn keeps_the_rates_that_are_not_named() {
        let settings = read("rates: {iam: {perSecond: 0.5, burst: 3}}\ncollect: account\n").unwrap();
        assert_eq!(settings.rates["iam"], Rate { per_second: 0.5, burst: 3 });
        assert_eq!(settings.rates["eks"].burst, 50);
        assert_eq!(settings.collect, Collect::Account);
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        for (text, named) in [
            ("rates: {ec2: {perSecond: 1, burst: 1}}", "aws.rates.ec2"),
            ("rates: {iam: {perSecond: 0, burst: 1}}", "aws.rates.iam"),
            ("accounts: [{id: '12', roleArn: x}]", "aws.accounts[0].id"),
            (
                "accounts: [{id: '111122223333', roleArn: 'arn:aws:iam::444455556666:role/x'}]",
                "aws.accounts[0].roleArn",
            ),
            (
                "accounts: [{id: '111122223333', roleArn: 'arn:aws:iam::111122223333:user/x'}]",
                "aws.accounts[0].roleArn",
            ),
            ("concurrency: 0", "aws.concurrency"),
            ("collects: named", "collects"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(named), "{text}: {message}");
        }
    }
}
