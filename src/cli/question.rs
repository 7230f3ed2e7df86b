//! Questions about an action of AWS, and the resource that it acts on.

use anyhow::bail;
use rolecall_actions::Action;
use rolecall_core::permission::Need;
use rolecall_iam::Arn;

/// An action that AWS has, on a resource that it can act on.
///
/// # Errors
/// Where AWS has no such action, or the resource is no ARN or one of another service.
pub(super) fn question<'a>(action: &'a str, resource: Option<&'a str>) -> anyhow::Result<Need<'a>> {
    if !rolecall_actions::is_known(action) {
        match rolecall_actions::suggest(action) {
            Some(near) => bail!("AWS has no action `{action}`; did you mean `{near}`?"),
            None => bail!("AWS has no action `{action}`: actions are written SERVICE:NAME, such as dynamodb:Query"),
        }
    }
    let resource = resource.filter(|resource| *resource != "*");
    if let (Some(resource), Some(known)) = (resource, rolecall_actions::find(action)) {
        fits(&known, resource)?;
    }
    Ok(Need { action, resource })
}

/// Refuses what cannot be a resource of the action: no ARN, or one of another service.
fn fits(action: &Action, resource: &str) -> anyhow::Result<()> {
    let Some(arn) = Arn::parse(resource) else {
        bail!("`{resource}` is not an ARN, such as arn:aws:dynamodb:us-west-2:111122223333:table/carts");
    };
    let patterns: Vec<&str> = action.resource_types().flat_map(|kind| kind.arn_patterns()).collect();
    let may_be = |pattern: &&str| {
        let service = pattern.split(':').nth(2).unwrap_or("$");
        service == arn.service || service.contains('$')
    };
    if let Some(pattern) = patterns.first()
        && !arn.service.contains(['*', '?'])
        && !patterns.iter().any(may_be)
    {
        bail!("{} does not act on resources of {}; its resources are {pattern}", action.full_name(), arn.service);
    }
    Ok(())
}
