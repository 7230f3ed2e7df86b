//! What `rolecall snapshot` says when it is done.

use std::io::{self, Write};

use serde_json::Value;

use crate::sources::Written;
use crate::sources::aws::{AccountParts, Collected, Part};

/// How many failures are shown; the snapshot has them all.
const SHOWN: usize = 20;

pub(super) fn tell(
    collected: &Collected,
    target: &str,
    bytes: usize,
    written: Written,
    said: &mut dyn Write,
) -> io::Result<()> {
    let name = collected.cluster.value.as_ref().and_then(|cluster| cluster.get("name")).and_then(Value::as_str);
    writeln!(
        said,
        "cluster {}: {}, {}, {}, {}",
        name.unwrap_or_default(),
        count(&collected.addons, "add-ons"),
        count(&collected.associations, "associations"),
        count(&collected.node_roles, "node roles"),
        count(&collected.fargate_profiles, "Fargate profiles"),
    )?;
    for (id, account) in &collected.accounts {
        writeln!(said, "account {id}: {}, {}", roles(account), count(&account.oidc_providers, "OIDC providers"))?;
    }
    for (id, named) in &collected.unread_accounts {
        writeln!(
            said,
            "account {id}: not read, {named} roles there stay unknown; add it to aws.accounts to read them"
        )?;
    }
    let failures = collected.failures();
    if !failures.is_empty() {
        writeln!(said, "{} parts could not be read; what depends on them stays unknown:", failures.len())?;
        for (part, error) in failures.iter().take(SHOWN) {
            writeln!(said, "  {part}: {error}")?;
        }
        if failures.len() > SHOWN {
            writeln!(said, "  and {} more, in the snapshot's `unread`", failures.len() - SHOWN)?;
        }
    }
    if written == Written::Done {
        writeln!(said, "written to {target}: {bytes} bytes")?;
    }
    Ok(())
}

fn count(part: &Part<Vec<Value>>, things: &str) -> String {
    match &part.value {
        Some(list) => format!("{} {things}", list.len()),
        None => format!("{things} not read"),
    }
}

fn roles(account: &AccountParts) -> String {
    let there = account.roles.values().filter(|part| part.known().is_present()).count();
    let missing = account.roles.values().filter(|part| part.known().is_absent()).count();
    let mut text = match &account.listed {
        Some(Part { value: None, .. }) => "roles not read".to_owned(),
        Some(_) => format!("all {there} roles"),
        None => format!("{there} roles of {} named", account.roles.len()),
    };
    if missing > 0 {
        text += &format!(", {missing} do not exist");
    }
    match &account.naming {
        Some(naming) if !naming.is_empty() => {
            text += &format!(", {} more whose trust policies name a service account", naming.len());
        }
        Some(_) => {}
        None if account.listed.is_none() => text += ", others could not be listed",
        None => {}
    }
    if !account.policies.is_empty() {
        text += &format!(", {} managed policies", account.policies.len());
    }
    text
}
