//! What a Service is to its pods: one address that leads to the pod of the moment. Connections stay where they were led.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Debug)]
pub(crate) struct Front {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
}

impl Front {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (target, targets) = watch::channel(None);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let target = *targets.borrow();
                tokio::spawn(lead(client, target));
            }
        });
        Self { address, target }
    }

    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Without a target, or with one that is gone, the connection is closed.
async fn lead(mut client: TcpStream, target: Option<SocketAddr>) {
    let Some(target) = target else { return };
    if let Ok(mut server) = TcpStream::connect(target).await {
        // Either side may break it off.
        copy_bidirectional(&mut client, &mut server).await.ok();
    }
}
