//! Who delivers notifications: a mail server that speaks SMTP as RFC 5321 has it, and a provider of text messages that takes
//! JSON over HTTP. Both on free ports of loopback; they can be down, refuse, and take without answering.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// A mail that the server took.
#[derive(Debug, Clone)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub headers: HashMap<String, String>,
    /// Decoded.
    pub text: String,
}

impl Mail {
    fn parse(from: String, to: Vec<String>, data: &str) -> Self {
        let (head, body) = data.split_once("\r\n\r\n").expect("a mail has a head and a body");
        assert!(data.split("\r\n").all(|line| line.len() <= 998 && line.is_ascii()), "RFC 5321: {data}");
        let head = head.replace("\r\n ", "");
        let headers: HashMap<String, String> = head
            .split("\r\n")
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header: {line}")))
            .map(|(name, value)| (name.to_ascii_lowercase(), words(value)))
            .collect();
        assert_eq!(headers["content-transfer-encoding"], "base64");
        Self { from, to, text: decoded(&body.replace("\r\n", "")), headers }
    }

    pub fn id(&self) -> &str {
        &self.headers["message-id"]
    }
}

fn decoded(base64: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}

/// A header's value with its encoded words read.
fn words(value: &str) -> String {
    if !value.starts_with("=?") {
        return value.to_owned();
    }
    let words = value.split("?==?").map(|word| word.trim_start_matches("=?").trim_end_matches("?="));
    words.map(|word| decoded(word.strip_prefix("utf-8?B?").expect("an encoded word"))).collect()
}

/// What a provider does with what it is handed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    #[default]
    Willing,
    /// Refuses, for good, what goes to an address that has this in it, and names the address.
    Picky(&'static str),
    /// Refuses everything for now.
    Overloaded,
    /// Takes it, and never answers.
    Silent,
}

/// What a provider has and does.
#[derive(Debug)]
struct Shared<T> {
    manner: Mutex<Manner>,
    taken: Mutex<Vec<T>>,
    /// How often it was handed something, taken or not.
    asked: Mutex<u32>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { manner: Mutex::default(), taken: Mutex::default(), asked: Mutex::default() }
    }
}

/// A provider on a port of its own.
#[derive(Debug)]
pub struct Running<T> {
    pub address: SocketAddr,
    shared: Arc<Shared<T>>,
    accepting: Option<JoinHandle<()>>,
    /// Its port while it is away: bound, so that it goes to nobody else, and refused to whoever calls.
    kept: Option<TcpSocket>,
}

/// A mail server.
pub type MailServer = Running<Mail>;
/// A provider of text messages.
pub type Texts = Running<Post>;

/// What was posted to a provider of text messages.
#[derive(Debug, Clone)]
pub struct Post {
    pub headers: HashMap<String, String>,
    pub body: Value,
}

impl<T: Clone + Send + 'static> Running<T> {
    async fn with<F>(serve: impl Fn(TcpStream, Arc<Shared<T>>) -> F + Send + Copy + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut running = Self { address, shared: Arc::default(), accepting: None, kept: None };
        running.accept(listener, serve);
        running
    }

    fn accept<F>(
        &mut self,
        listener: TcpListener,
        serve: impl Fn(TcpStream, Arc<Shared<T>>) -> F + Send + Copy + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        self.accepting = Some(tokio::spawn(async move {
            // Those who are being served go with the one who serves them.
            let mut serving = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                serving.spawn(serve(client, Arc::clone(&shared)));
            }
        }));
    }

    /// Goes away, in the middle of whatever it does.
    pub async fn go(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.kept = Some(socket);
    }

    fn listen_again(&mut self) -> TcpListener {
        self.kept.take().expect("it went away").listen(1_024).unwrap()
    }

    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    pub fn taken(&self) -> Vec<T> {
        self.shared.taken.lock().unwrap().clone()
    }

    pub fn asked(&self) -> u32 {
        *self.shared.asked.lock().unwrap()
    }
}

impl MailServer {
    pub async fn started() -> Self {
        Self::with(smtp).await
    }

    /// Comes back where it was.
    pub fn come_back(&mut self) {
        let listener = self.listen_again();
        self.accept(listener, smtp);
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }
}

impl Texts {
    pub async fn started() -> Self {
        Self::with(http).await
    }

    /// Comes back where it was.
    pub fn come_back(&mut self) {
        let listener = self.listen_again();
        self.accept(listener, http);
    }

    pub fn url(&self) -> String {
        format!("http://{}/messages", self.address)
    }
}

/// One session, as RFC 5321 has it.
async fn smtp(client: TcpStream, shared: Arc<Shared<Mail>>) {
    let mut client = BufReader::new(client);
    // A client that goes away in between ends the session.
    let _ = session(&mut client, &shared).await;
}

async fn session(client: &mut BufReader<TcpStream>, shared: &Shared<Mail>) -> std::io::Result<()> {
    client.write_all(b"220 mail.example ESMTP\r\n").await?;
    let (mut from, mut to) = (None, vec![]);
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let manner = shared.manner.lock().unwrap().clone();
        let path = || {
            line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| path.to_owned())
        };
        let answer = match verb.as_str() {
            "EHLO" => "250-mail.example\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n250 SIZE 1000000".into(),
            "AUTH" => "235 2.7.0 welcome".into(),
            "HELO" | "NOOP" => "250 OK".into(),
            "RSET" => {
                (from, to) = (None, vec![]);
                "250 OK".into()
            }
            "MAIL" if manner == Manner::Overloaded => "451 4.3.2 come back later".into(),
            "MAIL" => {
                (from, to) = (path(), vec![]);
                "250 2.1.0 OK".into()
            }
            "RCPT" if from.is_none() => "503 5.5.1 MAIL first".into(),
            "RCPT" => match (path(), &manner) {
                (Some(address), Manner::Picky(text)) if address.contains(text) => {
                    *shared.asked.lock().unwrap() += 1;
                    format!("550 5.1.1 <{address}> is nobody here")
                }
                (Some(address), _) => {
                    to.push(address);
                    "250 2.1.5 OK".into()
                }
                (None, _) => "501 5.1.3 no address".into(),
            },
            "DATA" if to.is_empty() => "503 5.5.1 RCPT first".into(),
            "DATA" => {
                client.write_all(b"354 go on\r\n").await?;
                let mut data = String::new();
                loop {
                    let mut line = String::new();
                    if client.read_line(&mut line).await? == 0 {
                        return Ok(());
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    data.push_str(line.strip_prefix('.').unwrap_or(&line));
                }
                let mail = Mail::parse(from.take().unwrap_or_default(), std::mem::take(&mut to), &data);
                *shared.asked.lock().unwrap() += 1;
                shared.taken.lock().unwrap().push(mail);
                if manner == Manner::Silent {
                    std::future::pending::<()>().await;
                }
                "250 2.0.0 taken".into()
            }
            "QUIT" => {
                client.write_all(b"221 2.0.0 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 5.5.2 not here".to_owned(),
        };
        client.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// One request and its answer.
async fn http(client: TcpStream, shared: Arc<Shared<Post>>) {
    let mut client = BufReader::new(client);
    let _ = request(&mut client, &shared).await;
}

async fn request(client: &mut BufReader<TcpStream>, shared: &Shared<Post>) -> std::io::Result<()> {
    let mut first = String::new();
    client.read_line(&mut first).await?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    client.read_exact(&mut body).await?;
    assert_eq!(first.trim_end(), "POST /messages HTTP/1.1");
    let post = Post { headers, body: serde_json::from_slice(&body).expect("JSON") };
    let manner = shared.manner.lock().unwrap().clone();
    *shared.asked.lock().unwrap() += 1;
    let status = match manner {
        Manner::Picky(text) if post.body["to"].as_str().is_some_and(|to| to.contains(text)) => {
            "422 Unprocessable Content"
        }
        Manner::Overloaded => "503 Service Unavailable",
        Manner::Willing | Manner::Picky(_) => "202 Accepted",
        Manner::Silent => "",
    };
    if !status.starts_with(['4', '5']) {
        shared.taken.lock().unwrap().push(post);
    }
    if status.is_empty() {
        std::future::pending::<()>().await;
    }
    client
        .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
        .await
}
