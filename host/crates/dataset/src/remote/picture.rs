//! Pictures at addresses of the web, which records choose: of bounded size, and none from a network of this machine's own unless a
//! person says so.

use std::net::IpAddr;

use futures_util::StreamExt;
use objects::Address;
use reqwest::Url;
use tokio::time::{Instant, timeout};
use types::pace::{Pace, TRICKLES};

use super::login::Login;
use super::{HEAD, NEXT_BYTES, PAUSE, Problem, TRIES, page};

/// The bytes of a picture at an address of the web, up to a size. An error is with whether it may pass.
pub(crate) fn picture(
    address: &str,
    most: u64,
    reaches_own: bool,
) -> Result<Vec<u8>, (bool, String)> {
    let mut tries = 1;
    loop {
        // A runtime cannot be started within another one.
        let asked = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|error| Problem::Passing(error.to_string()))?;
                runtime.block_on(bytes_at(address, most, reaches_own))
            });
            let asked = asking.join();
            asked.unwrap_or_else(|_| Err(Problem::Passing("the client broke".to_owned())))
        });
        match asked {
            Ok(bytes) => return Ok(bytes),
            Err(Problem::Passing(_)) if tries < TRIES => {
                std::thread::sleep(PAUSE * tries);
                tries += 1;
            }
            Err(Problem::Passing(cause)) => return Err((true, cause)),
            Err(Problem::Lasting { cause, remedy }) => {
                return Err((false, format!("{cause}; {remedy}")));
            }
            Err(Problem::Copy(error)) => return Err((false, error.to_string())),
        }
    }
}

async fn bytes_at(address: &str, most: u64, reaches_own: bool) -> Result<Vec<u8>, Problem> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    if Address::is_one(address) {
        return Err(Problem::Lasting {
            cause: "pictures are not taken from S3".to_owned(),
            remedy: "use a path, or an address that begins with https://",
        });
    }
    let silent = |_| Problem::Passing("the server says nothing".to_owned());
    let opening = async {
        if !reaches_own {
            is_elsewhere(address).await?;
        }
        page(address, reaches_own, Login::NOBODY).await
    };
    let (_, mut pieces) = timeout(HEAD, opening).await.map_err(silent)??;
    let mut bytes: Vec<u8> = Vec::new();
    let (began, mut pace) = (Instant::now(), Pace::default());
    while let Some(piece) = timeout(NEXT_BYTES, pieces.next()).await.map_err(silent)? {
        let piece = piece.map_err(Problem::Passing)?;
        if !pace.holds(began.elapsed(), piece.len()) {
            return Err(Problem::Passing(TRICKLES.to_owned()));
        }
        if (bytes.len() + piece.len()) as u64 > most {
            return Err(Problem::Lasting {
                cause: format!("it has more than {most} bytes"),
                remedy: "make the picture smaller",
            });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Refuses an address in a network of this machine's own.
async fn is_elsewhere(address: &str) -> Result<(), Problem> {
    let lasting = |cause: String| Problem::Lasting {
        cause,
        remedy: "check the address; if its server is to be asked, set BATCHGEN_TRUST=1",
    };
    let url = Url::parse(address).map_err(|error| lasting(error.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|error| Problem::Passing(error.to_string()))?;
    match found.map(|place| place.ip()).find(is_own) {
        Some(own) => Err(lasting(format!(
            "{own} is in a network of this machine's own, and a record may not choose what is asked there"
        ))),
        None => Ok(()),
    }
}

/// Whether an address is not one of the public network.
fn is_own(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_multicast()
                || first == 0
                || is_shared
        }
        IpAddr::V6(address) => {
            // An address of the older kind, as some networks write it for those who speak the newer kind alone.
            if let [0x64, 0xff9b, 0, 0, 0, 0, ..] = address.segments() {
                let [.., a, b, c, d] = address.octets();
                return is_own(&IpAddr::from([a, b, c, d]));
            }
            let [first, ..] = address.segments();
            let is_local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_local
        }
    }
}

/// Whether an address that a server leads to names a place in a network of this machine's own. A name that stands for nothing does not.
pub(super) fn leads_home(url: &Url) -> bool {
    let found = url.socket_addrs(|| None).unwrap_or_default();
    found.iter().any(|place| is_own(&place.ip()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn networks_of_this_machine_are_told_from_the_public_one() {
        for own in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(is_own(&own.parse().unwrap()), "{own}");
        }
        for public in [
            "93.184.216.34",
            "2606:2800:220:1::1",
            "100.128.0.1",
            "64:ff9b::5db8:d822",
        ] {
            assert!(!is_own(&public.parse().unwrap()), "{public}");
        }
        let leads = |url: &str| leads_home(&Url::parse(url).unwrap());
        assert!(leads("http://localhost/a") && leads("http://[::1]/a"));
        assert!(leads("http://2130706433/a"), "127.0.0.1 as one number");
        assert!(!leads("https://93.184.216.34/a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_of_a_picture_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/a.png", listener.local_addr().unwrap());
        let asked = bytes_at(&address, 1000, true).await;
        assert!(
            matches!(asked, Err(Problem::Passing(cause)) if cause == "the server says nothing")
        );
        let refused = bytes_at(&address, 1000, false).await;
        assert!(
            matches!(refused, Err(Problem::Lasting { cause, .. }) if cause.contains("127.0.0.1 is in"))
        );
    }
}
