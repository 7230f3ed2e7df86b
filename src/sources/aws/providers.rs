//! OIDC providers of an account. Only those of the cluster's own issuer are read whole: of the others, that they are there.

use rolecall_core::snapshot::Issuer;
use serde_json::{Value, json};

use super::clients::{Aws, Reader};
use super::cluster::without_nulls;
use super::error::{AwsError, Failure};

impl Aws {
    /// The provider of an issuer in an account, as it is now.
    ///
    /// # Errors
    /// Where it cannot be read, or the account has no reader.
    pub async fn provider(&self, account: &str, issuer_url: &str) -> Result<Option<Value>, AwsError> {
        let call = "iam:GetOpenIDConnectProvider";
        let own_account = self.own_account().await?;
        let Some(reader) = self.reader(account, own_account) else {
            return Err(AwsError {
                kind: Failure::Refused,
                call: call.to_owned(),
                subject: issuer_url.to_owned(),
                place: format!("account {account}"),
                said: "this account is not among aws.accounts".to_owned(),
            });
        };
        reader.provider(&Issuer::new(issuer_url).provider_arn(self.partition(), account)).await
    }

    /// The partition, by the region's name (AWS General Reference, "Amazon Resource Names", partitions).
    pub(super) fn partition(&self) -> &'static str {
        match self.region() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            region if region.starts_with("eusc-") => "aws-eusc",
            region if region.starts_with("us-iso-") => "aws-iso",
            region if region.starts_with("us-isob-") => "aws-iso-b",
            _ => "aws",
        }
    }
}

impl Reader {
    /// All providers of the account.
    pub(super) async fn providers(&self, issuer: Option<&Issuer>) -> Result<Vec<Value>, AwsError> {
        let call = "iam:ListOpenIDConnectProviders";
        let answer = self.call(call, "the account", self.iam.list_open_id_connect_providers().send()).await?;
        let listed = answer.open_id_connect_provider_list.unwrap_or_default();
        let mut providers = Vec::with_capacity(listed.len());
        for arn in listed.into_iter().filter_map(|entry| entry.arn) {
            let Some((_, address)) = arn.split_once(":oidc-provider/") else {
                return Err(AwsError::malformed(call, "the account", format!("`{arn}` is not an OIDC provider's ARN")));
            };
            if issuer.is_some_and(|issuer| Issuer::new(address).folded() == issuer.folded()) {
                providers.extend(self.provider(&arn).await?);
            } else {
                providers.push(json!({"Arn": arn}));
            }
        }
        Ok(providers)
    }

    async fn provider(&self, arn: &str) -> Result<Option<Value>, AwsError> {
        let call = "iam:GetOpenIDConnectProvider";
        let get = self.iam.get_open_id_connect_provider().open_id_connect_provider_arn(arn);
        match self.call(call, arn, get.send()).await {
            Err(error) if error.kind == Failure::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(answer) => Ok(Some(without_nulls(json!({
                "Arn": arn,
                "Url": answer.url,
                "ClientIDList": answer.client_id_list.unwrap_or_default(),
            })))),
        }
    }
}
