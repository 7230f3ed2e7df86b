//! Amazon Resource Names (AWS General Reference, "Amazon Resource Names (ARNs)"; IAM User Guide, "IAM identifiers").

/// The six parts of an ARN, borrowed: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: &'a str,
    /// `iam`, `sts`, `eks`, …
    pub service: &'a str,
    /// Empty for IAM.
    pub region: &'a str,
    /// Twelve digits, or empty.
    pub account: &'a str,
    /// All that follows, colons included.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Cuts a text into the six parts; `None` where there are fewer, or it does not start with `arn:`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        Some(Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        })
    }
}

/// The ARN of an IAM role, borrowed: `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoleArn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: &'a str,
    /// Twelve digits.
    pub account: &'a str,
    /// Begins and ends with `/`; `/` alone where there is no path.
    pub path: &'a str,
    /// 1 to 64 of `[\w+=,.@-]`.
    pub name: &'a str,
}

/// What is wrong with a text that is to be the ARN of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "their texts say it")]
pub enum RoleArnFault {
    Empty,
    BlanksAround,
    Placeholder,
    Quotes,
    Blank,
    NotAnArn,
    BareName,
    Partition,
    Session,
    NotIam,
    Account,
    InstanceProfile,
    Policy,
    NotARole,
    Name,
    Path,
}

impl std::fmt::Display for RoleArnFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::BlanksAround => "it has blanks or a line break around it",
            Self::Placeholder => "it has a placeholder that was never filled in",
            Self::Quotes => "it has quotes in it",
            Self::Blank => "it has a blank in it",
            Self::NotAnArn => "it is not an ARN",
            Self::BareName => "it is a bare name, not an ARN",
            Self::Partition => "its partition is not one of AWS's",
            Self::Session => "it is the ARN of a session, not of the role",
            Self::NotIam => "it is not an IAM ARN",
            Self::Account => "its account is not twelve digits",
            Self::InstanceProfile => "it is the ARN of an instance profile, not of a role",
            Self::Policy => "it is the ARN of a policy, not of a role",
            Self::NotARole => "it is not the ARN of a role",
            Self::Name => "its role name is not 1 to 64 letters, digits or +=,.@_-",
            Self::Path => "its path is not 1 to 512 characters from ! to ~ between slashes",
        })
    }
}

/// Longest partition: the longest of AWS's has ten characters. As all other parts have limits too, no text that is the ARN
/// of a role is long.
const MAX_PARTITION_BYTES: usize = 64;

impl<'a> RoleArn<'a> {
    /// Reads a role's ARN; the error says in a few words what is wrong with the text. A path has any characters from `!`
    /// to `~` (IAM API Reference, `CreateRole`), so what looks like a placeholder or a quote is only wrong elsewhere.
    ///
    /// # Errors
    /// Where the text is not the ARN of an IAM role; blanks around it count.
    pub fn parse(text: &'a str) -> Result<Self, RoleArnFault> {
        if text.is_empty() {
            return Err(RoleArnFault::Empty);
        }
        if text.trim() != text {
            return Err(RoleArnFault::BlanksAround);
        }
        Self::read(text).map_err(|complaint| {
            if text.contains(['$', '{', '}', '<', '>']) {
                RoleArnFault::Placeholder
            } else if text.contains(['"', '\'']) {
                RoleArnFault::Quotes
            } else if text.chars().any(char::is_whitespace) {
                RoleArnFault::Blank
            } else {
                complaint
            }
        })
    }

    fn read(text: &'a str) -> Result<Self, RoleArnFault> {
        let Some(arn) = Arn::parse(text) else {
            return Err(if text.contains(':') { RoleArnFault::NotAnArn } else { RoleArnFault::BareName });
        };
        if !is_partition(arn.partition) {
            return Err(RoleArnFault::Partition);
        }
        if arn.service == "sts" {
            return Err(RoleArnFault::Session);
        }
        if arn.service != "iam" || !arn.region.is_empty() {
            return Err(RoleArnFault::NotIam);
        }
        if arn.resource.starts_with("policy/") {
            return Err(RoleArnFault::Policy);
        }
        if !is_account_id(arn.account) {
            return Err(RoleArnFault::Account);
        }
        let Some(rest) = arn.resource.strip_prefix("role") else {
            return Err(if arn.resource.starts_with("instance-profile/") {
                RoleArnFault::InstanceProfile
            } else {
                RoleArnFault::NotARole
            });
        };
        let Some(slash) = rest.rfind('/').filter(|_| rest.starts_with('/')) else {
            return Err(RoleArnFault::NotARole);
        };
        let (path, name) = rest.split_at(slash + 1);
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_name_character) {
            return Err(RoleArnFault::Name);
        }
        if !is_path(path) {
            return Err(RoleArnFault::Path);
        }
        Ok(Self { partition: arn.partition, account: arn.account, path, name })
    }
}

fn is_partition(partition: &str) -> bool {
    partition.starts_with("aws") && partition.len() <= MAX_PARTITION_BYTES
}

/// `(/)|(/[!-~]+/)`, at most 512 characters (IAM API Reference, `CreateRole`).
fn is_path(path: &str) -> bool {
    path == "/" || ((3..=512).contains(&path.len()) && path.bytes().all(|b| b.is_ascii_graphic()))
}

/// Whether the text is a twelve-digit account ID.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_role_arns() {
        let arn = RoleArn::parse("arn:aws-cn:iam::111122223333:role/team/a/carts").unwrap();
        assert_eq!((arn.partition, arn.path, arn.name), ("aws-cn", "/team/a/", "carts"));
        assert_eq!(RoleArn::parse("arn:aws:iam::111122223333:role/x").unwrap().path, "/");
    }

    #[test]
    fn a_path_has_any_character_from_exclamation_mark_to_tilde() {
        let arn = |path: &str| format!("arn:aws:iam::111122223333:role{path}carts");
        for path in
            ["/a:b/", "/*/", "/\"'/", "/${team}/", "/<x>/{{y}}/", "/a//b/", "///", "/!~/", "/role/role/", "/\\|/"]
        {
            let text = arn(path);
            let parsed = RoleArn::parse(&text).unwrap();
            assert_eq!((parsed.path, parsed.name, parsed.account), (path, "carts", "111122223333"), "{text}");
        }
        assert!(RoleArn::parse(&arn(&format!("/{}/", "x".repeat(510)))).is_ok());
        for path in ["//".to_owned(), "/\u{e9}/".to_owned(), "/\u{7f}/".to_owned(), format!("/{}/", "x".repeat(511))] {
            assert!(RoleArn::parse(&arn(&path)).unwrap_err() == RoleArnFault::Path, "{path}");
        }
        assert_eq!(RoleArn::parse(&arn("/a b/")), Err(RoleArnFault::Blank));
    }

    #[test]
    fn a_name_has_64_characters_at_most() {
        let arn = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
        assert!(RoleArn::parse(&arn(&"x".repeat(64))).is_ok());
        for name in ["x".repeat(65), "x/".to_owned(), "x!".to_owned(), "\u{e9}".to_owned()] {
            assert_eq!(RoleArn::parse(&arn(&name)), Err(RoleArnFault::Name));
        }
    }

    #[test]
    fn a_long_text_is_no_role_arn() {
        let arn = |partition: &str| format!("arn:{partition}:iam::111122223333:role/x");
        assert!(RoleArn::parse(&arn("aws-iso-b")).is_ok());
        for partition in [format!("aws{}", "x".repeat(1 << 16)), "other".to_owned()] {
            assert_eq!(RoleArn::parse(&arn(&partition)), Err(RoleArnFault::Partition));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, complaint) in [
            ("carts", "bare name"),
            ("arn:aws:iam::111122223333:role/carts ", "blanks"),
            ("arn:aws:iam::111122223333:role/carts\n", "blanks"),
            ("arn:aws:iam::<ACCOUNT_ID>:role/carts", "placeholder"),
            ("arn:aws:iam::${account}:role/carts", "placeholder"),
            ("arn:aws:iam::{{ .Values.account }}:role/carts", "placeholder"),
            ("arn:aws:iam::111122223333:role/${name}", "placeholder"),
            ("arn:aws:iam::1234:role/carts", "twelve digits"),
            ("arn:aws:sts::111122223333:assumed-role/carts/s", "session"),
            ("arn:aws:iam::111122223333:instance-profile/carts", "instance profile"),
            ("arn:aws:iam::111122223333:user/carts", "not the ARN of a role"),
            ("arn:aws:iam::111122223333:rolecarts", "not the ARN of a role"),
            ("arn:aws:s3:::bucket", "not an IAM ARN"),
            ("\"arn:aws:iam::111122223333:role/carts\"", "quotes"),
            ("arn:aws:iam::111122223333:role/", "role name"),
            ("", "empty"),
        ] {
            let error = RoleArn::parse(text).unwrap_err().to_string();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}
