//! Who talks to the API server.

use kube::config::AuthInfo;

/// A user of the API server. All but the admin may do what RBAC grants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    groups: Vec<String>,
}

impl User {
    /// May do everything, and is served before everybody else (group `system:masters`).
    #[must_use]
    pub fn admin() -> Self {
        Self { name: "admin".into(), groups: vec!["system:masters".into()] }
    }

    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), groups: Vec::new() }
    }

    /// A service account, with the groups that its tokens give. The object need not exist.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let groups = vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")];
        Self { name: format!("system:serviceaccount:{namespace}:{name}"), groups }
    }

    #[must_use]
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The admin shows a token; everybody else is the admin who says to be them.
    pub(crate) fn auth_info(&self, admin_token: &str) -> AuthInfo {
        let mut auth = AuthInfo { token: Some(admin_token.to_owned().into()), ..AuthInfo::default() };
        if *self != Self::admin() {
            auth.impersonate = Some(self.name.clone());
            auth.impersonate_groups = Some(self.groups.clone());
        }
        auth
    }
}
