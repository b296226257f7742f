//! A TCP line that can be cut, or muted: then what is asked arrives, and no answer comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// No connection holds, and none is taken.
    Cut,
    /// Answers are lost.
    Mute,
}

/// A line to an address.
pub struct Line {
    pub listen: SocketAddr,
    state: Arc<watch::Sender<State>>,
    /// Bytes of answers until the connection that carries them breaks; then it is whole again.
    allowance: Arc<AtomicUsize>,
}

impl Line {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let state = Arc::new(watch::Sender::new(State::Whole));
        let states = Arc::clone(&state);
        let allowance = Arc::new(AtomicUsize::new(usize::MAX));
        let bytes = Arc::clone(&allowance);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let mut state = states.subscribe();
                if *state.borrow_and_update() == State::Cut {
                    continue;
                }
                let bytes = Arc::clone(&bytes);
                tokio::spawn(async move {
                    let mut cut = state.clone();
                    tokio::select! {
                        () = carry(client, target, state, &bytes) => {}
                        _ = cut.wait_for(|state| *state == State::Cut) => {}
                    }
                });
            }
        });
        Self { listen, state, allowance }
    }

    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub fn mute(&self) {
        self.state.send_replace(State::Mute);
    }

    /// Breaks once, after so many more bytes of answers.
    pub fn cut_after(&self, bytes: usize) {
        self.allowance.store(bytes, Ordering::Relaxed);
    }

    /// Whether it is still to break.
    pub fn will_break(&self) -> bool {
        self.allowance.load(Ordering::Relaxed) != usize::MAX
    }

    pub fn restore(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn carry(
    client: TcpStream,
    target: SocketAddr,
    state: watch::Receiver<State>,
    allowance: &AtomicUsize,
) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from_server.read(&mut buffer).await?;
            if read == 0 {
                return Ok::<(), std::io::Error>(());
            }
            let allowed = allowance.load(Ordering::Relaxed);
            if allowed != usize::MAX {
                if read >= allowed {
                    allowance.store(usize::MAX, Ordering::Relaxed);
                    to_client.write_all(&buffer[..allowed]).await?;
                    return Ok(());
                }
                allowance.store(allowed - read, Ordering::Relaxed);
            }
            if *state.borrow() != State::Mute {
                to_client.write_all(&buffer[..read]).await?;
            }
        }
    };
    // Either end that goes takes the other with it.
    tokio::select! {
        _ = up => {}
        _ = down => {}
    }
}
