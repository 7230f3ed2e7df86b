//! Kinds of differences between the reference and iam-simulate that have been looked into; `TRIAGE.md` tells of each.
//!
//! A kind is recognised by what a *shrunk* case still holds: everything that does not matter is gone from it.

use std::ops::Deref;

use serde_json::{Map, Value};

use crate::compare;
use crate::condition::{self, Comparison, Operator};
use crate::document::{list, strings};
use crate::principal;
use crate::request::{Case, ContextValue, Decision, Principal};
use crate::text::{self, Piece};

/// A kind of difference.
pub struct Class {
    /// Stable name, as in `known.json` and `TRIAGE.md`.
    pub id: &'static str,
    matches: fn(&Difference<'_>) -> bool,
}

/// All kinds, the more particular ones first.
pub const CLASSES: &[Class] = &[
    Class { id: "aws-entry-is-a-service-name", matches: aws_entry_is_a_service_name },
    Class { id: "account-covers-web-identity", matches: account_covers_web_identity },
    Class { id: "not-principal-names-role-or-account", matches: not_principal_names_role_or_account },
    Class { id: "allow-with-not-principal-and-limits", matches: allow_with_not_principal_and_limits },
    Class { id: "session-policy-limits-direct-grant", matches: session_policy_limits_direct_grant },
    Class { id: "unknown-operator", matches: |case| elements(case).any(|element| element.operator.is_none()) },
    Class { id: "variables-before-2012", matches: variables_before_2012 },
    Class { id: "variable-with-empty-value", matches: variable_with_empty_value },
    Class { id: "null-value", matches: null_value },
    Class { id: "variable-in-arn-before-fifth-colon", matches: variable_in_arn_before_fifth_colon },
    Class { id: "escape-outside-wildcard-operator", matches: escape_outside_wildcard_operator },
    Class { id: "negated-operator-variable-without-value", matches: negated_operator_variable_without_value },
    Class { id: "not-resource-variable-without-value", matches: not_resource_variable_without_value },
    Class { id: "four-digit-date", matches: four_digit_date },
    Class { id: "epoch-against-iso-date", matches: epoch_against_iso_date },
    Class { id: "ipv4-prefix-zero", matches: ipv4_prefix_zero },
    Class { id: "address-of-other-family", matches: address_of_other_family },
    Class { id: "ipv6-spelling", matches: ipv6_spelling },
    Class { id: "negated-operator-unreadable-value", matches: negated_operator_unreadable_value },
    Class { id: "loosely-read-value", matches: loosely_read_value },
    Class { id: "variable-before-first-separator", matches: variable_before_first_separator },
    Class { id: "wildcard-before-first-separator", matches: wildcard_before_first_separator },
    Class { id: "star-beyond-colon", matches: star_beyond_colon },
];

/// The first kind that a shrunk case falls into, given what the reference and the other judge say.
#[must_use]
pub fn class_of(case: &Case, reference: Decision, other: Decision) -> Option<&'static Class> {
    let difference = Difference { case, reference, other };
    CLASSES.iter().find(|class| (class.matches)(&difference))
}

/// A shrunk case and what is said about it.
struct Difference<'a> {
    case: &'a Case,
    reference: Decision,
    other: Decision,
}

impl Deref for Difference<'_> {
    type Target = Case;

    fn deref(&self) -> &Case {
        self.case
    }
}

/// A statement with what its document says about variables.
struct Statement<'a> {
    statement: &'a Map<String, Value>,
    variables: bool,
    of_identity: bool,
}

fn statements(case: &Case) -> impl Iterator<Item = Statement<'_>> {
    let policies = &case.policies;
    let own = policies.identity.iter().chain(&policies.boundary).chain(policies.session.iter().flatten());
    policies.trust.iter().map(|document| (document, false)).chain(own.map(|document| (document, true))).flat_map(
        |(document, of_identity)| {
            let variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
            let statements = document.get("Statement").map(list).unwrap_or_default();
            statements.into_iter().filter_map(Value::as_object).map(move |statement| Statement {
                statement,
                variables,
                of_identity,
            })
        },
    )
}

/// One key under one operator.
struct Element<'a> {
    operator: Option<Operator>,
    values: Vec<String>,
    /// What the request carries, an empty list too.
    carried: Option<&'a ContextValue>,
    variables: bool,
}

impl Element<'_> {
    fn comparison(&self) -> Option<(Comparison, bool)> {
        match self.operator {
            Some(Operator::Compare { comparison, negated, .. }) => Some((comparison, negated)),
            _ => None,
        }
    }

    /// Every policy value with every context value.
    fn pairs(&self) -> impl Iterator<Item = (String, &str)> {
        let carried = self.carried.map(condition::all_values).unwrap_or_default();
        carried.into_iter().flat_map(|context| self.values.iter().map(move |policy| (context.clone(), policy.as_str())))
    }
}

fn elements(case: &Case) -> impl Iterator<Item = Element<'_>> {
    statements(case).flat_map(move |Statement { statement, variables, .. }| {
        let operators = statement.get("Condition").and_then(Value::as_object);
        operators.into_iter().flatten().flat_map(move |(name, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, values)| Element {
                operator: condition::operator(name),
                values: condition::texts(values),
                carried: case
                    .request
                    .context
                    .iter()
                    .find(|(carried, _)| carried.eq_ignore_ascii_case(key))
                    .map(|(_, value)| value),
                variables,
            })
        })
    })
}

/// All `Resource` and `NotResource` entries, with their statement.
fn resources(case: &Case) -> impl Iterator<Item = (Statement<'_>, String)> {
    statements(case).flat_map(|statement| {
        let entries: Vec<String> = ["Resource", "NotResource"]
            .iter()
            .filter_map(|element| statement.statement.get(*element))
            .flat_map(strings)
            .collect();
        entries.into_iter().map(move |entry| (Statement { ..statement }, entry))
    })
}

/// The entries of one kind of principal in `Principal` or `NotPrincipal` of the resource's policy.
fn entries(case: &Case, element: &str, kind: &str) -> Vec<String> {
    statements(case).filter_map(|statement| statement.statement.get(element)?.get(kind)).flat_map(strings).collect()
}

fn aws_entry_is_a_service_name(case: &Difference<'_>) -> bool {
    let Principal::Service(service) = &case.request.principal else {
        return false;
    };
    ["Principal", "NotPrincipal"].iter().any(|element| entries(case, element, "AWS").contains(service))
}

fn account_covers_web_identity(case: &Difference<'_>) -> bool {
    matches!(case.request.principal, Principal::Federated(_))
        && ["Principal", "NotPrincipal"]
            .iter()
            .any(|element| entries(case, element, "AWS").iter().any(|entry| principal::account_of(entry).is_some()))
}

fn not_principal_names_role_or_account(case: &Difference<'_>) -> bool {
    let Principal::Aws(arn) = &case.request.principal else {
        return false;
    };
    entries(case, "NotPrincipal", "AWS").iter().any(|entry| {
        principal::is_role_of_session(entry, arn)
            || principal::account_of(entry).is_some_and(|account| account == case.request.principal_account)
    })
}

fn allow_with_not_principal_and_limits(case: &Difference<'_>) -> bool {
    (case.policies.boundary.is_some() || case.policies.session.is_some())
        && statements(case).any(|Statement { statement, .. }| {
            statement.contains_key("NotPrincipal") && statement.get("Effect").and_then(Value::as_str) == Some("Allow")
        })
}

fn session_policy_limits_direct_grant(case: &Difference<'_>) -> bool {
    (case.reference, case.other) == (Decision::Allowed, Decision::ImplicitDeny)
        && case.policies.session.is_some()
        && case.policies.same_account
        && case.policies.trust.is_some()
        && matches!(&case.request.principal, Principal::Aws(_))
}

fn variables_before_2012(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        !element.variables
            && element.comparison().is_some_and(|(comparison, _)| condition::takes_variables(comparison))
            && element.values.iter().any(|value| value.contains("${"))
    }) || resources(case).any(|(statement, entry)| !statement.variables && entry.contains("${"))
}

fn variable_with_empty_value(case: &Difference<'_>) -> bool {
    let empty: Vec<String> = case
        .request
        .context
        .iter()
        .filter(|(_, value)| matches!(value, ContextValue::Single(value) if value.is_empty()))
        .map(|(key, _)| format!("${{{}", key.to_lowercase()))
        .collect();
    let uses_empty = |text: &str| empty.iter().any(|variable| text.to_lowercase().contains(variable));
    elements(case).any(|element| element.variables && element.values.iter().any(|value| uses_empty(value)))
        || resources(case).any(|(statement, entry)| statement.variables && uses_empty(&entry))
}

fn null_value(case: &Difference<'_>) -> bool {
    elements(case).any(|element| match (&element.operator, element.carried) {
        (Some(Operator::Null | Operator::Compare { set: Some(_), .. }), Some(value)) => condition::is_null(value),
        (Some(_), Some(ContextValue::Multi(values))) => values.is_empty(),
        _ => false,
    })
}

fn variable_in_arn_before_fifth_colon(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        element.variables
            && matches!(element.comparison(), Some((Comparison::Arn, _)))
            && element
                .values
                .iter()
                .any(|value| value.split_once("${").is_some_and(|(before, _)| before.matches(':').count() < 5))
    })
}

fn escape_outside_wildcard_operator(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        element.variables
            && matches!(element.comparison(), Some((Comparison::Equal | Comparison::EqualIgnoringCase, _)))
            && element.values.iter().any(|value| ["${*}", "${?}", "${$}"].iter().any(|escape| value.contains(escape)))
    })
}

fn negated_operator_variable_without_value(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        element.variables
            && element.carried.is_some()
            && element
                .comparison()
                .is_some_and(|(comparison, negated)| negated && condition::takes_variables(comparison))
            && element.values.iter().any(|value| text::expand(value, &case.request).is_none())
    })
}

fn not_resource_variable_without_value(case: &Difference<'_>) -> bool {
    resources(case).any(|(statement, entry)| {
        statement.variables
            && statement.statement.contains_key("NotResource")
            && text::expand(&entry, &case.request).is_none()
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

fn four_digit_date(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        matches!(element.comparison(), Some((Comparison::Date(_), _)))
            && element.pairs().any(|(context, policy)| {
                [context.as_str(), policy].iter().any(|text| text.len() == 4 && is_digits(text))
            })
    })
}

fn epoch_against_iso_date(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        matches!(element.comparison(), Some((Comparison::Date(_), _)))
            && element.pairs().any(|(context, policy)| {
                compare::dates(&context, policy).is_some() && is_digits(&context) != is_digits(policy)
            })
    })
}

fn is_v6(address: &str) -> Option<bool> {
    address.split('/').next()?.parse::<std::net::IpAddr>().ok().map(|address| address.is_ipv6())
}

fn ipv4_prefix_zero(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        matches!(element.comparison(), Some((Comparison::Address, _)))
            && element.pairs().any(|(context, policy)| {
                is_v6(&context) == Some(false) && is_v6(policy) == Some(false) && policy.ends_with("/0")
            })
    })
}

fn address_of_other_family(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        matches!(element.comparison(), Some((Comparison::Address, true)))
            && element.pairs().any(|(context, policy)| {
                !policy.contains('/')
                    && matches!((is_v6(&context), is_v6(policy)), (Some(context), Some(policy)) if context != policy)
            })
    })
}

fn ipv6_spelling(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        matches!(element.comparison(), Some((Comparison::Address, _)))
            && element.pairs().any(|(context, policy)| {
                is_v6(&context) == Some(true) && compare::address_in(&context, policy) && context != policy
            })
    })
}

fn negated_operator_unreadable_value(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        let Some((comparison, true)) = element.comparison() else {
            return false;
        };
        element.pairs().any(|(context, policy)| match comparison {
            Comparison::Number(_) => compare::numbers(&context, policy).is_none(),
            Comparison::Date(_) => compare::dates(&context, policy).is_none(),
            Comparison::Address => is_v6(&context).is_none() || is_v6(policy).is_none(),
            Comparison::Arn => context.split(':').count() < 6 || policy.split(':').count() < 6,
            _ => false,
        })
    })
}

fn loosely_read_value(case: &Difference<'_>) -> bool {
    elements(case).any(|element| {
        element.pairs().any(|(context, policy)| match element.comparison() {
            Some((Comparison::Number(_), _)) => compare::numbers(&context, policy).is_none(),
            Some((Comparison::Date(_), _)) => compare::dates(&context, policy).is_none(),
            _ => false,
        })
    })
}

fn wildcard_before_first_separator(case: &Difference<'_>) -> bool {
    resources(case).any(|(_, entry)| {
        let resource = entry.splitn(6, ':').nth(5).unwrap_or_default();
        resource.find(['/', ':']).and_then(|at| resource.get(..at)).is_some_and(|first| first.contains(['*', '?']))
    })
}

fn variable_before_first_separator(case: &Difference<'_>) -> bool {
    resources(case).any(|(statement, entry)| {
        let resource = entry.splitn(6, ':').nth(5).unwrap_or_default();
        statement.variables
            && text::expand(&entry, &case.request).is_some()
            && resource.split_once("${").is_some_and(|(before, _)| !before.contains(['/', ':']))
    })
}

fn star_beyond_colon(case: &Difference<'_>) -> bool {
    let Some(asked) = &case.request.resource else {
        return false;
    };
    resources(case).any(|(statement, entry)| {
        let pieces: Option<Vec<Piece>> =
            if statement.variables { text::expand(&entry, &case.request) } else { Some(text::written(&entry)) };
        text::resource(&entry, statement.variables, statement.of_identity, &case.request)
            && entry != "*"
            && pieces.is_some_and(|pieces| !text::arn_like(&pieces, asked))
    })
}
