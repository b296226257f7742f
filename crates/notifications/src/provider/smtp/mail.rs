//! The bytes of an e-mail: plain text in UTF-8, the same for the same notification however often it is handed in.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use lettre::Address;

use crate::provider::Letter;

/// Bytes of a subject in one encoded word, which may have 75 characters with all that surrounds it.
const WORD: usize = 42;
/// Bytes of a line of base64: 76 characters.
const LINE: usize = 57;

/// A mail of a notification.
pub(super) fn of(letter: &Letter, from: &Address, to: &Address) -> Vec<u8> {
    let date = rfc2822::to_string(&letter.time.to_zoned(TimeZone::UTC)).unwrap_or_default();
    let mut mail = String::new();
    // Writing to a string does not fail.
    _ = write!(
        mail,
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{id}@{domain}>\r\n\
         Auto-Submitted: auto-generated\r\nContent-Language: {language}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        subject = subject(&letter.subject),
        id = letter.id,
        domain = from.domain(),
        language = letter.language,
    );
    for line in letter.text.replace('\n', "\r\n").as_bytes().chunks(LINE) {
        mail.push_str(&STANDARD.encode(line));
        mail.push_str("\r\n");
    }
    mail.into_bytes()
}

/// As it stands where it is plain, else in encoded words (RFC 2047), none of which cuts a character in two.
fn subject(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    if text.chars().all(plain) && text.len() <= LINE && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words: Vec<String> = vec![String::new()];
    for character in text.chars() {
        let full = words.last().is_some_and(|word| word.len() + character.len_utf8() > WORD);
        if full {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    let encoded: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use marquee_domain::customer::Channel;

    use super::*;
    use crate::kind::Kind;

    fn letter(subject: &str, text: &str) -> Letter {
        Letter {
            id: "ntf_1_email".into(),
            kind: Kind::BookingConfirmed,
            channel: Channel::Email,
            time: "2026-11-23T12:30:00.123Z".parse().unwrap(),
            to: "asha@example.com".into(),
            language: "hi",
            subject: subject.into(),
            text: text.into(),
        }
    }

    fn mail(letter: &Letter) -> String {
        let from = "tickets@cinema.example".parse().unwrap();
        String::from_utf8(of(letter, &from, &letter.to.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_mail_has_one_message_id_and_short_lines() {
        let mail = mail(&letter("Your tickets", &"A line that goes on and on.\n".repeat(20)));
        assert!(mail.contains("\r\nMessage-ID: <ntf_1_email@cinema.example>\r\n"), "{mail}");
        assert!(mail.contains("\r\nDate: Mon, 23 Nov 2026 12:30:00 +0000\r\n"), "{mail}");
        assert!(mail.split("\r\n").all(|line| line.len() <= 78 && !line.contains('\n')));
        let body = mail.split_once("\r\n\r\n").unwrap().1.replace("\r\n", "");
        let text = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
        assert_eq!(text, "A line that goes on and on.\r\n".repeat(20));
    }

    #[test]
    fn a_subject_in_any_script_is_in_encoded_words_that_cut_no_character() {
        let hindi = "आपके टिकट: मिडनाइट कारवां, 5 दिसंबर 2026, 18:30";
        let encoded = subject(hindi);
        let words: Vec<&str> = encoded.split("\r\n ").collect();
        assert!(words.len() > 1 && words.iter().all(|word| word.len() <= 75), "{encoded}");
        let read = |word: &&str| {
            let inner = word.strip_prefix("=?utf-8?B?").unwrap().strip_suffix("?=").unwrap();
            String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap()
        };
        assert_eq!(words.iter().map(read).collect::<String>(), hindi);
        assert_eq!(subject("Your tickets"), "Your tickets");
        assert!(!subject("a\r\nBcc: z@x.y").contains("\r\nBcc"), "a line that ends starts no header");
    }
}
