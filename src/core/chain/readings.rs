//! Trust policies that rest on what AWS does not document: they are read in the way that allows most and in the way that
//! allows least, and only what both agree on is decided.

use rolecall_iam::{Arn, AwsPrincipal, Document, Effect, Principal, PrincipalEntry, Principals, RoleArn, Statement};

use crate::fix::{UndocumentedEntry, UndocumentedPrincipal};

/// The two extreme readings of a document.
pub(super) struct Readings {
    /// Every undocumented element works in favour of the request.
    pub(super) generous: Document,
    /// Every undocumented element works against the request.
    pub(super) strict: Document,
}

impl Readings {
    /// `None` where the document has nothing undocumented for this principal.
    pub(super) fn of(document: &Document, principal: Principal<'_>) -> Option<Self> {
        let found = document.statements.iter().any(|statement| element(statement, principal).is_some());
        found.then(|| Self { generous: read(document, principal, true), strict: read(document, principal, false) })
    }
}

/// The first undocumented element of a document.
pub(super) fn undocumented(document: &Document, principal: Principal<'_>) -> Option<UndocumentedPrincipal> {
    document.statements.iter().find_map(|statement| element(statement, principal))
}

/// Whether a Deny has an undocumented element.
pub(super) fn denies_undocumented(document: &Document, principal: Principal<'_>) -> bool {
    document.with_effect(Effect::Deny).any(|statement| element(statement, principal).is_some())
}

fn element(statement: &Statement, principal: Principal<'_>) -> Option<UndocumentedPrincipal> {
    let is_negated = matches!(statement.principals, Principals::IsNot(_));
    let mut entries = statement.principals.entries().iter();
    let entry = entries.find(|entry| is_undocumented(entry, statement.effect, principal))?;
    let entry = match entry {
        PrincipalEntry::Federated(text) => UndocumentedEntry::Federated(text.into()),
        PrincipalEntry::Service(text) => UndocumentedEntry::Service(text.into()),
        PrincipalEntry::Aws(AwsPrincipal::Arn(text)) => UndocumentedEntry::Session(text.into()),
        _ => UndocumentedEntry::Everyone,
    };
    Some(UndocumentedPrincipal { is_negated, entry })
}

/// Whether AWS documents no answer to the question if this entry names the principal.
fn is_undocumented(entry: &PrincipalEntry, effect: Effect, principal: Principal<'_>) -> bool {
    match (entry, principal) {
        // The documented wildcards are `"*"` and `{"AWS": "*"}`.
        (PrincipalEntry::Federated(named), Principal::Federated(_)) => **named == *"*",
        (PrincipalEntry::Service(named), Principal::Service(service)) => {
            **named != *service && (named.contains(['*', '?']) || is_variant(named, service))
        }
        // "Everyone" are users, roles and anonymous callers; that a Deny for everyone meets services is documented.
        (PrincipalEntry::Everyone, Principal::Service(_)) => effect == Effect::Allow,
        // EKS chooses the name of the first role's session.
        (PrincipalEntry::Aws(AwsPrincipal::Arn(named)), Principal::Aws(role)) => is_session_of(named, role),
        _ => false,
    }
}

/// `pods.eks.us-west-2.amazonaws.com`, `pods.eks.amazonaws.com.cn`: forms that other services have.
fn is_variant(named: &str, service: &str) -> bool {
    let Some(stem) = service.strip_suffix("amazonaws.com") else {
        return false;
    };
    named.starts_with(stem) && (named.ends_with(".amazonaws.com") || named.ends_with(".amazonaws.com.cn"))
        || named == format!("{service}.cn")
}

fn is_session_of(named: &str, role: &str) -> bool {
    let (Some(session), Ok(role)) = (Arn::parse(named), RoleArn::parse(role)) else {
        return false;
    };
    session.service == "sts"
        && session.account == role.account
        && session.resource.split('/').take(2).eq(["assumed-role", role.name])
}

fn read(document: &Document, principal: Principal<'_>, generous: bool) -> Document {
    let mut document = document.clone();
    for statement in &mut document.statements {
        // To apply is in favour of the request where the statement allows.
        let applies = (statement.effect == Effect::Allow) == generous;
        let effect = statement.effect;
        let uncertain = |entry: &PrincipalEntry| is_undocumented(entry, effect, principal);
        let (entries, names) = match &mut statement.principals {
            Principals::Is(entries) => (entries, applies),
            Principals::IsNot(entries) => (entries, !applies),
            Principals::Absent => continue,
        };
        if entries.iter().any(uncertain) {
            entries.retain(|entry| !uncertain(entry));
            if names {
                entries.push(own_entry(principal));
            }
        }
    }
    document
}

fn own_entry(principal: Principal<'_>) -> PrincipalEntry {
    match principal {
        Principal::Federated(arn) => PrincipalEntry::Federated(arn.into()),
        Principal::Service(service) => PrincipalEntry::Service(service.into()),
        Principal::Aws(arn) => PrincipalEntry::Aws(AwsPrincipal::Arn(arn.into())),
    }
}

#[cfg(test)]
mod tests {
    use rolecall_iam::{MapContext, Request, Verdict};

    use super::*;

    const SERVICE: Principal<'static> = Principal::Service("pods.eks.amazonaws.com");
    const ROLE: Principal<'static> = Principal::Aws("arn:aws:iam::111122223333:role/team/first");

    fn verdicts(statements: &str, principal: Principal<'_>) -> Option<(Verdict, Verdict)> {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": {statements}}}"#);
        let readings = Readings::of(&Document::parse(&text).unwrap(), principal)?;
        let context = MapContext::new();
        let request =
            Request { action: "sts:AssumeRole", resource: None, principal: Some(principal), context: &context };
        Some((readings.generous.evaluate(&request), readings.strict.evaluate(&request)))
    }

    #[test]
    fn only_what_is_undocumented_is_read_twice() {
        let allow = |principal: &str| format!(r#"{{"Effect": "Allow", "Action": "sts:*", "Principal": {principal}}}"#);
        let both = Some((Verdict::Allowed, Verdict::ImplicitlyDenied));
        let federated = Principal::Federated("arn:aws:iam::111122223333:oidc-provider/example.org");
        let cases = [
            (r#"{"Service": "pods.eks.amazonaws.com"}"#, SERVICE, None),
            (r#"{"Service": "ec2.amazonaws.com"}"#, SERVICE, None),
            (r#"{"Service": "eks.amazonaws.com"}"#, SERVICE, None),
            (r#"{"Service": "*"}"#, SERVICE, both),
            (r#"{"Service": "pods.eks.us-west-2.amazonaws.com"}"#, SERVICE, both),
            (r#"{"Service": "pods.eks.amazonaws.com.cn"}"#, SERVICE, both),
            (r#""*""#, SERVICE, both),
            (r#""*""#, ROLE, None),
            (r#""*""#, federated, None),
            (r#"{"Federated": "*"}"#, federated, both),
            (r#"{"Federated": "*"}"#, SERVICE, None),
            (r#"{"Federated": "arn:aws:iam::111122223333:oidc-provider/*"}"#, federated, None),
            (r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/first/s"}"#, ROLE, both),
            (r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/second/s"}"#, ROLE, None),
            (r#"{"AWS": "arn:aws:sts::444455556666:assumed-role/first/s"}"#, ROLE, None),
            (
                r#"{"AWS": ["arn:aws:iam::111122223333:root", "arn:aws:sts::111122223333:assumed-role/first/s"]}"#,
                ROLE,
                Some((Verdict::Allowed, Verdict::Allowed)),
            ),
        ];
        for (principal, asking, expected) in cases {
            assert_eq!(verdicts(&allow(principal), asking), expected, "{principal}");
        }
    }

    #[test]
    fn the_element_is_named() {
        let named = |principal: &str, asking| {
            let statement = format!(r#"{{"Effect": "Allow", "Action": "sts:*", {principal}}}"#);
            undocumented(&Document::parse(&format!(r#"{{"Statement": {statement}}}"#)).unwrap(), asking)
        };
        let federated = Principal::Federated("arn:aws:iam::111122223333:oidc-provider/example.org");
        let element = |is_negated, entry| Some(UndocumentedPrincipal { is_negated, entry });
        let all = element(false, UndocumentedEntry::Federated("*".into()));
        assert_eq!(named(r#""Principal": {"Federated": "*"}"#, federated), all);
        let service = element(true, UndocumentedEntry::Service("*".into()));
        assert_eq!(named(r#""NotPrincipal": {"Service": "*"}"#, SERVICE), service);
        assert_eq!(named(r#""Principal": {"AWS": "*"}"#, SERVICE), element(false, UndocumentedEntry::Everyone));
        let arn = "arn:aws:sts::111122223333:assumed-role/first/s";
        let session = named(&format!(r#""Principal": {{"AWS": "{arn}"}}"#), ROLE);
        assert_eq!(session, element(false, UndocumentedEntry::Session(arn.into())));
        assert_eq!(named(r#""Principal": {"Service": "pods.eks.amazonaws.com"}"#, SERVICE), None);
    }

    #[test]
    fn a_deny_is_read_the_other_way_round() {
        let allow = r#"{"Effect": "Allow", "Action": "sts:*", "Principal": {"Service": "pods.eks.amazonaws.com"}}"#;
        let with =
            |deny: &str| verdicts(&format!(r#"[{allow}, {{"Effect": "Deny", "Action": "sts:*", {deny}}}]"#), SERVICE);
        let open = Some((Verdict::Allowed, Verdict::ExplicitlyDenied));
        assert_eq!(with(r#""Principal": {"Service": "*"}"#), open);
        assert_eq!(with(r#""NotPrincipal": {"Service": "*"}"#), open);
        assert_eq!(with(r#""Principal": "*""#), None);
    }
}
