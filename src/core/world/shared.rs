//! Service accounts of which nothing but the owner is known. A chart or an application creates many of them: they share one
//! value, so that a cluster of 50,000 takes no more memory for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::cluster::ServiceAccount;
use crate::workload::Owner;

/// One value for each owner, as long as a service account has it.
#[derive(Debug, Default)]
pub(super) struct SharedAccounts(Mutex<HashMap<Owner, Weak<ServiceAccount>>>);

impl SharedAccounts {
    /// The account, or an equal one that exists.
    pub(super) fn share(&self, account: ServiceAccount) -> Arc<ServiceAccount> {
        let Some(owner) = account.only_owner() else { return Arc::new(account) };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.get(owner).and_then(Weak::upgrade) {
            return shared;
        }
        // Those of deleted accounts go when the table would grow.
        if known.len() == known.capacity() {
            known.retain(|_, account| account.strong_count() > 0);
        }
        let owner = owner.clone();
        let account = Arc::new(account);
        known.insert(owner, Arc::downgrade(&account));
        account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(release: &str, role: Option<&str>) -> ServiceAccount {
        let owner = Some(Box::new(Owner::Helm(release.into())));
        ServiceAccount { owner, role_arn: role.map(Into::into), ..ServiceAccount::default() }
    }

    #[test]
    fn accounts_of_one_release_share_a_value_and_others_do_not() {
        let shared = SharedAccounts::default();
        let first = shared.share(account("shop", None));
        assert!(Arc::ptr_eq(&first, &shared.share(account("shop", None))));
        assert!(!Arc::ptr_eq(&first, &shared.share(account("pay", None))));
        let annotated = shared.share(account("shop", Some("r")));
        assert_eq!(annotated.role_arn.as_deref(), Some("r"));
        assert!(!Arc::ptr_eq(&annotated, &shared.share(account("shop", Some("r")))), "it has more than an owner");
    }

    #[test]
    fn what_no_account_has_any_longer_is_forgotten() {
        let shared = SharedAccounts::default();
        for release in 0..10_000 {
            let _ = shared.share(account(&release.to_string(), None));
        }
        assert!(shared.0.lock().unwrap().len() < 100);
    }
}
