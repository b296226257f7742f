//! Connections to a mail server, kept from others as they are to be, or not there at all.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;

use super::{DeliveryError, PATIENCE, SmtpSecurity, SmtpSettings, reason};

/// Opens connections.
pub(super) struct Connector {
    host: String,
    port: u16,
    secrecy: Secrecy,
    credentials: Option<Credentials>,
}

enum Secrecy {
    Tls(TlsParameters),
    StartTls(TlsParameters),
    Plain,
}

impl Connector {
    pub fn new(settings: &SmtpSettings) -> Result<Self, Error> {
        let parameters = || {
            let mut parameters = TlsParameters::builder(settings.host.clone());
            if let Some(pem) = &settings.authority {
                parameters = parameters.add_root_certificate(Certificate::from_pem(pem)?);
            }
            parameters.build()
        };
        let secrecy = match settings.security {
            SmtpSecurity::Tls => Secrecy::Tls(parameters()?),
            SmtpSecurity::StartTls => Secrecy::StartTls(parameters()?),
            SmtpSecurity::Plain => Secrecy::Plain,
        };
        let credentials = settings.credentials.clone();
        let credentials = credentials.map(|(user, password)| Credentials::new(user, password));
        Ok(Self { host: settings.host.clone(), port: settings.port, secrecy, credentials })
    }

    /// A connection that takes mail. What fails until then is no fault of a message, whatever the server says: it may be tried later.
    pub async fn open(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        let later = |error: Error| DeliveryError::Later(reason(&error));
        let (server, us) = ((self.host.as_str(), self.port), ClientId::default());
        let direct = |tls| AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), &us, tls, None);
        let mut connection = match &self.secrecy {
            Secrecy::Plain => direct(None).await.map_err(later)?,
            Secrecy::Tls(parameters) => direct(Some(parameters.clone())).await.map_err(later)?,
            Secrecy::StartTls(parameters) => {
                let stream = TcpStream::connect(server).await;
                let stream = stream.map_err(|_| DeliveryError::Later("unreachable".into()))?;
                let stream = Box::new(LineByLine(BufReader::new(stream)));
                let connection = AsyncSmtpConnection::connect_with_transport(stream, &us).await;
                let mut connection = connection.map_err(later)?;
                if !connection.can_starttls() {
                    return Err(DeliveryError::Later("no-starttls".into()));
                }
                connection.starttls(parameters.clone(), &us).await.map_err(|error| {
                    let answered = error.status().is_some();
                    if answered { later(error) } else { DeliveryError::Later("tls".into()) }
                })?;
                connection
            }
        };
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(later)?;
        }
        Ok(connection)
    }
}

/// Hands on one line at a time. Whoever is in between may put answers in clear behind the one to `STARTTLS`; the library, which
/// keeps what it has read, would take them for the server's once TLS is there. So it is never given any: they are left for the TLS
/// handshake, which they end.
#[derive(Debug)]
struct LineByLine(BufReader<TcpStream>);

impl AsyncRead for LineByLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = Pin::new(&mut self.0);
        let there = ready!(inner.as_mut().poll_fill_buf(cx))?;
        let line = there.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let taken = line.get(..buf.remaining()).unwrap_or(line);
        buf.put_slice(taken);
        let taken = taken.len();
        inner.consume(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineByLine {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for LineByLine {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_line_is_handed_on_without_what_follows_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(b"220 go on\r\n250 injected\r\nrest").await.unwrap();
        drop(server);
        let mut stream = LineByLine(BufReader::new(stream));
        let mut read = async |most: usize| {
            let mut buffer = vec![0; most];
            let count = stream.read(&mut buffer).await.unwrap();
            String::from_utf8(buffer[..count].to_vec()).unwrap()
        };
        assert_eq!(read(1_000).await, "220 go on\r\n");
        assert_eq!(read(3).await, "250", "no more than there is room for");
        assert_eq!(read(1_000).await, " injected\r\n");
        assert_eq!((read(1_000).await, read(1_000).await), ("rest".into(), String::new()));
    }
}
