//! Which condition keys a request for a role can carry (IAM User Guide, "AWS global condition context keys", "IAM and AWS STS
//! condition context keys"). Keys come in lower case.

use rolecall_iam::Lookup;

use crate::snapshot::Role;

/// `aws:ResourceTag/KEY`, `iam:ResourceTag/KEY`: a tag of the role; `None` where the key is another.
pub(super) fn resource_tag<'r>(role: &'r Role, key: &str) -> Option<Lookup<'r>> {
    let tag = key.strip_prefix("aws:resourcetag/").or_else(|| key.strip_prefix("iam:resourcetag/"))?;
    Some(role_tag(role, tag))
}

/// A tag of a role; `tag` in lower case.
pub(super) fn role_tag<'r>(role: &'r Role, tag: &str) -> Lookup<'r> {
    let Some(tags) = &role.tags else {
        return Lookup::Unknown;
    };
    let found = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag));
    found.map_or(Lookup::Absent, |(_, value)| Lookup::One(value))
}

/// Keys of a claim, of any issuer: `HOST:CLAIM`, `HOST/PATH:CLAIM`, also where they are written wrongly. The claims of the
/// cluster's own issuer were answered before.
pub(super) fn of_another_token(key: &str) -> bool {
    if ["aws:", "sts:", "iam:"].iter().any(|service| key.starts_with(service)) {
        return false;
    }
    match key.rsplit_once(':') {
        Some((issuer, _)) => issuer.contains('.') || issuer.contains("oidc-provider/"),
        None => key.contains('.') && key.contains('/'),
    }
}

/// Keys of a service that takes no part in the request ("Service-specific condition keys are defined for use with an
/// individual AWS service"), and those of SAML. Services of which only the real request could tell are left out.
pub(super) fn of_another_service(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once(':') else {
        return false;
    };
    let takes_part = matches!(prefix, "aws" | "sts" | "iam" | "eks" | "eks-auth");
    !takes_part && (prefix == "saml" || rolecall_actions::service(prefix).is_some())
}

/// Keys of a service that a role session may carry to other services: `ec2:SourceInstanceArn`, `lambda:SourceFunctionArn`
/// ("Cross-service condition keys").
pub(super) fn crosses_services(key: &str) -> bool {
    let crossing =
        ["ec2:", "lambda:", "glue:", "ssm:", "identitystore:", "codebuild:", "ecs:", "bedrock", "sagemaker:", "sso:"];
    crossing.iter().any(|prefix| key.starts_with(prefix))
}

/// "Properties of a role session": only a request with the credentials of a session carries them.
pub(super) fn of_a_session(key: &str) -> bool {
    matches!(
        key,
        "aws:assumedroot"
            | "aws:chatbotsourcearn"
            | "aws:ec2instancesourceprivateipv4"
            | "aws:ec2instancesourcevpc"
            | "aws:multifactorauthage"
            | "aws:multifactorauthpresent"
            | "aws:signinsessionarn"
            | "aws:tokenissuetime"
    )
}

/// Keys that a request carries only where a service makes it with the credentials of an IAM principal.
pub(super) fn of_a_forwarded_call(key: &str) -> bool {
    matches!(key, "aws:calledvia" | "aws:calledviafirst" | "aws:calledvialast")
}

/// Keys that a request carries only where an AWS service principal makes it itself.
pub(super) fn of_a_service_principal(key: &str) -> bool {
    matches!(
        key,
        "aws:principalservicename"
            | "aws:principalservicenameslist"
            | "aws:sourceaccount"
            | "aws:sourcearn"
            | "aws:sourceorgid"
            | "aws:sourceorgpaths"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_whose_a_key_is() {
        for key in [
            "graph.facebook.com:id",
            "cognito-identity.amazonaws.com:aud",
            "oidc.eks.us-west-2.amazonaws.com/id/example1:sub",
            "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/example1:sub",
            "oidc.eks.us-west-2.amazonaws.com/id/example1",
        ] {
            assert!(of_another_token(key) && !of_another_service(key), "{key}");
        }
        for key in ["s3:prefix", "kms:viaservice", "saml:aud", "ec2:sourceinstancearn"] {
            assert!(of_another_service(key) && !of_another_token(key), "{key}");
        }
        for key in
            ["aws:sourceip", "sts:externalid", "iam:resourcetag/team", "eks:clustername", "nosuchservice:key", "key"]
        {
            assert!(!of_another_service(key) && !of_another_token(key), "{key}");
        }
        assert!(crosses_services("ec2:sourceinstancearn") && !crosses_services("s3:prefix"));
    }
}
