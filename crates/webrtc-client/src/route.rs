//! Which local addresses reach a server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use reqwest::Url;

/// Whether a URL names this machine, so that no network lies between.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The addresses of this machine from which the server's addresses are reached, each once, with port 0. Sockets must
/// be bound to concrete addresses: a wildcard is expanded to every interface but the loopback.
pub(crate) async fn local_addresses(url: &Url) -> std::io::Result<Vec<SocketAddr>> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let mut addresses = Vec::new();
    for server in tokio::net::lookup_host((host, port)).await? {
        if let Ok(local) = local_address_towards(server)
            && !addresses.contains(&local)
        {
            addresses.push(local);
        }
    }
    if addresses.is_empty() {
        return Err(std::io::Error::new(std::io::ErrorKind::NetworkUnreachable, "no route to the server"));
    }
    Ok(addresses)
}

/// A connected UDP socket sends nothing, but has the address that the route gives it.
fn local_address_towards(server: SocketAddr) -> std::io::Result<SocketAddr> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    Ok(SocketAddr::new(socket.local_addr()?.ip(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_this_machine_are_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:8080/whip", true),
            ("http://localhost/whip", true),
            ("http://[::1]:8080/whip", true),
            ("https://stream.example/whip", false),
            ("http://10.0.0.7:8080/whip", false),
            ("not a url", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_loopback_server_is_reached_from_loopback() {
        let url = Url::parse("http://127.0.0.1:8080/whip").unwrap();
        let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert_eq!(local_addresses(&url).await.unwrap(), [loopback]);
    }
}
