//! The words of a ticket's page, in the languages that it speaks.

use jiff::Zoned;
use smol_str::SmolStr;

/// The words of one language.
pub(crate) struct Words {
    /// Its BCP 47 tag.
    pub tag: &'static str,
    pub ticket: &'static str,
    pub show_this: &'static str,
    pub code: &'static str,
    pub starts: &'static str,
    pub ends: &'static str,
    pub theatre: &'static str,
    pub screen: &'static str,
    pub seats: &'static str,
    pub language: &'static str,
    pub booking: &'static str,
    /// From Monday.
    weekdays: [&'static str; 7],
    months: [&'static str; 12],
}

const ENGLISH: Words = Words {
    tag: "en",
    ticket: "Ticket",
    show_this: "Show this code at the entrance. It lets you in once.",
    code: "QR code of the ticket",
    starts: "Starts",
    ends: "Ends",
    theatre: "Cinema",
    screen: "Screen",
    seats: "Seats",
    language: "Language and format",
    booking: "Booking",
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
};

const HINDI: Words = Words {
    tag: "hi",
    ticket: "टिकट",
    show_this: "प्रवेश पर यह कोड दिखाएँ। यह एक बार प्रवेश देता है।",
    code: "टिकट का QR कोड",
    starts: "आरंभ",
    ends: "समाप्ति",
    theatre: "सिनेमा",
    screen: "स्क्रीन",
    seats: "सीटें",
    language: "भाषा और फ़ॉर्मैट",
    booking: "बुकिंग",
    weekdays: ["सोमवार", "मंगलवार", "बुधवार", "गुरुवार", "शुक्रवार", "शनिवार", "रविवार"],
    months: ["जनवरी", "फ़रवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई", "अगस्त", "सितंबर", "अक्टूबर", "नवंबर", "दिसंबर"],
};

impl Words {
    /// Of the first language of the reader's that there is; English where there is none.
    pub fn of(readers: &[SmolStr]) -> &'static Self {
        let spoken = |reader: &SmolStr| {
            let primary = reader.split('-').next().unwrap_or_default();
            [&ENGLISH, &HINDI].into_iter().find(|words| words.tag == primary)
        };
        readers.iter().find_map(spoken).unwrap_or(&ENGLISH)
    }

    /// `Tuesday, 1 December 2026, 18:30`, where the show is.
    pub fn time(&self, time: &Zoned) -> String {
        let name = |names: &[&'static str], number: i8| {
            usize::try_from(number).ok().and_then(|number| names.get(number).copied()).unwrap_or_default()
        };
        let weekday = name(&self.weekdays, time.weekday().to_monday_zero_offset());
        let month = name(&self.months, time.month() - 1);
        format!("{weekday}, {} {month} {}, {:02}:{:02}", time.day(), time.year(), time.hour(), time.minute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_readers_language_and_where_the_show_is() {
        let time: Zoned = "2026-12-01T18:30:00+05:30[Asia/Kolkata]".parse().unwrap();
        assert_eq!(Words::of(&["en-gb".into()]).time(&time), "Tuesday, 1 December 2026, 18:30");
        assert_eq!(Words::of(&["fr".into(), "hi-in".into()]).time(&time), "मंगलवार, 1 दिसंबर 2026, 18:30");
        let first: Zoned = "2027-01-03T09:05:00+05:30[Asia/Kolkata]".parse().unwrap();
        assert_eq!(Words::of(&[]).time(&first), "Sunday, 3 January 2027, 09:05");
    }
}
