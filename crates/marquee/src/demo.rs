//! `serve --demo`: a small world to book in, and a walk-through to paste.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use marquee_api::auth;
use marquee_commands::{CommandError, Commands, Context, ScheduleShow};
use marquee_domain::catalogue::{CatalogueRejection, CityAdded, MovieAdded, MovieDetails};
use marquee_domain::ids::{CityId, MovieId, PartnerId, ScreenId, SeatId, ShowId, TheatreId};
use marquee_domain::money::Currency;
use marquee_domain::seat_rules::SeatRules;
use marquee_domain::show::{Rejection, SalesWindow};
use marquee_domain::theatre::{
    LayoutRow, LayoutSeat, PartnerOnboarded, ScreenAdded, ScreenDetails, SeatType, TheatreAdded,
    TheatreDetails, TheatreRejection,
};
use smol_str::SmolStr;

use crate::cli::Failure;
use crate::config::Common;

const PARTNER: &str = "p_demo";
const DAYS: i64 = 7;
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3600);

struct City {
    id: &'static str,
    name: &'static str,
    timezone: &'static str,
    theatres: &'static [(&'static str, &'static str, &'static str)],
}

const CITIES: [City; 3] = [
    City {
        id: "blr",
        name: "Bengaluru",
        timezone: "Asia/Kolkata",
        theatres: &[("th_101", "Orion", "Malleshwaram"), ("th_102", "Lakeside", "Ulsoor")],
    },
    City {
        id: "bom",
        name: "Mumbai",
        timezone: "Asia/Kolkata",
        theatres: &[("th_201", "Marine", "Churchgate")],
    },
    City {
        id: "del",
        name: "Delhi",
        timezone: "Asia/Kolkata",
        theatres: &[("th_301", "Ridge", "Karol Bagh")],
    },
];

struct Movie {
    id: &'static str,
    title: &'static str,
    languages: &'static [&'static str],
    genres: &'static [&'static str],
    minutes: u32,
    synopsis: &'static str,
    /// By language; the main one is in English.
    titles: &'static [(&'static str, &'static str)],
}

const MOVIES: [Movie; 4] = [
    Movie {
        id: "mv_901",
        title: "The Last Projectionist",
        languages: &["en", "hi"],
        genres: &["Drama", "Thriller"],
        minutes: 128,
        synopsis: "On the closing night of an old cinema, a reel turns up that nobody filmed.",
        titles: &[("hi", "आख़िरी प्रोजेक्शनिस्ट"), ("kn", "ಕೊನೆಯ ಪ್ರೊಜೆಕ್ಷನಿಸ್ಟ್")],
    },
    Movie {
        id: "mv_902",
        title: "Monsoon Express",
        languages: &["hi", "kn"],
        genres: &["Adventure", "Comedy"],
        minutes: 141,
        synopsis: "A night train, a missing tiffin and nine hundred kilometres of rain.",
        titles: &[("hi", "मानसून एक्सप्रेस"), ("kn", "ಮಾನ್ಸೂನ್ ಎಕ್ಸ್‌ಪ್ರೆಸ್"), ("en", "Monsoon Express")],
    },
    Movie {
        id: "mv_903",
        title: "Orbit of Silence",
        languages: &["en"],
        genres: &["Science Fiction"],
        minutes: 117,
        synopsis: "The relay station answers after thirty years, in a voice that the crew knows.",
        titles: &[("hi", "ख़ामोशी की कक्षा")],
    },
    Movie {
        id: "mv_904",
        title: "Saffron and Salt",
        languages: &["te", "en"],
        genres: &["Romance", "Drama"],
        minutes: 132,
        synopsis: "Two cooks, one recipe and a festival that can have only one stall.",
        titles: &[("te", "కుంకుమపువ్వు, ఉప్పు"), ("en", "Saffron and Salt")],
    },
];

/// Local starts of a screen's day; far enough apart for the longest film.
const STARTS: [(i8, i8); 4] = [(10, 0), (13, 30), (18, 30), (22, 0)];

/// Loads the demo world. What is there already stays as it is, so that a restart only adds the days that are new.
pub async fn load(commands: &Commands, now: Timestamp) -> Result<(), Failure> {
    let ctx = Context { actor: "admin:demo".into(), correlation_id: "demo".into() };
    let partner_id = PartnerId::from(PARTNER);
    let partner =
        PartnerOnboarded { partner_id: partner_id.clone(), name: "Demo Cinemas".into(), request: None };
    there(commands.onboard_partner(&ctx, partner, "desk@demo.example").await)?;
    for movie in &MOVIES {
        let texts = |texts: &[&str]| texts.iter().map(SmolStr::new).collect();
        let movie = MovieDetails {
            movie_id: MovieId::from(movie.id),
            title: movie.title.into(),
            titles: movie.titles.iter().map(|(tag, title)| ((*tag).into(), (*title).into())).collect(),
            languages: texts(movie.languages),
            genres: texts(movie.genres),
            duration_mins: movie.minutes,
            certificate: Some("UA".into()),
            synopsis: Some(movie.synopsis.into()),
            release_date: None,
        };
        there(commands.add_movie(&ctx, MovieAdded { movie, request: None }).await)?;
    }
    for city in &CITIES {
        let added = CityAdded {
            city_id: CityId::from(city.id),
            name: city.name.into(),
            timezone: city.timezone.into(),
            currency: Currency::inr(),
            request: None,
        };
        there(commands.add_city(&ctx, added).await)?;
        for (theatre, name, area) in city.theatres {
            let details = TheatreDetails {
                theatre_id: TheatreId::from(*theatre),
                partner_id: partner_id.clone(),
                name: (*name).into(),
                city_id: CityId::from(city.id),
                area: (*area).into(),
                address: None,
                seat_rules: SeatRules::default(),
                cancel_policy: None,
            };
            there(commands.add_theatre(&ctx, TheatreAdded { theatre: details, request: None }).await)?;
            for number in 1..=2 {
                let screen = screen(theatre, number);
                let (screen_id, theatre_id) = (screen.screen_id.clone(), screen.theatre_id.clone());
                there(commands.add_screen(&ctx, &partner_id, ScreenAdded { screen, request: None }).await)?;
                shows(commands, &ctx, city, &theatre_id, &screen_id, number, now).await?;
            }
        }
    }
    Ok(())
}

async fn shows(
    commands: &Commands,
    ctx: &Context,
    city: &City,
    theatre_id: &TheatreId,
    screen_id: &ScreenId,
    screen: usize,
    now: Timestamp,
) -> Result<(), Failure> {
    let today = now.in_tz(city.timezone)?.date();
    for day in 0..DAYS {
        let date = today.checked_add(day.days())?;
        for (slot, (hour, minute)) in STARTS.iter().enumerate() {
            let start = date.at(*hour, *minute, 0, 0).in_tz(city.timezone)?.timestamp();
            if start <= now {
                continue;
            }
            let movie = &MOVIES[(slot + screen + usize::try_from(day)?) % MOVIES.len()];
            let show = ScheduleShow {
                show_id: ShowId::new(format!("sh_{screen_id}_{}_{slot}", date.strftime("%m%d"))),
                partner_id: PartnerId::from(PARTNER),
                theatre_id: theatre_id.clone(),
                screen_id: screen_id.clone(),
                movie_id: MovieId::from(movie.id),
                start_time: start,
                language: movie.languages.first().copied().unwrap_or("en").into(),
                format: if screen == 1 { "2D".into() } else { "IMAX".into() },
                prices: BTreeMap::from([
                    (SeatType::Regular, "180".into()),
                    (SeatType::Premium, "260".into()),
                    (SeatType::Recliner, "420.50".into()),
                ]),
                sales: SalesWindow::default(),
                request: None,
            };
            there(commands.schedule_show(ctx, show).await)?;
        }
    }
    Ok(())
}

fn screen(theatre: &str, number: usize) -> ScreenDetails {
    let row = |label: char, seats: usize, seat_type: SeatType| LayoutRow {
        row_label: SmolStr::from(label.to_string()),
        seats: (1..=seats)
            .map(|seat| LayoutSeat::new(SeatId::new(format!("{label}{seat}")), seat_type))
            .collect(),
    };
    let mut rows: Vec<LayoutRow> = ('A'..='F').map(|label| row(label, 14, SeatType::Regular)).collect();
    rows.extend(('G'..='H').map(|label| row(label, 12, SeatType::Premium)));
    rows.push(row('J', 6, SeatType::Recliner));
    ScreenDetails {
        screen_id: ScreenId::new(format!("{theatre}_{number}")),
        theatre_id: TheatreId::from(theatre),
        name: SmolStr::from(format!("Screen {number}")),
        rows,
    }
}

/// Takes what is there already for done.
fn there<T>(result: Result<T, CommandError>) -> Result<(), Failure> {
    match result {
        Ok(_)
        | Err(
            CommandError::Catalogue(CatalogueRejection::AlreadyExists)
            | CommandError::Theatre(TheatreRejection::AlreadyExists)
            | CommandError::Show(Rejection::AlreadyScheduled),
        ) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Browse, seat map, book, pay, ticket: each a command to paste, in this order.
pub fn walk_through(origin: &str, secret: &[u8], common: &Common, now: Timestamp) -> String {
    let token =
        auth::mint(secret, &common.jwt_issuer, &common.jwt_audience, "customer", "u_demo", None, TOKEN_TTL);
    let tomorrow = now.in_tz("Asia/Kolkata").and_then(|now| now.date().checked_add(1.day()));
    let date = tomorrow.map(|date| date.to_string()).unwrap_or_default();
    format!(
        r#"
Marquee is open at {origin}  (API: {origin}/docs). Book a ticket by pasting this into another terminal:

  MARQUEE={origin}; TOKEN={token}
  pick() {{ sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }}

  # browse: films in Bengaluru (q tolerates typos, in any of a film's languages), then tomorrow's shows of one of them
  curl -s "$MARQUEE/api/v1/cities/blr/movies?q=projektionist" -H 'Accept-Language: hi'; echo
  SHOWS=$(curl -s "$MARQUEE/api/v1/cities/blr/movies/mv_901/shows?date={date}"); echo "$SHOWS"
  SHOW=$(echo "$SHOWS" | pick showId)

  # seat map
  curl -s "$MARQUEE/api/v1/shows/$SHOW/seats" | head -c 400; echo

  # book two seats: they are yours for five minutes
  BOOKING=$(curl -s "$MARQUEE/api/v1/bookings" -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" \
    -H 'Content-Type: application/json' -d "{{\"showId\":\"$SHOW\",\"seatIds\":[\"C7\",\"C8\"]}}"); echo "$BOOKING"
  ID=$(echo "$BOOKING" | pick bookingId)

  # pay: open redirectUrl in a browser and press Pay, or let curl press it
  PAYMENT=$(curl -s "$MARQUEE/api/v1/bookings/$ID/payments" -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" \
    -H 'Content-Type: application/json' -d "{{\"provider\":\"SANDBOX\",\"returnUrl\":\"$MARQUEE/docs\"}}"); echo "$PAYMENT"
  curl -s -o /dev/null -w 'sent back to %{{redirect_url}}\n' -d outcome=pay "$(echo "$PAYMENT" | pick redirectUrl)"

  # ticket
  curl -s "$MARQUEE/api/v1/bookings/$ID" -H "Authorization: Bearer $TOKEN"; echo
"#
    )
}
