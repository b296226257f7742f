//! A line that offers `STARTTLS` before a mail server that does not.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::{Identity, acceptor, listener};

/// What comes of `STARTTLS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It is offered and done.
    Sound,
    /// It is not offered: the server has none, or somebody in between took it out.
    Nothing,
    /// It is offered, and refused to whoever asks.
    Refused,
    /// It is offered and done, and somebody in between puts this in clear behind the answer.
    Injecting(&'static str),
}

/// The line. It ends with the runtime.
pub struct StartTls {
    /// Where it listens.
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl StartTls {
    /// A line to `target`, on a port of its own.
    pub async fn before(target: SocketAddr, identity: &Identity, offer: Offer) -> Self {
        let acceptor = acceptor(identity);
        let (listener, address) = listener().await;
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, told) = (acceptor.clone(), Arc::clone(&told));
                tokio::spawn(async move {
                    // A client that goes away, or does not trust the certificate, ends its session.
                    let _ = session(client, acceptor, target, offer, &told).await;
                });
            }
        });
        Self { address, heard }
    }

    /// The commands that were said in clear, in capitals, without what follows them.
    pub fn heard_in_clear(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn session(
    client: TcpStream,
    acceptor: TlsAcceptor,
    target: SocketAddr,
    offer: Offer,
    heard: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    client.write_all(b"220 mail.example ESMTP\r\n").await?;
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(verb.clone());
        let answer = match (verb.as_str(), offer) {
            ("EHLO", Offer::Nothing) => "250-mail.example\r\n250 AUTH PLAIN\r\n",
            ("EHLO", _) => "250-mail.example\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
            ("STARTTLS", Offer::Sound | Offer::Injecting(_)) => break,
            ("STARTTLS", Offer::Refused) => "554 5.7.3 no TLS here\r\n",
            ("QUIT", _) => "221 2.0.0 bye\r\n",
            // Whoever goes on in clear is not hindered, and heard.
            ("AUTH", _) => "235 2.7.0 welcome\r\n",
            _ => "250 OK\r\n",
        };
        client.write_all(answer.as_bytes()).await?;
    }
    let injected = if let Offer::Injecting(text) = offer { text } else { "" };
    client.write_all(format!("220 2.0.0 go on\r\n{injected}").as_bytes()).await?;
    let mut client = acceptor.accept(client.into_inner()).await?;
    let mut server = BufReader::new(TcpStream::connect(target).await?);
    // Its greeting is for a connection that begins.
    server.read_line(&mut String::new()).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
