//! The peers of the relay, and the three names each is known by: session, user name fragment, address.

use std::{collections::HashMap, net::SocketAddr};

use rand::RngExt;

use super::{Answer, Resource, Wish};
use crate::{
    guard,
    peer::{Negotiated, Peer},
    room::{Origin, PeerId, Rendition},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SessionKind {
    Publisher { origin: Origin, client: Option<String> },
    Viewer { rendition: Rendition, internal: bool },
}

impl From<Wish> for SessionKind {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Publish { origin, client } => Self::Publisher { origin, client },
            Wish::Watch { rendition, internal } => Self::Viewer { rendition, internal },
        }
    }
}

impl SessionKind {
    pub(super) fn is_internal(&self) -> bool {
        match self {
            Self::Publisher { origin, .. } => *origin == Origin::Enhanced,
            Self::Viewer { internal, .. } => *internal,
        }
    }

    fn resource(&self) -> Resource {
        match self {
            Self::Publisher { origin, .. } => Resource::Publisher(*origin),
            Self::Viewer { internal, .. } => Resource::Viewer { internal: *internal },
        }
    }
}

pub(super) struct Session {
    pub(super) kind: SessionKind,
    pub(super) peer: Peer,
    /// It is to be polled.
    pub(super) dirty: bool,
    /// It holds forwarded packets that have not left yet.
    pub(super) unsent: bool,
    name: String,
    etag: String,
    ufrag: String,
    addresses: Vec<SocketAddr>,
}

/// A session that nobody knows yet.
pub(super) struct NewSession(Session);

impl NewSession {
    pub(super) fn new(kind: SessionKind, negotiated: Negotiated) -> (Self, Answer) {
        let Negotiated { peer, ufrag, answer } = negotiated;
        // Whoever knows the name may end the session.
        let name = format!("{:032x}", rand::rng().random::<u128>());
        let etag = format!("\"{ufrag}\"");
        let answer = Answer { session: name.clone(), etag: etag.clone(), sdp: answer };
        (Self(Session { kind, peer, dirty: true, unsent: false, name, etag, ufrag, addresses: Vec::new() }), answer)
    }

    pub(super) fn kind(&self) -> &SessionKind {
        &self.0.kind
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }
}

#[derive(Default)]
pub(super) struct Sessions {
    by_id: HashMap<PeerId, Session>,
    ids_by_name: HashMap<String, PeerId>,
    ids_by_ufrag: HashMap<String, PeerId>,
    ids_by_address: HashMap<SocketAddr, PeerId>,
    next_id: u64,
}

impl Sessions {
    pub(super) fn insert(&mut self, NewSession(session): NewSession) -> PeerId {
        let id = PeerId(self.next_id);
        self.next_id += 1;
        self.ids_by_name.insert(session.name.clone(), id);
        self.ids_by_ufrag.insert(session.ufrag.clone(), id);
        self.by_id.insert(id, session);
        id
    }

    pub(super) fn remove(&mut self, id: PeerId) -> Option<Session> {
        let session = self.by_id.remove(&id)?;
        self.ids_by_name.remove(&session.name);
        self.ids_by_ufrag.remove(&session.ufrag);
        for address in &session.addresses {
            if self.ids_by_address.get(address) == Some(&id) {
                self.ids_by_address.remove(address);
            }
        }
        Some(session)
    }

    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (PeerId, &mut Session)> {
        self.by_id.iter_mut().map(|(id, session)| (*id, session))
    }

    pub(super) fn ids(&self) -> Vec<PeerId> {
        self.by_id.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// With the name that its client goes by.
    pub(super) fn publishers(&self, origin: Origin) -> Vec<(PeerId, Option<String>)> {
        let publishers = self.by_id.iter().filter_map(|(id, session)| match &session.kind {
            SessionKind::Publisher { origin: of, client } if *of == origin => Some((*id, client.clone())),
            _ => None,
        });
        publishers.collect()
    }

    pub(super) fn publisher(&self, origin: Origin) -> Option<(PeerId, &Session)> {
        let is_it = |session: &&Session| session.kind.resource() == Resource::Publisher(origin);
        self.by_id.iter().map(|(id, session)| (*id, session)).find(|(_, session)| is_it(session))
    }

    pub(super) fn public_viewers(&self) -> usize {
        let resource = Resource::Viewer { internal: false };
        self.by_id.values().filter(|session| session.kind.resource() == resource).count()
    }

    /// Whose a datagram is: of the user name in a binding request, else of the address it comes from.
    pub(super) fn find_for(&self, from: SocketAddr, datagram: &[u8]) -> Option<PeerId> {
        match guard::requested_peer(datagram) {
            Some(ufrag) => self.ids_by_ufrag.get(ufrag).copied(),
            None => self.ids_by_address.get(&from).copied(),
        }
    }

    /// An authentic binding request came from there.
    pub(super) fn know_address(&mut self, id: PeerId, address: SocketAddr) {
        if self.ids_by_address.insert(address, id) != Some(id)
            && let Some(session) = self.by_id.get_mut(&id)
            && !session.addresses.contains(&address)
        {
            session.addresses.push(address);
        }
    }

    pub(super) fn find_by_name(&self, name: &str, resource: Resource) -> Option<PeerId> {
        let id = *self.ids_by_name.get(name)?;
        (self.by_id.get(&id)?.kind.resource() == resource).then_some(id)
    }

    pub(super) fn etag(&self, id: PeerId) -> Option<String> {
        self.by_id.get(&id).map(|session| session.etag.clone())
    }
}
