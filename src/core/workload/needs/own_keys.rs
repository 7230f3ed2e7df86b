//! Access keys that a program takes under names of its own: `S3_ACCESS_KEY_ID` and `S3_SECRET_ACCESS_KEY`, `access_key:` and `secret_key:` in
//! a configuration. With them it signs its calls, whatever identity the pod has.

use super::text::is_off;
use super::variable::known_services;

/// The services that a container has keys of its own for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::workload) struct OwnKeys {
    /// Every service.
    pub all: bool,
    /// Words in the names of variables: `S3`.
    pub services: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Id,
    Secret,
}

/// How the names of both halves end, without what parts their words. The longer ones come first.
const ENDS: [(&str, Half); 7] = [
    ("SECRETACCESSKEY", Half::Secret),
    ("ACCESSKEYSECRET", Half::Secret),
    ("SECRETKEY", Half::Secret),
    ("ACCESSSECRET", Half::Secret),
    ("ACCESSKEYID", Half::Id),
    ("ACCESSKEY", Half::Id),
    ("ACCESSID", Half::Id),
];

/// Shorter names, which are keys behind the name of a service: `OBJECTSTORE_S3_KEY`, `S3_SECRET`.
const SHORT_ENDS: [(&str, Half); 3] = [("KEYID", Half::Id), ("KEY", Half::Id), ("SECRET", Half::Secret)];
const BEFORE_SHORT_ENDS: [&str; 3] = ["S3", "AWS", "SQS"];

/// What names of variables call a store of objects.
const STORES: [&str; 8] = ["MINIO", "STORAGE", "STORE", "BUCKET", "OBJECT", "BACKUP", "UPLOAD", "MEDIA"];

/// Longest name that is looked at.
const MAX_NAME: usize = 128;

/// The half of a key that a name is for, and what stands before it.
fn half(name: &str) -> Option<(String, Half)> {
    if name.len() > MAX_NAME {
        return None;
    }
    let folded: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    // A file that has the key in it.
    let folded = folded.strip_suffix("FILE").unwrap_or(&folded);
    let by = |(end, half): &(&str, Half)| Some((folded.strip_suffix(end)?.to_owned(), *half));
    ENDS.iter().find_map(by).or_else(|| {
        let found = SHORT_ENDS.iter().find_map(by);
        found.filter(|(before, _)| BEFORE_SHORT_ENDS.iter().any(|known| before.ends_with(known)))
    })
}

/// Whether a name is that of half a key.
pub(in crate::workload) fn is_half_key(name: &str) -> bool {
    half(name).is_some()
}

impl OwnKeys {
    /// Keys of which both halves are among these names.
    pub(super) fn among<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let halves: Vec<(String, Half)> = names.filter_map(half).take(MAX_HALVES).collect();
        let mut keys = Self::default();
        for (before, _) in halves.iter().filter(|(_, half)| *half == Half::Id) {
            if halves.contains(&(before.clone(), Half::Secret)) {
                keys.add(before);
            }
        }
        keys
    }

    fn add(&mut self, before: &str) {
        let mut named = known_services().filter(|service| before.contains(service)).peekable();
        if named.peek().is_some() {
            self.services.extend(named);
        } else if before.contains("AWS") || before.contains("AMAZON") {
            self.all = true;
        } else if before.is_empty() || STORES.iter().any(|known| before.contains(known)) {
            self.services.push("S3");
        }
    }

    /// Adds the keys that a variable brings in its value, and switches for calls that are not signed with credentials of AWS.
    pub(super) fn add_of_variable(&mut self, name: &str, value: &str) {
        match name {
            // An API key, which comes before other credentials (Amazon Bedrock User Guide, "Use an Amazon Bedrock API key").
            "AWS_BEARER_TOKEN_BEDROCK" if !is_off(value) => self.services.push("BEDROCK"),
            // GDAL, "/vsis3/".
            "AWS_NO_SIGN_REQUEST" if !is_off(value) => self.services.push("S3"),
            _ if is_connection(name) && connection_brings_keys(value) => self.all = true,
            _ if brings_keys(value) => self.services.push("S3"),
            _ => {}
        }
    }

    pub(super) fn has(&self, service: &str) -> bool {
        self.all || self.services.contains(&service)
    }
}

/// Names of keys that are compared with one another.
const MAX_HALVES: usize = 64;

/// Whether a text has both halves of a key, as settings with values: `s3.access-key: $(ID)`, `-Dfs.s3a.access.key=$(ID)`.
pub(in crate::workload) fn brings_keys(text: &str) -> bool {
    let is_between = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '&' | '?' | ';' | '{' | '}');
    let mut words = text.split(is_between).filter(|word| !word.is_empty()).peekable();
    let (mut id, mut secret) = (false, false);
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if !value.is_empty() => (name, value),
            _ => {
                // A colon or an equals sign may stand by itself.
                while words.next_if(|next| matches!(*next, ":" | "=" | "=>")).is_some() {}
                (word.trim_end_matches([':', '=']), words.peek().copied().unwrap_or_default())
            }
        };
        if is_off(value) || value.ends_with(':') {
            continue;
        }
        match half(name) {
            Some((_, Half::Id)) => id = true,
            Some((_, Half::Secret)) => secret = true,
            None => {}
        }
    }
    id && secret
}

/// A connection of Apache Airflow (Apache Airflow, "Amazon Web Services Connection").
pub(super) fn is_connection(name: &str) -> bool {
    name.starts_with("AIRFLOW_CONN_")
}

/// `aws://KEY:SECRET@/`, or the same as JSON.
fn connection_brings_keys(value: &str) -> bool {
    let value = value.trim();
    if value.starts_with('{') {
        return (value.contains("\"login\"") && value.contains("\"password\"")) || brings_keys(value);
    }
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.split_once('@').is_some_and(|(user, _)| user.contains(':') && user != ":") || brings_keys(value)
}

/// A connection to AWS without keys and without another endpoint.
pub(super) fn connects_to_aws(name: &str, value: &str) -> bool {
    let value = value.trim();
    let is_aws = value.starts_with("aws://")
        || value.contains("\"conn_type\": \"aws\"")
        || value.contains("\"conn_type\":\"aws\"");
    is_connection(name) && is_aws && !value.contains("endpoint_url") && !connection_brings_keys(value)
}

/// How names of variables begin that a front end's build hands to the browser: Next.js, Vite, Create React App, Nuxt, Vue CLI, Gatsby, Expo,
/// SvelteKit.
const BROWSER: [&str; 9] = [
    "NEXT_PUBLIC_",
    "VITE_",
    "REACT_APP_",
    "NUXT_PUBLIC_",
    "VUE_APP_",
    "GATSBY_",
    "EXPO_PUBLIC_",
    "PUBLIC_",
    "NG_APP_",
];

/// Whether the browser has the variable, which has no credentials of the pod.
pub(super) fn is_for_browsers(name: &str) -> bool {
    BROWSER.iter().any(|start| name.starts_with(start))
}

/// Annotations of Vault's agent injector (Vault, "Agent Injector annotations").
const VAULT_TEMPLATE: &str = "vault.hashicorp.com/agent-inject-template-";
const VAULT_SECRET: &str = "vault.hashicorp.com/agent-inject-secret-";

/// Whether an annotation has Vault's agent write access keys of AWS for the pod's containers.
pub(super) fn vault_brings_keys(key: &str, value: &str) -> bool {
    if key.starts_with(VAULT_TEMPLATE) {
        let has = |names: [&str; 2]| names.iter().all(|name| value.contains(name));
        return has(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
            || has(["aws_access_key_id", "aws_secret_access_key"]);
    }
    // The paths of the secrets engine for AWS where it is usually mounted.
    key.starts_with(VAULT_SECRET) && ["aws/creds/", "aws/sts/"].iter().any(|path| value.trim().starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_variables() {
        let s3 = || OwnKeys { all: false, services: vec!["S3"] };
        for (names, expected) in [
            (["APP_S3_ACCESS_KEY_ID", "APP_S3_SECRET_ACCESS_KEY"], s3()),
            (["S3_ACCESS_KEY", "S3_SECRET"], s3()),
            (["FILES_S3_KEY", "FILES_S3_SECRET"], s3()),
            (["Storage__S3__AccessKey", "Storage__S3__SecretKey"], s3()),
            (["S3_ACCESS_KEY_FILE", "S3_SECRET_KEY_FILE"], s3()),
            (["MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"], s3()),
            (["AWS_ACCESS_KEY", "AWS_SECRET_KEY"], OwnKeys { all: true, services: vec![] }),
            (["SQS_ACCESS_KEY_ID", "SQS_SECRET_ACCESS_KEY"], OwnKeys { all: false, services: vec!["SQS"] }),
            (["OAUTH_ACCESS_KEY", "OAUTH_SECRET_KEY"], OwnKeys::default()),
            (["S3_ACCESS_KEY_ID", "APP_SECRET_ACCESS_KEY"], OwnKeys::default()),
            (["SIGNING_KEY", "SIGNING_SECRET"], OwnKeys::default()),
        ] {
            assert_eq!(OwnKeys::among(names.into_iter()), expected, "{names:?}");
        }
    }

    #[test]
    fn keys_in_texts() {
        for text in [
            "s3.access-key: $(ID)\ns3.secret-key: $(SECRET)",
            "-Dfs.s3a.access.key=$(ID) -Dfs.s3a.secret.key=$(SECRET)",
            "config:\n  access_key: a\n  secret_key: b\n",
            r#"{"accessKeyId":"a","secretAccessKey":"b"}"#,
            "access_key = \"a\"\nsecret_key = \"b\"",
            "aws://?aws_access_key_id=a&aws_secret_access_key=b",
        ] {
            assert!(brings_keys(text), "{text}");
        }
        for text in [
            "access_key: a",
            "access_key: \"\"\nsecret_key: \"\"",
            "access_key:\nsecret_key:\n",
            "-Dx.access.key=a",
            "",
        ] {
            assert!(!brings_keys(text), "{text}");
        }
    }

    #[test]
    fn connections() {
        let name = "AIRFLOW_CONN_LOGS";
        assert!(connects_to_aws(name, "aws://?region_name=us-west-2"));
        for other in [
            "aws://a:b@/?region_name=us-west-2",
            "aws://?endpoint_url=http%3A%2F%2Fminio%3A9000",
            r#"{"conn_type": "aws", "login": "a", "password": "b"}"#,
            "postgres://a:b@db/x",
        ] {
            assert!(!connects_to_aws(name, other), "{other}");
        }
    }
}
