//! Pushes whose last moment goes wrong: somebody else is faster, or the answer is lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::{GLASS, PULL, PUSH, latest, project};
use crate::moto::Moto;

/// Stands between a project and the server. Before the newest revision is written, `before` is done, once; with `is_cut`, the
/// answer to that never arrives.
fn between(moto: &Moto, is_cut: bool, before: impl FnOnce() + Send + 'static) -> String {
    const WRITTEN: &[u8] = b"PUT /team/herbs/state/latest.json";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = moto.host().to_owned();
    let before = Arc::new(Mutex::new(Some(before)));
    std::thread::spawn(move || {
        for client in listener.incoming().map(Result::unwrap) {
            let upstream = TcpStream::connect(&server).unwrap();
            let cut = Arc::new(AtomicBool::new(false));
            let (mut asked, mut asking) =
                (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            let (before, cutting) = (Arc::clone(&before), Arc::clone(&cut));
            std::thread::spawn(move || {
                let mut buffer = [0; 1 << 16];
                while let Ok(read @ 1..) = asked.read(&mut buffer) {
                    if buffer[..read].starts_with(WRITTEN)
                        && let Some(before) = before.lock().unwrap().take()
                    {
                        before();
                        cutting.store(is_cut, Ordering::SeqCst);
                    }
                    if asking.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
                let _ = asking.shutdown(Shutdown::Write);
            });
            let (mut answered, mut answering) = (upstream, client);
            std::thread::spawn(move || {
                let mut buffer = [0; 1 << 16];
                while let Ok(read @ 1..) = answered.read(&mut buffer) {
                    if cut.load(Ordering::SeqCst) || answering.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
                let _ = answering.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

#[test]
fn a_push_that_is_overtaken_in_its_last_moment_is_refused() {
    let moto = Moto::start();
    let (ann, bob) = (project(&moto), project(&moto));
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    bob.host(&PULL).ended(0);
    ann.run(&GLASS).ended(0);
    bob.run(&GLASS).ended(0);
    let address = between(&moto, false, move || {
        ann.host(&PUSH).ended(0);
    });
    let bob = bob.with("AWS_ENDPOINT_URL", &address);
    let refused = bob.host(&PUSH).ended(2).stderr;
    assert!(
        refused.contains("has revision 2, pushed by ") && refused.contains("comes from revision 1"),
        "{refused}"
    );
    // Nothing is taken for pushed that was not.
    bob.host(&PULL).ended(2);
    bob.host(&[&PULL[..], &["--set-aside"]].concat()).ended(0);
    bob.host(&PUSH).ended(0);
}

#[test]
fn a_push_whose_answer_is_lost_is_known_to_have_arrived() {
    let moto = Moto::start();
    let ann = project(&moto);
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    ann.run(&GLASS).ended(0);
    let address = between(&moto, true, || {});
    let ann = ann.with("AWS_ENDPOINT_URL", &address);
    let said = ann.host(&PUSH).ended(0).stderr;
    assert!(said.contains("pushed revision 2"), "{said}");
    assert_eq!(latest(&moto)["number"], 2);
    let said = ann.host(&PUSH).ended(0).stderr;
    assert!(said.contains("nothing to push"), "{said}");
}
