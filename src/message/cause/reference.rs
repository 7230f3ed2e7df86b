//! Identities that custom resources name.

use rolecall_core::custom::Controller;
use rolecall_core::finding::ReferenceCause;

use crate::names::service_account;

pub(super) fn sentence(controller: Controller, why: &ReferenceCause) -> String {
    let controller = controller.name();
    let no_credentials = |why: String| format!("{controller} gets no AWS credentials for this object: {why}");
    match why {
        ReferenceCause::NoAnnotation { account, has_association: false } => {
            no_credentials(format!("{} has no annotation eks.amazonaws.com/role-arn", service_account(account)))
        }
        ReferenceCause::NoAnnotation { account, has_association: true } => no_credentials(format!(
            "{} has no annotation eks.amazonaws.com/role-arn, and its Pod Identity association is for pods only",
            service_account(account)
        )),
        ReferenceCause::AccountMissing { account } => {
            no_credentials(format!("{} does not exist", service_account(account)))
        }
        ReferenceCause::Without { path } => no_credentials(format!("{path} is not set")),
        ReferenceCause::Both { paths: [first, second] } => {
            no_credentials(format!("{first} and {second} exclude one another"))
        }
        ReferenceCause::NamespaceUnknown { path, account } => format!(
            "cannot tell whether {controller} can assume the role: the object does not say in which namespace service \
             account {account} is ({path})"
        ),
        ReferenceCause::AccountUnknown { account } => format!(
            "cannot tell which role {controller} assumes: {} is not among the objects that were read",
            service_account(account)
        ),
        ReferenceCause::OwnIdentity { role } => format!(
            "cannot tell whether {controller} can assume role {role}: it does so with the identity of its own pods, or with \
             keys"
        ),
        ReferenceCause::TooMany { checked } => {
            let checked = match checked {
                1 => "1 identity".to_owned(),
                many => format!("{many} identities"),
            };
            format!(
                "this object names more than rolecall reads of one object: it checked {checked}, and not the others"
            )
        }
    }
}
