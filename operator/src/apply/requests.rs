//! The requests themselves.

use std::collections::BTreeMap;

use crds::{LiveStream, children::secret_name};
use k8s_openapi::{
    ByteString,
    api::core::v1::{Pod, Secret},
};
use kube::{
    Api, Error, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    runtime::watcher::Event,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{Failure, Shell, Show, refusal::refusal};
use crate::{
    changes::{Known, MissingMetadata},
    desired::{INTERNAL_TOKEN_KEY, nats_key},
    memory::{Refusal, RefusalReason},
    names::{FIELD_MANAGER, Role},
    stores::Watched,
    views::parse_version,
};

/// What the API server made of a request.
pub(super) enum Answer {
    /// Done; with the version the object has since, where it still exists.
    Written(Option<u64>),
    /// What was seen is old; this is newer.
    Found(Watched),
    /// It is not there; the UID it was known by.
    Gone(Option<String>),
    Refused(Refusal),
}

/// Everything a request needs of a kind.
pub(super) trait Child:
    Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + Clone
    + Serialize
    + DeserializeOwned
    + std::fmt::Debug
{
}

impl<K> Child for K where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug
{
}

impl Shell<'_> {
    pub(super) async fn create<K: Child>(&self, api: &Api<K>, object: &K, show: Show<K>) -> Result<Answer, Failure> {
        let name = object.name_any();
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match api.create(&params, object).await {
            Ok(created) => Ok(Answer::Written(version(&created))),
            Err(Error::Api(status)) if status.is_already_exists() => self.look_up(api, &name, None, show).await,
            Err(error) => answer(format!("creating {} {name}", K::kind(&())), error),
        }
    }

    pub(super) async fn delete<K: Child>(
        &self,
        api: &Api<K>,
        known: &Known,
        grace_seconds: Option<u32>,
        show: Show<K>,
    ) -> Result<Answer, Failure> {
        let preconditions =
            Preconditions { uid: Some(known.uid.clone()), resource_version: Some(known.version.to_string()) };
        let params = DeleteParams {
            preconditions: Some(preconditions),
            grace_period_seconds: grace_seconds,
            ..DeleteParams::background()
        };
        match api.delete(&known.name, &params).await {
            Ok(deleted) => Ok(Answer::Written(deleted.left().as_ref().and_then(version))),
            Err(Error::Api(status)) if status.is_not_found() || status.is_conflict() => {
                self.look_up(api, &known.name, Some(known), show).await
            }
            Err(error) => answer(format!("deleting {} {}", K::kind(&()), known.name), error),
        }
    }

    /// With nothing `known`, fields that others own are left to them: the name is taken then.
    pub(super) async fn server_side_apply<K: Child>(
        &self,
        api: &Api<K>,
        object: &K,
        known: Option<&Known>,
        show: Show<K>,
    ) -> Result<Answer, Failure> {
        let name = object.name_any();
        let mut object = object.clone();
        let mut params = PatchParams::apply(FIELD_MANAGER);
        if let Some(known) = known {
            params = params.force();
            object.meta_mut().uid = Some(known.uid.clone());
            object.meta_mut().resource_version = Some(known.version.to_string());
        }
        match api.patch(&name, &params, &Patch::Apply(&object)).await {
            Ok(applied) => Ok(Answer::Written(version(&applied))),
            Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() && known.is_some() => {
                self.look_up(api, &name, known, show).await
            }
            Err(error) => answer(format!("applying {} {name}", K::kind(&())), error),
        }
    }

    pub(super) async fn patch_metadata(&self, known: &Known, missing: &MissingMetadata) -> Result<Answer, Failure> {
        let mut metadata = json!({
            "uid": known.uid,
            "resourceVersion": known.version.to_string(),
            "labels": missing.labels,
            "annotations": missing.annotations,
        });
        if missing.owner {
            metadata["ownerReferences"] = json!([crate::desired::owner(self.stream)]);
        }
        let metadata = json!({"metadata": metadata});
        let api = self.api::<Pod>();
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = api.patch(&known.name, &params, &Patch::Merge(&metadata)).await;
        self.patched(&api, known, patched).await
    }

    pub(super) async fn set_reachable(&self, known: &Known) -> Result<Answer, Failure> {
        let condition = json!({"status": {"conditions": [{
            "type": crds::children::REACHABLE_GATE,
            "status": "True",
            "reason": "ProbeAnswered",
            "lastTransitionTime": self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }]}, "metadata": {"uid": known.uid}});
        let api = self.api::<Pod>();
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = api.patch_status(&known.name, &params, &Patch::Strategic(&condition)).await;
        self.patched(&api, known, patched).await
    }

    pub(super) async fn create_secret(&self) -> Result<Answer, Failure> {
        let mut data = BTreeMap::from([(INTERNAL_TOKEN_KEY.to_owned(), ByteString(token().into_bytes()))]);
        for role in Role::ALL {
            let credentials = self.context.credentials.of(role).unwrap_or_default();
            data.insert(nats_key(role), ByteString(credentials.as_bytes().to_vec()));
        }
        let metadata = crate::desired::metadata(self.stream, self.name, secret_name(self.name.name()));
        let secret = Secret { metadata, data: Some(data), type_: Some("Opaque".to_owned()), ..Secret::default() };
        self.create(&self.api::<Secret>(), &secret, Watched::secret).await
    }

    async fn patched(&self, api: &Api<Pod>, known: &Known, patched: kube::Result<Pod>) -> Result<Answer, Failure> {
        match patched {
            Ok(pod) => Ok(Answer::Written(version(&pod))),
            Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                self.look_up(api, &known.name, Some(known), Watched::pod).await
            }
            Err(error) => answer(format!("patching pod {}", known.name), error),
        }
    }

    /// What has the name now: gone, newer than `known`, or not the stream's at all.
    async fn look_up<K: Child>(
        &self,
        api: &Api<K>,
        name: &str,
        known: Option<&Known>,
        show: Show<K>,
    ) -> Result<Answer, Failure> {
        let found = match api.get_opt(name).await {
            Ok(found) => found,
            Err(error) => return answer(format!("looking up {} {name}", K::kind(&())), error),
        };
        match found {
            Some(object) if self.is_foreign(&object) => {
                let message = format!("{} {name} exists, and is not this stream's", K::kind(&()));
                Ok(Answer::Refused(Refusal { reason: RefusalReason::NameTaken, message }))
            }
            Some(object) => {
                show(Event::Apply(object)).map(Answer::Found).ok_or_else(|| Failure::Outdated(name.to_owned()))
            }
            None => Ok(Answer::Gone(known.map(|known| known.uid.clone()))),
        }
    }

    /// What this or an earlier stream of the name controls is not; nor is what lost its owner but not its labels.
    fn is_foreign<K: Child>(&self, object: &K) -> bool {
        match object.owner_references().iter().find(|owner| owner.controller == Some(true)) {
            Some(owner) => owner.kind != LiveStream::kind(&()) || owner.name != self.name.name(),
            None => !crds::children::labels(self.name.name())
                .iter()
                .all(|(key, value)| object.labels().get(key) == Some(value)),
        }
    }
}

/// What the API server did not take: for good, or for now.
fn answer(doing: String, error: Error) -> Result<Answer, Failure> {
    match &error {
        Error::Api(status) => match refusal(status) {
            Some(refusal) => Ok(Answer::Refused(refusal)),
            None => Err(Failure::Request { doing, source: Box::new(error) }),
        },
        _ => Err(Failure::Request { doing, source: Box::new(error) }),
    }
}

fn version<K: Resource>(object: &K) -> Option<u64> {
    object.meta().resource_version.as_deref().and_then(parse_version)
}

/// 256 bits that nobody can guess.
fn token() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
